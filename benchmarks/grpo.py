"""Reinforcement: a step of ours beside TRL's own, replies in training beside the decoder alone, memory on a 15 GB GPU, and what SmolLM2 learns from answers alone"""
from common import *

need,apart = ['qwen','smol'],9  # speeds are measured alone, and learning may run beside others
parts = 'smol_ours smol_trl qwen_ours qwen_trl limited'.split()
def options(p):
    p.add_argument('--grpo_parts', default='', help=f'which of {", ".join(parts)}, learning; comma-separated (all)')
    p.add_argument('--grpo_steps', type=int, default=8, help='timed steps of ours, after two')
    p.add_argument('--grpo_trl_steps', type=int, default=2, help="timed steps of TRL's own, after one")
    p.add_argument('--grpo_memory_gb', type=float, default=15.)
    p.add_argument('--grpo_seeds', default='1,2,3', help='seeds of learning')
    p.add_argument('--grpo_task', default='{min_terms: 2, max_terms: 3, min_digits: 1, max_digits: 2}', help='settings of chain_sum')
    p.add_argument('--grpo_harder', default='{min_terms: 4, max_terms: 4, min_digits: 2, max_digits: 2}', help='settings of the level that is never trained')
    p.add_argument('--grpo_prompt', default='Answer with the number alone.', help='system prompt of learning')
    p.add_argument('--grpo_test', type=int, default=500, help='new questions, and as many of the harder level')
    p.add_argument('--grpo_learn_steps', type=int, default=200)
    p.add_argument('--grpo_questions', type=int, default=32, help='questions a step in learning')
    p.add_argument('--grpo_replies', type=int, default=16, help='replies to each of them')
    p.add_argument('--grpo_longest', type=int, default=48, help='tokens of a reply')
    p.add_argument('--grpo_rate', type=float, default=1e-4)
    p.add_argument('--grpo_rank', type=int, default=16)
    p.add_argument('--grpo_temperature', type=float, default=1.)

def plan(a):
    chosen = [o for o in a.grpo_parts.split(',') if o]
    learn = [f'learning{o}' for o in a.grpo_seeds.split(',')]
    names = [o for o in parts if not chosen or o in chosen] + [o for o in learn if not chosen or 'learning' in chosen]
    return [[[o]] for o in names]

# --- speed
shapes = dict(smol=dict(questions=32, replies=8, longest=128), qwen=dict(questions=8, replies=8, longest=256))

def setup(a, name, **keys):
    "Configuration, model, tokenizer and rows of shape `name`; rates so low that replies stay as they are"
    from tiny_reasoning.data import make_splits
    from tiny_reasoning.model import load_model, start_adapter
    s,qwen = shapes[name], name=='qwen'
    sums = {'data.dataset_name':'reasoning_gym:chain_sum', 'data.task':'{min_terms: 2, max_terms: 3, min_digits: 1, max_digits: 2}', 'data.templates':'none', 'data.unseen_samples':0}
    sizes = {'grpo.num_questions':s['questions'], 'grpo.num_generations':s['replies'], 'grpo.max_completion_length':s['longest']}
    run = {'training.method':'grpo', 'num_samples':400, 'test_samples':1, 'validation_split':0.02, 'max_steps':100, 'eval_steps':100, 'save_steps':100, 'learning_rate':1e-9, 'warmup_steps':0, 'training.logging_steps':1}
    cfg = config(a, f'grpo_{name}', 'cpu', **{'model.name':a.model if qwen else a.smol, 'model.load_in_4bit':qwen, 'model.backend':'transformers', 'lora.r':16} | sums | sizes | run | keys)
    model,tokenizer = load_model(cfg)
    splits = make_splits(cfg, tokenizer)
    return cfg, start_adapter(model, cfg), tokenizer, splits

def right(completions, row, log_extra=lambda *args: None, **kwargs):
    "A reward that differs in nearly every group, so that all replies are trained on, whatever they say"
    log_extra('row', row)
    return [float(sum(map(ord, o[0]['content']))%2) for o in completions]

def result(trainer, watch, s, steps):
    "Seconds and tokens of the timed steps"
    history = [o for o in trainer.state.log_history if 'reward' in o]
    def mean(k): return round(sum(o[k] for o in history)/len(history), 3)
    res = watch.record()
    tokens = mean('completions/mean_length')*s['questions']*s['replies']
    return dict(seconds_per_step=round(res['seconds']/res['steps'], 3), steps=res['steps'], tokens_per_step=round(tokens), idle_groups=mean('frac_reward_zero_std'),
        finite=all(o['grad_norm']==o['grad_norm'] and o['grad_norm']<1e9 for o in history), **memory())

def ours(a, name, **keys):
    from tiny_reasoning.grpo import make_group_trainer
    from tiny_reasoning.generate import generate
    from tiny_reasoning.data import to_prompt
    first = 2
    cfg,model,tokenizer,splits = setup(a, name, **{'max_steps':first+a.grpo_steps, 'eval_steps':1000, 'save_steps':1000} | keys)
    s,g = shapes[name], cfg.grpo
    prompts = [to_prompt(o['question'], cfg.data.system_prompt) for o in splits.train[:g.num_questions]]
    def alone(): return generate(model, tokenizer, prompts, g.max_completion_length, desc=None, n=g.num_generations, temperature=1., seed=1)
    alone()
    replies,seconds = timed(alone)
    decoder = sum(o['tokens']+1 for group in replies for o in group)/seconds
    trainer = make_group_trainer(model, tokenizer, splits, cfg, eval_strategy='no', save_strategy='no', load_best_model_at_end=False)
    trainer.reward_funcs[0] = right
    watch = clock(first)
    trainer.add_callback(watch)
    trainer.train()
    took,tokens = map(sum, zip(*trainer.rollouts[first:]))
    res = result(trainer, watch, s, a.grpo_steps)
    return res | dict(rows_at_once=trainer.rows, checkpointing=trainer.checkpointing, skipped=trainer.finite.skipped, reply_seconds_per_step=round(took/a.grpo_steps, 3),
        reply_tokens_per_second=round(tokens/took), decoder_tokens_per_second=round(decoder), share_of_decoder=round(tokens/took/decoder, 2))

def trls(a, name, rows):
    "TRL's GRPOTrainer with transformers' generate, `rows` replies at once in its passes"
    from trl import GRPOTrainer
    from transformers import PrinterCallback
    from tiny_reasoning.grpo import group_config, question_order, to_questions
    first = 1
    cfg,model,tokenizer,splits = setup(a, name, max_steps=first+a.grpo_trl_steps, eval_steps=1000, save_steps=1000)
    s = shapes[name]
    total = s['questions']*s['replies']
    args = group_config(cfg, eval_strategy='no', save_strategy='no', load_best_model_at_end=False, per_device_train_batch_size=rows, gradient_accumulation_steps=total//rows)
    asked = to_questions(splits.train, question_order(len(splits.train), cfg), cfg)
    args.reward_weights = [1.]
    trainer = GRPOTrainer(model, [right], args=args, processing_class=tokenizer, train_dataset=asked)
    trainer.remove_callback(PrinterCallback)
    watch = clock(first)
    trainer.add_callback(watch)
    trainer.train()
    return result(trainer, watch, s, a.grpo_trl_steps) | dict(rows_at_once=rows)

def smol_ours(a): return ours(a, 'smol')
def smol_trl(a): return trls(a, 'smol', 64)
def qwen_ours(a): return ours(a, 'qwen')
def qwen_trl(a): return trls(a, 'qwen', 8)

def memory_limit(gb):
    import torch
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1., gb*1e9/total))

def limited(a):
    memory_limit(a.grpo_memory_gb)
    return dict(limit_gb=a.grpo_memory_gb) | ours(a, 'qwen', **{'model.dtype':'float16'})

# --- learning
def accuracy(model, tokenizer, rows, cfg):
    "Right or wrong, greedily, for each of `rows`"
    from tiny_reasoning.data import score, to_prompt
    from tiny_reasoning.generate import generate
    replies = generate(model, tokenizer, [to_prompt(o['question'], cfg.data.system_prompt) for o in rows], cfg.grpo.max_completion_length, desc=None)
    return [score(o, r['text'])==1 for o,r in zip(rows, replies)]

def learning(a, seed):
    from tiny_reasoning.data import make_splits
    from tiny_reasoning.eval import compare
    from tiny_reasoning.grpo import make_group_trainer
    from tiny_reasoning.model import load_model, start_adapter
    sums = {'data.dataset_name':'reasoning_gym:chain_sum', 'data.task':a.grpo_task, 'data.unseen_task':a.grpo_harder, 'data.templates':'none', 'data.system_prompt':a.grpo_prompt,
        'num_samples':4000, 'validation_split':0.05, 'test_samples':a.grpo_test, 'data.unseen_samples':a.grpo_test}
    every = max(1, a.grpo_learn_steps//8)
    keys = {'training.method':'grpo', 'seed':seed, 'grpo.num_questions':a.grpo_questions, 'grpo.num_generations':a.grpo_replies, 'grpo.max_completion_length':a.grpo_longest,
        'grpo.temperature':a.grpo_temperature, 'grpo.reward_format':0., 'learning_rate':a.grpo_rate, 'max_steps':a.grpo_learn_steps, 'warmup_steps':min(10, a.grpo_learn_steps), 'training.lr_scheduler_type':'constant_with_warmup',
        'eval_steps':every, 'save_steps':every, 'training.logging_steps':max(1, a.grpo_learn_steps//40), 'lora.r':a.grpo_rank, 'lora.lora_alpha':2*a.grpo_rank, 'model.backend':'transformers'}
    cfg = config(a, f'grpo_learning{seed}', 'cpu', **{'model.name':a.smol} | sums | keys)
    model,tokenizer = load_model(cfg)
    splits = make_splits(cfg, tokenizer)
    sets = {k:splits[k] for k in ('test','unseen')}
    model = start_adapter(model, cfg)
    before = {k:accuracy(model, tokenizer, v, cfg) for k,v in sets.items()}
    trainer = make_group_trainer(model, tokenizer, splits, cfg)
    _,seconds = timed(trainer.train)
    after = {k:accuracy(trainer.model, tokenizer, v, cfg) for k,v in sets.items()}
    keep = 'step reward rewards/right/mean frac_reward_zero_std completions/mean_length completions/clipped_ratio entropy grad_norm eval_accuracy'.split()
    history = [{k:round(o[k], 4) for k in keep if k in o} for o in trainer.state.log_history]
    res = {k:dict(before=sum(before[k])/len(v), after=sum(after[k])/len(v), **compare(before[k], after[k])) for k,v in sets.items()}
    for o in history: print(o)
    print(res, flush=True)
    return dict(seed=seed, seconds=round(seconds, 1), steps=a.grpo_learn_steps, skipped=trainer.finite.skipped, best=trainer.state.best_metric, sets=res, rows_at_once=trainer.rows, history=history)

def __getattr__(name):
    "`learning1` and the like"
    if name.startswith('learning'): return lambda a: learning(a, int(name.removeprefix('learning')))
    raise AttributeError(name)

def finish(a, results):
    def times(x): return ratio(results, f'{x}_trl', f'{x}_ours', 'seconds_per_step')
    runs = [o for k,o in results.items() if k.startswith('learning') and 'sets' in o]
    gains = {k:[round(100*o['sets'][k]['difference'], 1) for o in runs] for k in ('test','unseen')} if runs else {}
    return {k:v for k,v in dict(smol_times_trl=times('smol'), qwen_times_trl=times('qwen'), gains=gains).items() if v}
