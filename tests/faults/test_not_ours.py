"What is not ours in a run's folder is moved, never lost; an `--overwrite` that fails leaves the old run."
import shutil
import pytest
from commands import begun, files, flags, four, kept, refused, somewhere, table, tiny_train, trained, write

pytestmark = pytest.mark.slow

theirs = '''
    README.md config.yaml loss.png run.json data.json eval.json report.html predictions.jsonl notes/mine.txt
    checkpoint-1/model.safetensors checkpoint-2/adapter_model.safetensors checkpoint-2/complete
    checkpoint-500/model.safetensors checkpoint-900/pytorch_model.bin checkpoint-1-backup/notes.txt
    checkpoint-1-backup/complete checkpoint-best-2024/a.bin checkpoint-notes1 checkpoint-7 lora_adapter/README.md
    lora_adapter/config.yaml lora_adapter/tokenizer.json lora_adapter/adapter_config.json replaced/notes.txt'''.split()

def beside(out, name):
    "Write a file `name` beside a run, by another name where the run has one"
    if (out/name).exists(): name = name.replace('/', '/my-', 1) if '/' in name else f'my-{name}'
    return write(out, name, 'mine').name

@pytest.mark.parametrize('name', theirs)
@pytest.mark.parametrize('over', [(), ('--overwrite',)], ids=['', '--overwrite'])
def test_fresh_folder(tmp_path, name, over):
    path = write(tmp_path, f'out/{name}', 'mine')
    r = tiny_train(*flags(tmp_path/'out', *over, '--training.save_total_limit', '1'))
    somewhere(tmp_path, path.name)
    r.ends(0, *[2]*(not over))

@pytest.mark.parametrize('name', theirs)
def test_overwrite(tmp_path, name):
    out = trained(tmp_path)
    name = beside(out, name)
    tiny_train(*flags(out, '--overwrite', '--seed', '5')).ends(0)
    somewhere(tmp_path, name)

@pytest.mark.parametrize('name', theirs)
def test_resume(tmp_path, name):
    out = begun(tmp_path)
    name = beside(out, name)
    tiny_train(*flags(out, *four, '--resume')).ends(0, 2)
    somewhere(tmp_path, name)

def test_old_run_after_overwrite(tmp_path):
    out = trained(tmp_path)
    old = files(out)
    tiny_train(*flags(out, '--overwrite', '--seed', '5')).ends(0)
    replaced, = (out/'replaced').iterdir()
    kept(old, replaced)

def test_adapter_elsewhere_after_overwrite(tmp_path):
    adapter = shutil.copytree(trained(tmp_path)/'lora_adapter', tmp_path/'elsewhere')
    old = files(adapter)
    tiny_train(*flags(tmp_path/'new', '--overwrite', '--adapter_path', adapter)).ends(0)
    replaced, = (tmp_path/'replaced').iterdir()
    kept(old, replaced/'elsewhere')

@pytest.mark.parametrize('over', [[], ['--overwrite']], ids=['', '--overwrite'])
def test_adapter_path_holds_the_run(tmp_path, over):
    above = write(tmp_path, 'a/notes.txt', 'mine').parent
    refused(tmp_path, flags(above/'out', *over, '--adapter_path', above), 'adapter_path')

@pytest.mark.parametrize('over', [[], ['--overwrite']], ids=['', '--overwrite'])
@pytest.mark.parametrize('key', ['output_dir', 'adapter_path'])
@table('name', {'an export':'export.json', 'traces':'traces.json'})
def test_folder_of_another_command(tmp_path, name, key, over):
    path = write(tmp_path, f'theirs/{name}', '{}').parent
    refused(tmp_path, flags(tmp_path/'out', f'--{key}', path, *over), name)

def test_link_named_as_a_checkpoint(tmp_path):
    out,far = trained(tmp_path), write(tmp_path, 'far/keep.txt', 'mine').parent
    (out/'checkpoint-7').symlink_to(far)
    tiny_train(*flags(out, '--overwrite')).ends(0)
    somewhere(tmp_path, 'keep.txt')

@table('more', {
    'galore_adamw':['--training.optim', 'galore_adamw'], 'an unknown optimiser':['--training.optim', 'adamm'],
    'a schedule without its arguments':['--training.lr_scheduler_type', 'cosine_with_min_lr'],
    'an unknown schedule':['--training.lr_scheduler_type', 'linearly'], 'a huge batch':['--batch_size', '1'+'0'*30],
    'a huge rank':['--lora_r', '1'+'0'*12], 'huge alpha':['--lora_alpha', '9'*400],
    'many samples':['--num_samples', '1'+'0'*30],
    'lm_head':['--lora.target_modules', 'lm_head'], 'a model that is not there':['--model.name', './nowhere'],
    'data that is not there':['--data.dataset_name', 'nowhere.jsonl', '--data.templates', 'none'],
    'unsloth':['--model.backend', 'unsloth'], 'an adapter path below a file':['--adapter_path', 'f/a'],
    'a seed of 2^32':['--seed', str(2**32)], 'warm-up longer than the run':['--warmup_steps', '9']})
def test_overwrite_that_fails(tmp_path, more):
    write(tmp_path, 'f', 'x')
    refused(tmp_path, flags(trained(tmp_path), '--overwrite', *more))
