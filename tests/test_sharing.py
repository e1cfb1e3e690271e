"Several processes share the replies and the rows that teach, and learn what one process would."
import sys

import psutil, pytest
from commands import read, shell, start, tiny, until, write

from tiny_reasoning.model import fetch_embedded

pytestmark = pytest.mark.slow

paid = '''
import zlib
def paid(text, row):
    "Two replies in five, decided by a checksum: a random model writes nothing that is worth more"
    return float(zlib.crc32((row['question']+text).encode())%5<2)
'''

def argv(tmp_path, n, steps=3):
    "As many steps of reinforcement in `n` processes, in the folder `run{n}`"
    keys = dict(output_dir=tmp_path/f'run{n}', max_steps=steps, eval_steps=3, save_steps=3, num_samples=40)
    keys |= {'model.name':tiny(), 'test_samples':4, 'data.unseen_samples':0,
             'training.learning_rate':1e-2, 'training.warmup_steps':0,
             'grpo.num_questions':4, 'grpo.num_generations':4, 'grpo.max_completion_length':8,
             'grpo.rewards':f"[{write(tmp_path, 'my.py', paid)}:paid]"}
    flags = [x for k,v in keys.items() for x in (f'--{k}', v)]
    launch = ['torch.distributed.run', '--nproc_per_node', n, '-m'] if n>1 else []
    return *launch, 'tiny_reasoning.train', '--config', 'grpo_cpu', *flags

def history(tmp_path, n, *more, steps=3):
    "The log of steps of reinforcement in `n` processes"
    run = shell(sys.executable, '-m', *argv(tmp_path, n, steps), *more)
    assert run.status==0, run.err[-2000:]
    record = read(tmp_path/f'run{n}/run.json')
    assert record['processes']==n
    return [o for o in record['history'] if 'reward' in o]

convert = '''
import sys, torch.distributed as dist
from pathlib import Path
from tiny_reasoning.model import convert_gguf
dist.init_process_group('gloo')
convert_gguf(Path(sys.argv[1]), Path(sys.argv[2])/str(dist.get_rank()))
'''

def test_each_process_converts_a_whole_model(tmp_path):
    "transformers saves weights in the first process alone, and any of them may be the one whose folder is kept"
    gguf = fetch_embedded(tmp_path)
    script = write(tmp_path, 'convert.py', convert)
    launch = ['-m', 'torch.distributed.run', '--nproc_per_node', 2]
    run = shell(sys.executable, *launch, script, gguf, tmp_path/'out')
    assert run.status==0, run.err[-2000:]
    one,two = ({o.name:o.read_bytes() for o in (tmp_path/'out'/n).iterdir()} for n in '01')
    assert one==two and 'model.safetensors' in one

def test_two_learn_what_one_learns(tmp_path):
    one,two = (history(tmp_path, n) for n in (1,2))
    for k in ('reward', 'frac_reward_zero_std', 'completions/mean_length'):
        assert [o[k] for o in one]==[o[k] for o in two]
    norms = [[o['grad_norm'] for o in h] for h in (one,two)]
    assert norms[1]==pytest.approx(norms[0], rel=1e-4) and min(norms[0])>0

def test_one_of_two_killed(tmp_path):
    "Its launcher ends the other, and both continue from the last checkpoint as if nothing had been"
    whole = history(tmp_path/'whole', 2, steps=12)
    launcher = start(*argv(tmp_path/'killed', 2, steps=12))
    until((tmp_path/'killed/run2/checkpoint-3').exists)
    second, = (o for o in psutil.Process(launcher.pid).children() if o.environ().get('RANK')=='1')
    second.kill()
    launcher.communicate(timeout=60)
    assert launcher.returncode and not (tmp_path/'killed/run2/run.json').exists()
    resumed = history(tmp_path/'killed', 2, '--resume', steps=12)
    for k in ('reward', 'loss', 'completions/mean_length'): assert [o[k] for o in resumed]==[o[k] for o in whole]
