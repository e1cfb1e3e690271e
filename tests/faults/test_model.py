"Damaged models, and models of strangers: nothing of their code runs, and nothing is loaded in part."
import io, math, random, sys
import pytest
from commands import cut, edit, empty, flags, folder, model, refused, spoil, table, tensors, tiny_eval, write, zeros

pytestmark = pytest.mark.slow

weights = {
    'without its first tensor':lambda ts: {k:v for k,v in ts.items() if k!=min(ts)},
    'with half of its tensors':lambda ts: dict(sorted(ts.items())[::2]),
    'with an unknown tensor':lambda ts: ts | {'model.layers.9.nothing.weight':ts[min(ts)].clone()},
    'with a mis-shaped tensor':lambda ts: ts | {min(ts):ts[min(ts)][:-1].clone()},
    'with unknown tensors only':lambda ts: {f'x.{k}':v for k,v in ts.items()}}
not_finite = {f'with {k}':spoil(v) for k,v in {'NaN':math.nan, 'infinity':math.inf, 'minus infinity':-math.inf}.items()}
damage = {'missing':lambda p: p.unlink(), 'empty':empty, 'cut':cut, 'zeros':zeros, 'a folder':folder,
          'a list':lambda p: p.write_text('[]')}

def in_file(name, f): return lambda m: f(m/name)
def settings(**keys): return lambda m: edit(m/'config.json', **keys)
auto_map = {'AutoConfig':'evil.Config', 'AutoModelForCausalLM':'evil.Model'}

harm = {k:in_file('model.safetensors', lambda p, f=f: tensors(p, f)) for k,f in weights.items()}
names = 'config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'
harm |= {f'{o}: {k}':in_file(o, f) for o in names for k,f in damage.items()
         if o!='tokenizer_config.json' or k not in ('missing', 'a folder')}
harm |= {
    'no chat template':in_file('chat_template.jinja', damage['missing']),
    'a broken template':in_file('chat_template.jinja', lambda p: p.write_text('{% for')),
    'a template that fails':in_file('chat_template.jinja', lambda p: p.write_text('{{ raise_exception("no") }}')),
    'unknown type':settings(model_type='nothing'), 'no type':settings(model_type=None),
    'bert':settings(model_type='bert'),
    'more layers':settings(num_hidden_layers=3), 'fewer layers':settings(num_hidden_layers=1),
    'another width':settings(hidden_size=64), 'no vocabulary':settings(vocab_size=10),
    'a pickle':lambda m: (m/'model.safetensors').rename(m/'pytorch_model.bin'),
    'a broken index':lambda m: (m/'model.safetensors').unlink() or write(m, 'model.safetensors.index.json', '{}'),
    'code in the model':settings(auto_map=auto_map, model_type='evil'),
    'code beside a known model':settings(auto_map=auto_map),
    'code in the tokenizer':in_file('tokenizer_config.json', lambda p: edit(
        p, auto_map={'AutoTokenizer':['evil.Tokenizer', None]}, tokenizer_class='Evil'))}
evil = '''from pathlib import Path
Path(__file__).with_name('ran.txt').write_text('')
from transformers import LlamaConfig as Config, LlamaForCausalLM as Model, PreTrainedTokenizerFast as Tokenizer
'''
harmless = 'code beside a known model' # Transformers' own class may be used, if the folder's code is not

@pytest.mark.parametrize('name', harm)
def test_folder(tmp_path, monkeypatch, name):
    m = model(tmp_path)
    write(m, 'evil.py', evil)
    harm[name](m)
    monkeypatch.setattr(sys, 'stdin', io.StringIO('y\n'*50))
    r = tiny_eval(*flags(tmp_path/'out', '--base_only', name=m))
    assert not (m/'ran.txt').exists(), 'code from the folder ran'
    r.ends(2, *[0]*(name==harmless))

@table('data', {
    'a header only':b'GGUF\3\0\0\0'+bytes(16), 'a header that lies':b'GGUF\3\0\0\0'+b'\xff'*16, 'empty':b'',
    'text':b'not a model'*9, 'random':random.Random(2).randbytes(3000)})
def test_gguf(tmp_path, data):
    refused(tmp_path, flags(tmp_path/'out', '--base_only', name=write(tmp_path, 'm.gguf', data)), cmd='tiny_eval')

@pytest.mark.parametrize('name', [
    './nowhere', '/nowhere/at/all', 'nowhere.gguf', '~/nowhere', '', '.', 'a\0b', pytest.param('x'*3000, id='long'),
    'somebody/nothing', '../..'])
def test_name(tmp_path, name): refused(tmp_path, flags(tmp_path/'out', '--base_only', name=name), cmd='tiny_eval')

@pytest.mark.parametrize('modules', ['lm_head', 'self_attn', 'nothing', 'q_proj,nothing', 'embed_tokens', ''])
def test_target_modules(tmp_path, modules): refused(tmp_path, flags(tmp_path/'out', '--lora.target_modules', modules))
