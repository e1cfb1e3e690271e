"""A run of the embedded model is killed at random moments, each time continues with `--resume`, and must end as it ends
undisturbed: the same losses at every step, the same adapter, at most `save_steps` steps lost by a kill."""
import math, random, subprocess, sys, time
from types import SimpleNamespace

import pytest
from commands import read, write
from tiny_reasoning.train import is_complete

pytestmark = pytest.mark.slow
save_steps,max_steps,most = 4,20,6 # A run is killed at most `most` times
settings = (f'--config cpu --max_steps {max_steps} --save_steps {save_steps} --eval_steps {save_steps} '
            '--warmup_steps 2 --training.logging_steps 1 --batch_size 1 --num_samples 24 --test_samples 4 '
            '--data.unseen_samples 0 --model.max_seq_length 160 --data.system_prompt none').split()

# `tiny_train`, which besides writes down where it begins and each step that it has done
watched = '''
import sys
from tiny_reasoning.command import command
from tiny_reasoning.config import Config
from tiny_reasoning.train import train
def tiny_train(cfg:Config, resume:bool=False, overwrite:bool=False):
    "`tiny_train`"
    from transformers import TrainerCallback
    class Steps(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs): self.on_step_end(args, state, control)
        def on_step_end(self, args, state, control, **kwargs):
            with open('steps.txt', 'a') as f: print(state.global_step, file=f)
    train(cfg, resume, overwrite, [Steps()])
command(tiny_train, sys.argv[1:])
'''

class Run:
    "A run in a folder of its own, in one process after the other"
    def __init__(self, folder):
        self.folder = folder
        write(folder, 'watched.py', watched) # A file, since the parser of its flags reads the source

    def start(self):
        "Start it, or continue"
        self.before,self.began = self.steps(),time.time()
        with (self.folder/'log.txt').open('a') as log:
            argv = [sys.executable, 'watched.py', *settings, '--output_dir', 'out', '--resume']
            self.process = subprocess.Popen(argv, cwd=self.folder, stdout=log, stderr=log)

    def steps(self):
        "Steps that were written down, of all processes; each begins with the step that it continues from"
        path = self.folder/'steps.txt'
        return [*map(int, path.read_text().split())] if path.exists() else []

    def new(self): return self.steps()[len(self.before):]

    def wait(self, seconds=600, step=math.inf):
        "Wait for `seconds`, or until this process has begun at `step` or done it; whether it is still there"
        end = time.time()+seconds
        def alive(): return self.process.poll() is None
        while time.time()<end and alive() and not (self.new() and self.new()[-1]>=step): time.sleep(.01)
        return alive()

    def kill(self):
        self.process.kill()
        self.process.wait()
        print(f'Killed {time.time()-self.began:.1f} s after its start, after the steps {self.new()}')

    def result(self):
        "The losses of every step and the adapter's tensors"
        from safetensors.torch import load_file
        status = self.process.wait(600)
        assert status in (0, -9) and is_complete(self.folder/'out'), (self.folder/'log.txt').read_text()[-2000:]
        history = read(self.folder/'out/run.json')['history']
        losses = {(o['step'], k):o[k] for o in history for k in ('loss', 'eval_loss') if k in o}
        return losses, load_file(self.folder/'out/lora_adapter/adapter_model.safetensors')

@pytest.fixture(scope='session')
def undisturbed(tmp_path_factory):
    "The run that nobody kills: its end, and the seconds until it begins, for a step, and for the rest"
    run = Run(tmp_path_factory.mktemp('undisturbed')/'run')
    run.start()
    run.wait(step=0)
    begun = time.time()
    run.wait(step=max_steps-1)
    last = time.time()
    losses,adapter = run.result()
    times = begun-run.began, (last-begun)/(max_steps-1), time.time()-last
    return SimpleNamespace(losses=losses, adapter=adapter, startup=times[0], step=times[1], end=times[2])

def pytest_generate_tests(metafunc):
    "Share the kills among runs"
    if 'kills' not in metafunc.fixturenames: return
    n = metafunc.config.getoption('kills')
    metafunc.parametrize('seed, kills', [(i, min(most, n-i*most)) for i in range(math.ceil(n/most))])

def test_killed_and_resumed(tmp_path, undisturbed, seed, kills):
    rng,run,newest = random.Random(seed), Run(tmp_path/'run'), 0
    for i in range(kills+1):
        run.start()
        early,moment,after = i<kills and rng.random()<.2, rng.random(), rng.random()
        alive = run.wait(moment*undisturbed.startup) if early else run.wait(step=0)
        if run.new():
            first = run.new()[0]
            assert newest-first<=save_steps, f'{newest-first} steps lost'
            if alive and i<kills and not early: # Anywhere in the steps that are left, or at the end
                last = first+int(moment*(max_steps-first+1))
                rest = undisturbed.end if last==max_steps else undisturbed.step
                alive = run.wait(step=last) and run.wait(after*rest)
        if i==kills or not alive: break
        run.kill()
        newest = run.steps()[-1] if run.steps() else 0
        if is_complete(run.folder/'out'): break
    losses,adapter = run.result()
    assert losses==pytest.approx(undisturbed.losses, abs=1e-6)
    assert adapter.keys()==undisturbed.adapter.keys()
    for k,v in adapter.items(): assert (v-undisturbed.adapter[k]).abs().max()<=1e-6, k
