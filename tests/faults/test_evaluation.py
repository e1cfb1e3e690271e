"Evaluations: wrong settings, edited results, and earlier ones that stay."
import json, shutil
import pytest
from commands import cut, evaluated, flags, moved, read, refused, table, tiny_eval, trained, write
from tiny_reasoning.config import TinyReasoningError
from tiny_reasoning.results import read_eval

pytestmark = pytest.mark.slow
three = 'eval.json', 'predictions.jsonl', 'report.html'
def content(out): return {o:(out/o).read_bytes() for o in three}

@table('more', {
    'evaluation.samples -1':['--evaluation.samples', '-1'],
    'evaluation.temperature 0':['--evaluation.temperature', '0'],
    'evaluation.top_p 0':['--evaluation.top_p', '0'], 'evaluation.top_p 1.1':['--evaluation.top_p', '1.1'],
    'adapters and --base_only':['--base_only', '--adapters', 'x'],
    'adapters that are not there':['--adapters', 'x', 'y']})
def test_refused(tmp_path, more): refused(tmp_path, flags(trained(tmp_path), *more), cmd='tiny_eval')

def test_no_samples(tmp_path):
    out = trained(tmp_path)
    tiny_eval(*flags(out, '--evaluation.samples', '0')).ends(0)
    assert 'sampled' not in (out/'eval.json').read_text()

def test_base_only_keeps_a_full_evaluation(tmp_path):
    out = evaluated(tmp_path)
    old = content(out)
    tiny_eval(*flags(out, '--base_only')).ends(0, 2)
    assert content(out)==old

def test_a_smaller_one_keeps_the_earlier_one(tmp_path):
    out = evaluated(tmp_path)
    old = content(out)
    tiny_eval(*flags(out, '--evaluation.max_new_tokens', '4')).ends(0)
    moved(old, out)

@pytest.mark.parametrize('name', three)
def test_file_of_yours_moves_aside(tmp_path, name):
    out = trained(tmp_path)
    write(out, name, 'mine')
    tiny_eval(*flags(out)).ends(0)
    moved({name:b'mine'}, out)

@pytest.mark.parametrize('name', three)
def test_killed_before(tmp_path, name):
    out = evaluated(tmp_path)
    (out/name).unlink()
    tiny_eval(*flags(out)).ends(0)

def unreadable(out):
    with pytest.raises(TinyReasoningError) as e: read_eval(out/'eval.json')
    assert len(str(e.value).splitlines())==1

def better(o):
    "An evaluation whose accuracy somebody has improved by hand"
    o['sets']['test']['tuned']['flexible']['accuracy'] = 0.999
    return o

@table('f', {
    'a better accuracy':better, 'another digest':lambda o: o | dict(predictions_sha256='0'*64), 'a list':lambda o: [o],
    'no sets':lambda o: o | dict(sets={}), 'null':lambda o: None, 'sets of text':lambda o: o | dict(sets='x'),
    'a set of numbers':lambda o: o | dict(sets=dict(test=1)),
    'no date':lambda o: {k:v for k,v in o.items() if k!='date'},
    'a number for a name':lambda o: o | dict(name=5), 'numbers for folders':lambda o: o | dict(adapters=dict(tuned=5)),
    'nested':lambda o: json.loads('['*500+']'*500)})
def test_edited(tmp_path, f):
    out = evaluated(tmp_path)
    write(out, 'eval.json', json.dumps(f(read(out/'eval.json'))))
    unreadable(out)

def another_line(p):
    a,b = p.read_text(), '"flexible": false'
    p.write_text(a.replace(b, '"flexible": true') if b in a else a.replace('"flexible": true', b, 1))

@table('f', {'cut':cut, 'missing':lambda p: p.unlink(), 'a line of another':another_line})
def test_predictions(tmp_path, f):
    out = evaluated(tmp_path)
    f(out/'predictions.jsonl')
    unreadable(out)

@pytest.mark.parametrize('name', ['a$x_{$b', 'a\x1b[31m', 'a\u202eb', '<b>x', '_hidden'])
def test_name_of_an_adapter(tmp_path, name):
    adapter = trained(tmp_path)/'lora_adapter'
    for o in (name, 'other'): shutil.copytree(adapter, tmp_path/o)
    tiny_eval(*flags(tmp_path/'new', '--adapters', tmp_path/name, tmp_path/'other')).ends(0)

def test_another_system_prompt_is_named(tmp_path):
    out = trained(tmp_path)
    tiny_eval(*flags(out, '--data.system_prompt', 'Be brief.')).ends(0)
    assert 'Be brief.' in read(out/'eval.json')['sources']['differs']

def test_other_prompts_of_base(tmp_path):
    out = trained(tmp_path)
    tiny_eval(*flags(out, '--evaluation.prompts', 'true')).ends(0)
    assert len(read(out/'eval.json')['prompts']['accuracy'])>3

def test_strict_json(tmp_path):
    def no(x): raise ValueError(x)
    out = evaluated(tmp_path)
    for o in ('run.json', 'eval.json'): json.loads((out/o).read_text(), parse_constant=no)
