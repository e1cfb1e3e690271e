"What `--resume` continues from, and what it refuses."
import shutil
import pytest
from commands import (
    begun, cut, edit, empty, flags, four, jsonl, losses, made, model, own, read, refused, sums, table, tensors,
    tiny_train, trained, unfinished, write, zeros)

pytestmark = pytest.mark.slow
def missing(path): path.unlink()
def resume(out, *more): return flags(out, *four, '--resume', *more)

# --- a damaged newest checkpoint
@pytest.mark.parametrize('name', [
    'adapter_model.safetensors', 'adapter_config.json', 'optimizer.pt', 'scheduler.pt', 'rng_state.pth',
    'trainer_state.json'])
@table('f', dict(missing=missing, empty=empty, cut=cut, zeros=zeros, text=lambda p: p.write_text('null')))
def test_newest_checkpoint(tmp_path, name, f):
    out,begin = begun(tmp_path),1
    f(out/'checkpoint-2'/name)
    if name=='adapter_config.json': begin = 2 # the trainer has the adapter's shape from the configuration
    else:
        tiny_train(*resume(out)).ends(2, words='checkpoint-2')
        (out/'checkpoint-2').rename(tmp_path/'away')
    tiny_train(*resume(out)).ends(0)
    assert read(out/'run.json')['resumed_from']==begin
    assert abs(losses(out)[-1]-losses(made/('run'+'_'.join(four)))[-1])<1e-4

@table('keys', dict(text=dict(best_metric='0.5'), list=dict(best_metric=[1]), no_history=dict(log_history=None),
                    number=dict(log_history=3), words=dict(log_history=['a'])))
def test_edited_state(tmp_path, keys):
    edit(begun(tmp_path)/'checkpoint-2'/'trainer_state.json', **keys)
    tiny_train(*resume(tmp_path/'out')).ends(2, words='checkpoint-2/trainer_state.json')

# --- a damaged best checkpoint
def first_best(d):
    "As `begun`, with a first checkpoint that validated better than any other can"
    out = begun(d)
    edit(out/'checkpoint-2'/'trainer_state.json', best_metric=1., best_global_step=1,
         best_model_checkpoint=str(out/'checkpoint-1'))
    return out

@table('f', dict(missing=missing, cut=cut, zeros=zeros))
def test_best_checkpoint(tmp_path, f):
    f(first_best(tmp_path)/'checkpoint-1'/'adapter_model.safetensors')
    refused(tmp_path, resume(tmp_path/'out'), 'checkpoint-1/adapter_model.safetensors')

def test_best_checkpoint_not_complete(tmp_path):
    (first_best(tmp_path)/'checkpoint-1'/'complete').unlink()
    refused(tmp_path, resume(tmp_path/'out'), 'checkpoint-1/complete')

def test_best_checkpoint_in_a_renamed_folder(tmp_path):
    out = first_best(tmp_path).rename(tmp_path/'new')
    tiny_train(*resume(out)).ends(0)
    assert read(out/'run.json')['best']['checkpoint']=='checkpoint-1'

# --- what is refused
@table('more', {
    'another seed':['--seed', '5'], 'more rows':['--num_samples', '14'], 'another rank':['--lora_r', '4'],
    'another rate':['--learning_rate', '0.5'], 'another batch':['--batch_size', '3'], 'more steps':['--max_steps', '5'],
    'another optimiser':['--training.optim', 'sgd'], 'another prompt':['--data.system_prompt', 'Hi']})
def test_differs(tmp_path, more): refused(tmp_path, resume(begun(tmp_path), *more), 'differs')

@pytest.mark.parametrize('name', ['config.yaml', 'data.json'])
def test_no_record(tmp_path, name):
    (begun(tmp_path)/name).unlink()
    refused(tmp_path, resume(tmp_path/'out'))

@table('text', {'a list':'[]', 'broken':'training: [', 'empty':''})
def test_config(tmp_path, text):
    write(begun(tmp_path), 'config.yaml', text)
    refused(tmp_path, resume(tmp_path/'out'))

def test_finished_run(tmp_path): refused(tmp_path, flags(trained(tmp_path), '--resume'), 'complete')
def test_neither_resume_nor_overwrite(tmp_path): refused(tmp_path, flags(trained(tmp_path)), '--overwrite')

def test_adapter_of_another_run(tmp_path):
    for o in ('one', 'two'): (tmp_path/o).mkdir()
    argv = resume(begun(tmp_path/'one'), '--adapter_path', trained(tmp_path/'two')/'lora_adapter')
    refused(tmp_path, argv, 'another adapter')

def test_another_file_behind_the_same_name(tmp_path):
    path = write(tmp_path, 'train.jsonl', jsonl(sums(20)))
    tiny_train(*flags(tmp_path/'out', *own(path), *four)).ends(0)
    unfinished(tmp_path/'out')
    write(tmp_path, 'train.jsonl', jsonl(sums(20, 30)))
    refused(tmp_path, resume(tmp_path/'out', *own(path)))

@pytest.mark.parametrize('more', [[], ['--adapter_path', 'a']], ids=['', 'its adapter elsewhere'])
def test_another_base_behind_the_same_name(tmp_path, more):
    base = model(tmp_path)
    tiny_train(*flags(tmp_path/'out', *four, *more, name=base)).ends(0)
    (tmp_path/'out/run.json').unlink()
    for o in ('checkpoint-3', 'checkpoint-4'): shutil.rmtree(tmp_path/'out'/o)
    tensors(base/'model.safetensors', lambda ts: {k:v+1 for k,v in ts.items()})
    refused(tmp_path, flags(tmp_path/'out', *four, '--resume', *more, name=base), 'other weights')

# --- killed at a bad moment
def test_nothing_there(tmp_path): tiny_train(*flags(tmp_path/'out', '--resume')).ends(0)

def test_killed_after_its_first_file(tmp_path):
    write(tmp_path, 'out/data.json', '{}')
    tiny_train(*flags(tmp_path/'out', '--resume')).ends(0)

def test_killed_in_a_checkpoint(tmp_path):
    out = begun(tmp_path)
    for o in ('complete', 'optimizer.pt'): (out/'checkpoint-2'/o).unlink()
    tiny_train(*resume(out)).ends(0)
    assert read(out/'run.json')['resumed_from']==1

def part(adapter): return adapter.rename(adapter.with_name('.lora_adapter.part'))
@table('f', {
    'run.json':lambda a: None, 'the adapter was renamed':part,
    'the adapter was written':lambda a: (part(a)/'adapter_model.safetensors').unlink()})
def test_killed_before(tmp_path, f):
    out = trained(tmp_path, *four)
    want = losses(out)[-1]
    for o in ('run.json', 'loss.png'): (out/o).unlink()
    f(out/'lora_adapter')
    tiny_train(*resume(out)).ends(0)
    assert losses(out)[-1]==want
