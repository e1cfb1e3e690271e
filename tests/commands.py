"What tests share: the commands in this process, and a random model of two layers, so that a case takes a second."
import contextlib, io, json, re, shutil, signal, socket, subprocess, sys, tempfile, time, traceback
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from tiny_reasoning.config import log

seconds = 30 # The longest that a command may take; in a process of its own, which imports everything, three times that
logged = re.compile(r'\d\d:\d\d:\d\d (INFO|WARNING|ERROR)')
bar = re.compile(r'\d+%\||\b(step|examples|question|reply)/s|s/(reply|question|step)')
control = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')
modules = {f'tiny_{o}':o for o in ('train', 'eval', 'chat', 'traces', 'export', 'reason')} # Command -> module

def free_port():
    "A port of this machine on which nobody listens"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

@dataclass
class Outcome:
    "What a command did: its status, what it wrote, the seconds that it took, and those that it may take"
    status:int
    out:str=''
    err:str=''
    took:float=0.
    limit:float=seconds

    @property
    def said(self):
        "Its lines on standard error, without the log and the bars"
        return [o for o in re.split(r'[\r\n]+', self.err) if o.strip() and not logged.match(o) and not bar.search(o)]

    def ends(self, *status, words=''):
        "It ended with one of `status`, and an error is one line with `words`"
        text = self.out+self.err
        assert 'Traceback' not in text, text[-2000:]
        assert self.status in status, (self.said or [self.out[-200:]])[-1][:300]
        assert not control.search(text.replace('\r', '').replace('\x1b[A', ''))
        assert self.took<=self.limit
        if self.status:
            line, = self.said
            assert len(line)<=700 and words in line
        return self

def ask(name, *argv):
    "Run the command `name` with `argv` in this process"
    main = import_module(f'tiny_reasoning.{modules[name]}').main
    sys.argv = [name, *map(str, argv)]
    out,err,start,status = io.StringIO(), io.StringIO(), time.time(), 0
    for h in log.handlers: h.setStream(err)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try: main()
        except SystemExit as e: status = e.code if isinstance(e.code, int) else int(e.code is not None)
        except BaseException: status,_ = 1, traceback.print_exc()
    for h in log.handlers: h.setStream(err)
    return Outcome(status, out.getvalue(), err.getvalue(), time.time()-start)

tiny_train,tiny_eval,tiny_chat,tiny_traces,tiny_export,tiny_reason = (partial(ask, o) for o in modules)

def shell(*argv):
    "Run a command in a process of its own"
    start = time.time()
    r = subprocess.run([*map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True)
    out,err = (o.decode(errors='replace') for o in (r.stdout, r.stderr))
    return Outcome(r.returncode, out, err, time.time()-start, 3*seconds)

def start(*argv):
    "A process that hears SIGINT and SIGHUP, which a shell's background jobs and nohup ignore"
    def hear():
        for o in (signal.SIGINT, signal.SIGHUP): signal.signal(o, signal.SIG_DFL)
    return subprocess.Popen([sys.executable, '-m', *map(str, argv)], text=True, preexec_fn=hear,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

def until(f, limit=90):
    "Wait until `f()`"
    end = time.time()+limit
    while not f() and time.time()<end: time.sleep(.02)

def table(names, rows):
    "Parametrize with `rows`, a dict of id -> values"
    return pytest.mark.parametrize(names, list(rows.values()), ids=map(str, rows))

# --- files
def write(folder, name, data):
    "Write `data`, bytes or text, into `folder/name`"
    path = Path(folder)/name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode(errors='surrogatepass'))
    return path

def read(path): return json.loads(Path(path).read_text())

def edit(path, **keys):
    "Change `keys` in the JSON file at `path`; None deletes a key"
    gone = {k for k,v in keys.items() if v is None}  # a key that was null stays
    path.write_text(json.dumps({k:v for k,v in (read(path) | keys).items() if k not in gone}))

def cut(path): path.write_bytes(path.read_bytes()[:path.stat().st_size//2])
def empty(path): path.write_bytes(b'')
def zeros(path): path.write_bytes(bytes(path.stat().st_size))
def folder(path): path.unlink() or path.mkdir()

def tensors(path, f):
    "Rewrite the safetensors file at `path` as `f` of its tensors"
    from safetensors.torch import load_file, save_file
    save_file({k:v.contiguous() for k,v in f(load_file(path)).items()}, path, metadata=dict(format='pt'))

def spoil(v):
    "Put `v` into the first number of the first tensor"
    def f(ts):
        ts[min(ts)].view(-1)[0] = v
        return ts
    return f

def files(folder):
    "The bytes of every file in `folder`"
    return {o.relative_to(folder).as_posix():o.read_bytes() for o in Path(folder).rglob('*')
            if o.is_file() and o.name!='.tiny_reasoning.lock'}

def kept(old, folder):
    "The files in `old` are in `folder` as they were"
    now = files(folder)
    assert [k for k,v in old.items() if now.get(k)!=v]==[]

def moved(old, folder):
    "Files of the names and bytes in `old` are in `folder/replaced`"
    there = {(o.name, o.read_bytes()) for o in Path(folder).glob('replaced/*/*') if o.is_file()}
    assert [k for k,v in old.items() if (k,v) not in there]==[]

def somewhere(folder, name, text='mine'):
    "A file `name` with `text` is somewhere below `folder`"
    found = [o for o in Path(folder).rglob(name) if o.is_file() and o.read_bytes()==text.encode()]
    assert found, f'{name} is lost'
    return found

def refused(folder, argv, words='', cmd='tiny_train'):
    "`cmd` with `argv` is an error of one line with `words`, and no file in `folder` changes"
    old = files(folder)
    ask(cmd, *argv).ends(2, words=words)
    kept(old, folder)

# --- a model that costs nothing, and runs of it
_made = tempfile.TemporaryDirectory() # What is made once for all tests
made = Path(_made.name).resolve()

def tiny():
    "A folder with a random Llama of two layers and the embedded model's tokenizer"
    dest = made/'model'
    if (dest/'config.json').exists(): return dest
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, set_seed
    from tiny_reasoning.model import embedded, fix_tokenizer, model_folder
    tok = fix_tokenizer(AutoTokenizer.from_pretrained(model_folder(embedded)))
    set_seed(0)
    LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tok), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=2048, tie_word_embeddings=True, eos_token_id=tok.eos_token_id,
        pad_token_id=tok.pad_token_id, bos_token_id=None)).save_pretrained(dest)
    tok.save_pretrained(dest)
    return dest

def model(folder):
    "A copy of the tiny model in `folder`, to be damaged"
    return Path(shutil.copytree(tiny(), folder/'model'))

short = ('--max_steps 2 --num_samples 12 --test_samples 4 --data.unseen_samples 0 --evaluation.max_new_tokens 8 '
         '--eval_steps 1 --save_steps 1 --warmup_steps 0 --batch_size 2 --validation_split 0.34').split()
four = ['--max_steps', '4', '--training.save_total_limit', '9']

def flags(out, *more, name=None):
    "A run of two steps in the folder `out`"
    return ['--config', 'cpu', '--model.name', tiny() if name is None else name, '--output_dir', out, *short, *more]

def trained(folder, *more):
    "A finished run in `folder/out`, copied from one that was made before"
    src = made/('run'+'_'.join(more).replace('/', '_'))
    if not (src/'run.json').exists(): tiny_train(*flags(src, *more)).ends(0)
    return Path(shutil.copytree(src, folder/'out', symlinks=True))

def unfinished(out):
    "The finished run of four steps in `out` as if it had been stopped after its second"
    for o in ('checkpoint-3', 'checkpoint-4', 'lora_adapter'): shutil.rmtree(out/o)
    for o in ('run.json', 'loss.png'): (out/o).unlink(missing_ok=True)
    return out

def begun(folder):
    "A run in `folder/out` that was stopped after its second of four steps: two checkpoints, no run.json"
    return unfinished(trained(folder, *four))

def evaluated(folder):
    "A finished run in `folder/out` that has been evaluated"
    out = trained(folder)
    tiny_eval(*flags(out)).ends(0)
    return out

def losses(out): return [o['eval_loss'] for o in read(out/'run.json')['history'] if 'eval_loss' in o]

# --- data
def sums(n, start=0):
    "Rows like GSM8K's"
    return [dict(question=f'What is {i} and {i+1} together?', answer=f'{i}+{i+1} = {2*i+1}\n#### {2*i+1}')
            for i in range(start, start+n)]
def jsonl(rows): return ''.join(json.dumps(o)+'\n' for o in rows)
def own(path): return ['--data.dataset_name', path, '--data.templates', 'none']

good = jsonl(sums(20))
