"""Optimiser steps a second on Qwen2.5-1.5B's shape: ours, TRL + PEFT + bitsandbytes, and Unsloth as its notebooks use it"""
from common import *

need,apart = ['qwen','gsm8k'],1
def options(p):
    p.add_argument('--steps', type=int, default=100, help='timed steps of ours and of Unsloth')
    p.add_argument('--unsloth_steps', type=int, help='timed steps of Unsloth, if others')
    p.add_argument('--trl_steps', type=int, default=20, help='timed steps of TRL')
    p.add_argument('--first', type=int, default=10, help='steps before the timed ones')
    p.add_argument('--trl_first', type=int, default=3, help='the same for TRL, where nothing is compiled')
    p.add_argument('--optimizer', default='adamw_8bit')

def plan(a): return [[['ours','trl','unsloth']]]

def _ours(a):
    from tiny_reasoning.train import train
    late = 10*(a.first+a.steps)  # no validation and no checkpoint inside the timed window
    keys = {'training.eval_steps':late, 'training.save_steps':late, 'training.optim':a.optimizer, 'max_steps':a.first+a.steps}
    c,cfg,lines = clock(a.first), config(a, 'ours', **keys), log_lines()
    train(cfg, overwrite=True, callbacks=[c])
    return c.record() | how(cfg, lines)

def ours(a):
    seconds = imports(has('unsloth'))
    return dict(import_seconds=round(seconds, 1), **_ours(a))

def _dataset(a):
    "The rows that the default preset trains on"
    from datasets import Dataset
    from tiny_reasoning.data import to_messages
    from tiny_reasoning.splits import make_splits
    cfg = config(a)
    return Dataset.from_list([to_messages(o, cfg.data.system_prompt) for o in make_splits(cfg).train])

def _sft(a, name, first, steps, model, tokenizer, **kwargs):
    "SFTTrainer with 2 rows × 4; what is not said here or in `kwargs` is TRL's or Unsloth's default"
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer
    config_args = kwargs.pop('args', {})
    args = SFTConfig(output_dir=f'{a.work}/{name}', per_device_train_batch_size=2, gradient_accumulation_steps=4, max_steps=first+steps, learning_rate=2e-4, warmup_steps=50,
        lr_scheduler_type='linear', weight_decay=0.01, optim=a.optimizer, logging_steps=10, completion_only_loss=True, save_strategy='no', report_to='none', seed=3407, disable_tqdm=True, **config_args)
    c = clock(first)
    trainer = SFTTrainer(model=model, args=args, processing_class=tokenizer, train_dataset=_dataset(a), callbacks=[c], **kwargs)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return dict(**c.record(), padding_free=bool(trainer.args.padding_free))

def trl(a):
    seconds = imports(False)
    import torch
    from peft import LoraConfig, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    quant = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.bfloat16, quantization_config=quant, device_map={'':0 if torch.cuda.is_available() else 'cpu'})
    model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=True, gradient_checkpointing_kwargs=dict(use_reentrant=False))
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0., bias='none', target_modules=targets, task_type='CAUSAL_LM')
    args = dict(bf16=True, gradient_checkpointing=True, gradient_checkpointing_kwargs=dict(use_reentrant=False))
    return dict(import_seconds=round(seconds, 1), **_sft(a, 'trl', a.trl_first, a.trl_steps, model, AutoTokenizer.from_pretrained(a.model), peft_config=lora, args=args))

def unsloth(a):
    seconds = imports(True)
    from unsloth import FastLanguageModel
    model,tokenizer = FastLanguageModel.from_pretrained(a.model, max_seq_length=2048, load_in_4bit=True)
    model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, lora_dropout=0, bias='none', target_modules=targets, use_gradient_checkpointing='unsloth', random_state=3407)
    return dict(import_seconds=round(seconds, 1), **_sft(a, 'unsloth', a.first, a.unsloth_steps or a.steps, model, tokenizer))

def finish(a, results): return {f'ours_over_{o}':ratio(results, 'ours', o, 'steps_per_second') for o in ('trl','unsloth')}
