"""Adapters trained through one backend and loaded through the other: are the greedy replies the same?"""
from common import *

need,apart = ['smol'],0  # no stage measures speed
both = ['unsloth','transformers']
dtypes = ['float32','bfloat16']
def options(p):
    p.add_argument('--backend_steps', type=int, default=40)
    p.add_argument('--prompts', type=int, default=100)
    p.add_argument('--prompt_tokens', type=int, default=128, help='longest reply')

def plan(a): return [[[f'train_{o}'] for o in both], [[f'load_{t}_{b}_{d}' for d in dtypes] for t in both for b in both]]

def _config(a, trained, backend, **keys):
    return config(a, f'backends_{trained}', 'cpu', max_steps=a.backend_steps, test_samples=a.prompts, **{'data.unseen_samples':0, 'model.backend':backend}, **keys)

def _train(a, backend):
    imports(backend=='unsloth')
    from tiny_reasoning.train import train
    trainer,_ = train(_config(a, backend, backend), overwrite=True)
    return dict(steps=trainer.state.global_step, validation_loss=trainer.state.best_metric)

def _load(a, trained, backend, dtype):
    imports(backend=='unsloth')
    from tiny_reasoning.data import same_answer, read_answer, to_prompt
    from tiny_reasoning.splits import make_splits
    from tiny_reasoning.model import load_adapter, load_model, merged
    cfg = _config(a, trained, backend, **{'model.dtype':dtype})
    model,tokenizer = load_model(cfg)
    model = load_adapter(model, cfg)
    rows = make_splits(cfg, tokenizer).test
    prompts = [to_prompt(o['question'], cfg.data.system_prompt) for o in rows]
    model.eval()
    with merged(model): replies = generate_plain(model, tokenizer, prompts, a.prompt_tokens, len(prompts))
    keep(a, f'{trained}_{backend}_{dtype}', replies)
    return dict(right=sum(same_answer(o['answer'], read_answer(r['text'])) for o,r in zip(rows, replies)), prompts=len(rows), dtype=str(model.dtype).removeprefix('torch.'))

for _t in both:
    globals()[f'train_{_t}'] = lambda a, t=_t: _train(a, t)
    for _b in both:
        for _d in dtypes: globals()[f'load_{_t}_{_b}_{_d}'] = lambda a, t=_t, b=_b, d=_d: _load(a, t, b, d)

def finish(a, results): return dict(equal={d:{f'trained through {t}':equal(a, *(f'{t}_{b}_{d}' for b in both)) for t in both} for d in dtypes})
