"""`make kills`: a run of the embedded model is killed with SIGKILL at random moments, each time goes on with `--resume`, and must end as the same run ends
undisturbed: with the same losses at every step and the same adapter, at most `save_steps` steps lost by each kill. One run is killed several times, since
starting is what takes the time. A line for each kill, one for each run that came to its end; the status is 1 where one of them is wrong."""
import argparse, json, math, os, random, subprocess, sys, tempfile, time
from dataclasses import dataclass, field
from pathlib import Path

os.environ |= dict(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false')
from tqdm import tqdm
from tiny_reasoning.files import Ledger

save_steps,max_steps,most = 4,20,6 # A run is killed at most `most` times
settings = (f'--config cpu --max_steps {max_steps} --save_steps {save_steps} --eval_steps {save_steps} --training.logging_steps 1 --warmup_steps 2 --batch_size 1 '
    '--num_samples 24 --test_samples 4 --data.unseen_samples 0 --model.max_seq_length 160 --data.system_prompt none').split()

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
        def on_train_begin(self, args, state, control, **kwargs): self.on_step_end(args, state, control, 'begin')
        def on_step_end(self, args, state, control, what='step', **kwargs):
            with open(sys.argv[1], 'a') as f: f.write(f'{what} {state.global_step}\\n')
    train(cfg, resume, overwrite, [Steps()])
command(tiny_train, sys.argv[2:])
'''

@dataclass
class Run:
    "A run in a folder of its own, in one process after the other"
    folder:Path
    kills:list=field(default_factory=list) # Seconds from the start of a process to its death

    def start(self):
        "Start it, or go on with it; its messages are kept"
        self.folder.mkdir(exist_ok=True)
        code = self.folder/'watched.py'
        code.write_text(watched)
        self.seen,self.began = self.steps(),time.time()
        with (self.folder/'log.txt').open('a') as log:
            self.process = subprocess.Popen([sys.executable, str(code), str(self.folder/'steps.txt'), *settings, '--output_dir', str(self.folder/'out'), '--resume'], stdout=log, stderr=log)

    def steps(self):
        "What has been written down: pairs of `begin` or `step` and a number"
        path = self.folder/'steps.txt'
        return [(a, int(b)) for a,b in (o.split() for o in path.read_text().splitlines())] if path.exists() else []

    @property
    def newest(self): return self.seen[-1][1] if self.seen else 0

    def wait(self, seconds=600, step=math.inf):
        "Wait for `seconds`, or until this process has begun at `step` or done it; whether it is still there"
        end = time.time()+seconds
        while time.time()<end and self.process.poll() is None and not (len(self.steps())>len(self.seen) and self.steps()[-1][1]>=step): time.sleep(.01)
        return self.process.poll() is None

    @property
    def complete(self): return 'run.json' in Ledger(self.folder/'out').files

    def lost(self):
        "Steps that this process had to do again, once it has begun; None before"
        new = self.steps()[len(self.seen):]
        return self.newest-new[0][1] if new else None

def losses(folder):
    "Training and validation losses of every step, from `run.json`"
    return [(o['step'], k, o[k]) for o in json.loads((folder/'out'/'run.json').read_text())['history'] for k in ('loss','eval_loss') if k in o]

def weights(folder):
    from safetensors.torch import load_file
    return load_file(folder/'out'/'lora_adapter'/'adapter_model.safetensors')

def differs(a, b):
    "In words how the run in folder `b` has ended differently from that in `a`, and the largest differences"
    x,y,v,w = losses(a), losses(b), weights(a), weights(b)
    if [o[:2] for o in x]!=[o[:2] for o in y] or v.keys()!=w.keys(): return 'other steps or other tensors', ''
    loss,weight = max(abs(i[2]-j[2]) for i,j in zip(x, y)), max((v[k]-w[k]).abs().max().item() for k in v)
    wrong = 'the losses differ' if loss>1e-6 else 'the adapter differs' if weight>1e-6 else None
    return wrong, f'largest difference of {len(x)} losses {loss:.1e}, of weights {weight:.1e}'

def undisturbed(folder):
    "The run to compare with: seconds until it begins, for a step, and for the rest"
    run = Run(folder)
    run.start()
    if not run.wait(step=0): sys.exit(f'The run without kills has failed:\n{(folder/"log.txt").read_text()[-2000:]}')
    start = time.time()
    while run.process.poll() is None:
        time.sleep(.05)
        if run.steps()[-1][1]<max_steps: last = time.time()
    if run.process.returncode: sys.exit(f'The run without kills has failed:\n{(folder/"log.txt").read_text()[-2000:]}')
    return start-run.began, (last-start)/(max_steps-1), time.time()-last

def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('--kills', type=int, default=30, help='how many (default 30)')
    p.add_argument('--seed', type=int, default=0, help='of the moments (default 0)')
    a = p.parse_args()
    rng,bad,n,ends,worst,begun = random.Random(a.seed), [], 0, 0, 0, time.time()
    def say(text, wrong=False):
        if wrong: bad.append(text)
        tqdm.write(f'{text}{"  WRONG" if wrong else ""}')
        sys.stdout.flush()
    with tempfile.TemporaryDirectory() as d, tqdm(total=a.kills, unit='kill', disable=None) as bar:
        d = Path(d)
        startup,step,end = undisturbed(d/'whole')
        say(f'Undisturbed: {startup:.1f} s until it begins, {step:.2f} s a step, {end:.1f} s for the last step and the end')
        while n<a.kills:
            run,words = Run(d/f'run{ends}'), None
            while True:
                run.start()
                kill = n<a.kills and len(run.kills)<most
                early = kill and rng.random()<.2
                moment,after = rng.random(),rng.random() # Of the time that it takes to begin, or of the steps that are left then; and after that step
                alive = run.wait(moment*startup) if early else run.wait(step=0)
                lost = run.lost()
                if lost is not None and words:
                    worst = max(worst, lost)
                    say(f'{words}; goes on from {run.newest-lost}, {lost} lost', lost>save_steps)
                    words = None
                if alive and kill and not early:
                    first = run.newest-lost
                    last = first+int(moment*(max_steps-first+1))
                    alive = run.wait(step=last) and run.wait(after*(end if last==max_steps else step))
                if not (alive and kill): break
                run.process.kill()
                run.process.wait()
                run.kills.append(time.time()-run.began)
                n += 1
                bar.update()
                if words: say(f'{words}; killed again before it went on')
                run.seen = run.steps()
                words = f'Kill {n}: {run.kills[-1]:.1f} s after its start, {f"at step {run.newest} of {max_steps}" if run.seen else "before the first step"}'
                if run.complete: break
            status = 0 if run.complete else run.process.wait()
            ends += 1
            if words: say(f'{words}; nothing was left to do')
            wrong,diff = differs(d/'whole', run.folder) if not status else (f'status {status}: {(run.folder/"log.txt").read_text().splitlines()[-1]}', '')
            say(f'Run {ends} at its end after {len(run.kills)} kills: {wrong or "as undisturbed"}; {diff}', bool(wrong))
    print(f'{n} kills, {ends} runs to their end, at most {worst} steps lost (save_steps is {save_steps}); {len(bad)} wrong ({time.time()-begun:.0f} s)')
    for o in bad: print(f'    {o}')
    return bool(bad)

if __name__=='__main__': sys.exit(main())
