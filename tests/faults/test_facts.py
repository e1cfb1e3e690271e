"Facts that lie beside an adapter are asked, and what is huge ends soon."
import json, shutil

import pytest
from commands import edit, flags, jsonl, model, own, refused, sums, tiny_eval, tiny_train, trained, write

pytestmark = pytest.mark.slow

def test_checkpoint_on_its_own_questions(tmp_path):
    "A checkpoint knows its run, so the questions that the run saw are left out"
    data = write(tmp_path, 'data.jsonl', jsonl(sums(30)))
    tiny_train(*flags(tmp_path/'out', *own(data))).ends(0)
    more = own(data) + ['--test_samples', 20, '--num_samples', 10, '--adapter_path', tmp_path/'out/checkpoint-1']
    told = tiny_eval(*flags(tmp_path/'new', *more)).ends(0)
    assert 'questions left out, as an adapter was trained on them' in told.err

def test_lost_questions(tmp_path):
    out = trained(tmp_path)
    (out/'lora_adapter/questions.txt').unlink()
    assert 'questions.txt' in tiny_eval(*flags(out)).ends(0).err

def test_adapter_that_does_not_say_how_it_was_trained(tmp_path):
    out = trained(tmp_path)
    (out/'lora_adapter/config.yaml').unlink()
    r = tiny_eval('--output_dir', out, '--model.name', 'nowhere')
    assert 'does not say how it was trained' in r.ends(2).err

def test_foreign_template(tmp_path):
    out = trained(tmp_path)
    write(out, 'lora_adapter/chat_template.jinja', "{% for m in messages %}{{ m.content }}{% endfor %}")
    assert 'template' in tiny_eval(*flags(out)).ends(0, 2).err

def test_base_that_moved_and_one_that_changed(tmp_path):
    base = model(tmp_path)
    tiny_train(*flags(tmp_path/'out', name=base)).ends(0)
    moved = shutil.copytree(base, tmp_path/'moved')
    tiny_eval(*flags(tmp_path/'out', name=moved)).ends(0)
    from safetensors.torch import load_file, save_file
    weights = load_file(moved/'model.safetensors')
    save_file({k:v+1 for k,v in weights.items()}, moved/'model.safetensors', metadata=dict(format='pt'))
    tiny_eval(*flags(tmp_path/'out', name=moved)).ends(2)

@pytest.mark.parametrize('key', ['num_hidden_layers', 'num_labels'])
def test_huge_configuration(tmp_path, key):
    base = model(tmp_path)
    edit(base/'config.json', **{key:10**9})
    refused(tmp_path, flags(tmp_path/'out', name=base))

def test_samples_without_end(tmp_path):
    refused(tmp_path, flags(trained(tmp_path), '--evaluation.samples', 10**9), cmd='tiny_eval')

def test_lock_that_holds_anything(tmp_path):
    write(tmp_path/'out', '.tiny_reasoning.lock', json.dumps([]))
    tiny_train(*flags(tmp_path/'out')).ends(0)
