"Wrong settings: one line, status 2, and the key's name in it."
import random
import pytest, yaml
from commands import flags, refused, table, tiny_train, write
from tiny_reasoning.config import config_keys, short_names, type_name

def wrong_values(key):
    "Values that the key's type refuses"
    t = type_name(config_keys[key])
    if 'int' in t and 'list' not in t: yield from ('many', '1.5', 'nan', '-7', '9'*5000)
    if 'float' in t: yield from ('fast', 'nan', 'inf', '-0.5')
    if t.startswith('bool'): yield from ('perhaps', '7')
    if '|' in t: yield 'jax'
    if 'dict' in t: yield from ('5', 'hello', '[1]', '{a')
    if 'list of int' in t: yield from ('1,x', '-1')

def wrong_types(key):
    "Values in a file that no such key has"
    t = type_name(config_keys[key])
    if 'dict' not in t: yield dict(a=1)
    yield from ([[1]], [1] if 'bool' in t else True)

@table('key, value', {f'--{k} {v[:20]}':(k, v) for k in config_keys for v in wrong_values(k)})
def test_value(tmp_path, key, value): refused(tmp_path, ['--config', 'cpu', f'--{key}', value], key)

@table('key, value', {f'{k}: {v}':(k, v) for k in config_keys for v in wrong_types(k)})
def test_type(tmp_path, key, value):
    section,leaf = key.split('.')
    path = write(tmp_path, 'c.yaml', yaml.safe_dump({'preset':'cpu', section:{leaf:value}}))
    refused(tmp_path, ['--config', path], key)

@pytest.mark.parametrize('typo', [o[:-1] for o in config_keys if o[:-1] not in config_keys and o[-2]!='.'])
def test_typo(tmp_path, typo): refused(tmp_path, ['--config', 'cpu', f'--{typo}', '1'], 'did you mean')

@table('text', {
    'a list':'[]', 'false':'false', 'a zero':'0', 'a word':'hello', 'broken':'training: [',
    'a tab':'training:\n\tmax_steps: 3',
    'a duplicate key':'training: {max_steps: 1, max_steps: 2}', 'a number as key':'3: 4', 'a null key':'null: 4',
    'a duplicate section':'training: {max_steps: 1}\ntraining: {max_steps: 2}', 'no int':'project: {seed: !!int abc}',
    'short and dotted':'max_steps: 1\ntraining: {max_steps: 2}', 'no date':'project: {name: 2024-02-31}',
    'a long number':'project: {seed: '+'9'*5000+'}', 'python':'project: {name: !!python/object/apply:os.system [true]}',
    'an unknown tag':'project: {name: !x y}', 'unknown preset':'preset: gpu',
    'an unknown section':'trainig: {max_steps: 3}',
    'section as text':'training: fast', 'section as list':'training: [1]', 'nested deep':'project: {name: {a: {b: 1}}}',
    'steps':'preset: cpu\ntraining: {eval_steps: 7, save_steps: 20}', 'a seed':'project: {seed: 4294967296}',
    'warm-up':'preset: cpu\ntraining: {max_steps: 5, warmup_steps: 6}',
    'a surrogate':r'data: {system_prompt: "\ud800"}',
    'latin-1':'project: {name: é}'.encode('latin-1'), 'NULs':bytes(100), 'random':random.Random(0).randbytes(500),
    'utf-16':'project: {name: a}'.encode('utf-16')+b'\xff'})
def test_yaml(tmp_path, text): refused(tmp_path, ['--config', write(tmp_path, 'c.yaml', text), '--show_config'])

@pytest.mark.parametrize('path', ['', 'nowhere.yaml', '~nosuch/x.yaml', '/proc/self/mem', '.', 'a\0b'])
def test_path(tmp_path, path): refused(tmp_path, ['--config', path])

@pytest.mark.parametrize('name', short_names)
def test_no_value(tmp_path, name): refused(tmp_path, ['--config', 'cpu', f'--{name}'], 'expected one argument')

@pytest.mark.parametrize('name', ['wandb:hunter22', 'wandb/hunter22', 'hunter22', 'wandb hunter22', 'wandb=hunter22'])
def test_key_beside_a_tracker(tmp_path, name):
    "It is not quoted, and not written down"
    r = tiny_train(*flags(tmp_path/'out', '--training.report_to', name)).ends(2, words='report_to')
    assert 'hunter22' not in r.out+r.err and not (tmp_path/'out/config.yaml').exists()
