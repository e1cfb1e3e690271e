__version__ = "0.0.1"
# What most people use, from `import tiny_reasoning as tr` or `from tiny_reasoning import *`. Nothing is imported before it is used,
# so that `tr.load_config` needs no torch. A name that a module has too (train, chat, traces, reason) is in the module: `tr.train.train`.
_names = dict(
    config='Config ConfigError TinyReasoningError', preset='load_config presets',
    data='read_answer same_answer score to_row', splits='make_splits',
    model='for_this_machine load_model',
    adapter='add_lora load_adapter run_config save_adapter with_adapter',
    eval='evaluate', results='read_eval show_report', chat='Chat', demo='ChatUI',
    trainer='make_trainer', grpo='make_group_trainer', card='model_card')
_where = {o:k for k,names in _names.items() for o in names.split()}
__all__ = list(_where)

def __getattr__(name):
    "The name or module `name` of this package"
    from importlib import import_module
    if name.startswith('_'): raise AttributeError(name)
    if name in _where: return getattr(import_module(f'.{_where[name]}', __name__), name)
    try: return import_module(f'.{name}', __name__)
    except ModuleNotFoundError as e:
        if e.name!=f'{__name__}.{name}': raise
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

def __dir__(): return sorted([*globals(), *_where])
