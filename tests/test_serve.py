"The merged export behind an OpenAI-compatible server answers as `tiny_chat`; needs transformers[serving] and openai"
import json, socket, subprocess, sys, time
from pathlib import Path
import pytest
from commands import free_port
from tiny_reasoning.preset import load_config
from tiny_reasoning.chat import Chat
from tiny_reasoning.data import to_prompt
from tiny_reasoning.export import export
from tiny_reasoning.train import train

openai = pytest.importorskip('openai')
for o in ('fastapi', 'uvicorn'): pytest.importorskip(o)
pytestmark = pytest.mark.slow

@pytest.fixture(scope='module')
def run(tmp_path_factory):
    "A run of a few steps, and its export"
    out = tmp_path_factory.mktemp('run')
    cfg = load_config('cpu', smoke=True, output_dir=str(out), **{'evaluation.max_new_tokens':24})
    train(cfg)
    return cfg, export(cfg)

@pytest.fixture(scope='module')
def url(run):
    "Where `transformers serve` serves the export, on this machine only"
    port = free_port()
    command = [Path(sys.executable).parent/'transformers', 'serve', run[1],
               '--host', '127.0.0.1', '--port', str(port), '--dtype', 'float32']
    p = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as s:
                if not s.connect_ex(('127.0.0.1', port)): break
            assert p.poll() is None, 'the server did not start'
            time.sleep(0.5)
        yield f'http://127.0.0.1:{port}/v1'
    finally: p.kill()

@pytest.mark.parametrize('question', ['Tom has 5 apples and buys 7 more. How many has he got?',
                                      'A box holds 6 eggs. How many eggs are in 4 boxes?'])
def test_same_reply(run, url, question):
    cfg,folder = run
    client = openai.OpenAI(base_url=url, api_key='none')
    said = client.chat.completions.create(
        model=str(folder), messages=to_prompt(question, cfg.data.system_prompt),
        max_tokens=cfg.evaluation.max_new_tokens, temperature=0)
    assert said.choices[0].message.content == Chat(cfg).ask(question).text
