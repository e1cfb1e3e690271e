"""SmolLM2-135M on all kinds of gsm_symbolic problem but some, before and after, with the commands that a user runs"""
from common import *

need,apart = ['smol'],0  # no stage measures speed
def options(p):
    p.add_argument('--hold_out', type=int, default=8, help='every n-th template is kept out of training')
    p.add_argument('--learn_rows', type=int, default=25_000)
    p.add_argument('--learn_steps', type=int, default=1400)
    p.add_argument('--learn_batch', type=int, default=64)
    p.add_argument('--learn_rate', type=float, default=1e-3)
    p.add_argument('--learn_rank', type=int, default=64)
    p.add_argument('--learn_questions', type=int, default=500, help='new questions from the templates of training')
    p.add_argument('--unseen_questions', type=int, default=200, help='questions from the templates kept out')

def plan(a): return [[['smollm2']]]

def templates():
    "Every template that gsm_symbolic makes problems from; they are not numbered without gaps"
    import reasoning_gym
    return sorted(set(reasoning_gym.create_dataset('gsm_symbolic', size=10_000, seed=0).task_indices))

def smollm2(a):
    known = templates()
    held = known[a.hold_out//2::a.hold_out]
    rest = [o for o in known if o not in held]
    out = Path(a.work)/'learning'
    every = -(-a.learn_steps//4)
    keys = {'model.name':a.smol, 'project.output_dir':out, 'data.templates':rest, 'data.num_samples':a.learn_rows, 'data.test_samples':a.learn_questions, 'data.unseen_samples':a.unseen_questions,
        'data.validation_split':0.01, 'data.num_proc':4, 'lora.r':a.learn_rank, 'lora.lora_alpha':2*a.learn_rank, 'training.per_device_train_batch_size':a.learn_batch, 'training.gradient_accumulation_steps':1,
        'training.max_steps':a.learn_steps, 'training.warmup_steps':a.learn_steps//20, 'training.learning_rate':a.learn_rate, 'training.logging_steps':max(1, a.learn_steps//40),
        'training.eval_steps':every, 'training.save_steps':every, 'evaluation.max_new_tokens':256}
    command('tiny_reasoning.train', '--config', 'cpu', *flags(keys), '--overwrite')
    command('tiny_reasoning.eval', '--config', 'cpu', *flags(keys))
    run,ev = (json.loads((out/f'{o}.json').read_text()) for o in ('run','eval'))
    given = 'steps seconds startup_seconds first_steps_seconds samples_per_second rows_at_once checkpointing peak_memory_gb best history'.split()
    return dict(held_out=held, templates=len(rest), rows=run['data']['rows'], lora=run['config']['lora'], training=run['config']['training'],
                run={k:run[k] for k in given if k in run}, sets=ev['sets'], sources=ev['sources'], max_new_tokens=ev['max_new_tokens'], evaluation_peak_memory_gb=ev['peak_memory_gb'])

def finish(a, results): return {}
