"""GGUF files in llama.cpp itself: of the embedded model and a small Qwen2, or of the exports that `--gguf` names.
llama-cpp-python is compiled for this, which takes some minutes, so CI does without."""
import random
from pathlib import Path

import numpy as np, pytest, torch, transformers
from llama_cpp import Llama
from tiny_reasoning.preset import load_config
from tiny_reasoning.data import to_prompt
from tiny_reasoning.export import *
from tiny_reasoning.generate import generate
from tiny_reasoning.gguf_file import *
from tiny_reasoning.splits import make_splits

pytestmark = pytest.mark.gguf

def texts(n=1000):
    "`n` texts: problems, solutions, and pieces put together at random"
    rng,rows = random.Random(0),make_splits(load_config('cpu', test_samples=100)).train
    res = [o[k] for o in rows[:150] for k in ('question','reasoning')]
    words = [o for t in tricky for o in (t, 'don\'t', 'ΑΒΓ', 'straße', '3,000.5', '<think>', '🙂', 'naïve')]
    return res + [''.join(rng.choice(words) for _ in range(rng.randint(1, 12))) for _ in range(n-len(res))]

def other_tokens(llm, tokenizer):
    "Texts that llama.cpp cuts into other tokens than the tokenizer"
    want = tokenizer(texts(), add_special_tokens=False).input_ids
    got = [llm.tokenize(o.encode(), add_bos=False, special=True) for o in texts()]
    return [o for o in zip(texts(), want, got) if o[1]!=o[2]]

def replies(llm, model, tokenizer, n=8):
    """How many greedy replies are the same, and how far apart the two are at each of their places.
    llama.cpp reads prompt and reply at once: its greedy reply is the same where it finds each next token most likely"""
    cfg = load_config('cpu', test_samples=n, **{'data.unseen_samples':0, 'evaluation.max_new_tokens':64})
    rows = make_splits(cfg).test
    prompts = [to_prompt(o['question'], cfg.data.system_prompt) for o in rows]
    texts = [o['text'] for o in generate(model, tokenizer, prompts, 64)]
    same,far = 0,[]
    for p,r,want in zip(prompts, texts, next_logits(model, tokenizer, prompts, texts)):
        start = tokenizer.apply_chat_template(p, tokenize=False, add_generation_prompt=True)
        ids = [tokenizer(o, add_special_tokens=False).input_ids for o in (start, r)]
        ids = ids[0]+ids[1][:64]
        llm.reset()
        llm.eval(ids)
        got = torch.tensor(np.array(llm.scores[len(ids)-len(want):len(ids)]))
        same += bool((got.argmax(-1)==want.argmax(-1)).all())
        far.append(kl_divergence([want], [got]))
    return same, len(rows), {k:max(o[k] for o in far) for k in far[0]}

def qwen(folder):
    "A small Qwen2 with random weights, and a tokenizer that cuts as Qwen's does"
    from tokenizers import Regex, Tokenizer, decoders, models, trainers, pre_tokenizers as tp
    t = Tokenizer(models.BPE())
    cut = tp.Split(Regex(pre_tokenizers['qwen2'][0]), 'isolated')
    t.pre_tokenizer = tp.Sequence([cut, tp.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
    t.train_from_iterator(texts(),
                          trainers.BpeTrainer(vocab_size=2000, special_tokens=special,
                                              initial_alphabet=tp.ByteLevel.alphabet()))
    template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    template += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    t = transformers.Qwen2Tokenizer(tokenizer_object=t, eos_token='<|im_end|>', pad_token='<|endoftext|>',
                                    chat_template=template)
    torch.manual_seed(0)
    shape = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4,
                 num_key_value_heads=2)
    config = transformers.Qwen2Config(vocab_size=2048, max_position_embeddings=1024, tie_word_embeddings=False,
                                      eos_token_id=t.eos_token_id, **shape)
    m = transformers.Qwen2ForCausalLM(config)
    for o in m.parameters(): o.data.normal_(std=0.1)
    save_merged(m, t, folder)

@pytest.fixture(scope='module')
def folders(request, tmp_path_factory):
    "Folders with a model and its GGUF files"
    if given := request.config.getoption('gguf'): return [*map(Path, given)]
    tmp = tmp_path_factory.mktemp('gguf')
    save_merged(*plain_model(load_config('cpu').model), tmp/'smollm2')
    qwen(tmp/'qwen2')
    for o in (tmp/'smollm2', tmp/'qwen2'):
        for k in gguf_quants: write_gguf(o, o/f'{o.name}-{k}.gguf', k, o.name)
    return [tmp/'smollm2', tmp/'qwen2']

def test_llama_cpp(folders):
    "Each file has the tokens and nearly the logits of transformers in float32 with the same weights"
    for folder in folders:
        model,tokenizer = open_merged(folder, 'float32')
        for path in sorted(folder.glob('*.gguf')):
            llm = Llama(str(path), n_ctx=512, logits_all=True, verbose=False)
            assert other_tokens(llm, tokenizer)==[]
            read_gguf(path, model)
            same,of,far = replies(llm, model, tokenizer)
            print(f'{path.name}: {same} of {of} replies are the same; divergence at most {far["kl"]:.2g}, '
                  f'logits at most {far["logits"]:.2g} apart')
            assert far['kl']<=max_kl
