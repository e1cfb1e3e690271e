"Training by reinforcement: wrong settings, and the same end when it was stopped."
import shutil
import pytest
from commands import begun, flags, four, read, refused, somewhere, table, tiny_train, trained, unfinished, write

pytestmark = pytest.mark.slow
few = '--training.method grpo --grpo.num_questions 2 --grpo.num_generations 2 --grpo.max_completion_length 4'.split()
def grpo(out, *more): return flags(out, *few, *more)

@table('key, value', {k:(k, v) for k,v in dict(
    num_generations=1, num_questions=0, max_completion_length=0, temperature=0, accuracy_weight=-1, format_weight=-1,
    pass_rates='./nowhere').items()})
def test_value(tmp_path, key, value): refused(tmp_path, grpo(tmp_path/'out', f'--grpo.{key}', value), f'grpo.{key}')

@table('argv, words', {
    'grpo.pass_rates: a file':(lambda d: grpo(d/'out', '--grpo.pass_rates', write(d, 'f', 'x')), 'grpo.pass_rates'),
    'grpo.pass_rates: a broken file':(
        lambda d: grpo(d/'out', '--grpo.pass_rates', write(d, 'f/traces.json', '[]').parent), 'grpo.pass_rates'),
    'no question is worth asking':(lambda d: grpo(d/'out', '--grpo.pass_rates', 'measure'), 'sometimes'),
    'an unknown method':(lambda d: flags(d/'out', '--training.method', 'ppo'), 'sft | grpo'),
    'Unsloth':(lambda d: grpo(d/'out', '--model.backend', 'unsloth'), 'model.backend'),
    'over a run of sft without --overwrite':(lambda d: grpo(trained(d)), '--overwrite'),
    '--resume of a run of sft':(lambda d: grpo(begun(d), *four, '--resume'), 'training.method differs')})
def test_refused(tmp_path, argv, words): refused(tmp_path, argv(tmp_path), words)

@table('argv, words', {
    'without reinforcement':(lambda d: flags(d/'out'), 'training.method'),
    'over a run without --overwrite':(lambda d: grpo(trained(d)), '--overwrite')})
def test_tiny_reason(tmp_path, argv, words): refused(tmp_path, argv(tmp_path), words, 'tiny_reason')

def test_samples_of_yours_move_aside(tmp_path):
    tiny_train(*grpo(write(tmp_path, 'out/samples.jsonl', 'mine').parent)).ends(0)
    somewhere(tmp_path, 'samples.jsonl')

def test_stopped_and_resumed(tmp_path):
    "The end is the same"
    whole,out = tmp_path/'whole', tmp_path/'out'
    tiny_train(*grpo(whole, *four)).ends(0)
    unfinished(shutil.copytree(whole, out))
    tiny_train(*grpo(out, *four, '--resume')).ends(0)
    a,b = ([o['eval_length'] for o in read(f/'run.json')['history'] if 'eval_length' in o] for f in (whole, out))
    assert a==b and len(a)==4
    assert (whole/'samples.jsonl').read_bytes()==(out/'samples.jsonl').read_bytes()
