"""`make faults`: what users and machines do wrong, tried on the real commands. Each case is a row: a group, a name, what is done, and
what must come of it. Most rows are generated. They run in this process with a random model of two layers, so that a case takes a second;
kills, races and closed streams get processes of their own. Arguments: groups to run (all without any); `--quick` takes the rows that need
neither a model nor a process of their own; `--processes 1` does not share the rows between two; `--times` prints the seconds of each row."""
import argparse, contextlib, functools, io, json, math, os, random, re, shutil, signal, subprocess, sys, tempfile, time, traceback
from dataclasses import dataclass
from collections import Counter
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Callable

os.environ |= dict(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false')
import yaml
from tqdm import tqdm
from tiny_reasoning import command as shell_commands
from tiny_reasoning.command import command, setup_log
from tiny_reasoning.config import config_keys, log, renamed, short_names, type_name
from tiny_reasoning.files import Ledger

seconds = 30 # The longest that an error may take in this process; one of its own has to import everything first, perhaps beside another one: three times that
logged = re.compile(r'\d\d:\d\d:\d\d (INFO|WARNING|ERROR)')
control = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')

commands = dict(tiny_train=('train','train'), tiny_eval=('eval','evaluate'), tiny_chat=('chat','talk')) # Command -> module and function

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
        lines = [o for o in re.split(r'[\r\n]+', self.err) if o.strip()]
        return [o for o in lines if not logged.match(o) and not re.search(r'\d+%\||\bstep/s|\bexamples/s|\bquestion/s|\breply/s|s/reply|s/question|s/step', o)]

    def problem(self, status, words=''):
        "What is wrong with this outcome, where `status` and `words` were wanted; None where nothing is"
        text = self.out+self.err
        if 'Traceback' in text: return f'a traceback: {text[-400:]}'
        if self.status!=status: return f'status {self.status}, not {status}: {(self.said or [self.out[-200:]])[-1][:300]}'
        if control.search(text.replace('\r', '').replace('\x1b[A', '')): return 'a control character in its output'
        if self.took>self.limit: return f'it took {self.took:.0f} s'
        if not status: return
        if len(self.said)!=1: return f'{len(self.said)} lines: {self.said[:4]}'
        if len(self.said[0])>700: return f'a line of {len(self.said[0])} characters'
        if words not in self.said[0]: return f'no {words!r} in {self.said[0][:300]!r}'

def ask(name, *argv):
    "Run the command `name` with `argv` in this process"
    module,f = commands[name]
    f = getattr(import_module(f'tiny_reasoning.{module}'), f)
    out,err,start = io.StringIO(), io.StringIO(), time.time()
    for h in log.handlers: h.setStream(err)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try: command(f, [str(o) for o in argv], prog=name)
            finally:
                for h in log.handlers: h.setStream(err)
        status = 0
    except SystemExit as e: status = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException: status,_ = 1, err.write(traceback.format_exc())
    return Outcome(status, out.getvalue(), err.getvalue(), time.time()-start)

def shell(*argv, stdin=subprocess.DEVNULL, **kwargs):
    "Run a command in a process of its own"
    start = time.time()
    r = subprocess.run([str(o) for o in argv], stdin=stdin, capture_output=True, **kwargs)
    return Outcome(r.returncode, r.stdout.decode(errors='replace'), r.stderr.decode(errors='replace'), time.time()-start, 3*seconds)

@dataclass
class Case:
    "A row of the campaign; `run` gets an empty folder and gives what is wrong, or None"
    group:str
    name:str
    run:Callable

cases = []
def case(group, name):
    "Add the function that follows as a case"
    return lambda f: cases.append(Case(group, name, f)) or f

def refused(group, name, argv, words='', cmd='tiny_train', before=None):
    "Add a case in which `argv(folder)` is an error of one line with `words`, and no file in the folder changes"
    def run(d):
        if before: before(d)
        old = snapshot(d)
        r = ask(cmd, *argv(d))
        return r.problem(2, words) or changed(old, d)
    cases.append(Case(group, name, run))

def snapshot(d): return {o.relative_to(d).as_posix():o.read_bytes() for o in sorted(Path(d).rglob('*')) if o.is_file() and o.name!='.tiny_reasoning.lock'}

def changed(old, d):
    "Which of the files in `old` has changed or gone"
    now = snapshot(d)
    lost = [k for k,v in old.items() if now.get(k)!=v]
    if lost: return f'changed or gone: {", ".join(lost[:5])}'

# --- a model that costs nothing
cache = None # `begin` makes a folder for what is made once

def tiny():
    "A folder with a random Llama of two layers and the embedded model's tokenizer; made once"
    dest = cache/'model'
    if (dest/'config.json').exists(): return dest
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, set_seed
    from tiny_reasoning.model import embedded, fix_tokenizer, model_folder
    tok = fix_tokenizer(AutoTokenizer.from_pretrained(model_folder(embedded)))
    set_seed(0)
    config = LlamaConfig(vocab_size=len(tok), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=2048, tie_word_embeddings=True, eos_token_id=tok.eos_token_id, pad_token_id=tok.pad_token_id, bos_token_id=None)
    LlamaForCausalLM(config).save_pretrained(dest)
    tok.save_pretrained(dest)
    return dest

def model(d):
    "A copy of the tiny model in `d`, to be damaged"
    return Path(shutil.copytree(tiny(), Path(d)/'model'))

def flags(out, *more, name=None):
    "A run of two steps in the folder `out`"
    return ['--config', 'cpu', '--model.name', tiny() if name is None else name, '--output_dir', out, *'--max_steps 2 --num_samples 12 --test_samples 4 --data.unseen_samples 0 '
        '--evaluation.max_new_tokens 8 --eval_steps 1 --save_steps 1 --warmup_steps 0 --batch_size 2 --validation_split 0.34'.split(), *more]

def trained(d, *more):
    "A finished run in `d/out`, copied from one that was made before"
    Path(d).mkdir(exist_ok=True)
    src = cache/('run' + '_'.join(more).replace('/', '_'))
    if not (src/'run.json').exists():
        shutil.rmtree(src, ignore_errors=True)
        r = ask('tiny_train', *flags(src, *more))
        if r.status: raise RuntimeError(r.err[-2000:])
    return Path(shutil.copytree(src, Path(d)/'out', symlinks=True))

four = ['--max_steps', '4', '--training.save_total_limit', '9']

def unfinished(out, steps):
    "The finished run in `out` as if it had been stopped before its checkpoints `steps`, a pattern"
    led = Ledger(out)
    for o in sorted(out.glob(f'checkpoint-{steps}')): shutil.rmtree(o)
    for o in ('run.json', 'loss.png'): (out/o).unlink(missing_ok=True)
    shutil.rmtree(out/'lora_adapter')
    led.files = {k:v for k,v in led.files.items() if (out/k).exists()}
    led.save()
    return out

def begun(d):
    "A run in `d/out` that was stopped after its second of four steps: two checkpoints, no run.json"
    return unfinished(trained(d, *four), '[34]')

# --- configuration
def wrong_values(key):
    "Values that the key's type refuses"
    t = type_name(config_keys[key])
    res = []
    if 'int' in t and 'list' not in t: res += ['many', '1.5', 'nan', '-7', '9'*5000]
    if 'float' in t: res += ['fast', 'nan', 'inf', '-0.5']
    if t.startswith('bool'): res += ['perhaps', '7']
    if '|' in t: res += ['jax']
    if 'dict' in t: res += ['5', 'hello', '[1]', '{a']
    if 'list of int' in t: res += ['1,x', '-1']
    return res

for key in config_keys:
    for v in wrong_values(key): refused('configuration', f'--{key} {v[:20]}', lambda d, key=key, v=v: ['--config', 'cpu', f'--{key}', v], key)
    for v in ({'a':1}, [[1]], True if 'bool' not in type_name(config_keys[key]) else [1]):
        if isinstance(v, dict) and 'dict' in type_name(config_keys[key]): continue
        section,leaf = key.split('.')
        def argv(d, section=section, leaf=leaf, v=v):
            (d/'c.yaml').write_text(yaml.safe_dump({'preset':'cpu', section:{leaf:v}}))
            return ['--config', d/'c.yaml']
        refused('configuration', f'{key}: {v} in a file', argv, key)
    typo = key[:-1]
    if typo not in config_keys: refused('configuration', f'--{typo}', lambda d, typo=typo: ['--config', 'cpu', f'--{typo}', '1'], 'did you mean')

for old,new in renamed.items():
    refused('configuration', f'old name {old} as a flag', lambda d, old=old: ['--config', 'cpu', f'--{old}', '1'], new)
    def argv(d, old=old):
        s,k = old.split('.')
        (d/'c.yaml').write_text(f'{s}: {{{k}: 1}}')
        return ['--config', d/'c.yaml']
    refused('configuration', f'old name {old} in a file', argv, new)

bad_yaml = {'a list': '[]', 'false': 'false', 'a zero': '0', 'a word': 'hello', 'broken': 'training: [', 'a tab': 'training:\n\tmax_steps: 3', 'deep': '['*5000,
    'a duplicate key': 'training: {max_steps: 1, max_steps: 2}', 'a duplicate section': 'training: {max_steps: 1}\ntraining: {max_steps: 2}',
    'short and dotted': 'max_steps: 1\ntraining: {max_steps: 2}', 'no date': 'project: {name: 2024-02-31}', 'no int': 'project: {seed: !!int abc}',
    'a long number': 'project: {seed: ' + '9'*5000 + '}', 'python': 'project: {name: !!python/object/apply:os.system [true]}', 'an unknown tag': 'project: {name: !x y}',
    'unknown preset': 'preset: gpu', 'an unknown section': 'trainig: {max_steps: 3}', 'section as text': 'training: fast', 'section as list': 'training: [1]',
    'a number as key': '3: 4', 'a null key': 'null: 4', 'nested deep': 'project: {name: {a: {b: 1}}}', 'many unknown keys': '\n'.join(f'k{i}: 1' for i in range(100_000)),
    'laughs': 'a: &a [x,x,x,x,x,x,x,x,x]\n' + '\n'.join(f'{c}: &{c} [{",".join(["*"+p]*9)}]' for p,c in zip('abcdefgh','bcdefghi')) + '\nproject: {name: *i}',
    'a long value': 'project: {seed: ' + 'x'*10_000_000 + '}', 'steps': 'preset: cpu\ntraining: {eval_steps: 7, save_steps: 20}', 'warm-up': 'preset: cpu\ntraining: {max_steps: 5, warmup_steps: 6}',
    'a seed': 'project: {seed: 4294967296}', 'a surrogate': 'data: {system_prompt: "\\ud800"}'}
for name,text in bad_yaml.items():
    def argv(d, text=text):
        (d/'c.yaml').write_text(text)
        return ['--config', d/'c.yaml', '--show_config']
    refused('configuration', f'YAML: {name}', argv)
for name,data in {'latin-1': 'project: {name: é}'.encode('latin-1'), 'NULs': b'\0'*100, 'utf-16': 'project: {name: a}'.encode('utf-16')+b'\xff', 'random': random.Random(0).randbytes(500)}.items():
    def argv(d, data=data):
        (d/'c.yaml').write_bytes(data)
        return ['--config', d/'c.yaml', '--show_config']
    refused('configuration', f'YAML: {name}', argv)
for v in ('', 'nowhere.yaml', '~nosuch/x.yaml', '/proc/self/mem', '.', 'a\0b'): refused('configuration', f'--config {v!r}', lambda d, v=v: ['--config', v])
for o in short_names: refused('configuration', f'--{o} without a value', lambda d, o=o: ['--config', 'cpu', f'--{o}'], 'expected one argument')

# --- data
def write(d, name, data):
    path = Path(d)/name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data) if isinstance(data, bytes) else path.write_text(data, encoding='utf-8', errors='surrogatepass')
    return path

def sums(n, start=0): return [dict(question=f'What is {i} and {i+1} together?', answer=f'{i}+{i+1} = {2*i+1}\n#### {2*i+1}') for i in range(start, start+n)]
def jsonl(rows): return ''.join(json.dumps(o)+'\n' for o in rows)
def own(path): return ['--data.dataset_name', path, '--data.templates', 'none']

good = jsonl(sums(20))
odd = {'bytes':None, 'a list':['Tom'], 'a dict':{'a':1}, 'a bool':True}
broken = {f'line {n}: {what}': (''.join(good.splitlines(True)[:n-1]) + bad + ''.join(good.splitlines(True)[n-1:]), words)
    for what,bad,words in (('cut', '{"question": "What', ''), ('a number', '5\n', ''), ('a word', 'hello\n', ''), ('a list', '[1]\n', ''), ('null', 'null\n', '')) for n in (1,2,13) for words in [str(n)]}
broken |= {'empty': ('', ''), 'zeros': (b'\0'*1000, ''), 'latin-1': ('{"question": "é", "answer": "1"}\n'.encode('latin-1'), ''), 'blank lines': ('\n\n', ''),
    'no question': (jsonl([dict(text='a', answer='1')]), 'question'), 'no answer': (jsonl([dict(question='a')]), 'answer'), 'gzip': (b'\x1f\x8b'+b'\0'*50, '')}
for field in ('question', 'answer'):
    for name,v in odd.items():
        if v is None: continue
        for n in (1, 7): broken[f'{field} of row {n} is {name}'] = (jsonl([o | ({field:v} if i==n-1 else {}) for i,o in enumerate(sums(20))]), str(n))
for name,(text,words) in broken.items():
    refused('data', f'jsonl: {name}', lambda d, text=text: flags(d/'out', *own(write(d, 'train.jsonl', text))), words)
    refused('data', f'jsonl in a folder: {name}', lambda d, text=text: flags(d/'out', *own(write(d, 'mine/train.jsonl', text).parent)), words)
for end in ('json', 'csv', 'parquet'):
    for name,data in {'empty':b'', 'zeros':b'\0'*1000, 'random':random.Random(1).randbytes(400), 'latin-1':'question,answer\né,1'.encode('latin-1')}.items():
        refused('data', f'{end}: {name}', lambda d, end=end, data=data: flags(d/'out', *own(write(d, f'train.{end}', data))))
for name,path in {'no file':'nowhere.jsonl', 'no folder':'./nowhere', 'an empty name':'', 'a colon':'a::b.jsonl', 'NUL':'a\0b.jsonl', 'long':'x'*5000, 'another ending':'train.txt', 'a task':'reasoning_gym:nonsense',
    'a hub name':'somebody/nothing', 'a folder of nothing':'.', 'an unfinished task':'reasoning_gym:'}.items():
    refused('data', f'source: {name}', lambda d, path=path: flags(d/'out', *own(path)))
refused('data', 'an empty test file', lambda d: flags(d/'out', *own(write(d, 'm/train.jsonl', good).parent)), before=lambda d: write(d, 'm/test.jsonl', ''))
refused('data', 'every row contradicts its answer', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', jsonl([o | dict(answer=o['answer']+'9') for o in sums(20)])))), 'No usable rows')
refused('data', 'an unknown template', lambda d: flags(d/'out', '--data.templates', '999'), '999')
refused('data', 'all rows set aside', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', good)), '--test_samples', '20'))
refused('data', 'a question of 1 MB', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', jsonl([dict(question='a '*500_000, answer='1 = 1\n#### 1')]*20)))), 'No usable rows')

for name,(task,words) in {'an unknown key':('{nothing: 1}', 'nothing'), 'a wrong type':('{min_terms: many}', ''), 'nothing in it that fits':('{min_terms: 5, max_terms: 2}', ''), 'null':('{min_terms: null}', ''), 'a number as key':('{3: 4}', ''),
    'no terms':('{min_terms: 0, max_terms: 0}', ''), 'a size':('{size: -1}', 'size')}.items():
    refused('data', f'data.task: {name}', lambda d, task=task: flags(d/'out', '--training.method', 'grpo', *own('reasoning_gym:chain_sum'), '--data.task', task), words)
for key in ('task', 'unseen_task'): refused('data', f'data.{key} for a file', lambda d, key=key: flags(d/'out', *own(write(d, 'train.jsonl', good)), f'--data.{key}', '{min_terms: 2}'), f'data.{key}')
refused('data', 'no worked solutions, for sft', lambda d: flags(d/'out', *own('reasoning_gym:chain_sum')), 'grpo')

@case('data', 'a number of 5,000 digits is read, a lone surrogate too')
def _(d):
    rows = sums(20) + [dict(question='How many '+'9'*5000+'?', answer='It is '+'9'*5000+'\n#### '+'9'*5000), dict(question='What \ud800 is it?', answer='1 = 1\n#### 1')]
    r = ask('tiny_train', *flags(d/'out', *own(write(d, 'train.jsonl', jsonl(rows)))))
    return r.problem(0) if r.status==0 else r.problem(2)

# --- models and adapters from strangers
def cut(path, n=None):
    "Cut the file at `path` to `n` bytes, or to half"
    data = path.read_bytes()
    path.write_bytes(data[:len(data)//2 if n is None else n])

def edit(path, **keys):
    "Change `keys` in the JSON file at `path`; None deletes a key"
    o = json.loads(path.read_text()) | keys
    path.write_text(json.dumps({k:v for k,v in o.items() if v is not None}))

def tensors(path, f):
    "Rewrite the safetensors file at `path` as `f` of its tensors"
    from safetensors.torch import load_file, save_file
    save_file({k:v.contiguous() for k,v in f(load_file(path)).items()}, path, metadata=dict(format='pt'))

def spoil(v):
    "Put `v` into the first number of the first tensor"
    def f(ts):
        k = sorted(ts)[0]
        ts[k] = ts[k].clone()
        ts[k].view(-1)[0] = v
        return ts
    return f

def first(ts): return sorted(ts)[0]
weights = {'without its first tensor': lambda ts: {k:v for k,v in ts.items() if k!=first(ts)}, 'with half of its tensors': lambda ts: dict(sorted(ts.items())[::2]),
    'with an unknown tensor': lambda ts: ts | {'model.layers.9.nothing.weight':ts[first(ts)].clone()}, 'with a mis-shaped tensor': lambda ts: ts | {first(ts):ts[first(ts)][:-1].clone()},
    'with NaN': spoil(math.nan), 'with infinity': spoil(math.inf), 'with minus infinity': spoil(-math.inf), 'with unknown tensors only': lambda ts: {f'x.{k}':v for k,v in ts.items()}}
harm = {name:lambda m, f=f: tensors(m/'model.safetensors', f) for name,f in weights.items()}
harm |= {f'{o}: {how}':lambda m, o=o, f=f: f(m/o) for o in ('config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json')
    for how,f in {'missing':Path.unlink, 'empty':lambda p: p.write_bytes(b''), 'cut':cut, 'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size), 'a list':lambda p: p.write_text('[]'),
        'a folder':lambda p: p.unlink() or p.mkdir()}.items() if not (o=='tokenizer_config.json' and how=='missing')}
harm |= {'no chat template': lambda m: (m/'chat_template.jinja').unlink(), 'a broken template': lambda m: (m/'chat_template.jinja').write_text('{% for'),
    'a template that fails': lambda m: (m/'chat_template.jinja').write_text('{{ raise_exception("no") }}'), 'unknown type': lambda m: edit(m/'config.json', model_type='nothing'),
    'no type': lambda m: edit(m/'config.json', model_type=None), 'bert': lambda m: edit(m/'config.json', model_type='bert'), 'more layers': lambda m: edit(m/'config.json', num_hidden_layers=3),
    'fewer layers': lambda m: edit(m/'config.json', num_hidden_layers=1), 'another width': lambda m: edit(m/'config.json', hidden_size=64), 'no vocabulary': lambda m: edit(m/'config.json', vocab_size=10),
    'a pickle': lambda m: (m/'model.safetensors').rename(m/'pytorch_model.bin'), 'a broken index': lambda m: (m/'model.safetensors').unlink() or (m/'model.safetensors.index.json').write_text('{}'),
    'code in the model': lambda m: edit(m/'config.json', auto_map={'AutoConfig':'evil.Config', 'AutoModelForCausalLM':'evil.Model'}, model_type='evil'),
    'code beside a known model': lambda m: edit(m/'config.json', auto_map={'AutoConfig':'evil.Config', 'AutoModelForCausalLM':'evil.Model'}),
    'code in the tokenizer': lambda m: edit(m/'tokenizer_config.json', auto_map={'AutoTokenizer':['evil.Tokenizer', None]}, tokenizer_class='Evil')}
evil = "from pathlib import Path\nPath(__file__).with_name('ran.txt').write_text('')\nfrom transformers import LlamaConfig as Config, LlamaForCausalLM as Model, PreTrainedTokenizerFast as Tokenizer\n"
harmless = {'code beside a known model'} # transformers' own class may be used, if the folder's code is not
for name,f in harm.items():
    def run(d, name=name, f=f):
        m = model(d)
        write(m, 'evil.py', evil)
        f(m)
        stdin,sys.stdin = sys.stdin,io.StringIO('y\n'*50)
        try: r = ask('tiny_eval', *flags(d/'out', '--base_only', name=m))
        finally: sys.stdin = stdin
        if (m/'ran.txt').exists(): return 'code from the folder ran'
        return r.problem(0 if r.status==0 and name in harmless else 2)
    cases.append(Case('model', name, run))
for name,data in {'a header only':b'GGUF\3\0\0\0'+b'\0'*16, 'empty':b'', 'text':b'not a model'*9, 'random':random.Random(2).randbytes(3000), 'a header that lies':b'GGUF\3\0\0\0'+b'\xff'*16}.items():
    refused('model', f'GGUF: {name}', lambda d, data=data: flags(d/'out', '--base_only', name=write(d, 'm.gguf', data)), cmd='tiny_eval')
for name in ('./nowhere', '/nowhere/at/all', 'nowhere.gguf', '~/nowhere', '', '.', 'a\0b', 'x'*3000, 'somebody/nothing', '../..'):
    refused('model', f'model.name {name[:20]!r}', lambda d, name=name: flags(d/'out', '--base_only', name=name), cmd='tiny_eval')
for v in ('lm_head', 'self_attn', 'nothing', 'q_proj,nothing', 'embed_tokens', ''): refused('model', f'target_modules {v!r}', lambda d, v=v: flags(d/'out', '--lora.target_modules', v))

harm = {name:lambda a, f=f: tensors(a/'adapter_model.safetensors', f) for name,f in weights.items()}
harm |= {f'{o}: {how}':lambda a, o=o, f=f: f(a/o) for o in ('adapter_config.json', 'adapter_model.safetensors', 'config.yaml', 'questions.txt') for how,f in {'empty':lambda p: p.write_bytes(b''), 'cut':cut,
    'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size), 'a folder':lambda p: p.unlink() or p.mkdir()}.items() if not (o=='questions.txt' and how in ('empty','cut')) and not (o=='config.yaml' and how in ('empty','cut'))}
harm |= {'no weights': lambda a: (a/'adapter_model.safetensors').unlink(), 'a pickle': lambda a: (a/'adapter_model.safetensors').rename(a/'adapter_model.bin'),
    'fewer target_modules': lambda a: edit(a/'adapter_config.json', target_modules=['q_proj']), 'more target_modules': lambda a: edit(a/'adapter_config.json', target_modules=['q_proj','k_proj','v_proj','o_proj','gate_proj','up_proj','down_proj','lm_head']),
    'another rank': lambda a: edit(a/'adapter_config.json', r=4), 'another task': lambda a: edit(a/'adapter_config.json', task_type='SEQ_CLS'), 'another kind': lambda a: edit(a/'adapter_config.json', peft_type='IA3'),
    'no kind': lambda a: edit(a/'adapter_config.json', peft_type=None), 'a list': lambda a: (a/'adapter_config.json').write_text('[]'), 'null': lambda a: (a/'adapter_config.json').write_text('null')}
for name,f in harm.items():
    def run(d, f=f):
        out = trained(d)
        f(out/'lora_adapter')
        return ask('tiny_eval', *flags(out)).problem(2)
    cases.append(Case('adapter', name, run))
refused('adapter', 'none', lambda d: flags(d/'out'), 'No adapter', cmd='tiny_eval')
refused('adapter', 'none, for the chat', lambda d: flags(d/'out', '--question', '1+1?'), 'No adapter', cmd='tiny_chat')
refused('adapter', 'of another base', lambda d: flags(trained(d), name=model(d)), 'trained on', cmd='tiny_eval')

@case('adapter', 'of another base, without config.yaml')
def _(d):
    out = trained(d)
    (out/'lora_adapter'/'config.yaml').unlink()
    m = model(d)
    edit(m/'config.json', num_hidden_layers=1)
    tensors(m/'model.safetensors', lambda ts: {k:v for k,v in ts.items() if 'layers.1' not in k})
    return ask('tiny_eval', *flags(out, name=m)).problem(2)

refused('adapter', '--init: missing', lambda d: flags(d/'out', '--init', d/'nowhere'), 'No adapter')
refused('adapter', '--init: of another base', lambda d: flags(d/'out', '--init', trained(d/'first')/'lora_adapter', name=model(d)), 'trained on')
refused('adapter', '--init: another rank', lambda d: flags(d/'out', '--init', trained(d/'first')/'lora_adapter', '--lora_r', '4'), 'lora.r')
refused('adapter', '--init: the adapter that would be replaced', lambda d: flags(trained(d), '--overwrite', '--init', d/'out'/'lora_adapter'), 'lora.init')
refused('adapter', '--init: the same by another name', lambda d: flags(trained(d), '--overwrite', '--init', d/'out'/'..'/'out'/'lora_adapter'), 'lora.init')
refused('adapter', '--init: with NaN, --overwrite', lambda d: [tensors(trained(d/'first')/'lora_adapter'/'adapter_model.safetensors', spoil(math.nan)), *flags(trained(d), '--overwrite', '--init', d/'first'/'out'/'lora_adapter')][1:], 'finite')

@case('adapter', '--init: one of another run stays, and is where this run begins')
def _(d):
    first = trained(d/'first')/'lora_adapter'
    old = snapshot(first)
    r = ask('tiny_train', *flags(d/'out', '--init', first))
    return r.problem(0) or changed(old, first)

# --- reinforcement
def grpo(out, *more): return flags(out, *'--training.method grpo --grpo.num_questions 2 --grpo.num_generations 2 --grpo.max_completion_length 4'.split(), *more)
for key,v in {'num_generations':1, 'num_questions':0, 'max_completion_length':0, 'temperature':0, 'accuracy_weight':-1, 'format_weight':-1, 'pass_rates':'./nowhere'}.items():
    refused('reinforcement', f'grpo.{key} {v}', lambda d, key=key, v=v: grpo(d/'out', f'--grpo.{key}', v), f'grpo.{key}')
refused('reinforcement', 'grpo.pass_rates: a file', lambda d: grpo(d/'out', '--grpo.pass_rates', write(d, 'f', 'x')), 'grpo.pass_rates')
refused('reinforcement', 'grpo.pass_rates: a broken file', lambda d: grpo(d/'out', '--grpo.pass_rates', write(d, 'f/traces.json', '[]').parent), 'grpo.pass_rates')
refused('reinforcement', 'no question is worth asking', lambda d: grpo(d/'out', '--grpo.pass_rates', 'measure'), 'sometimes')
refused('reinforcement', 'an unknown method', lambda d: flags(d/'out', '--training.method', 'ppo'), 'sft | grpo')
refused('reinforcement', 'Unsloth', lambda d: grpo(d/'out', '--model.backend', 'unsloth'), 'model.backend')
refused('reinforcement', 'over a run of sft without --overwrite', lambda d: grpo(trained(d)), '--overwrite')
refused('reinforcement', '--resume of a run of sft', lambda d: grpo(begun(d), *four, '--resume'), 'training.method differs')
refused('reinforcement', 'a samples.jsonl that is not ours', lambda d: grpo(write(d, 'out/samples.jsonl', 'mine').parent), 'samples.jsonl')

@case('reinforcement', 'stopped and resumed, the end is the same')
def _(d):
    r = ask('tiny_train', *grpo(d/'whole', *four))
    if r.status: return r.problem(0)
    out = unfinished(Path(shutil.copytree(d/'whole', d/'out')), '[34]')
    r = ask('tiny_train', *grpo(out, *four, '--resume'))
    if r.status: return r.problem(0)
    a,b = ([o['eval_length'] for o in json.loads((f/'run.json').read_text())['history'] if 'eval_length' in o] for f in (d/'whole', out))
    if a!=b or len(a)!=4: return f'{b}, not {a}'
    if (d/'whole'/'samples.jsonl').read_bytes()!=(out/'samples.jsonl').read_bytes(): return 'samples.jsonl differs'

# --- runs
folders = {'a file':lambda d: write(d, 'f', 'x'), 'below a file':lambda d: write(d, 'f', 'x')/'below', '/proc':lambda d: '/proc/nowhere', 'too long':lambda d: d/('x'*300), 'NUL':lambda d: 'a\0b', 'empty':lambda d: '',
    'a dangling link':lambda d: (d/'l').symlink_to(d/'none'/'at'/'all') or d/'l'}
for name,f in folders.items():
    refused('paths', f'output_dir: {name}', lambda d, f=f: flags(f(d)), 'output_dir')
    refused('paths', f'adapter_path: {name}', lambda d, f=f: flags(d/'out', '--adapter_path', f(d)), 'adapter_path')

theirs = ('README.md', 'config.yaml', 'loss.png', 'run.json', 'run_files.json', 'checkpoint-1/model.safetensors', 'checkpoint-2/adapter_model.safetensors', 'checkpoint-500/model.safetensors', 'checkpoint-900/pytorch_model.bin', 'checkpoint-1-backup/notes.txt',
    'checkpoint-best-2024/a.bin', 'checkpoint-notes1', 'eval.json', 'report.html', 'predictions.jsonl', 'lora_adapter/README.md', 'lora_adapter/config.yaml', 'lora_adapter/tokenizer.json', 'lora_adapter/adapter_config.json', 'notes/mine.txt')
for o in theirs:
    for over in ((), ('--overwrite',)):
        @case('what is not ours', f'{o} in a fresh folder {" ".join(over)}')
        def _(d, o=o, over=over):
            write(d, f'out/{o}', 'mine')
            r = ask('tiny_train', *flags(d/'out', *over, '--training.save_total_limit', '1'))
            if (d/'out'/o).read_text()!='mine': return 'it is not what it was'
            return r.problem(0) if r.status==0 else r.problem(2)
    @case('what is not ours', f'{o} beside a run, --overwrite')
    def _(d, o=o):
        out = trained(d)
        if (out/o).exists(): o = o.replace('/', '/my-', 1) if '/' in o else f'my-{o}'
        write(out, o, 'mine')
        r = ask('tiny_train', *flags(out, '--overwrite', '--seed', '5'))
        if (out/o).read_text()!='mine': return 'it is not what it was'
        return r.problem(0) if r.status==0 else r.problem(2)

@case('what is not ours', 'a link named as a checkpoint')
def _(d):
    out,far = trained(d), write(d, 'far/keep.txt', 'mine').parent
    (out/'checkpoint-7').symlink_to(far)
    r = ask('tiny_train', *flags(out, '--overwrite'))
    if not (far/'keep.txt').exists(): return 'what the link points to is gone'
    return r.problem(0) if r.status==0 else r.problem(2)

fails = {'galore_adamw':('--training.optim', 'galore_adamw'), 'a schedule without its arguments':('--training.lr_scheduler_type', 'cosine_with_min_lr'), 'an unknown optimiser':('--training.optim', 'adamm'),
    'an unknown schedule':('--training.lr_scheduler_type', 'linearly'), 'a huge batch':('--batch_size', '1'+'0'*30), 'a huge rank':('--lora_r', '1'+'0'*12), 'huge alpha':('--lora_alpha', '9'*400), 'many samples':('--num_samples', '1'+'0'*30),
    'lm_head':('--lora.target_modules', 'lm_head'), 'a model that is not there':('--model.name', './nowhere'), 'data that is not there':('--data.dataset_name', 'nowhere.jsonl', '--data.templates', 'none'), 'unsloth':('--model.backend', 'unsloth'),
    'an adapter path below a file':None, 'a seed of 2^32':('--seed', str(2**32)), 'warm-up longer than the run':('--warmup_steps', '9')}
for name,more in fails.items():
    refused('overwrite that fails', name, lambda d, more=more: flags(trained(d), '--overwrite', *(more or ('--adapter_path', write(d, 'f', 'x')/'a'))), before=lambda d: None)
    @case('overwrite that fails', f'{name}: the old run stays')
    def _(d, more=more):
        out = trained(d)
        old = snapshot(out)
        r = ask('tiny_train', *flags(out, '--overwrite', *(more or ('--adapter_path', write(d, 'f', 'x')/'a'))))
        return r.problem(2) or changed(old, out)

# --- going on
part = {f'{o}: {how}':(o, f) for o in ('adapter_model.safetensors', 'adapter_config.json', 'optimizer.pt', 'scheduler.pt', 'rng_state.pth', 'trainer_state.json')
    for how,f in {'missing':Path.unlink, 'empty':lambda p: p.write_bytes(b''), 'cut':cut, 'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size), 'text':lambda p: p.write_text('null')}.items()}
for name,(o,f) in part.items():
    @case('a damaged newest checkpoint', name)
    def _(d, o=o, f=f):
        out = begun(d)
        f(out/'checkpoint-2'/o)
        r = ask('tiny_train', *flags(out, *four, '--resume'))
        if r.status: return r.problem(0)
        run = json.loads((out/'run.json').read_text())
        whole = json.loads((cache/('run' + '_'.join(four))/'run.json').read_text())
        if run['resumed_from']!=1: return f'it went on from {run["resumed_from"]}'
        if 'checkpoint-2' not in r.err: return 'the damaged checkpoint is not named'
        end = [[h['eval_loss'] for h in o['history'] if 'eval_loss' in h][-1] for o in (run, whole)]
        if abs(end[0]-end[1])>1e-4: return f'losses {end}'
differ = {'another seed':('--seed', '5'), 'more rows':('--num_samples', '14'), 'another rank':('--lora_r', '4'), 'another rate':('--learning_rate', '0.5'), 'another batch':('--batch_size', '3'), 'another optimiser':('--training.optim', 'sgd'),
    'another prompt':('--data.system_prompt', 'Hi'), 'more steps':('--max_steps', '5')}
for name,more in differ.items(): refused('resume', name, lambda d, more=more: flags(begun(d), *four, '--resume', *more), 'differs', before=None)
for name,o in {'no config.yaml':'config.yaml'}.items():
    refused('resume', name, lambda d, o=o: [(begun(d)/o).unlink(), *flags(d/'out', *four, '--resume')][1:])
for name,data in {'a list':'[]', 'broken':'training: [', 'empty':''}.items():
    refused('resume', f'config.yaml: {name}', lambda d, data=data: [write(begun(d), 'config.yaml', data), *flags(d/'out', *four, '--resume')][1:])
refused('resume', 'a finished run', lambda d: flags(trained(d), '--resume'), 'complete')
refused('resume', 'a folder with a run, and neither --resume nor --overwrite', lambda d: flags(trained(d)), '--overwrite')

@case('resume', 'another file behind the same name')
def _(d):
    path = write(d, 'train.jsonl', jsonl(sums(20)))
    out = d/'out'
    r = ask('tiny_train', *flags(out, *own(path), *four))
    if r.status: return r.problem(0)
    unfinished(out, '[34]')
    write(d, 'train.jsonl', jsonl(sums(20, 30)))
    return ask('tiny_train', *flags(out, *own(path), *four, '--resume')).problem(2)

@case('resume', 'nothing there')
def _(d): return ask('tiny_train', *flags(d/'out', '--resume')).problem(0)

def last_loss(out): return [o['eval_loss'] for o in json.loads((out/'run.json').read_text())['history'] if 'eval_loss' in o][-1]

def forget(out, *names):
    "Take `names` out of the list of files in `out`, as if they had never been finished"
    led = Ledger(out)
    led.files = {k:v for k,v in led.files.items() if k not in names}
    led.save()

saved = {'run.json':lambda a: None, 'the adapter was recorded':lambda a: forget(a, *Ledger(a).files), 'the second file of the adapter':lambda a: forget(a, *Ledger(a).files) or (a/'adapter_model.safetensors').unlink()}
for name,f in saved.items():
    @case('resume', f'killed before {name}')
    def _(d, f=f):
        out = d/'out'
        r = ask('tiny_train', *flags(out, *four))
        if r.status: return r.problem(0)
        want = last_loss(out)
        for o in ('run.json', 'loss.png'): (out/o).unlink()
        forget(out, 'run.json', 'loss.png')
        f(out/'lora_adapter')
        r = ask('tiny_train', *flags(out, *four, '--resume'))
        return r.problem(0) or (f'{last_loss(out)}, not {want}' if last_loss(out)!=want else None)

@case('resume', 'killed before its first two files')
def _(d):
    (d/'out').mkdir()
    Ledger(d/'out').claim('config.yaml', 'data.json', 'run.json', 'loss.png')
    return ask('tiny_train', *flags(d/'out', '--resume')).problem(0)

refused('resume', 'an adapter of another run', lambda d: flags(begun(d/'one'), *four, '--resume', '--adapter_path', trained(d/'two')/'lora_adapter'), 'another adapter')

def first_best(d):
    "As `begun`, with a first checkpoint that validated better than any other can"
    out = begun(d)
    state = out/'checkpoint-2'/'trainer_state.json'
    before = json.loads(state.read_text())
    state.write_text(json.dumps(before | dict(best_metric=1., best_global_step=1, best_model_checkpoint=str(Path(before['best_model_checkpoint']).with_name('checkpoint-1')))))
    Ledger(out).record('checkpoint-2')
    return out

for name,f in {'missing':Path.unlink, 'cut':cut, 'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size)}.items():
    @case('a damaged best checkpoint', name)
    def _(d, f=f):
        out = first_best(d)
        f(out/'checkpoint-1'/'adapter_model.safetensors')
        r = ask('tiny_train', *flags(out, *four, '--resume'))
        if 'checkpoint-1/adapter_model.safetensors' not in r.err: return 'the damage is not named'
        return r.problem(0) if r.status==0 else r.problem(2)

@case('a damaged best checkpoint', 'whole, in a folder that was renamed')
def _(d):
    out = first_best(d).rename(d/'new')
    r = ask('tiny_train', *flags(out, *four, '--resume'))
    best = json.loads((out/'run.json').read_text())['best']['checkpoint'] if r.status==0 else None
    return r.problem(0) or (f'the best checkpoint is {best!r}' if best!='checkpoint-1' else None)

for name,made in {'an export':'export.json', 'traces':'traces.json'}.items():
    for where in ('--output_dir', '--adapter_path'):
        for more in ((), ('--overwrite',)):
            @case('what is not ours', f'{where} on {name} {" ".join(more)}'.rstrip())
            def _(d, made=made, where=where, more=more):
                files = [write(d, f'theirs/{o}', '{}') for o in (made, 'model.safetensors', 'train.jsonl')]
                led = Ledger(d/'theirs')
                led.claimed = [o.name for o in files]
                led.record(*led.claimed)
                r = ask('tiny_train', *flags(d/'out', where, d/'theirs', *more))
                return r.problem(2, made) or next((f'{o.name} is gone' for o in files if not o.exists()), None)

# --- exports: nothing of anybody's is deleted, and what cannot work is said before anything loads
commands |= dict(tiny_export='export')
bad_exports = {
    'a format that does not exist': ('merged | gguf', '--to', 'onnx'),
    'a quantisation that we do not write': ('q8_0', '--to', 'gguf', '--quants', 'q3_k'),
    'quantisations without GGUF': ('--to gguf', '--quants', 'q8_0'),
    'a repository without an owner': ('name/of-model', '--push', 'sums'),
    'an address as a repository': ('name/of-model', '--push', 'https://me:secret@hub/a'),
    'no token': ('token', '--push', 'me/sums'),
    'no adapter': ('No adapter', '--adapter_path', 'nowhere'),
    'a folder of the system': ('no export', '--dest', '/proc'),
    'a destination with a NUL': ('dest', '--dest', 'a\0b')}
for name,(words,*more) in bad_exports.items():
    refused('export', name, lambda d, more=more: flags(trained(d), *more), words, cmd='tiny_export')
for name,dest in {'onto its own run':'out', 'onto its adapter':'out/lora_adapter', "onto somebody's notes":'theirs'}.items():
    refused('export', name, lambda d, dest=dest: flags(trained(d), '--dest', write(d, 'theirs/notes.txt', 'mine').parents[1]/dest),
            'no export', cmd='tiny_export')
refused('export', 'onto a file', lambda d: flags(trained(d), '--dest', write(d, 'theirs/notes.txt', 'mine')), 'Not a directory', cmd='tiny_export')

def exported(d, *more):
    "What goes wrong with an export of the finished run in `d/out`"
    out = d/'out' if (d/'out').exists() else trained(d)
    r = ask('tiny_export', *flags(out, *more))
    return r.problem(0) or (None if (out/'export/export.json').exists() else 'no export')

def somewhere(d, name, text):
    "Whether exactly one file `name` with `text` is below `d`"
    found = [o for o in d.rglob(name) if o.read_bytes()==text.encode()]
    return None if len(found)==1 else f'{name} is there {len(found)} times'

@case('export', 'a second one: the first moves aside with its notes')
def _(d):
    if (why := exported(d)): return why
    (d/'out/export/notes.txt').write_text('mine')
    return exported(d) or somewhere(d/'out/replaced', 'notes.txt', 'mine')

@case('export', 'killed while it was writing, and again between the two renames')
def _(d):
    write(trained(d), '.export-x1.part/export/model.safetensors', 'half')
    write(d, 'out/replaced/2026-01-01-000000/export/export.json', '{}')
    return exported(d) or somewhere(d, 'model.safetensors', 'half')

@case('export', 'an export.json that names files elsewhere')
def _(d):
    write(trained(d), 'export/export.json', json.dumps(dict(files=['../../photos/a.png', '/etc/passwd'])))
    write(d, 'photos/a.png', 'mine')
    return exported(d) or somewhere(d, 'a.png', 'mine')

@case('export', 'a link in place of the folder: what it points to is exchanged, and the link stays')
def _(d):
    (trained(d)/'export').symlink_to(d/'elsewhere')
    return exported(d) or (None if (d/'out/export').is_symlink() and (d/'elsewhere/export.json').exists() else 'the link is gone')

for name,text in {'null':'null', 'a list':'[]', 'empty':'', 'bytes':'\x00', 'numbers as text':'{"sets":{"test":{"tuned":"99%"}}}'}.items():
    @case('export', f'eval.json is {name}')
    def _(d, text=text):
        write(trained(d), 'eval.json', text)
        if (why := exported(d)): return why
        card = (d/'out/export/README.md').read_text()
        return None if 'has not been measured' in card else card[-300:]

# --- runs that go wrong
for v in ('1e30', '1e8', '1e20'):
    @case('diverging', f'--learning_rate {v}')
    def _(d, v=v):
        r = ask('tiny_train', *flags(d/'out', '--learning_rate', v, '--max_steps', '6', '--training.logging_steps', '1'))
        if r.status==0: # what can be trained at this rate is finite
            from safetensors.torch import load_file
            if not all(t.isfinite().all() for t in load_file(d/'out'/'lora_adapter'/'adapter_model.safetensors').values()): return 'an adapter that is not finite'
        return r.problem(0) if r.status==0 else r.problem(2)

@case('diverging', 'JSON files are strict')
def _(d):
    def no(x): raise ValueError(x)
    out = trained(d)
    r = ask('tiny_eval', *flags(out))
    if r.status: return r.problem(0)
    for o in ('run.json', 'eval.json'): json.loads((out/o).read_text(), parse_constant=no)

for name,more in {'evaluation.samples -1':('--evaluation.samples', '-1'), 'evaluation.temperature 0':('--evaluation.temperature', '0'), 'evaluation.top_p 0':('--evaluation.top_p', '0'), 'evaluation.top_p 1.1':('--evaluation.top_p', '1.1'),
    'adapters and --base_only':('--base_only', '--adapters', 'x'), 'adapters that are not there':('--adapters', 'x', 'y')}.items():
    refused('evaluation', name, lambda d, more=more: flags(trained(d), *more), cmd='tiny_eval')

@case('evaluation', 'evaluation.samples 0: none are drawn')
def _(d):
    out = trained(d)
    r = ask('tiny_eval', *flags(out, '--evaluation.samples', '0'))
    return r.problem(0) or ('sampled' in (out/'eval.json').read_text() and 'there are samples' or None)

@case('evaluation', '--base_only keeps a full evaluation')
def _(d):
    out = trained(d)
    r = ask('tiny_eval', *flags(out))
    old = {o:(out/o).read_bytes() for o in ('eval.json', 'predictions.jsonl', 'report.html')}
    b = ask('tiny_eval', *flags(out, '--base_only'))
    return r.problem(0) or (b.problem(0) if b.status==0 else b.problem(2)) or next((f'{o} has changed' for o,v in old.items() if (out/o).read_bytes()!=v), None)

limited = "import resource, signal, runpy, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)); sys.argv = sys.argv[2:]; runpy.run_module(sys.argv[0], run_name='__main__')"
def on_small_disk(n, module, *argv): return shell(sys.executable, '-c', limited, n, f'tiny_reasoning.{module}', *argv)
for n in (100, 3000, 20_000, 200_000):
    @case('a full disk', f'training, {n:,} bytes a file')
    def _(d, n=n):
        out = trained(d)
        r = on_small_disk(n, 'train', *flags(d/'new'))
        o = on_small_disk(n, 'train', *flags(out, '--overwrite', '--seed', '5'))
        return (r.problem(2) if r.status else None) or (o.problem(2) if o.status else None)
    @case('a full disk', f'evaluation, {n:,} bytes a file: the older report stays')
    def _(d, n=n):
        out = trained(d)
        first = ask('tiny_eval', *flags(out))
        old = {o:(out/o).read_bytes() for o in ('eval.json', 'predictions.jsonl', 'report.html')}
        r = on_small_disk(n, 'eval', *flags(out, '--evaluation.max_new_tokens', '9'))
        if r.status==0: return
        return first.problem(0) or r.problem(2) or next((f'{o} is cut' for o,v in old.items() if (out/o).read_bytes()!=v and not (out/o).read_bytes().strip().endswith((b'}', b'</html>'))), None)

# --- two at once, and signals
def start(*argv):
    "A process that hears SIGINT and SIGHUP, which a shell's background jobs and nohup ignore"
    def hear():
        for o in (signal.SIGINT, signal.SIGHUP): signal.signal(o, signal.SIG_DFL)
    return subprocess.Popen([sys.executable, '-m', *map(str, argv)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear)

def until(f, limit=90):
    end = time.time()+limit
    while not f() and time.time()<end: time.sleep(.02)

for second in ('train', 'train --overwrite', 'eval --base_only'):
    @case('two at once', f'tiny_train and tiny_{second}')
    def _(d, second=second):
        p = start('tiny_reasoning.train', *flags(d/'out', '--max_steps', '400', '--training.save_total_limit', '2'))
        until(lambda: list((d/'out').glob('checkpoint-*')))
        module,*more = second.split()
        r = shell(sys.executable, '-m', f'tiny_reasoning.{module}', *flags(d/'out', *more))
        p.send_signal(signal.SIGTERM)
        err = p.communicate()[1]
        if p.returncode!=143: return f'the first one ended with status {p.returncode}: {err[-300:]}'
        return r.problem(2, 'in use by')

for sig,status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
    for when in ('loading', 'training'):
        @case('signals', f'{sig.name} in {when}')
        def _(d, sig=sig, status=status, when=when):
            p = start('tiny_reasoning.train', *flags(d/'out', '--max_steps', '400'))
            if when=='training': until(lambda: list((d/'out').glob('checkpoint-*')))
            else: p.stderr.readline() # It says that it has started
            p.send_signal(sig)
            try: err = p.communicate(timeout=3*seconds)[1]
            except subprocess.TimeoutExpired:
                p.kill()
                return 'it goes on'
            if 'Traceback' in err: return err[-300:]
            if p.returncode!=status: return f'status {p.returncode}, not {status}: {err[-200:]}'

for i in range(8):
    @case('kills', f'SIGKILL at a random moment, {i}')
    def _(d, i=i):
        want = [h['eval_loss'] for h in json.loads((trained(d, '--max_steps', '12')/'run.json').read_text())['history'] if 'eval_loss' in h]
        out,rng = d/'killed', random.Random(i)
        p = start('tiny_reasoning.train', *flags(out, '--max_steps', '12'))
        until(lambda: (out/'config.yaml').exists())
        time.sleep(rng.random()*4)
        p.kill()
        p.communicate()
        if not (out/'run.json').exists():
            r = ask('tiny_train', *flags(out, '--max_steps', '12', '--resume'))
            if r.status: return r.problem(0)
        got = [h['eval_loss'] for h in json.loads((out/'run.json').read_text())['history'] if 'eval_loss' in h]
        if len(got)!=12 or abs(got[-1]-want[-1])>1e-4: return f'{got[-1:]} after {len(got)} validations, not {want[-1:]}'

# --- what comes in and goes out
module = {k:v[0] for k,v in commands.items()}
for name in module:
    def run_closed(d, name=name): return shell('sh', '-c', f'exec "{sys.executable}" -m tiny_reasoning.{module[name]} --config nowhere.yaml <&- ').problem(2)
    cases.append(Case('streams', f'{name}: stdin closed', run_closed))
    def run_full(d, name=name):
        r = shell('sh', '-c', f'exec "{sys.executable}" -m tiny_reasoning.{module[name]} --config cpu --show_config > /dev/full')
        return 'a traceback' if 'Traceback' in r.err or 'Exception ignored' in r.err else None if r.status==2 else f'status {r.status}'
    cases.append(Case('streams', f'{name}: stdout is full', run_full))
    def run_no_out(d, name=name):
        r = shell('sh', '-c', f'exec "{sys.executable}" -m tiny_reasoning.{module[name]} --config cpu --show_config >&-')
        return 'a traceback' if 'Traceback' in r.err or 'Exception ignored' in r.err else r.problem(2)
    cases.append(Case('streams', f'{name}: stdout closed', run_no_out))
    def run_ascii(d, name=name): return shell(sys.executable, '-m', f'tiny_reasoning.{module[name]}', '--config', 'cpu', '--project.name', 'Größe ✓', '--show_config', env=os.environ | dict(PYTHONIOENCODING='ascii', LC_ALL='C')).problem(0)
    cases.append(Case('streams', f'{name}: ASCII only', run_ascii))
    def run_head(d, name=name):
        r = shell('sh', '-c', f'"{sys.executable}" -m tiny_reasoning.{module[name]} --config cpu --show_config | true')
        return 'a traceback' if 'Traceback' in r.err or 'Exception ignored' in r.err else None
    cases.append(Case('streams', f'{name}: nobody reads', run_head))

for name,v in {'colour':'\x1b[31mred', 'title':'\x1b]0;title\x07', 'clipboard':'\x1b]52;c;aGk=\x07', 'link':'\x1b]8;;http://x\x07x\x1b]8;;\x07', 'clear':'\x1b[2J', 'where':'\x1b[6n', 'C1':'\x9b31m', 'return':'a\rb', 'backspace':'a\x08b', 'bidi':'a\u202eb'}.items():
    @case('control characters', f'project.name: {name}')
    def _(d, v=v): 
        r = ask('tiny_train', *flags(d/'out', '--project.name', v))
        return ('a control character in its output' if control.search(r.err.replace('\r', '').replace('\x1b[A', '')) or '\r'+v[-1] in r.err and '\r' in v else None) or (r.problem(0) if r.status==0 else r.problem(2))
    @case('control characters', f'data.dataset_name: {name}')
    def _(d, v=v): return ask('tiny_train', *flags(d/'out', *own(f'./{v}.jsonl'))).problem(2)
    @case('control characters', f'an unknown key: {name}')
    def _(d, v=v): return ask('tiny_train', '--config', 'cpu', f'--{v}', '1').problem(2)

# --- chat
for name,more in {'a question of 1 MB':('--question', 'a '*60_000), 'a tiny temperature':('--question', 'What is 1+1?', '--temperature', '1e-40'), 'a negative temperature':('--question', '1+1?', '--temperature', '-1'), 'nan':('--question', '1+1?', '--temperature', 'nan'),
    'a surrogate':('--question', '\udcff')}.items():
    @case('chat', name)
    def _(d, more=more):
        r = ask('tiny_chat', *flags(d/'out', '--base', *more))
        return r.problem(0) if r.status==0 else ('Traceback' in r.err and r.err[-300:]) or (None if r.status==2 else f'status {r.status}')

# --- the campaign
fast = 'configuration', 'data', 'paths' # Groups of `--quick`, whose rows end before a model is loaded

def begin():
    "Make the folder for what is made once, in each process"
    global cache, _folder
    _folder = tempfile.TemporaryDirectory()
    cache = Path(_folder.name).resolve()
    shell_commands.docments = functools.cache(shell_commands.docments) # A command reads them once
    if not log.handlers: setup_log()

def attempt(i):
    "Run row `i` in an empty folder: `i`, what is wrong and the seconds that it took"
    start,here = time.time(),os.getcwd()
    with tempfile.TemporaryDirectory() as d:
        os.chdir(d)
        try: res = cases[i].run(Path(d).resolve())
        except Exception as e: res = 'the row itself failed: ' + ''.join(traceback.format_exception(e))[-600:]
        finally: os.chdir(here)
    return i, res, time.time()-start

def attempts(rows, n):
    "The rows in `n` processes"
    if n==1:
        begin()
        yield from map(attempt, rows)
    else:
        with get_context('spawn').Pool(n, begin) as pool: yield from pool.imap_unordered(attempt, rows, 4)

def main():
    "Run the groups named, or all, and say what failed"
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('groups', nargs='*', help='groups, or rows as `group: name`; all without any')
    p.add_argument('--quick', action='store_true', help='only the groups ' + ', '.join(fast))
    p.add_argument('--processes', type=int, default=2)
    p.add_argument('--times', action='store_true', help='print the seconds of each row')
    a = p.parse_args()
    known = {o for c in cases for o in (c.group, f'{c.group}: {c.name}')}
    if unknown := [o for o in a.groups if o not in known]: p.error(f'no group or row {unknown[0]!r}; groups: {", ".join(dict.fromkeys(c.group for c in cases))}')
    rows = [i for i,c in enumerate(cases) if (not a.groups or c.group in a.groups or f'{c.group}: {c.name}' in a.groups) and (not a.quick or c.group in fast)]
    start,bad,times = time.time(),[],Counter()
    for i,res,took in tqdm(attempts(rows, min(a.processes, len(rows))), total=len(rows), unit='row', mininterval=2, disable=None):
        if res: bad.append((cases[i], res))
        times[cases[i].group] += took
        if a.times: print(f'{took:6.1f} s  {cases[i].group}: {cases[i].name}{"  FAILED: " + res if res else ""}', flush=True)
    for g in dict.fromkeys(cases[i].group for i in rows):
        n,wrong = sum(cases[i].group==g for i in rows), sum(c.group==g for c,_ in bad)
        print(f'{g:30} {n-wrong:4} of {n:4} held, {times[g]:5.0f} s')
    for c,res in bad: print(f'\n{c.group}: {c.name}\n    {res}')
    print(f'\n{len(rows)-len(bad)} passed, {len(bad)} failed ({time.time()-start:.0f} s)')
    return bool(bad)

if __name__=='__main__': sys.exit(main())
