"""Reinforcement: a step of ours beside TRL's own, replies in training beside the decoder alone, memory on a 15 GB GPU, and what SmolLM2 learns from answers alone"""
from common import *

need,apart = ['qwen','smol'],9  # speeds are measured alone, and learning may run beside others
parts = 'smol_ours smol_trl qwen_ours qwen_trl limited'.split()
def options(p):
    p.add_argument('--grpo_parts', default='', help=f'which of {", ".join(parts)}, learning, rivals; comma-separated (all)')
    p.add_argument('--grpo_steps', type=int, default=8, help='timed steps of ours, after two')
    p.add_argument('--grpo_trl_steps', type=int, default=2, help="timed steps of TRL's own, after one")
    p.add_argument('--grpo_memory_gb', type=float, default=15.)
    p.add_argument('--grpo_seeds', default='1,2,3', help='seeds of learning')
    p.add_argument('--grpo_task', default='{min_terms: 2, max_terms: 3, min_digits: 1, max_digits: 2}', help='settings of chain_sum')
    p.add_argument('--grpo_harder', default='{min_terms: 4, max_terms: 4, min_digits: 2, max_digits: 2}', help='settings of the level that is never trained')
    p.add_argument('--grpo_prompt', default='Answer with the number alone.', help='system prompt of learning')
    p.add_argument('--grpo_test', type=int, default=500, help='new questions, and as many of the harder level')
    p.add_argument('--grpo_learn_steps', type=int, default=1000, help='steps of learning, at most')
    p.add_argument('--grpo_seconds', type=int, default=300, help='seconds of learning, pass rates and own replies included; supervised rivals get as many')
    p.add_argument('--grpo_every', type=int, default=25, help='steps between validations')
    p.add_argument('--grpo_rivals', default='1', help='seeds of the rivals: training on own right replies, and on the answers themselves')
    p.add_argument('--grpo_questions', type=int, default=16, help='questions a step in learning')
    p.add_argument('--grpo_replies', type=int, default=16, help='replies to each of them')
    p.add_argument('--grpo_longest', type=int, default=48, help='tokens of a reply')
    p.add_argument('--grpo_rate', type=float, default=3e-4)
    p.add_argument('--grpo_rank', type=int, default=16)
    p.add_argument('--grpo_temperature', type=float, default=.8)

def plan(a):
    chosen = [o for o in a.grpo_parts.split(',') if o]
    def some(part, names): return [[[o] for o in names]] if names and (not chosen or part in chosen) else []
    speed = [[[o]] for o in parts if not chosen or o in chosen]
    learn = [f'learning{o}' for o in a.grpo_seeds.split(',')]
    rivals = [f'{k}{o}' for o in a.grpo_rivals.split(',') for k in ('own','answers')]
    return speed + some('learning', learn) + some('rivals', rivals)  # those of a stage run side by side

# --- speed
shapes = dict(smol=dict(questions=32, replies=8, longest=128), qwen=dict(questions=8, replies=8, longest=256))

def setup(a, name, **keys):
    "Configuration, model, tokenizer and rows of shape `name`; rates so low that replies stay as they are"
    from tiny_reasoning.splits import make_splits
    from tiny_reasoning.adapter import start_adapter
    from tiny_reasoning.model import for_this_machine, load_model
    s,qwen = shapes[name], name=='qwen'
    sums = {'data.dataset_name':'reasoning_gym:chain_sum', 'data.task':'{min_terms: 2, max_terms: 3, min_digits: 1, max_digits: 2}', 'data.templates':'none', 'data.unseen_samples':0}
    sizes = {'grpo.num_questions':s['questions'], 'grpo.num_generations':s['replies'], 'grpo.max_completion_length':s['longest']}
    run = {'training.method':'grpo', 'num_samples':400, 'test_samples':1, 'validation_split':0.02, 'max_steps':100, 'eval_steps':100, 'save_steps':100, 'learning_rate':1e-9, 'warmup_steps':0, 'training.logging_steps':1}
    cfg = config(a, f'grpo_{name}', 'cpu', **{'model.name':a.model if qwen else a.smol, 'model.load_in_4bit':qwen, 'model.backend':'transformers', 'lora.r':16} | sums | sizes | run | keys)
    cfg = for_this_machine(cfg, unsloth=False)
    model,tokenizer = load_model(cfg.model)
    splits = make_splits(cfg, tokenizer)
    return cfg, start_adapter(model, cfg.lora, cfg.project.seed), tokenizer, splits

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
    order = question_order(len(splits.train), cfg.training.max_steps, s['questions'], cfg.project.seed)
    asked = to_questions(splits.train, order, cfg.data.system_prompt)
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

def until(seconds):
    "A TrainerCallback that ends training after `seconds` from now, with a last validation"
    from transformers import TrainerCallback
    class Until(TrainerCallback):
        end = time.time()+seconds
        def on_step_end(self, args, state, control, **kwargs):
            if time.time()>self.end: control.should_training_stop = control.should_evaluate = control.should_save = True
    return Until()

def start(a, name, seed):
    "Configuration, model with a new adapter, tokenizer and splits of a run"
    from tiny_reasoning.splits import make_splits
    from tiny_reasoning.adapter import start_adapter
    from tiny_reasoning.model import for_this_machine, load_model
    sums = {'data.dataset_name':'reasoning_gym:chain_sum', 'data.task':a.grpo_task, 'data.unseen_task':a.grpo_harder, 'data.templates':'none', 'data.system_prompt':a.grpo_prompt,
        'num_samples':4000, 'validation_split':0.05, 'test_samples':a.grpo_test, 'data.unseen_samples':a.grpo_test}
    keys = {'training.method':'grpo', 'seed':seed, 'grpo.num_questions':a.grpo_questions, 'grpo.num_generations':a.grpo_replies, 'grpo.max_completion_length':a.grpo_longest,
        'grpo.temperature':a.grpo_temperature, 'grpo.format_weight':0., 'grpo.pass_rates':'measure', 'learning_rate':a.grpo_rate, 'max_steps':a.grpo_learn_steps, 'warmup_steps':10,
        'training.lr_scheduler_type':'constant_with_warmup', 'eval_steps':a.grpo_every, 'save_steps':a.grpo_every, 'training.logging_steps':5, 'lora.r':a.grpo_rank, 'lora.lora_alpha':2*a.grpo_rank,
        'training.per_device_train_batch_size':64, 'model.backend':'transformers'}
    cfg = config(a, f'grpo_{name}{seed}', 'cpu', **{'model.name':a.smol} | sums | keys)
    cfg = for_this_machine(cfg, unsloth=False)
    model,tokenizer = load_model(cfg.model)
    splits = make_splits(cfg, tokenizer)
    return cfg, start_adapter(model, cfg.lora, cfg.project.seed), tokenizer, splits

def before_and_after(a, name, seed, make):
    "Accuracies on new questions and on the harder level, before and after the training of the trainer that `make` makes"
    from tiny_reasoning.verdicts import compare
    cfg,model,tokenizer,splits = start(a, name, seed)
    sets = {k:splits[k] for k in ('test','unseen')}
    before = {k:accuracy(model, tokenizer, v, cfg) for k,v in sets.items()}
    print({k:sum(v)/len(v) for k,v in before.items()}, flush=True)
    began = time.time()
    stop = until(a.grpo_seconds)
    trainer = make(model, tokenizer, splits, cfg)
    trainer.add_callback(stop)
    trainer.train()
    seconds = time.time()-began
    after = {k:accuracy(trainer.model, tokenizer, v, cfg) for k,v in sets.items()}
    keep = 'step loss eval_loss reward rewards/right/mean frac_reward_zero_std completions/mean_length completions/clipped_ratio entropy grad_norm eval_accuracy'.split()
    history = [{k:round(o[k], 4) for k in keep if k in o} for o in trainer.state.log_history]
    res = {k:dict(before=sum(before[k])/len(v), after=sum(after[k])/len(v), **compare(before[k], after[k])) for k,v in sets.items()}
    for o in history: print(o)
    print(res, flush=True)
    return dict(seed=seed, seconds=round(seconds, 1), steps=trainer.state.global_step, skipped=trainer.finite.skipped, best=trainer.state.best_metric, best_checkpoint=Path(trainer.state.best_model_checkpoint or '').name,
        trained_on=len(trainer.train_dataset), sets=res, rows_at_once=trainer.rows, history=history)

def learning(a, seed):
    from tiny_reasoning.grpo import make_group_trainer
    return before_and_after(a, 'learning', seed, make_group_trainer)

def own_replies(model, tokenizer, rows, cfg):
    "Pairs of question and reply: up to two different right ones of the model's own"
    from tiny_reasoning.data import score, to_prompt
    from tiny_reasoning.generate import generate
    g = cfg.grpo
    groups = generate(model, tokenizer, [to_prompt(o['question'], cfg.data.system_prompt) for o in rows], g.max_completion_length, desc=None, n=g.num_generations, temperature=g.temperature, seed=cfg.project.seed)
    res = []
    for o,group in zip(rows, groups):
        right = {r['text'].strip() for r in group if score(o, r['text'])==1}
        res += [(o, t) for t in sorted(right)[:2]]
    return res

def rival(a, seed, name, pairs):
    "Training on replies: `pairs` of model, tokenizer, rows and configuration gives them"
    from datasets import Dataset
    from tiny_reasoning.data import to_prompt
    from tiny_reasoning.trainer import SplitSFTTrainer, Progress, add_callbacks, quiet_libraries, sft_config
    def make(model, tokenizer, splits, cfg):
        quiet_libraries()
        rows = pairs(model, tokenizer, splits.train, cfg)
        def row(o, text): return dict(prompt=to_prompt(o['question'], cfg.data.system_prompt), completion=[dict(role='assistant', content=text)])
        data = Dataset.from_list([row(*o) for o in rows]).train_test_split(max(1, len(rows)//20), seed=seed)
        trainer = SplitSFTTrainer(model, args=sft_config(cfg), processing_class=tokenizer, train_dataset=data['train'], eval_dataset=data['test'])
        return add_callbacks(trainer, cfg, Progress())
    return before_and_after(a, name, seed, make)

def own(a, seed): return rival(a, seed, 'own', own_replies)
def answers(a, seed): return rival(a, seed, 'answers', lambda model, tokenizer, rows, cfg: [(o, str(o['answer'])) for o in rows])

def __getattr__(name):
    "`learning1`, `own1` and the like"
    for k,f in dict(learning=learning, own=own, answers=answers).items():
        if name.startswith(k): return lambda a: f(a, int(name.removeprefix(k)))
    raise AttributeError(name)

def finish(a, results):
    def times(x): return ratio(results, f'{x}_trl', f'{x}_ours', 'seconds_per_step')
    gains = {}
    for k,o in results.items():
        if 'sets' in o: gains[k] = {s:round(100*v['difference'], 1) for s,v in o['sets'].items()}
    return {k:v for k,v in dict(smol_times_trl=times('smol'), qwen_times_trl=times('qwen'), gains=gains).items() if v}
