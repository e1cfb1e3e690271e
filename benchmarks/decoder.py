"""Tokens a second of the decoder, every reply of the same length: greedy and sampled, with log-probabilities, several replies to a prompt, and with an adapter that is not merged"""
from contextlib import contextmanager, nullcontext
from common import *

need,apart = ['smol','gsm8k'],1
def options(p):
    p.add_argument('--decoder_prompts', type=int, default=500)
    p.add_argument('--decoder_tokens', type=int, default=128, help='length of each reply')
    p.add_argument('--decoder_calls', type=int, default=3, help='calls of each way; the last one counts')

def plan(a): return [[['decoder']]]

@contextmanager
def pefts_own():
    "The adapter through PEFT's own forward"
    import tiny_reasoning.generate as g
    old = g.fast_adapter
    g.fast_adapter = lambda m: nullcontext()
    try: yield
    finally: g.fast_adapter = old

def decoder(a):
    import torch
    import tiny_reasoning.generate as g
    from tiny_reasoning.adapter import start_adapter
    from tiny_reasoning.model import load_model
    from tiny_reasoning.tokens import encode
    cfg = config(a, 'decoder', **{'model.name':a.smol, 'model.load_in_4bit':False, 'model.backend':'transformers'})
    model,tokenizer = load_model(cfg.model)
    model.eval()
    ids = sorted(encode(tokenizer, questions(a, a.decoder_prompts)).input_ids, key=len, reverse=True)
    res = {}
    def speed(model, rows, n, temperature, top_p, logprobs):
        x = tokenizer.pad(dict(input_ids=ids[:rows]), return_tensors='pt').to(model.device)
        noise = g._noise(0, range(rows), n, a.decoder_tokens).to(model.device) if temperature else None
        out,seconds = timed(g.decode, model, x, -1, a.decoder_tokens, n, g.Sampling(temperature, top_p, logprobs, noise))  # no token ends a reply
        return sum(len(t) for t,_ in out)/seconds
    def way(name, model, rows=len(ids), n=1, temperature=0., top_p=1., logprobs=False, inside=nullcontext):
        with inside(): speeds = [speed(model, rows, n, temperature, top_p, logprobs) for _ in range(a.decoder_calls)]
        res[name] = dict(first_call=round(speeds[0]), tokens_per_second=round(speeds[-1]))
        res[name]['of_greedy'] = round(res[name]['tokens_per_second']/res['greedy']['tokens_per_second'], 2)
        print(name, res[name], flush=True)
    way('greedy', model)
    way('greedy, log-probabilities', model, logprobs=True)
    way('sampled', model, temperature=1.)
    way('sampled, top_p 0.9', model, temperature=1., top_p=.9)
    way('sampled, 8 replies to a prompt', model, rows=max(1, len(ids)//8), n=8, temperature=1.)
    lora = start_adapter(model, cfg.lora, cfg.project.seed).eval()
    with torch.no_grad():
        for n,o in lora.named_parameters():
            if 'lora_B' in n: o.normal_(0, .02)  # an adapter that has learnt something
    way('adapter, greedy', lora)
    way("adapter, greedy, through PEFT's forward", lora, inside=pefts_own)
    way('adapter, sampled, log-probabilities, 8 replies to a prompt', lora, rows=max(1, len(ids)//8), n=8, temperature=1., logprobs=True)
    way('adapter switched off, greedy', lora, inside=lora.disable_adapter)
    return dict(prompts=len(ids), tokens=a.decoder_tokens, ways=res, **memory())

def finish(a, results): return {k:o['of_greedy'] for k,o in results.get('decoder', {}).get('ways', {}).items()}
