"Damaged adapters, and adapters of other models."
import math
import pytest
from commands import (
    cut, edit, empty, files, flags, folder, kept, model, refused, spoil, table, tensors, tiny_eval, tiny_train, trained,
    zeros)
from test_model import in_file, not_finite, weights

pytestmark = pytest.mark.slow

def settings(**keys): return in_file('adapter_config.json', lambda p: edit(p, **keys))
all_modules = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj', 'lm_head']

harm = {k:in_file('adapter_model.safetensors', lambda p, f=f: tensors(p, f)) for k,f in (weights | not_finite).items()}
names = 'adapter_config.json', 'adapter_model.safetensors', 'config.yaml', 'questions.txt'
damage = dict(empty=empty, cut=cut, zeros=zeros) | {'a folder':folder}
harm |= {f'{o}: {k}':in_file(o, f) for o in names for k,f in damage.items()
         if o.startswith('adapter') or k in ('zeros', 'a folder')}
harm |= {
    'no weights':in_file('adapter_model.safetensors', lambda p: p.unlink()),
    'a pickle':in_file('adapter_model.safetensors', lambda p: p.rename(p.with_name('adapter_model.bin'))),
    'fewer target_modules':settings(target_modules=['q_proj']),
    'more target_modules':settings(target_modules=all_modules),
    'another rank':settings(r=4), 'another task':settings(task_type='SEQ_CLS'),
    'another kind':settings(peft_type='IA3'),
    'no kind':settings(peft_type=None), 'a list':in_file('adapter_config.json', lambda p: p.write_text('[]')),
    'null':in_file('adapter_config.json', lambda p: p.write_text('null'))}

@table('f', harm)
def test_folder(tmp_path, f):
    out = trained(tmp_path)
    f(out/'lora_adapter')
    lost = [o for o in ('config.yaml', 'questions.txt') if (out/'lora_adapter'/o).is_dir()]
    told = tiny_eval(*flags(out)).ends(0 if lost else 2)
    if 'questions.txt' in lost: assert 'WARNING' in told.err

@table('more, cmd', {'eval':([], 'tiny_eval'), 'chat':(['--question', '1+1?'], 'tiny_chat')})
def test_none(tmp_path, more, cmd): refused(tmp_path, flags(tmp_path/'out', *more), 'No adapter', cmd)

def another(d):
    "A model of the same shape with other weights: a copy with the same ones is the same base"
    res = model(d)
    tensors(res/'model.safetensors', lambda ts: {k:v+1 for k,v in ts.items()})
    return res

def test_another_base(tmp_path):
    refused(tmp_path, flags(trained(tmp_path), name=another(tmp_path)), 'trained on', 'tiny_eval')

def test_same_name_other_weights(tmp_path):
    "The base in its folder was trained on after the adapter was: a warning wherever the adapter is loaded"
    base = model(tmp_path)
    tiny_train(*flags(tmp_path/'out', name=base)).ends(0)
    old = tiny_eval(*flags(tmp_path/'out', name=base)).ends(0)
    tensors(base/'model.safetensors', lambda ts: {k:v+1 for k,v in ts.items()})
    new = tiny_eval(*flags(tmp_path/'out', name=base)).ends(0)
    assert 'has other weights' not in old.err and 'has other weights' in new.err
    told = tiny_train(*flags(tmp_path/'two', '--init', tmp_path/'out/lora_adapter', name=base)).ends(0)
    assert 'has other weights' in told.err

def test_base_that_another_tool_named(tmp_path):
    adapter = trained(tmp_path)/'lora_adapter'
    for o in ('config.yaml', 'questions.txt', 'base.txt'): (adapter/o).unlink()
    edit(adapter/'adapter_config.json', base_model_name_or_path='somebody/else')
    assert 'somebody/else' in tiny_eval(*flags(tmp_path/'out')).ends(0).err

def test_checkpoint_of_a_moved_base(tmp_path):
    base = model(tmp_path)
    tiny_train(*flags(tmp_path/'out', name=base)).ends(0)
    base = base.rename(tmp_path/'moved')
    tiny_eval(*flags(tmp_path/'new', '--adapter_path', tmp_path/'out/checkpoint-1', name=base)).ends(0)

def test_another_base_without_config(tmp_path):
    out,m = trained(tmp_path), model(tmp_path)
    (out/'lora_adapter/config.yaml').unlink()
    edit(m/'config.json', num_hidden_layers=1)
    tensors(m/'model.safetensors', lambda ts: {k:v for k,v in ts.items() if 'layers.1' not in k})
    refused(tmp_path, flags(out, name=m), cmd='tiny_eval')

# --- lora.init: an adapter to begin with
def first(d):
    "The adapter of another run"
    (d/'first').mkdir()
    return trained(d/'first')/'lora_adapter'

over = '--overwrite', '--init'

@table('argv, words', {
    'missing':(lambda d: flags(d/'out', '--init', d/'nowhere'), 'give its folder with --init'),
    'of another base':(lambda d: flags(d/'out', '--init', first(d), name=another(d)), 'trained on'),
    'another rank':(lambda d: flags(d/'out', '--init', first(d), '--lora_r', '4'), 'lora.r'),
    'the one that would be replaced':(lambda d: flags(trained(d), *over, d/'out/lora_adapter'), 'lora.init'),
    'the same by another name':(lambda d: flags(trained(d), *over, d/'out/../out/lora_adapter'), 'lora.init')})
def test_init(tmp_path, argv, words): refused(tmp_path, argv(tmp_path), words)

def test_init_with_nan(tmp_path):
    adapter = first(tmp_path)
    tensors(adapter/'adapter_model.safetensors', spoil(math.nan))
    refused(tmp_path, flags(trained(tmp_path), *over, adapter), 'finite')

def test_init_stays(tmp_path):
    "An adapter of another run stays, and is where this run begins"
    adapter = first(tmp_path)
    old = files(adapter)
    tiny_train(*flags(tmp_path/'out', '--init', adapter)).ends(0)
    kept(old, adapter)
