"""Every numbered notebook by itself, as a stranger has it: the wheel with its extra `offline` in a fresh environment,
an empty folder, an empty cache, nothing of the checkout."""
import re, subprocess, sys

import pytest
from test_project import apart, cfg, numbered, root, run

pytestmark = pytest.mark.slow
execute = '''import sys, nbformat
from nbclient import NotebookClient
NotebookClient(nbformat.read('book.ipynb', 4), timeout=None, kernel_name='python3').execute()'''

@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory):
    "The Python of an environment of its own with the wheel"
    env = tmp_path_factory.mktemp('alone')/'env'
    run(sys.executable, '-m', 'venv', env)
    also = ['nbclient', 'ipykernel', 'math-verify'] # 01_data compares itself with the last
    run(env/'bin/python', '-m', 'pip', 'install', '-q', '-c', root/'constraints.txt', f'{wheel}[offline]', *also)
    return env/'bin/python'

@pytest.mark.parametrize('book', numbered, ids=lambda o: o.name)
def test_alone(python, tmp_path_factory, tmp_path, book):
    import nbformat
    nb = nbformat.read(book, 4)
    nb.cells = [c for c in nb.cells if not set(re.findall(r'^#\| *(\w+)', c.source, re.M)) & set(cfg.tst_flags.split())]
    nbformat.write(nb, tmp_path/'book.ipynb')
    cache = tmp_path_factory.getbasetemp()/'cache'
    env = apart | dict(XDG_CACHE_HOME=str(cache), HF_HOME=str(cache/'huggingface'))
    r = subprocess.run([python, '-P', '-c', execute], cwd=tmp_path, env=env, text=True, timeout=600,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert r.returncode==0, re.sub(r'\x1b\[[\d;]*m', '', r.stdout)[-3000:]
