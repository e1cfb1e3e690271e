"""Training and evaluation of the default preset in a process limited to a small GPU's memory, in bfloat16 and float16"""
from common import *

need,apart = ['qwen','gsm8k'],0  # no stage measures speed
def options(p):
    p.add_argument('--memory_limit', type=float, default=15, help='GB that torch may take')
    p.add_argument('--memory_steps', type=int, default=50)
    p.add_argument('--memory_questions', type=int, default=100)
    p.add_argument('--memory_tokens', type=int, default=256, help='longest reply')

def plan(a): return [[['train_bfloat16','evaluate_bfloat16'], ['train_float16','evaluate_float16']]]

def _limit(a):
    "Limit what torch may allocate; the CUDA context, about half a GB, is beside it"
    import torch
    torch.cuda.set_per_process_memory_fraction(a.memory_limit*1e9/torch.cuda.get_device_properties(0).total_memory)

def _config(a, dtype): return config(a, f'memory_{dtype}', max_steps=a.memory_steps, test_samples=a.memory_questions,
    **{'model.dtype':dtype, 'training.logging_steps':1, 'evaluation.max_new_tokens':a.memory_tokens})

def _train(a, dtype):
    from math import isfinite
    imports(has('unsloth'))
    _limit(a)
    from tiny_reasoning.train import losses, train
    cfg,lines = _config(a, dtype), log_lines()
    trainer,_ = train(cfg, overwrite=True)
    ls,val = (losses(trainer.state.log_history, k)[1] for k in ('loss','eval_loss'))
    return dict(**memory(), steps=trainer.state.global_step, finite=all(map(isfinite, [*ls, *val])), first_loss=ls[0], last_loss=ls[-1], losses=list(ls), validation_losses=list(val), **how(cfg, lines))

def _evaluate(a, dtype):
    _limit(a)
    from tiny_reasoning.eval import evaluate
    res,seconds = timed(evaluate, _config(a, dtype))
    return dict(**memory(), questions=a.memory_questions, seconds=round(seconds, 1))

def train_bfloat16(a): return _train(a, 'bfloat16')
def train_float16(a): return _train(a, 'float16')
def evaluate_bfloat16(a): return _evaluate(a, 'bfloat16')
def evaluate_float16(a): return _evaluate(a, 'float16')

def finish(a, results): return dict(fits=len(results)==4 and all(o.get('peak_reserved_gb', 1e9)<=a.memory_limit for o in results.values()))
