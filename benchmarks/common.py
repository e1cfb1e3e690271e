"""What the benchmarks share: the models, the configuration, a clock in the trainer. torch is imported only inside
the functions, since Unsloth has to come before transformers and trl."""
import importlib.metadata as md, json, os, re, subprocess, sys, time
from pathlib import Path

root = Path(__file__).resolve().parent.parent
packages = 'torch transformers trl peft bitsandbytes accelerate datasets unsloth tiny_reasoning'.split()
targets = [f'{o}_proj' for o in 'q k v o gate up down'.split()]
qwen_parameters = 1_543_714_304

def has(package):
    try: return bool(md.version(package))
    except md.PackageNotFoundError: return False

def host():
    "Devices and versions of this machine; run in a process of its own, as asking CUDA takes memory"
    import platform, torch
    import tiny_reasoning
    n = torch.cuda.device_count()
    res = dict(device=torch.cuda.get_device_name() if n else f'{platform.machine()} CPU, {torch.get_num_threads()} threads', gpus=n,
               versions={o:md.version(o) for o in packages if has(o)} | dict(tiny_reasoning=tiny_reasoning.__version__, python=platform.python_version()))
    return res | (dict(cuda=torch.version.cuda, memory_gb=round(torch.cuda.get_device_properties(0).total_memory/1e9, 1)) if n else {})

# --- models
def qwen_config(**kwargs):
    "Qwen2.5-1.5B's shape"
    from transformers import Qwen2Config
    shape = dict(vocab_size=151936, hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2,
                 max_position_embeddings=32768, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_parameters=dict(rope_type='default', rope_theta=1e6), dtype='bfloat16')
    return Qwen2Config(**shape | kwargs)

def random_qwen(smol, dest, **kwargs):
    "Qwen2.5-1.5B's shape with random weights and SmolLM2's tokenizer, in `dest`; `kwargs` change the shape"
    import torch
    from transformers import AutoTokenizer, Qwen2ForCausalLM, set_seed
    from tiny_reasoning.model import fix_tokenizer, model_folder, pick_device
    if dest.exists(): return dest
    tokenizer = fix_tokenizer(AutoTokenizer.from_pretrained(model_folder(smol)))
    config = qwen_config(**dict(eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None) | kwargs)
    set_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(pick_device()): model = Qwen2ForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    n = model.num_parameters()
    if not kwargs and n!=qwen_parameters: raise ValueError(f'{n:,} parameters, not {qwen_parameters:,}')
    tmp = dest.with_name(f'{dest.name}.{os.getpid()}')  # two may be at it
    model.save_pretrained(tmp); tokenizer.save_pretrained(tmp)
    if not dest.exists(): tmp.rename(dest)
    return dest

def models(a):
    "Build or convert the models once, before anything is timed"
    from tiny_reasoning.model import cache_folder, model_folder
    start = time.time()
    res = dict(smol=str(model_folder(a.smol)))
    if 'qwen' in a.need: res['model'] = a.model or str(random_qwen(a.smol, cache_folder()/'qwen2.5-1.5b-random'))
    return res | dict(seconds=round(time.time()-start, 1))

def imports(unsloth):
    "Import the stack in the order that Unsloth wants; the seconds it took"
    from tiny_reasoning.model import import_unsloth
    start = time.time()
    if unsloth: import_unsloth()
    import torch, transformers, peft, trl
    return time.time()-start

# --- our own runs
def config(a, name='run', preset='default', **keys):
    "A preset of ours with the benchmark's model and data, and `keys` over it"
    from tiny_reasoning.command import setup_log
    from tiny_reasoning.preset import load_config
    setup_log()
    base = {'model.name':a.model, 'data.dataset_name':a.gsm8k} if preset=='default' else {'model.name':a.smol}
    return load_config(preset, **{k:v for k,v in (base | keys).items() if v is not None}, output_dir=str(Path(a.work)/name))

def command(module, *flags, env=None, launch=()):
    "Run `module` of ours as a command, its output going where this process's does"
    r = subprocess.run([sys.executable, '-m', *launch, *(['-m'] if launch else []), module, *map(str, flags)], env=os.environ | (env or {}))
    if r.returncode: raise RuntimeError(f'{module} ended with status {r.returncode}')

def flags(keys): return [o for k,v in keys.items() for o in (f'--{k}', ','.join(map(str, v)) if isinstance(v, list) else v)]

def log_lines():
    "A list that fills with the package's log lines"
    import logging
    lines = []
    class Keep(logging.Handler):
        def emit(self, record): lines.append(record.getMessage())
    logging.getLogger('tiny_reasoning').addHandler(Keep())
    return lines

def how(cfg, lines):
    "How a run of ours cut its batches: from its run.json and its log `lines`"
    run = json.loads((Path(cfg.project.output_dir)/'run.json').read_text())
    return {k:run[k] for k in ('rows_at_once','checkpointing') if k in run} | dict(log=[bare(o) for o in lines if re.search('out of memory|batch|starting trainer', o, re.I)])

# --- time and memory
def sync():
    import torch
    if torch.cuda.is_available(): torch.cuda.synchronize()

def memory():
    "Most memory of the GPU that this process's tensors took, and that torch kept for them"
    import torch
    if not torch.cuda.is_available(): return {}
    return dict(peak_allocated_gb=round(torch.cuda.max_memory_allocated()/1e9, 2), peak_reserved_gb=round(torch.cuda.max_memory_reserved()/1e9, 2))

def clock(first=10):
    "A TrainerCallback that times the start-up, the first `first` steps, and the steps after them; the GPU is waited for only at these three marks"
    import psutil
    from transformers import TrainerCallback
    class Clock(TrainerCallback):
        def mark(self, k):
            sync()
            self.at[k] = time.time()
        def on_train_begin(self, args, state, control, **kw):
            self.at,self.args = {},args
            self.mark('begin')
        def on_step_end(self, args, state, control, **kw):
            if state.global_step==first: self.mark('first')
            if state.global_step==args.max_steps: self.mark('end')
        def record(self):
            t,args,steps = self.at,self.args,self.args.max_steps-first
            rate = steps/(t['end']-t['first'])
            rows = args.per_device_train_batch_size*args.gradient_accumulation_steps
            return dict(startup_seconds=round(t['begin']-psutil.Process().create_time(), 1), first_steps=first, first_steps_seconds=round(t['first']-t['begin'], 1),
                        steps=steps, seconds=round(t['end']-t['first'], 2), steps_per_second=round(rate, 3), samples_per_second=round(rate*rows, 1),
                        batch=f'{args.per_device_train_batch_size}×{args.gradient_accumulation_steps}', **memory())
    return Clock()

# --- greedy generation as transformers offers it
def questions(a, n):
    "The first `n` test questions, as conversations"
    from tiny_reasoning.data import to_prompt
    from tiny_reasoning.rows import read_rows
    from tiny_reasoning.splits import make_splits
    cfg = config(a, **({} if a.gsm8k else {'data.dataset_name':'reasoning_gym:gsm_symbolic', 'test_samples':n, 'num_samples':1}))
    rows = read_rows(cfg.data, 'test')[:n] if a.gsm8k else make_splits(cfg).test
    return [to_prompt(o['question'], cfg.data.system_prompt) for o in rows]

def generate_plain(model, tokenizer, prompts, max_new_tokens, batch_size, **kwargs):
    "Replies from `model.generate`, the longest prompts first, in the form that ours has"
    import torch
    texts = [tokenizer.apply_chat_template(p, tokenize=False, add_generation_prompt=True) for p in prompts]
    order = sorted(range(len(texts)), key=lambda i: -len(tokenizer(texts[i]).input_ids))
    eos,res = tokenizer.eos_token_id, [None]*len(texts)
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            idx = order[start:start+batch_size]
            x = tokenizer([texts[i] for i in idx], return_tensors='pt', padding=True, add_special_tokens=False).to(model.device)
            out = model.generate(**x, do_sample=False, max_new_tokens=max_new_tokens, pad_token_id=tokenizer.pad_token_id, **kwargs)[:, x.input_ids.shape[1]:].tolist()
            for i,ids in zip(idx, out):
                n = ids.index(eos) if eos in ids else len(ids)
                res[i] = dict(text=tokenizer.decode(ids[:n], skip_special_tokens=True), tokens=n, cut_off=eos not in ids)
    return res

def timed(f, *args, **kwargs):
    sync()
    start = time.time()
    res = f(*args, **kwargs)
    sync()
    return res, time.time()-start

def keep(a, name, replies): (Path(a.work)/f'{name}.replies').write_text(json.dumps(replies))

def equal(a, x, y, n=None):
    "Share of the replies kept as `x` and `y` that are the same, and how many there were; None where one is missing"
    try: x,y = (json.loads((Path(a.work)/f'{o}.replies').read_text())[:n] for o in (x, y))
    except FileNotFoundError: return None
    both = list(zip(x, y))
    return dict(replies=len(both), equal=sum(p['text']==q['text'] and p['tokens']==q['tokens'] for p,q in both))

def ratio(results, x, y, key):
    "`x`'s `key` over `y`'s, or None where one is missing"
    v = [results.get(o, {}).get(key) for o in (x, y)]
    return round(v[0]/v[1], 2) if all(v) else None

def bare(text):
    "`text` without the folders of this machine"
    return re.sub(r'(?<![\w/])(?:~|\.{1,2})?/(?:[^\s/\'"]+/)*(?=[^\s/])', '', text)
