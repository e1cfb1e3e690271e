"""Tokens a second of greedy replies: our `generate`, `model.generate` one by one and in batches; and how many replies are the same"""
from common import *

need,apart = ['smol','gsm8k'],1  # the second stage compares replies
def options(p):
    p.add_argument('--questions', type=int, help='660 with CUDA, 8 without')
    p.add_argument('--new_tokens', type=int, help='longest reply: 256 with CUDA, 32 without')
    p.add_argument('--batch', type=int, help="generate's batch: 256 with CUDA, 8 without")
    p.add_argument('--one', type=int, default=3, help='questions answered one by one')
    p.add_argument('--control', type=int, default=256, help='questions that generate answers at a quarter of the batch too')
    p.add_argument('--exact', type=int, default=64, help='questions answered in float32')
    p.add_argument('--static', action='store_true', help="generate with transformers' static cache and compilation as well")

def _fill(a):
    for k,gpu,cpu in (('questions',660,8), ('new_tokens',256,32), ('batch',256,8)):
        if getattr(a, k) is None: setattr(a, k, gpu if a.gpus else cpu)

def plan(a):
    return [[['ours','one','batch', *(['static'] if a.static else [])]], *([[['control'], ['exact']]] if a.gpus else [])]

def _load(a, dtype=None):
    _fill(a)
    from tiny_reasoning.model import load_model
    keys = {'model.name':a.smol, 'model.load_in_4bit':False, 'model.backend':'transformers', 'model.dtype':dtype or ('bfloat16' if a.gpus else 'float32')}
    model,tokenizer = load_model(config(a, **keys).model)
    return model.eval(), tokenizer, questions(a, a.questions)

def _speed(a, f, prompts, *args, **kwargs):
    "Two calls of `f`; the first one pays for what is prepared once"
    calls = []
    for _ in range(2):
        replies,seconds = timed(f, *args, **kwargs)
        calls.append(seconds)
    n = sum(o['tokens'] for o in replies)
    return replies, dict(questions=len(prompts), tokens=n, first_call_seconds=round(calls[0], 2), second_call_seconds=round(calls[1], 2),
                         tokens_per_second=round(n/calls[1], 1), first_call_tokens_per_second=round(n/calls[0], 1), **memory())

def ours(a):
    from tiny_reasoning.generate import generate
    model,tokenizer,ps = _load(a)
    replies,res = _speed(a, generate, ps, model, tokenizer, ps, max_new_tokens=a.new_tokens, batch_size=None)
    keep(a, 'ours', replies)
    return res

def _plain(a, name, n, batch, **kwargs):
    "One call after a small one: nothing is compiled, so a second one would only cost time"
    model,tokenizer,ps = _load(a)
    ps = ps[:n]
    _,warm = timed(generate_plain, model, tokenizer, ps[:2], 8, 2)
    replies,seconds = timed(generate_plain, model, tokenizer, ps, a.new_tokens, batch, **kwargs)
    keep(a, name, replies)
    tokens = sum(o['tokens'] for o in replies)
    return dict(questions=len(ps), batch=batch, tokens=tokens, warm_up_seconds=round(warm, 2), seconds=round(seconds, 2), tokens_per_second=round(tokens/seconds, 1), **memory())

def one(a): return _plain(a, 'one', a.one, 1)
def batch(a): return _plain(a, 'batch', None, a.batch or (256 if a.gpus else 8))
def control(a): return _plain(a, 'control', a.control, (a.batch or 256)//4)

def static(a):
    model,tokenizer,ps = _load(a)
    replies,res = _speed(a, generate_plain, ps, model, tokenizer, ps, a.new_tokens, a.batch, cache_implementation='static')
    keep(a, 'static', replies)
    return res

def exact(a):
    from tiny_reasoning.generate import generate
    model,tokenizer,ps = _load(a, 'float32')
    n = min(128, a.new_tokens)
    keep(a, 'exact_ours', generate(model, tokenizer, ps[:a.exact], max_new_tokens=n, batch_size=None))
    keep(a, 'exact_plain', generate_plain(model, tokenizer, ps[:a.exact], n, a.exact))
    return dict(questions=a.exact, new_tokens=n)

def finish(a, results):
    return dict(ours_over_one=ratio(results, 'ours', 'one', 'tokens_per_second'), ours_over_batch=ratio(results, 'ours', 'batch', 'tokens_per_second'),
                equal={'ours and generate':equal(a, 'ours', 'batch'), 'ours and generate, float32':equal(a, 'exact_ours', 'exact_plain'),
                       'generate at two batch sizes':equal(a, 'control', 'batch')})
