import functools, os, shutil, subprocess, sys
from importlib.util import find_spec
from pathlib import Path

os.environ |= dict(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false', OMP_NUM_THREADS='1')
import pytest

pytest.register_assert_rewrite('commands')
browser = 'test_browser.py', 'test_classic.py', 'test_site.py'
extra = {'test_gguf.py':'llama_cpp'} | dict.fromkeys(browser, 'pytest_playwright')
collect_ignore = [k for k,v in extra.items() if not find_spec(v)] # `make` installs them for these

def pytest_addoption(parser):
    parser.addoption('--kills', type=int, default=30, help='How many kills `test_kills.py` shares among its runs')
    parser.addoption('--gguf', nargs='+', default=[], help='Folders of exports for `test_gguf.py`')
    parser.addoption('--site', action='store_true', help='Check what `make docs` has left, instead of making it anew')
    parser.addoption('--page', default='', help='Arguments of `make demo` for `test_browser.py`')

@pytest.fixture(scope='session', autouse=True)
def log():
    "The commands' log, and their help parsed once"
    from tiny_reasoning import command
    command.docments = functools.cache(command.docments)
    command.setup_log()

@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    "Each test has an empty folder of its own, and is in it"
    monkeypatch.chdir(tmp_path)

@pytest.fixture(scope='session')
def copy(tmp_path_factory):
    "A copy of the checkout, which commands may change"
    skip = '.git .venv .gpu _docs _proc build dist outputs __pycache__ .pytest_cache *.egg-info'.split()
    return shutil.copytree(Path(__file__).parent.parent, tmp_path_factory.mktemp('copy')/'project', symlinks=True,
                           ignore=shutil.ignore_patterns(*skip))

@pytest.fixture(scope='session')
def browser_type_launch_args(browser_type_launch_args):
    "The browser is $BROWSER_PATH, or the one found in PATH"
    names = 'chromium', 'chromium-browser', 'google-chrome'
    path = os.environ.get('BROWSER_PATH') or next(filter(None, map(shutil.which, names)), None)
    flags = '--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --no-first-run'
    return browser_type_launch_args | dict(executable_path=path, args=flags.split())

@pytest.fixture(scope='session')
def wheel(copy, tmp_path_factory):
    "The wheel, built through the source release, as PyPI gets it"
    dest = tmp_path_factory.mktemp('dist')
    subprocess.run([sys.executable, '-m', 'build', '-q', '--no-isolation', '--outdir', dest], cwd=copy, check=True)
    return next(dest.glob('*.whl'))
