"Every command does all of its work with `--smoke`, on the embedded model; most of a minute each on two cores"
import sys
import pytest
from commands import read, shell

pytestmark = pytest.mark.slow
def smoke(name, *argv): return shell(sys.executable, '-m', f'tiny_reasoning.{name}', '--smoke', *argv)

@pytest.fixture(scope='module')
def run(tmp_path_factory):
    "A smoke test's run"
    out = tmp_path_factory.mktemp('smoke')/'run'
    smoke('train', '--config', 'cpu', '--output_dir', out).ends(0)
    return out

@pytest.mark.parametrize('name, left', [('eval', 'eval.json'), ('export', 'export/export.json')])
def test_after_training(run, name, left):
    smoke(name, '--output_dir', run).ends(0)
    assert read(run/left)

def test_traces(tmp_path):
    smoke('traces', '--config', 'cpu', '--else_gold', '--dest', tmp_path/'traces').ends(0)
    assert read(tmp_path/'traces/traces.json')['counts']['replies']

def test_reason(tmp_path):
    smoke('reason', '--config', 'reason_cpu', '--output_dir', tmp_path/'out').ends(0)
    stages = [o['stage'] for o in read(tmp_path/'out/run.json')['stages']]
    assert stages==['traces', 'form', 'reinforcement', 'comparison']
