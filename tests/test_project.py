"Notebooks and package agree, nothing is left behind in a notebook, and the wheel works away from the checkout."
import json, os, shutil, subprocess, sys
from pathlib import Path
from zipfile import ZipFile

import nbformat, pytest
from nbclient import NotebookClient
from nbdev.config import get_config

pytestmark = pytest.mark.xdist_group('project') # One worker builds the wheel
root = Path(__file__).parent.parent
nbs,cfg,bin_ = root/'nbs', get_config(path=root), Path(sys.executable).parent
lib = cfg.lib_name
books = sorted(nbs.glob('*.ipynb'))
modules = sorted(o.stem for o in (root/lib).glob('[a-z]*.py'))
late = ['trainer', 'grpo'] # They import trl at their top, for its classes; `train` imports them after Unsloth
early = [o for o in modules if o not in late]
presets = sorted(o.stem for o in (root/lib/'presets').glob('*.yaml'))
scripts = [o.split('=')[0] for o in cfg.console_scripts.split()]
apart = {k:v for k,v in os.environ.items() if k!='PYTHONPATH'} | dict(PATH=f'{bin_}{os.pathsep}{os.environ["PATH"]}')

def run(*cmd, cwd=root, env=apart):
    "Output of `cmd`, which must succeed"
    r = subprocess.run([*map(str, cmd)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd, env=env)
    assert r.returncode==0, r.stdout
    return r.stdout

def cells(path): return json.loads(path.read_text())['cells']

def same(copy, *globs):
    "The files in the copy are those of the checkout"
    def content(d): return {str(p.relative_to(d)):p.read_bytes() for o in globs for p in d.glob(o) if p.is_file()}
    old,new = content(root), content(copy)
    assert sorted(o for o in old|new if old.get(o)!=new.get(o))==[]

# --- notebooks
def test_exported(copy):
    "Run nbdev_export, or the package has drifted from the notebooks"
    run('nbdev_export', cwd=copy)
    same(copy, f'{lib}/**/*.py')

def test_clean(copy):
    "Run nbdev_clean, or `nbdev_install_hooks` once"
    run('nbdev_clean', cwd=copy)
    same(copy, 'nbs/*.ipynb')

def test_readme(copy):
    "Run `make readme`: README.md is made from nbs/index.ipynb"
    run(sys.executable, '.ci/readme.py', cwd=copy)
    same(copy, 'README.md', 'index_files/*')

@pytest.mark.parametrize('book', books, ids=lambda o: o.stem)
def test_outputs(book):
    "Figures are stored as pictures, and no widget's state is: run it with `%matplotlib inline`, and `make prepare`"
    nb = json.loads(book.read_text())
    assert 'widgets' not in nb['metadata']
    data = [o['data'] for c in nb['cells'] for o in c.get('outputs', []) if 'data' in o]
    assert [o for o in data if '<Figure' in ''.join(o.get('text/plain', '')) and 'image/png' not in o]==[]

def test_keys():
    "Run nbs/keys.ipynb: it stores the tables that its cells make of today's dataclasses and presets"
    nb = nbformat.read(nbs/'keys.ipynb', 4)
    def tables(): return [o['data'].get('text/markdown') for c in nb.cells for o in c.get('outputs', []) if 'data' in o]
    stored = tables()
    NotebookClient(nb, kernel_name='python3', resources={'metadata':{'path':str(nbs)}}).execute()
    assert tables()==stored

numbered = [o for o in books if o.name[0].isdigit()]

@pytest.mark.parametrize('book', numbered, ids=lambda o: o.stem)
def test_badge(book):
    "A badge stands below the title, and the cell below installs in Colab: the same one everywhere"
    badge,cell = (''.join(o['source']) for o in cells(book)[2:4])
    repo = f'https://colab.research.google.com/github/{cfg.user}/{cfg.repo}'
    assert f']({repo}/blob/{cfg.branch}/nbs/{book.name})' in badge
    assert cell==''.join(cells(numbered[0])[3]['source'])

@pytest.mark.parametrize('there', [False, True], ids=['elsewhere', 'in Colab'])
def test_colab(tmp_path, there):
    "The notebooks install in Colab alone, and leave its torch as it is"
    pip = tmp_path/'bin/pip'
    pip.parent.mkdir()
    pip.write_text('#!/bin/sh\necho "$@" >> asked.txt\n'
                   '[ "$1" != list ] || printf "%s\\n" torch==2.11.0+cu128 torchao==0.10.0 pillow==11.3.0\n')
    pip.chmod(0o755)
    (pip.parent/'uv').symlink_to(pip)  # which the cell prefers
    cell = ''.join(cells(numbered[0])[3]['source'])
    code = f'''import sys; sys.modules |= dict.fromkeys(['google.colab'][:{there:d}])
from IPython import InteractiveShell
InteractiveShell.instance().run_cell({cell!r}).raise_error()'''
    env = apart | dict(PATH=f'{pip.parent}{os.pathsep}{apart["PATH"]}', IPYTHONDIR=str(tmp_path))
    run(sys.executable, '-c', code, cwd=tmp_path, env=env)
    assert (tmp_path/'asked.txt').exists()==there
    if not there: return
    assert (tmp_path/'keep.txt').read_text().split()==['torch==2.11.0+cu128', 'pillow==11.3.0']
    asked = (tmp_path/'asked.txt').read_text().splitlines()[-1]
    assert asked==f'pip install --system -q -c keep.txt {lib}[colab] @ git+{cfg.git_url}@v{cfg.version}'

@pytest.mark.parametrize('path', [*root.glob('tests/**/*.py'), *root.glob('.ci/*.py')], ids=lambda o: o.name)
def test_line_length(path):
    assert [i for i,o in enumerate(path.read_text().splitlines(), 1) if len(o)>120]==[]

@pytest.mark.parametrize('book', numbered, ids=lambda o: o.stem)
def test_exports_in_a_checkout_alone(book):
    "`Run all` in Colab has no nbdev"
    found = [''.join(c['source']) for c in cells(book) if 'nbdev_export()' in ''.join(c['source'])]
    assert [o for o in found if "if Path('../settings.ini').exists(): import nbdev" not in o]==[]

# --- the wheel
@pytest.fixture(scope='session')
def installed(wheel, tmp_path_factory):
    "The programs of an environment with the wheel, .venv's packages behind it, and nothing of the checkout"
    tmp = tmp_path_factory.mktemp('installed')
    run(sys.executable, '-m', 'venv', '--without-pip', tmp/'env')
    bin_ = tmp/'env/bin'
    run(sys.executable, '-m', 'pip', '--python', bin_/'python', 'install', '--no-deps', '--no-index', wheel)
    site = Path(run(bin_/'python', '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))').strip())
    (site/'deps.pth').write_text(next(o for o in sys.path if o.endswith('site-packages'))+'\n')
    return bin_

def test_wheel(wheel):
    "It carries every file of the package"
    want = [o for e in ('*.py', '*.css', '*.md', 'presets/*.yaml', 'py.typed') for o in (root/lib).glob(e)]
    assert {str(o.relative_to(root)) for o in want} - set(ZipFile(wheel).namelist())==set()

@pytest.mark.parametrize('module', [lib, *(f'{lib}.{o}' for o in early)])
def test_import(installed, tmp_path, module):
    "It comes from the wheel, warns of nothing, and leaves torch for when it is used"
    code = (f'import sys, {module} as m; assert m.__file__.startswith(sys.prefix), m.__file__; '
            "assert 'torch' not in sys.modules, 'imports torch'")
    run(installed/'python', '-W', 'error', '-c', code, cwd=tmp_path)

def test_import_is_quick(installed, tmp_path):
    "The best of three, since somebody else may want the processor"
    code = f'import time; start = time.process_time(); import {lib}; print(time.process_time()-start)'
    assert min(float(run(installed/'python', '-c', code, cwd=tmp_path)) for _ in range(3))<0.5

def test_star(installed, tmp_path):
    "`import *` gives what most people use, and nothing else"
    code = f'''import {lib}
before = {{*globals()}}
from {lib} import *
new = {{*globals()}}-before-{{'before'}}
assert new=={{*{lib}.__all__}} and not any(o in new for o in ('train','chat','log','main')), new'''
    run(installed/'python', '-c', code, cwd=tmp_path)

@pytest.mark.parametrize('script', scripts)
def test_help(installed, tmp_path, script): run(installed/script, '--help', cwd=tmp_path)

@pytest.mark.parametrize('preset', presets)
def test_preset(installed, tmp_path, preset):
    run(installed/'tiny_train', '--config', preset, '--show_config', cwd=tmp_path)
