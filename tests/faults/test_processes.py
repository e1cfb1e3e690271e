"Full disks, two at once, signals, closed streams and a silent Hub: each case has processes of its own."
import signal, socket, sys
from threading import Thread
import pytest
from commands import evaluated, flags, modules, own, seconds, shell, start, table, trained, until

pytestmark = pytest.mark.slow

limited = '''import resource, signal, runpy, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),)*2)
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name='__main__')'''
def on_small_disk(n, module, *argv): return shell(sys.executable, '-c', limited, n, f'tiny_reasoning.{module}', *argv)

sizes = pytest.mark.parametrize('n', [100, 3000, 20_000, 200_000])

@sizes
def test_full_disk_in_training(tmp_path, n):
    on_small_disk(n, 'train', *flags(tmp_path/'new')).ends(0, 2)
    on_small_disk(n, 'train', *flags(trained(tmp_path), '--overwrite', '--seed', '5')).ends(0, 2)

@sizes
def test_full_disk_in_evaluation(tmp_path, n):
    "The older report stays, or the new one is complete"
    out = evaluated(tmp_path)
    old = {o:o.read_bytes() for o in (out/'eval.json', out/'predictions.jsonl', out/'report.html')}
    on_small_disk(n, 'eval', *flags(out, '--evaluation.max_new_tokens', '9')).ends(0, 2)
    for o,v in old.items(): assert o.read_bytes()==v or o.read_bytes().strip().endswith((b'}', b'</html>'))

def training(out, *more):
    "A run of 400 steps in a process, and whether it has a checkpoint"
    p = start('tiny_reasoning.train', *flags(out, '--max_steps', '400', *more))
    return p, lambda: p.poll() is not None or list(out.glob('checkpoint-*/complete'))

@pytest.mark.parametrize('second', ['train', 'train --overwrite', 'eval --base_only'])
def test_two_at_once(tmp_path, second):
    p,begun = training(tmp_path/'out', '--training.save_total_limit', '2')
    until(begun)
    module,*more = second.split()
    r = shell(sys.executable, '-m', f'tiny_reasoning.{module}', *flags(tmp_path/'out', *more))
    p.send_signal(signal.SIGTERM)
    err = p.communicate()[1]
    assert p.returncode==143, err[-300:]
    r.ends(2, words='in use by')

@pytest.mark.parametrize('name, status', [('SIGINT', 130), ('SIGTERM', 143), ('SIGHUP', 129)])
@pytest.mark.parametrize('when', ['loading', 'training'])
def test_signal(tmp_path, name, status, when):
    p,begun = training(tmp_path/'out')
    if when=='training': until(begun)
    else: p.stderr.readline() # It says that it has started
    p.send_signal(getattr(signal, name))
    try: err = p.communicate(timeout=3*seconds)[1]
    finally: p.kill()
    assert 'Traceback' not in err and p.returncode==status, err[-300:]

@pytest.mark.parametrize('module', modules.values())
def test_nobody_reads(module):
    r = shell('sh', '-c', f'"{sys.executable}" -m tiny_reasoning.{module} --config cpu --show_config | true')
    assert 'Traceback' not in r.err and 'Exception ignored' not in r.err

def silent(server, calls):
    "Take every connection to `server`, and say nothing"
    while True:
        try: calls.append(server.accept())
        except OSError: return

@table('module, more', {
    'train':('train', []), 'data':('train', own('someone/nothing')), 'eval':('eval', []),
    'export':('export', ['--dest', 'new']), 'chat':('chat', ['--base', '--question', '7+5?'])})
def test_silent_hub(tmp_path, monkeypatch, module, more):
    "A Hub that takes our call and says nothing is asked once; its libraries would wait for minutes"
    out,name,calls = tmp_path/'out', None if more[:1]==['--data.dataset_name'] else 'someone/nothing', []
    if module in ('eval', 'export'): trained(tmp_path)
    with socket.create_server(('127.0.0.1', 0)) as server:
        Thread(target=silent, args=(server, calls), daemon=True).start()
        address = f'http://127.0.0.1:{server.getsockname()[1]}'
        for k,v in dict(HF_HUB_OFFLINE='0', HF_ENDPOINT=address, HF_HOME=str(tmp_path/'hf')).items():
            monkeypatch.setenv(k, v)
        r = shell(sys.executable, '-m', f'tiny_reasoning.{module}', *flags(out, *more, name=name))
    r.ends(2)
    assert len(calls)==1 and f'{address} does not answer' in r.err
