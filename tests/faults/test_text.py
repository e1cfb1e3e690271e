"Texts and numbers that hurt a terminal or a model: control characters, endless questions, rates that diverge."
import pytest
from commands import flags, own, table, tiny_chat, tiny_train, trained

pytestmark = pytest.mark.slow

controls = {
    'colour':'\x1b[31mred', 'title':'\x1b]0;title\x07', 'clipboard':'\x1b]52;c;aGk=\x07',
    'link':'\x1b]8;;http://x\x07x\x1b]8;;\x07',
    'clear':'\x1b[2J', 'where':'\x1b[6n', 'C1':'\x9b31m', 'return':'a\rb', 'backspace':'a\x08b', 'bidi':'a\u202eb'}

@table('v', controls)
def test_project_name(tmp_path, v):
    r = tiny_train(*flags(tmp_path/'out', '--project.name', v)).ends(0, 2)
    assert '\r' not in v or '\r'+v[-1] not in r.err

def test_forged_log_line(tmp_path):
    r = tiny_train(*flags(tmp_path/'out', '--project.name', 'a\n12:00:00 INFO forged')).ends(0)
    assert 'forged' in r.err and not [o for o in r.err.splitlines() if o.startswith('12:00:00')]

@table('v', controls)
def test_dataset_name(tmp_path, v): tiny_train(*flags(tmp_path/'out', *own(f'./{v}.jsonl'))).ends(2)

@table('v', controls)
def test_unknown_key(v): tiny_train('--config', 'cpu', f'--{v}', '1').ends(2)

@table('more', {
    'a question of 1 MB':['--question', 'a '*60_000], 'nan':['--question', '1+1?', '--temperature', 'nan'],
    'a tiny temperature':['--question', 'What is 1+1?', '--temperature', '1e-40'],
    'a surrogate':['--question', '\udcff'],
    'a negative temperature':['--question', '1+1?', '--temperature', '-1']})
def test_chat(tmp_path, more):
    r = tiny_chat(*flags(tmp_path/'out', '--base', *more))
    assert 'Traceback' not in r.err
    if r.status!=2: r.ends(0)

def test_chat_takes_the_settings_of_its_run(tmp_path):
    out = trained(tmp_path, '--data.system_prompt', 'Be brief.')
    r = tiny_chat('--output_dir', out, '--question', '1+1?', '--evaluation.max_new_tokens', '4')
    assert 'Settings of the run' in r.err and 'evaluation.max_new_tokens 8' in r.err
    assert r.status==2 and 'no answer' in r.err and 'Traceback' not in r.err

@pytest.mark.parametrize('rate', ['1e30', '1e8', '1e20'])
def test_diverging(tmp_path, rate):
    "What can be trained at this rate is finite"
    from safetensors.torch import load_file
    more = '--learning_rate', rate, '--max_steps', '6', '--training.logging_steps', '1'
    if tiny_train(*flags(tmp_path/'out', *more)).ends(0, 2).status==0:
        adapter = load_file(tmp_path/'out/lora_adapter/adapter_model.safetensors')
        assert all(t.isfinite().all() for t in adapter.values())
