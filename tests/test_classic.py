"The chat under ipywidgets 7.7.1, as Colab has it: notebook 6 in a headless Chromium. Needs a network to install both."
import json, os, subprocess, sys

import pytest
from commands import free_port
from playwright.sync_api import expect
from test_browser import Chat, random_adapter
from test_project import root

pytestmark = pytest.mark.browser
page_cell = '''import ipywidgets
print('ipywidgets', ipywidgets.__version__)
from tiny_reasoning.adapter import *
from tiny_reasoning.demo import *
chat(run_config({}))'''

def pip(env, *args): subprocess.run([env/'bin/python', '-m', 'pip', 'install', '-q', *args], check=True)

@pytest.fixture(scope='module')
def served(tmp_path_factory):
    "A notebook with the chat, and the server that has the widgets of old; the kernel has them before its own"
    tmp = tmp_path_factory.mktemp('classic')
    env,old = tmp/'env',tmp/'old'
    subprocess.run([sys.executable, '-m', 'venv', env], check=True)
    pip(env, 'notebook==6.5.7', 'ipywidgets==7.7.1', 'jupyter_client<8', 'setuptools<80')
    pip(env, '--no-deps', '--target', old, 'ipywidgets==7.7.1', 'ipython_genutils')
    kernel = dict(argv=[sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}'], display_name='old',
                  language='python', env=dict(PYTHONPATH=f'{old}{os.pathsep}{root}', HF_HUB_OFFLINE='1'))
    (tmp/'kernels/old').mkdir(parents=True)
    (tmp/'kernels/old/kernel.json').write_text(json.dumps(kernel))
    _,config,_,out = random_adapter(tmp/'run')
    source = page_cell.replace('{}', f'{config!r}, output_dir={str(out)!r}')
    cells = [dict(cell_type='code', metadata={}, execution_count=None, outputs=[], source=source)]
    spec = dict(kernelspec=dict(name='old', display_name='old', language='python'))
    (tmp/'chat.ipynb').write_text(json.dumps(dict(nbformat=4, nbformat_minor=4, metadata=spec, cells=cells)))
    port = free_port()
    flags = ['--no-browser', '--allow-root', f'--port={port}', '--NotebookApp.token=', f'--notebook-dir={tmp}']
    bin_ = f'{env/"bin"}{os.pathsep}{os.environ["PATH"]}'
    with (tmp/'log').open('w') as f:
        p = subprocess.Popen([env/'bin/jupyter-notebook', *flags], stdout=f, stderr=f,
                             env=os.environ | dict(JUPYTER_PATH=str(tmp), PATH=bin_))
    yield f'http://localhost:{port}/notebooks/chat.ipynb'
    p.terminate()
    p.wait()

@pytest.fixture
def chat(page, served):
    "The chat in the notebook, whose cell has run"
    errors,ready = [],'window.Jupyter && Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected()'
    page.set_viewport_size(dict(width=1100, height=900))
    page.on('pageerror', lambda e: errors.append(str(e)))
    for _ in range(60):
        try: page.goto(served)
        except Exception: page.wait_for_timeout(500)  # the server begins
        else: break
    page.wait_for_function(ready, timeout=90_000)
    page.wait_for_timeout(2000)
    page.evaluate('Jupyter.notebook.execute_all_cells()')
    chat = Chat(page)
    chat.box.wait_for(timeout=180_000)
    yield chat
    assert errors==[]

def test_classic(chat):
    "A reply grows, another is stopped, and two stand side by side"
    expect(chat.page.locator('.output_stdout')).to_have_text('ipywidgets 7.7.1\n')
    chat.limit(60)
    chat.ask('Ann has 5 pears and eats 2. How many are left?')
    assert len(chat.sizes())>4
    chat.limit(256)
    chat.ask('Count from one to two hundred.')
    chat.until(lambda: chat.running() and chat.replies.count()==2 and chat.tokens()>4)
    chat.button('Stop').click()
    expect(chat.button('Stop')).to_be_disabled(timeout=10_000)
    expect(chat.replies.last).to_contain_text('stopped')
    chat.limit(20)
    chat.button('Side by side').click()
    chat.ask('What is 7+5?')
    chat.until(lambda: chat.replies.count()==4 and not chat.running() and 'tokens/s' in chat.replies.last.inner_text())
    chat.shot('classic')
    assert chat.cut('.tr-chat .tr-question button')==[]
