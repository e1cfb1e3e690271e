import functools, os, shutil
from pathlib import Path

os.environ |= dict(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false', OMP_NUM_THREADS='1')
import pytest

pytest.register_assert_rewrite('commands')

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
