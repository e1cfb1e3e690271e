"""Training and evaluation on one GPU and on several, through `accelerate launch`"""
from common import *

need,apart = ['qwen','smol','gsm8k'],1
def options(p):
    p.add_argument('--gpu_steps', type=int, default=60)
    p.add_argument('--gpu_questions', type=int, default=1319)

def _counts(a): return [n for n in (1,2,4,8) if n<=a.gpus]
def plan(a): return [[[f'{k}_{n}' for k in ('train','evaluate') for n in _counts(a)]]]

def _launch(n):
    "Arguments of `accelerate launch`, and an environment with the first `n` GPUs: the trainer would spread one process over all it sees"
    seen = os.environ.get('CUDA_VISIBLE_DEVICES')
    ids = seen.split(',') if seen else list(map(str, range(n)))
    launch = ['accelerate.commands.launch', '--num_processes', str(n), '--num_machines', '1', '--mixed_precision', 'no', '--dynamo_backend', 'no', *(['--multi_gpu'] if n>1 else [])]
    return dict(launch=launch, env=dict(CUDA_VISIBLE_DEVICES=','.join(ids[:n])))

def _train(a, n):
    out,late = Path(a.work)/f'gpus_{n}', 10*a.gpu_steps
    keys = {'model.name':a.model, 'data.dataset_name':a.gsm8k, 'project.output_dir':out, 'training.max_steps':a.gpu_steps, 'training.eval_steps':late, 'training.save_steps':late}
    command('tiny_reasoning.train', '--config', 'default', *flags(keys), '--overwrite', **_launch(n))
    run = json.loads((out/'run.json').read_text())
    given = 'steps seconds startup_seconds first_steps_seconds seconds_per_step samples_per_second peak_memory_gb'.split()
    return {k:run[k] for k in given if k in run} | dict(processes=n)

def _evaluate(a, n):
    out = Path(a.work)/f'gpus_eval_{n}'
    keys = {'model.name':a.smol, 'model.load_in_4bit':False, 'model.backend':'transformers', 'data.dataset_name':a.gsm8k, 'data.test_samples':a.gpu_questions, 'evaluation.max_new_tokens':256, 'project.output_dir':out}
    command('tiny_reasoning.eval', '--config', 'default', *flags(keys), '--base_only', **_launch(n))
    ev = json.loads((out/'base_eval.json').read_text())
    base,speed = ev['sets']['test']['base'], ev['speed']['base']
    rows = [json.loads(o)['base'] for o in (out/'base_predictions.jsonl').read_text().splitlines()]
    keep(a, f'evaluate_{n}', [dict(text=o['output'], tokens=o['tokens']) for o in rows])
    return dict(processes=n, **speed, **{k:base[k] for k in ('questions','mean_tokens')})

for _n in (1,2,4,8):
    globals()[f'train_{_n}'] = lambda a, n=_n: _train(a, n)
    globals()[f'evaluate_{_n}'] = lambda a, n=_n: _evaluate(a, n)

def finish(a, results):
    return {str(n):dict(training=ratio(results, f'train_{n}', 'train_1', 'samples_per_second'), evaluation=ratio(results, f'evaluate_{n}', 'evaluate_1', 'tokens_per_second'),
                        equal=equal(a, f'evaluate_{n}', 'evaluate_1')) for n in _counts(a)[1:]}
