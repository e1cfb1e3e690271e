"""SmolLM2-135M on two cores, taught the same questions twice: once to answer at once, once to think first; then both and the base on
questions like those of training, on longer ones and on larger numbers, and on word problems of known and of unknown kinds"""
from common import *

need,apart = ['smol'],0  # every contender counts its own seconds on two cores of its own
hows = 'base', 'think', 'at_once', 'at_once_longer'
forms = 'rest', 'places' # of steps, for sums alone; thinking_forms.json is made of them by `--only thinking.sums_rest_3407` and so on
def options(p):
    p.add_argument('--think_seeds', default='3407,1,2', help='a run of each kind for each of them')
    p.add_argument('--think_questions', type=int, default=100, help='new questions of each set')
    p.add_argument('--think_keys', default='{}', help='JSON of keys over the preset `sums`, for all runs')
    p.add_argument('--longer', type=float, default=1.5, help='times as many steps for `at_once_longer`, so that it takes the minutes of `think`')
    p.add_argument('--word_steps', type=int, default=40)
    p.add_argument('--side_by_side', type=int, default=max(1, os.cpu_count()//2), help='contenders at a time, two cores each')

def plan(a):
    names = [f'{task}_{how}_{seed}' for seed in a.think_seeds.split(',') for task in ('sums','words') for how in hows if (task,how)!=('words','at_once_longer')]
    return [[names[i::a.side_by_side] for i in range(min(a.side_by_side, len(names)))]]

def __getattr__(name):
    "The contender `name`, as in `sums_think_1`"
    task,_,rest = name.partition('_')
    how,_,seed = rest.rpartition('_')
    if task not in ('sums','words') or how not in hows+forms: raise AttributeError(name)
    return lambda a: run(a, name, task, how, int(seed))

def keys_of(a, task, how, seed):
    "Keys of the run over its preset"
    keys = {'model.name':a.smol, 'project.seed':seed, 'data.reasoning':not how.startswith('at_once'), 'data.test_samples':a.think_questions, 'data.unseen_samples':a.think_questions}
    steps,more = a.word_steps,{}
    if task=='sums':
        from tiny_reasoning.preset import load_config
        more = json.loads(a.think_keys)
        cfg = load_config('sums', **more)
        steps = round(cfg.training.max_steps*(a.longer if how=='at_once_longer' else 1))
        rows,valid = steps*cfg.training.effective_batch, round(cfg.data.num_samples*cfg.data.validation_split)
        keys |= {'data.num_samples':rows+valid, 'data.validation_split':valid/(rows+valid)}
    if how in forms: keys |= {'evaluation.max_new_tokens':384} # twice the lines, or three times
    return more | keys | {'training.max_steps':steps, 'training.eval_steps':steps, 'training.save_steps':steps}

def question_sets(task, cfg, tokenizer):
    "Questions like those of training, and others"
    from dataclasses import replace
    from tiny_reasoning.splits import make_splits
    splits = make_splits(cfg, tokenizer)
    if task=='words': return dict(trained=splits.test, unseen=splits.unseen)
    larger = make_splits(replace(cfg, data=replace(cfg.data, unseen_task=dict(min_digits=3, max_digits=3))), tokenizer)
    return dict(trained=splits.test, longer=splits.unseen, larger=larger.unseen)

def rest_steps(expression):
    "The steps of `expression`, each with what is left to do: `4 + 5 - 2 = 9 - 2`, `9 - 2 = 7`"
    done,*rest = expression.split()
    lines = []
    while rest:
        before = ' '.join([done, *rest])
        done,rest = str(eval_pair(done, *rest[:2])),rest[2:]
        lines.append(f'{before} = {" ".join([done, *rest])}')
    return '\n'.join(lines)

def eval_pair(a, op, b): return int(a)+int(b) if op=='+' else int(a)-int(b)

def by_places(n):
    "The parts of `n` by their place: -307 is {2:-300, 0:-7}"
    return {i:(-1 if n<0 else 1)*int(d)*10**i for i,d in enumerate(reversed(str(abs(n)))) if d!='0'}

def place_steps(expression):
    "The steps of `expression`, each by hundreds, tens and ones first: `50 + 20 = 70`, `8 + 6 = 14`, `70 + 14 = 84`"
    first,*rest = expression.split()
    total,lines = int(first),[]
    def step(a, op, b):
        res = eval_pair(a, op, b)
        lines.append(f'{a} {op} {b} = {res}')
        return res
    for op,n in zip(rest[::2], rest[1::2]):
        a,b = by_places(total),by_places(int(n))
        parts = [step(a.get(i, 0), op, b.get(i, 0)) for i in sorted({*a, *b}, reverse=True)]
        total = parts[0] if parts else step(0, op, 0)
        for o in filter(None, parts[1:]): total = step(total, '+', o)
    return '\n'.join(lines)

def in_form(form, rows):
    "`rows` of sums with their steps in another form"
    steps = dict(rest=rest_steps, places=place_steps)[form]
    def expression(o): return re.search(r'(-?\d+(?: [-+] -?\d+)+)', o['question'])[0]
    return [o | dict(reasoning=steps(expression(o))) for o in rows]

def steps_needed(task, row):
    "How many sums lead to the answer"
    return len(row['reasoning'].splitlines())

def train_on_form(cfg, form):
    "`train` on the same questions with steps in `form`"
    from tiny_reasoning.reason import recipe_splits
    from tiny_reasoning.train import train
    splits = recipe_splits(cfg)
    for o in ('train','validation'): splits[o] = in_form(form, splits[o])
    train(cfg, overwrite=True, splits=splits)

def run(a, name, task, how, seed):
    "Train, unless it is the base, and ask all questions"
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    import torch
    from contextlib import ExitStack
    from tiny_reasoning.adapter import merged, with_adapter
    from tiny_reasoning.preset import load_config
    from tiny_reasoning.data import to_prompt
    from tiny_reasoning.verdicts import judge, summary
    from tiny_reasoning.generate import generate
    from tiny_reasoning.model import for_this_machine, load_model
    torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
    keys = keys_of(a, task, how, seed) | {'project.output_dir':str(Path(a.work)/name)}
    preset = dict(sums='sums', words='cpu')[task]
    cfg = for_this_machine(load_config(preset, **keys))
    made,out = {},Path(cfg.project.output_dir)
    if how in forms: train_on_form(cfg, how)
    elif how!='base':
        command('tiny_reasoning.train', '--config', preset, *flags(keys), '--overwrite', env=dict(OMP_NUM_THREADS=str(torch.get_num_threads())))
    if how!='base':
        record = json.loads((out/'run.json').read_text())
        made = {k:record[k] for k in ('steps','seconds','seconds_per_step','startup_seconds','peak_memory_gb','best')} | dict(rows=record['data']['rows']['train'])
    model,tokenizer = load_model(cfg.model)
    sets = question_sets(task, cfg, tokenizer)
    rows = [o for rs in sets.values() for o in rs]
    prompts = [to_prompt(o['question'], cfg.data.system_prompt) for o in rows]
    with ExitStack() as stack:
        if how!='base':
            model = stack.enter_context(with_adapter(model, cfg.project.adapter_path))
            stack.enter_context(merged(model))
        replies,seconds = timed(generate, model, tokenizer, prompts, cfg.evaluation.max_new_tokens, cfg.evaluation.batch_size)
    verdicts = iter(judge(rows, replies, reasoning=cfg.data.reasoning))
    def one(rs):
        vs = [next(verdicts) for _ in rs]
        numbers = {k:v for k,v in summary(vs).items() if k!='flexible'}
        return numbers | dict(right=[int(v['flexible']) for v in vs], sound=[int(v['flexible'] and v['sums_hold'] is not False) for v in vs],
            needs=[steps_needed(task, o) for o in rs], examples=[dict(question=o['question'], gold=o['answer'], reply=v['output'], right=v['flexible']) for o,v in zip(rs, vs)][:8])
    return made | dict(reply_seconds=round(seconds, 1), max_new_tokens=cfg.evaluation.max_new_tokens, cpu=cpu(), sets={k:one(rs) for k,rs in sets.items()})

def cpu():
    "The processor, and the widest vectors that it has"
    info = Path('/proc/cpuinfo')
    text = info.read_text() if info.exists() else ''
    name = re.search(r'model name\s*:\s*(.*)', text)
    widest = next((o for o in ('avx512_bf16','avx512f','avx2') if o in text), '')
    return f'{name[1] if name else "CPU"}, {os.environ.get("ONEDNN_MAX_CPU_ISA") or widest}'

def pooled(results, task, how, name, key):
    "The values of all seeds, one after the other"
    runs = [results[k] for k in sorted(results) if k.rpartition('_')[0]==f'{task}_{how}' and 'sets' in results[k]]
    return [x for r in runs for x in r['sets'][name][key]]

def finish(a, results):
    "Thinking against answering at once and against the base, on the questions of all seeds together"
    from tiny_reasoning.verdicts import compare
    res = {}
    for task,names in dict(sums=('trained','longer','larger'), words=('trained','unseen')).items():
        for name in names:
            right = {o:pooled(results, task, o, name, 'right') for o in hows}
            for rival in hows:
                if rival=='think' or not right['think'] or len(right[rival])!=len(right['think']): continue
                res[f'{task}, {name}: think against {rival}'] = compare(right[rival], right['think'])
    return res

# --- the picture of both pages
names = dict(think='taught to think', at_once='taught to answer at once', base='base')
colours = dict(think='#2f7d5b', at_once='#c98b2b', base='#9aa5b1')

def by_need(results, how):
    "Number of sums that a question needs -> right or wrong, in the sets of small numbers"
    res = {}
    for name in ('trained','longer'):
        for n,x in zip(*(pooled(results, 'sums', how, name, k) for k in ('needs','right'))): res.setdefault(n, []).append(x)
    return dict(sorted(res.items()))

def draw(results):
    "Share of correct answers against the sums that a question needs"
    from matplotlib.figure import Figure
    from tiny_reasoning.verdicts import wilson
    fig = Figure(figsize=(7, 3.4), layout='constrained')
    ax = fig.subplots()
    for i,how in enumerate(names):
        groups = by_need(results, how)
        share,ends = [sum(o)/len(o) for o in groups.values()], [wilson(sum(o), len(o)) for o in groups.values()]
        error = [[p-low for p,(low,_) in zip(share, ends)], [high-p for p,(_,high) in zip(share, ends)]]
        ax.errorbar([n+.05*(i-1) for n in groups], share, yerr=error, fmt='o-', capsize=3, color=colours[how], label=names[how])
    ax.axvspan(3.5, 5.3, color='#0001', lw=0)
    ax.text(3.6, 0.95, 'never trained', va='top', color='#555')
    ax.set(xlabel='sums that the question needs', ylabel='share right, 95% interval', ylim=(0,1), xlim=(.7,5.3), xticks=range(1,6))
    ax.legend(frameon=False, ncols=3, loc='lower center', bbox_to_anchor=(0.5, 1))
    ax.spines[['top','right']].set_visible(False)
    return fig
