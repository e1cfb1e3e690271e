"""`make faults`: what users and machines do wrong, tried on the real commands. Each case is a row: a group, a name, what is done, and
what must come of it. Most rows are generated. They run in this process with a random model of two layers, so that a case takes a second;
kills, races and closed streams get processes of their own. Arguments: groups to run (all without any); `--quick` takes the rows that need
neither a model nor a process of their own; `--processes 1` does not share the rows between two; `--times` prints the seconds of each row."""
import argparse, base64, contextlib, functools, gzip, io, json, math, os, random, re, shutil, signal, subprocess, sys, tempfile, threading, time, traceback
from dataclasses import dataclass
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Callable

os.environ |= dict(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false')
import yaml
from tqdm import tqdm
from tiny_reasoning import command as shell_commands, config
from tiny_reasoning.command import command, setup_log
from tiny_reasoning.config import config_keys, log, short_names, type_name

seconds = 30 # The longest that an error may take in this process; one of its own has to import everything first, perhaps beside another one: three times that
logged = re.compile(r'\d\d:\d\d:\d\d (INFO|WARNING|ERROR)')
control = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]')

commands = dict(tiny_train='train', tiny_eval='eval', tiny_chat='chat', tiny_traces='traces', tiny_export='export', tiny_reason='reason') # Command -> module with its `main`

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
    main = import_module(f'tiny_reasoning.{commands[name]}').main
    sys.argv = [name, *(str(o) for o in argv)]
    out,err,start = io.StringIO(), io.StringIO(), time.time()
    for h in log.handlers: h.setStream(err)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try: main()
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
    for o in sorted(out.glob(f'checkpoint-{steps}')): shutil.rmtree(o)
    for o in ('run.json', 'loss.png'): (out/o).unlink(missing_ok=True)
    shutil.rmtree(out/'lora_adapter')
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

bad_yaml = {'a list': '[]', 'false': 'false', 'a zero': '0', 'a word': 'hello', 'broken': 'training: [', 'a tab': 'training:\n\tmax_steps: 3',
    'a duplicate key': 'training: {max_steps: 1, max_steps: 2}', 'a duplicate section': 'training: {max_steps: 1}\ntraining: {max_steps: 2}',
    'short and dotted': 'max_steps: 1\ntraining: {max_steps: 2}', 'no date': 'project: {name: 2024-02-31}', 'no int': 'project: {seed: !!int abc}',
    'a long number': 'project: {seed: ' + '9'*5000 + '}', 'python': 'project: {name: !!python/object/apply:os.system [true]}', 'an unknown tag': 'project: {name: !x y}',
    'unknown preset': 'preset: gpu', 'an unknown section': 'trainig: {max_steps: 3}', 'section as text': 'training: fast', 'section as list': 'training: [1]',
    'a number as key': '3: 4', 'a null key': 'null: 4', 'nested deep': 'project: {name: {a: {b: 1}}}',
    'steps': 'preset: cpu\ntraining: {eval_steps: 7, save_steps: 20}', 'warm-up': 'preset: cpu\ntraining: {max_steps: 5, warmup_steps: 6}',
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

def splits_of(path, **keys):
    "What the rows in `path` become, without a model"
    from tiny_reasoning.config import load_config
    from tiny_reasoning.splits import make_splits
    return make_splits(load_config('cpu', num_samples=-1, test_samples=2, **{'data.dataset_name':str(path), 'data.templates':None, 'data.unseen_samples':0} | keys))

def kept(name, file, data, n=20, answers=None, **keys):
    "Add a case in which `n` rows of a data file are kept, with `answers` where given, and each reply that is taught scores 1"
    def run(d):
        from tiny_reasoning.data import score, to_reply
        s = splits_of(write(d, file, data), **keys)
        rows = s.train+s.validation+s.test
        if len(rows)!=n: return f'{len(rows)} rows, not {n}; dropped: {dict(s.dropped)}'
        wrong = [o for o in rows if score(o, to_reply(o), strict=True)!=1]
        if wrong: return f'its own reply is wrong: {wrong[0]}'
        if answers and {o['answer'] for o in rows}!=answers: return f'answers {sorted({o["answer"] for o in rows})}'
    cases.append(Case('data', name, run))

def same_answers(answer): return [o | dict(answer=f'That makes {answer}.\n#### {answer}') for o in sums(20)]

read_as = {'21,50,000':'2150000', '12 500':'12500', "1'234":'1234', '1 234 567':'1234567', '1.2e6':'1200000', '2.5 million':'2500000', '10^6':'1000000', r'1.5\times 10^{3}':'1500',
    '২১':'21', '１２':'12', '2½':'5/2', '-$5':'-5', '45%':'45', '9007199254740993':'9007199254740993', '0.0000004':'0.0000004', '5 m^2':'5'}
for spelled,answer in read_as.items(): kept(f'an answer {spelled}', 'train.jsonl', jsonl(same_answers(spelled)), answers={answer})
unread = ('3:4', '3,5', '1.234,56', r'5\sqrt{2}', '2^10', '5!', '7 or 8', 'not 7 but 8', 'between 7 and 9', 'x = 5', '5x', '3 dozen', '5k', '5万', '0x10', '1_000', '- 7', '(5)', '~5', 'B', '1/0', '9'*5000)
for spelled in unread:
    for method in ('sft', 'grpo'):
        refused('data', f'an answer {spelled[:20]}, {method}', lambda d, spelled=spelled, method=method: flags(d/'out', '--training.method', method, *own(write(d, 'train.jsonl', jsonl(same_answers(spelled))))), 'one number')
refused('data', 'headings with the mark, and no answer', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', jsonl([o | dict(answer='#### Step 1\nCount.\n#### Step 2\nAdd 3.') for o in sums(20)])))), 'No usable rows')
refused('data', 'a special token in each solution', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', jsonl([o | dict(answer='<|im_end|> '+o['answer']) for o in sums(20)])))), 'special token')

asked,solved = [o['question'] for o in sums(20)], [o['answer'] for o in sums(20)]
chats = [[('user', q), ('assistant', a)] for q,a in zip(asked, solved)]
shapes = {'problem, solution': [dict(problem=q, solution=a) for q,a in zip(asked, solved)], 'Alpaca': [dict(instruction=q, input='', output=a) for q,a in zip(asked, solved)],
    'messages': [dict(messages=[dict(role=r, content=t) for r,t in o]) for o in chats], 'ShareGPT': [dict(conversations=[{'from':dict(user='human', assistant='gpt')[r], 'value':t} for r,t in o]) for o in chats],
    'a prompt and a completion': [dict(prompt=q, completion=a) for q,a in zip(asked, solved)], 'reasoning beside the answer': [dict(question=q, reasoning=a.split('\n')[0], answer=a.split()[-1]) for q,a in zip(asked, solved)],
    'boxed': [dict(question=q, answer=a.replace('\n#### ', r'. So it is \boxed{')+'}.') for q,a in zip(asked, solved)], 'think and answer tags': [dict(question=q, answer=f'<think>{a.split(chr(10))[0]}</think>\n<answer>{a.split()[-1]}</answer>') for q,a in zip(asked, solved)]}
for name,rows in shapes.items(): kept(f'{name}: read', 'train.jsonl', jsonl(rows), answers={o.split()[-1] for o in solved})
kept('named columns: read', 'train.jsonl', jsonl([dict(text=q, label=a) for q,a in zip(asked, solved)]), **{'data.columns':dict(question='text', answer='label')})
refused('data', 'named columns that are not there', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', good)), '--data.columns', '{question: text}'), 'columns')
refused('data', 'an unknown name of a column', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', good)), '--data.columns', '{quest: text}'), 'data.columns')

def sheet(by, head='question,answer'): return head.replace(',', by)+'\n' + ''.join(by.join(f'"{v}"' for v in o.values())+'\n' for o in sums(20))
files = {'a byte order mark':('train.jsonl', '\ufeff'+good), 'a list over lines':('train.json', json.dumps(sums(20), indent=1)), 'objects over lines':('train.json', '\n'.join(json.dumps(o, indent=1) for o in sums(20))),
    'a list for each column':('train.json', json.dumps(dict(question=asked, answer=solved))), 'csv':('train.csv', sheet(',')), 'semicolons':('train.csv', sheet(';')), 'tabs':('train.tsv', sheet('\t')),
    'capital names':('train.csv', sheet(',', 'Question,ANSWER')), 'csv with a byte order mark':('train.CSV', '\ufeff'+sheet(',')), 'compressed':('train.jsonl.gz', gzip.compress(good.encode())), 'line ends of Windows':('train.jsonl', good.replace('\n', '\r\n'))}
for name,(file,data) in files.items(): kept(f'{name}: read', file, data)
refused('data', 'a csv row that is too long', lambda d: flags(d/'out', *own(write(d, 'train.csv', sheet(',')+'a,b,c\n'))), 'row 21')
kept('a late fraction and an empty cell', 'train.csv', 'question,answer\n'+''.join(f'What is {i} and 5?,{i+5}\n' for i in range(3000))+'A half of a half?,1/4\nWhat?,\nMany?,12345678901234567\n', n=3002, **{'training.method':'grpo'})
kept('brackets make two questions', 'train.jsonl', jsonl([dict(question=f'What is {q}?', answer=f'It is {a}\n#### {a}') for i in range(2, 12) for q,a in ((f'2*({i}+4)', 2*(i+4)), (f'2*{i}+4', 2*i+4))]))
refused('data', 'answers that contradict each other', lambda d: flags(d/'out', *own(write(d, 'train.jsonl', jsonl([o for i in (1, 2) for o in [dict(question=q, answer=f'1+{i} = {1+i}\n#### {1+i}') for q in asked]])))), 'contradicts another row')

@case('data', 'a test file without answers: test rows are set aside')
def _(d):
    write(d, 'mine/test.csv', 'id,question\n1,How many?\n')
    s = splits_of(write(d, 'mine/train.jsonl', good).parent)
    return None if s.set_aside and len(s.test)==2 else f'{len(s.test)} test rows'

@case('data', 'several solutions, with a test file and without')
def _(d):
    rows = [o | dict(answer=w+o['answer']) for o in sums(12) for w in ('Count on.\n', 'Add.\n', 'Both.\n')]
    alone = splits_of(write(d, 'a/train.jsonl', jsonl(rows)).parent)
    write(d, 'b/test.jsonl', jsonl(sums(2, start=50)))
    beside = splits_of(write(d, 'b/train.jsonl', jsonl(rows)).parent)
    got = [len(o.train+o.validation) for o in (alone, beside)]
    return None if got==[30, 36] else f'{got} rows'

@case('data', 'other content with the same time and size is read anew')
def _(d):
    seen = []
    for answer in ('1', '2'):
        path = write(d, 'train.jsonl', jsonl(same_answers(answer)))
        os.utime(path, (1, 1))
        seen.append(splits_of(path).train[0]['answer'])
    return None if seen==['1', '2'] else f'{seen}'

@case('data', 'a parquet file with an Image column asks nobody')
def _(d):
    import datasets, socket, pyarrow as pa, pyarrow.parquet as pq
    from unittest import mock
    features = datasets.Features(question=datasets.Value('string'), answer=datasets.Value('string'), image=datasets.Image())
    rows = [o | dict(image=dict(bytes=None, path='http://nowhere.example/x.png')) for o in sums(20)]
    pq.write_table(pa.Table.from_pylist(rows, features.arrow_schema), d/'train.parquet')
    with mock.patch.object(socket.socket, 'connect', side_effect=AssertionError('a request')), mock.patch.object(socket, 'getaddrinfo', side_effect=AssertionError('a request')): s = splits_of(d/'train.parquet')
    return None if len(s.train+s.validation+s.test)==20 else 'rows are missing'

@case('data', 'what `save_to_disk` wrote')
def _(d):
    import datasets
    rows = datasets.Dataset.from_list(sums(20))
    rows.save_to_disk(d/'one')
    datasets.DatasetDict(train=rows, test=datasets.Dataset.from_list(sums(5, start=50))).save_to_disk(d/'two')
    got = [(len(o.train+o.validation), len(o.test), o.set_aside) for o in map(splits_of, (d/'one', d/'two'))]
    return None if got==[(18, 2, True), (20, 2, False)] else f'{got}'

@case('data', 'replies of 200,000 characters are read in a second')
def _(d):
    from tiny_reasoning.data import answer_text, has_format, question_key, read_answer, split_solution, to_row
    for o in ('7', '1,1', '1,11', '1+1', '1 ', ' ', '1/', r'\boxed{', r'\boxed{{}', r'\frac{', '10^', 'answer ', '-', '</think>', '**Final Answer:**', '<<', '(', '(aa ', '####', '<answer>', '<think>', 'a! ', '⁰', '1.', "1'", '\n'):
        text,start = o*(200_000//len(o)), time.time()
        for f in (read_answer, answer_text, has_format, question_key, split_solution, lambda t: to_row('What?', t+'\n#### 1'), lambda t: read_answer(f'**Final Answer:** 1{t}')): f(text)
        if time.time()-start>5: return f'{time.time()-start:.0f} s for {o!r}'

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
finite = [o for o in weights if 'NaN' not in o and 'infinity' not in o] # a model that is not finite says so in its first reply
harm = {o:lambda m, f=weights[o]: tensors(m/'model.safetensors', f) for o in finite}
harm |= {f'{o}: {how}':lambda m, o=o, f=f: f(m/o) for o in ('config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json')
    for how,f in {'missing':Path.unlink, 'empty':lambda p: p.write_bytes(b''), 'cut':cut, 'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size), 'a list':lambda p: p.write_text('[]'),
        'a folder':lambda p: p.unlink() or p.mkdir()}.items() if not (o=='tokenizer_config.json' and how in ('missing', 'a folder'))}
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
refused('reinforcement', 'tiny_reason without reinforcement', lambda d: flags(d/'out'), 'training.method', cmd='tiny_reason')
refused('reinforcement', 'tiny_reason over a run without --overwrite', lambda d: grpo(trained(d)), '--overwrite', cmd='tiny_reason')
refused('reinforcement', 'Unsloth', lambda d: grpo(d/'out', '--model.backend', 'unsloth'), 'model.backend')
refused('reinforcement', 'over a run of sft without --overwrite', lambda d: grpo(trained(d)), '--overwrite')
refused('reinforcement', '--resume of a run of sft', lambda d: grpo(begun(d), *four, '--resume'), 'training.method differs')

@case('reinforcement', 'a samples.jsonl that is not ours is moved')
def _(d):
    r = ask('tiny_train', *grpo(write(d, 'out/samples.jsonl', 'mine').parent))
    return r.problem(0) or lost(d, 'samples.jsonl')

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

theirs = (
    'README.md', 'config.yaml', 'loss.png', 'run.json', 'data.json', 'eval.json', 'report.html', 'predictions.jsonl', 'notes/mine.txt',
    'checkpoint-1/model.safetensors', 'checkpoint-2/adapter_model.safetensors', 'checkpoint-2/complete', 'checkpoint-500/model.safetensors', 'checkpoint-900/pytorch_model.bin',
    'checkpoint-1-backup/notes.txt', 'checkpoint-1-backup/complete', 'checkpoint-best-2024/a.bin', 'checkpoint-notes1', 'checkpoint-7',
    'lora_adapter/README.md', 'lora_adapter/config.yaml', 'lora_adapter/tokenizer.json', 'lora_adapter/adapter_config.json', 'replaced/notes.txt')

def lost(d, name):
    "In words, that somebody's file `name` is nowhere below `d`; None where it is there or was moved"
    if not any(o.read_bytes()==b'mine' for o in Path(d).rglob(Path(name).name) if o.is_file()): return f'{name} is lost'

for o in theirs:
    for over in ((), ('--overwrite',)):
        @case('what is not ours', f'{o} in a fresh folder {" ".join(over)}'.rstrip())
        def _(d, o=o, over=over):
            write(d, f'out/{o}', 'mine')
            r = ask('tiny_train', *flags(d/'out', *over, '--training.save_total_limit', '1'))
            return lost(d, o) or r.problem(2 if r.status and not over else 0)
    @case('what is not ours', f'{o} beside a run, --overwrite')
    def _(d, o=o):
        out = trained(d)
        if (out/o).exists(): o = o.replace('/', '/my-', 1) if '/' in o else f'my-{o}'
        write(out, o, 'mine')
        r = ask('tiny_train', *flags(out, '--overwrite', '--seed', '5'))
        return lost(d, o) or r.problem(0)
    @case('what is not ours', f'{o} beside a run, --resume')
    def _(d, o=o):
        out = begun(d)
        if (out/o).exists(): o = o.replace('/', '/my-', 1) if '/' in o else f'my-{o}'
        write(out, o, 'mine')
        r = ask('tiny_train', *flags(out, *four, '--resume'))
        return lost(d, o) or r.problem(2 if r.status else 0)

@case('what is not ours', 'the old run, after --overwrite')
def _(d):
    out = trained(d)
    old = snapshot(out)
    r = ask('tiny_train', *flags(out, '--overwrite', '--seed', '5'))
    moved, = (out/'replaced').iterdir()
    return r.problem(0) or changed(old, moved)

@case('what is not ours', 'an adapter elsewhere, after --overwrite')
def _(d):
    adapter = Path(shutil.copytree(trained(d)/'lora_adapter', d/'elsewhere'))
    old = snapshot(adapter)
    r = ask('tiny_train', *flags(d/'new', '--overwrite', '--adapter_path', adapter))
    moved, = (d/'replaced').iterdir()
    return r.problem(0) or changed(old, moved/'elsewhere')

for over in ((), ('--overwrite',)):
    refused('what is not ours', f'adapter_path holds the run {" ".join(over)}'.rstrip(), lambda d, over=over: flags(d/'a'/'out', *over, '--adapter_path', write(d, 'a/notes.txt', 'mine').parent), 'adapter_path')

@case('what is not ours', 'a link named as a checkpoint')
def _(d):
    out,far = trained(d), write(d, 'far/keep.txt', 'mine').parent
    (out/'checkpoint-7').symlink_to(far)
    r = ask('tiny_train', *flags(out, '--overwrite'))
    return lost(d, 'keep.txt') or r.problem(0)

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

# --- continuing
part = {f'{o}: {how}':(o, f) for o in ('adapter_model.safetensors', 'adapter_config.json', 'optimizer.pt', 'scheduler.pt', 'rng_state.pth', 'trainer_state.json')
    for how,f in {'missing':Path.unlink, 'empty':lambda p: p.write_bytes(b''), 'cut':cut, 'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size), 'text':lambda p: p.write_text('null')}.items()}
for name,(o,f) in part.items():
    @case('a damaged newest checkpoint', name)
    def _(d, o=o, f=f):
        out = begun(d)
        f(out/'checkpoint-2'/o)
        r = ask('tiny_train', *flags(out, *four, '--resume'))
        unread = o=='adapter_config.json' # the trainer has the adapter's shape from the configuration
        if not unread:
            if p := r.problem(2, 'checkpoint-2'): return p
            (out/'checkpoint-2').rename(d/'away')
            r = ask('tiny_train', *flags(out, *four, '--resume'))
        if r.status: return r.problem(0)
        run = json.loads((out/'run.json').read_text())
        whole = json.loads((cache/('run' + '_'.join(four))/'run.json').read_text())
        if run['resumed_from']!=1+unread: return f'it continued from {run["resumed_from"]}'
        end = [[h['eval_loss'] for h in o['history'] if 'eval_loss' in h][-1] for o in (run, whole)]
        if abs(end[0]-end[1])>1e-4: return f'losses {end}'
differ = {'another seed':('--seed', '5'), 'more rows':('--num_samples', '14'), 'another rank':('--lora_r', '4'), 'another rate':('--learning_rate', '0.5'), 'another batch':('--batch_size', '3'), 'another optimiser':('--training.optim', 'sgd'),
    'another prompt':('--data.system_prompt', 'Hi'), 'more steps':('--max_steps', '5')}
for name,more in differ.items(): refused('resume', name, lambda d, more=more: flags(begun(d), *four, '--resume', *more), 'differs', before=None)
for name,o in {'no config.yaml':'config.yaml', 'no data.json':'data.json'}.items():
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

part_of = lambda a: a.rename(a.with_name('.lora_adapter.part'))
saved = {'run.json':lambda a: None, 'the adapter was renamed':part_of, 'the adapter was written':lambda a: (part_of(a)/'adapter_model.safetensors').unlink()}
for name,f in saved.items():
    @case('resume', f'killed before {name}')
    def _(d, f=f):
        out = d/'out'
        r = ask('tiny_train', *flags(out, *four))
        if r.status: return r.problem(0)
        want = last_loss(out)
        for o in ('run.json', 'loss.png'): (out/o).unlink()
        f(out/'lora_adapter')
        r = ask('tiny_train', *flags(out, *four, '--resume'))
        return r.problem(0) or (f'{last_loss(out)}, not {want}' if last_loss(out)!=want else None)

@case('resume', 'killed after its first file')
def _(d):
    write(d, 'out/data.json', '{}')
    return ask('tiny_train', *flags(d/'out', '--resume')).problem(0)

@case('resume', 'killed while it wrote a checkpoint')
def _(d):
    out = begun(d)
    (out/'checkpoint-2'/'complete').unlink()
    (out/'checkpoint-2'/'optimizer.pt').unlink()
    r = ask('tiny_train', *flags(out, *four, '--resume'))
    return r.problem(0) or (None if json.loads((out/'run.json').read_text())['resumed_from']==1 else 'it continued from another step')

refused('resume', 'an adapter of another run', lambda d: flags(begun(d/'one'), *four, '--resume', '--adapter_path', trained(d/'two')/'lora_adapter'), 'another adapter')

def first_best(d):
    "As `begun`, with a first checkpoint that validated better than any other can"
    out = begun(d)
    state = out/'checkpoint-2'/'trainer_state.json'
    before = json.loads(state.read_text())
    state.write_text(json.dumps(before | dict(best_metric=1., best_global_step=1, best_model_checkpoint=str(Path(before['best_model_checkpoint']).with_name('checkpoint-1')))))
    return out

for name,f in {'missing':Path.unlink, 'cut':cut, 'zeros':lambda p: p.write_bytes(b'\0'*p.stat().st_size)}.items():
    refused('a damaged best checkpoint', name, lambda d, f=f: [f(first_best(d)/'checkpoint-1'/'adapter_model.safetensors'), *flags(d/'out', *four, '--resume')][1:], 'checkpoint-1/adapter_model.safetensors')
refused('a damaged best checkpoint', 'not complete', lambda d: [(first_best(d)/'checkpoint-1'/'complete').unlink(), *flags(d/'out', *four, '--resume')][1:], 'checkpoint-1/complete')

@case('a damaged best checkpoint', 'whole, in a folder that was renamed')
def _(d):
    out = first_best(d).rename(d/'new')
    r = ask('tiny_train', *flags(out, *four, '--resume'))
    best = json.loads((out/'run.json').read_text())['best']['checkpoint'] if r.status==0 else None
    return r.problem(0) or (f'the best checkpoint is {best!r}' if best!='checkpoint-1' else None)

for name,made in {'an export':'export.json', 'traces':'traces.json'}.items():
    for where in ('--output_dir', '--adapter_path'):
        for more in ((), ('--overwrite',)):
            refused('what is not ours', f'{where} on {name} {" ".join(more)}'.rstrip(), lambda d, made=made, where=where, more=more: flags(d/'out', where, write(d, f'theirs/{made}', '{}').parent, *more), made)

# --- exports: nothing of anybody's is deleted, and what cannot work is said before anything loads
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

three = 'eval.json', 'predictions.jsonl', 'report.html'
def evaluated(d, *more):
    "A finished run in `d/out` that has been evaluated"
    out = trained(d)
    r = ask('tiny_eval', *flags(out, *more))
    if r.status: raise RuntimeError(r.err[-2000:])
    return out

def set_aside(out, old):
    "What of the files in `old`, a dict of names and bytes, is not in `replaced`"
    kept = {(o.name, o.read_bytes()) for o in out.glob('replaced/*/*') if o.is_file()}
    return next((f'{k} is lost' for k,v in old.items() if (k,v) not in kept), None)

@case('evaluation', 'a smaller one keeps the earlier one')
def _(d):
    out = evaluated(d)
    old = {o:(out/o).read_bytes() for o in three}
    return ask('tiny_eval', *flags(out, '--evaluation.max_new_tokens', '4')).problem(0) or set_aside(out, old)

for name in three:
    @case('evaluation', f'a {name} of yours moves aside')
    def _(d, name=name):
        write(trained(d), name, 'mine')
        return ask('tiny_eval', *flags(d/'out')).problem(0) or set_aside(d/'out', {name:b'mine'})
    @case('evaluation', f'killed when {name} was not there yet: the next one goes through')
    def _(d, name=name):
        (evaluated(d)/name).unlink()
        return ask('tiny_eval', *flags(d/'out')).problem(0)

def unreadable(out, words=''):
    "What is wrong with how `read_eval` refuses the evaluation in `out`"
    from tiny_reasoning.eval import read_eval
    try: read_eval(out/'eval.json')
    except config.TinyReasoningError as e: return None if len(str(e).splitlines())==1 and words in str(e) else f'{e}'
    return 'it was read'

def better(o):
    "An evaluation whose accuracy somebody has improved by hand"
    o['sets']['test']['tuned']['flexible']['accuracy'] = 0.999
    return o
edits = {'a better accuracy':better, 'another digest':lambda o: o | dict(predictions_sha256='0'*64), 'no sets':lambda o: o | dict(sets={}), 'a list':lambda o: [o], 'null':lambda o: None,
    'sets of text':lambda o: o | dict(sets='x'), 'a set of numbers':lambda o: o | dict(sets=dict(test=1)), 'no date':lambda o: {k:v for k,v in o.items() if k!='date'}, 'a number for a name':lambda o: o | dict(name=5),
    'numbers for folders':lambda o: o | dict(adapters=dict(tuned=5)), 'nested':lambda o: json.loads('['*500+']'*500)}
for name,f in edits.items():
    @case('evaluation', f'eval.json: {name}')
    def _(d, f=f):
        out = evaluated(d)
        (out/'eval.json').write_text(json.dumps(f(json.loads((out/'eval.json').read_text()))))
        return unreadable(out)
for name,f in {'cut':cut, 'missing':Path.unlink, 'a line of another':lambda p: p.write_text(p.read_text().replace('"flexible": false', '"flexible": true'))}.items():
    @case('evaluation', f'predictions.jsonl: {name}')
    def _(d, f=f):
        out = evaluated(d)
        before = (out/'predictions.jsonl').read_bytes()
        f(out/'predictions.jsonl')
        same = (out/'predictions.jsonl').is_file() and (out/'predictions.jsonl').read_bytes()==before
        return None if same else unreadable(out)

for name in ('a$x_{$b', 'a\x1b[31m', 'a\u202eb', '<b>x', '_hidden'):
    @case('evaluation', f'an adapter in a folder named {name!r}')
    def _(d, name=name):
        out = trained(d)
        for o in (name, 'other'): shutil.copytree(out/'lora_adapter', d/o)
        return ask('tiny_eval', *flags(d/'new', '--adapters', d/name, d/'other')).problem(0)

@case('evaluation', 'another system prompt than in training is named')
def _(d):
    r = ask('tiny_eval', *flags(trained(d), '--data.system_prompt', 'Be brief.'))
    return r.problem(0) or (None if 'Be brief.' in json.loads((d/'out'/'eval.json').read_text())['sources']['differs'] else 'nothing in eval.json')

@case('evaluation', 'other prompts of base')
def _(d):
    r = ask('tiny_eval', *flags(trained(d), '--evaluation.prompts', 'true'))
    return r.problem(0) or (None if len(json.loads((d/'out'/'eval.json').read_text())['prompts']['accuracy'])>3 else 'too few prompts')

# --- replies to learn from
api_key = 'sk-0123456789-do-not-show'
coded = base64.b64encode(api_key.encode()).decode()
class Endpoint(BaseHTTPRequestHandler):
    "A server that answers as its `answer` says: a dict, bytes, or a pair of status and bytes; bytes in a list come one at a time"
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
    def do_GET(self): self.send(200, json.dumps(dict(data=[dict(id='m')])).encode())
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        a,b = re.findall(r'\d+', body['messages'][-1]['content'])[:2]
        res = self.server.answer(int(a), int(b))
        if isinstance(res, dict): res = json.dumps(res).encode()
        self.send(*(res if isinstance(res, tuple) else (200, res)))
    def send(self, status, body):
        self.send_response(status)
        self.send_header('Content-Length', str(sum(map(len, body)) if isinstance(body, list) else len(body)))
        self.end_headers()
        for o in body if isinstance(body, list) else [body]:
            self.wfile.write(o)
            time.sleep(.2*isinstance(body, list))

def right(a, b, **more):
    "A right reply"
    return dict(choices=[dict(message=dict(content=f'{a} + {b} = {a+b}.'), finish_reason='stop')], usage=dict(completion_tokens=5)) | more
def said(content): return lambda a, b: dict(choices=[dict(message=dict(content=content))])

@functools.cache
def serve():
    "The server of this process, at one address"
    server = ThreadingHTTPServer(('127.0.0.1', 0), Endpoint)
    server.handle_error = lambda *args: None # Whoever asked may have left
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

def teach(d, answer, *more):
    "`tiny_traces` with a server that gives `answer`"
    server = serve()
    server.answer = answer
    data = write(d, 'q/train.jsonl', good).parent
    old = dict(os.environ)
    os.environ |= dict(TEACHER_API_KEY=api_key, OPENAI_ORG_ID='org-secret-123')
    try: return ask('tiny_traces', '--config', 'cpu', '--output_dir', d/'out', *own(data), *'--num_samples 4 --test_samples 2 --validation_split 0 --data.unseen_samples 0 --samples 1 --retries 0 --timeout 2'.split(),
        '--source', f'http://127.0.0.1:{server.server_port}/v1', '--dest', d/'t', *more)
    finally:
        os.environ.clear()
        os.environ.update(old)

def leaked(r, d):
    "Where a part of the key is seen"
    texts = [r.out, r.err, *(o.read_text(errors='replace') for o in Path(d).rglob('*') if o.is_file())]
    return next((f'a part of the key in {t[:200]!r}' for t in texts for o in (api_key[:12], api_key[-12:], coded[:12]) if o.lower() in t.lower()), None)

answers = {'usage {}':lambda a, b: right(a, b, usage={}), 'usage null':lambda a, b: right(a, b, usage=None), 'tokens null':lambda a, b: right(a, b, usage=dict(completion_tokens=None)),
    'tokens in words':lambda a, b: right(a, b, usage=dict(completion_tokens='many')), 'negative tokens':lambda a, b: right(a, b, usage=dict(completion_tokens=-5)), 'a list':said(['7']), 'a dict':said(dict(text='7')), 'a number':said(7),
    'null':said(None), 'nothing':said(''), 'no choices':lambda a, b: dict(choices=[]), 'null choices':lambda a, b: dict(choices=None), 'not JSON':lambda a, b: b'hello', 'no body':lambda a, b: b'', 'deep':lambda a, b: b'['*100_000,
    'a surrogate':said('\ud83d 7'), 'the key':said(f'the key is {api_key}'), 'half the key':said(api_key[:len(api_key)//2]), 'the key in capitals':said(api_key.upper()), 'the key in base64':said(coded), 'the key in escapes':said('\x1b[31m'+api_key),
    '401 with the key':lambda a, b: (401, api_key.encode()), '500 with the key':lambda a, b: (500, coded.encode()), '302':lambda a, b: (302, b''), '429':lambda a, b: (429, b''), '599':lambda a, b: (599, b''),
    'byte by byte':lambda a, b: [b'x']*60, '11 MB':lambda a, b: b' '*11_000_000, 'a reply of 300 kB':said('1+1'*100_000), 'thoughts without end':said('<think>'*50_000)}
for name,answer in answers.items():
    @case('traces', f'an endpoint answers: {name}')
    def _(d, answer=answer):
        r = teach(d, answer)
        wrong = (r.problem(0) if r.status==0 else r.problem(2)) or leaked(r, d)
        if wrong: return wrong
        r = teach(d, right) # What came before does not stand in the way
        if r.status and 'learned from' in r.err: r = teach(d, right, '--overwrite')
        return r.problem(0) or leaked(r, d)

@case('traces', 'no header of OpenAI goes elsewhere')
def _(d):
    class Seen(Exception): pass
    seen = []
    f = Endpoint.do_POST
    def do_POST(self):
        seen.append(str(self.headers))
        f(self)
    Endpoint.do_POST = do_POST
    try: r = teach(d, right)
    finally: Endpoint.do_POST = f
    return r.problem(0) or ('org-secret' in ''.join(seen) and 'the organization was sent' or None)

for url in ('https://me:hunter22@example.com/v1', 'https://example.com/v1?key=hunter22', 'http://hunter22@[::1', 'htp://x:hunter22@y', 'http://a:hunter22/v1#x'):
    @case('traces', f'a secret in the address {url}')
    def _(d, url=url):
        r = ask('tiny_traces', *flags(d/'out'), '--source', url)
        return r.problem(2, 'source') or ('hunter22' in r.out+r.err and 'the secret is printed' or None)
for name,v in {'samples':10**9, 'samples ':0, 'retries':-1, 'timeout':0, 'at_once':0, 'temperature':-1, 'top_p':2, 'max_per_question':0}.items():
    refused('traces', f'--{name.strip()} {v}', lambda d, k=name.strip(), v=v: [*flags(d/'out'), f'--{k}', v], cmd='tiny_traces')

for name in ('run.json', 'adapter_config.json', 'export.json'):
    for more in ((), ('--overwrite',)):
        @case('traces', f'--dest with {name} {" ".join(more)}'.rstrip())
        def _(d, name=name, more=more):
            write(d, f't/{name}', '{}')
            write(d, 't/train.jsonl', 'mine')
            old = snapshot(d/'t')
            return teach(d, right, *more).problem(2, name) or changed(old, d/'t')

def right_once(d): return teach(d, right).problem(0)
collected = 'traces.json', 'train.jsonl', 'test.jsonl', 'replies.jsonl'
for name,answer in {'a wrong key':lambda a, b: (401, b''), 'an error':lambda a, b: (500, b''), 'no reply':said('')}.items():
    @case('traces', f'--overwrite, then {name}: the old replies stay')
    def _(d, answer=answer):
        wrong,old = right_once(d), snapshot(d/'t')
        return wrong or teach(d, answer, '--overwrite').problem(2) or changed(old, d/'t')

@case('traces', '--overwrite, then no correct reply: the old ones are in `replaced`')
def _(d):
    wrong = right_once(d)
    old = {o:(d/'t'/o).read_bytes() for o in collected}
    return wrong or teach(d, said('7 + 7 = 15.'), '--overwrite').problem(2) or set_aside(d/'t', old)

for name,old in {'train.jsonl':'mine', 'test.jsonl':'mine', 'traces.json':'[]', 'replies.jsonl':'mine'}.items():
    @case('traces', f'a {name} of yours moves aside')
    def _(d, name=name, old=old):
        write(d, f't/{name}', old)
        return right_once(d) or set_aside(d/'t', {name:old.encode()})

def lines(p): return p.read_bytes().splitlines()
harm = {'half a last line':lambda p: p.write_bytes(p.read_bytes()[:-9]), 'no last line break':lambda p: p.write_bytes(p.read_bytes()[:-1]), 'CR line ends':lambda p: p.write_bytes(p.read_bytes().replace(b'\n', b'\r')),
    'CRLF line ends':lambda p: p.write_bytes(p.read_bytes().replace(b'\n', b'\r\n')), 'empty':lambda p: p.write_bytes(b''), 'zeros':lambda p: p.write_bytes(b'\0'*500), 'a list':lambda p: p.write_text('[1]\n'),
    'a number as text':lambda p: p.write_bytes(p.read_bytes().replace(b'"text": "', b'"text": 5, "x": "', 1)), 'null tokens':lambda p: p.write_bytes(p.read_bytes().replace(b'"tokens": 5', b'"tokens": null', 1)),
    'a list as tokens':lambda p: p.write_bytes(p.read_bytes().replace(b'"tokens": 5', b'"tokens": []', 1)), 'no cut_off':lambda p: p.write_bytes(p.read_bytes().replace(b', "cut_off": false', b'', 1)),
    'a folder':lambda p: p.unlink() or p.mkdir(), 'a pipe':lambda p: p.unlink() or os.mkfifo(p), 'latin-1':lambda p: p.write_bytes(p.read_bytes()+b'{"key": "\xe9"}\n')}
for name,f in harm.items():
    @case('traces', f'the journal: {name}')
    def _(d, f=f):
        wrong = right_once(d)
        f(d/'t'/'replies.jsonl')
        r = teach(d, right)
        return wrong or (r.problem(0) if r.status==0 else r.problem(2))

@case('traces', 'killed, and started again: no reply is asked for twice')
def _(d):
    wrong,old = right_once(d), lines(d/'t'/'replies.jsonl')
    r = teach(d, lambda a, b: (500, b'')) # nobody is asked
    return wrong or r.problem(0) or (None if lines(d/'t'/'replies.jsonl')==old else 'the journal changed')

for name,v in {'a list':'[]', 'text':'hello', 'more correct than all':'{"source": "own", "model": "m", "samples": 1, "pass_rate": {"a": [2, 1]}}', 'overflow':'{"source": "own", "model": "m", "samples": 1, "pass_rate": {"a": [1, 1'+'0'*400+']}}', 'NaN':'{"pass_rate": {"a": [NaN, 1]}}'}.items():
    @case('traces', f'traces.json: {name}')
    def _(d, v=v):
        from tiny_reasoning.traces import pass_rates
        try: pass_rates(write(d, 'f/traces.json', v).parent)
        except config.TinyReasoningError as e: return None if len(str(e).splitlines())==1 else str(e)
        return 'it was read'

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
        until(lambda: list((d/'out').glob('checkpoint-*/complete')))
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
            if when=='training': until(lambda: list((d/'out').glob('checkpoint-*/complete')))
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
for name,mod in commands.items():
    def run_head(d, mod=mod):
        r = shell('sh', '-c', f'"{sys.executable}" -m tiny_reasoning.{mod} --config cpu --show_config | true')
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

@case('chat', "the run's own model and prompt, where no --config is given")
def _(d):
    out = trained(d, '--data.system_prompt', 'Be brief.')
    r = ask('tiny_chat', '--output_dir', out, '--question', '1+1?', '--evaluation.max_new_tokens', '4')
    if 'Settings of the run' not in r.err or 'evaluation.max_new_tokens 8' not in r.err: return f'it did not take them: {r.err[-300:]}'
    return None if r.status==2 and 'no answer' in r.err and 'Traceback' not in r.err else f'status {r.status}: {r.err[-300:]}'

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
