"Replies to learn from: what an endpoint can answer, where the key could leak, and a journal that was damaged."
import base64, functools, json, os, re, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from commands import empty, files, flags, folder, good, kept, moved, own, refused, table, tiny_traces, write
from tiny_reasoning.config import TinyReasoningError
from tiny_reasoning.traces import pass_rates

pytestmark = pytest.mark.slow
api_key = 'sk-0123456789-do-not-show'
coded = base64.b64encode(api_key.encode()).decode()

class Endpoint(BaseHTTPRequestHandler):
    "A server that answers as its `answer` says: a dict, bytes, or a status with bytes; those in a list come one by one"
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
    def do_GET(self): self.send(200, json.dumps(dict(data=[dict(id='m')])).encode())
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.server.headers.append(str(self.headers))
        res = self.server.answer(*map(int, re.findall(r'\d+', body['messages'][-1]['content'])[:2]))
        if isinstance(res, dict): res = json.dumps(res).encode()
        self.send(*(res if isinstance(res, tuple) else (200, res)))
    def send(self, status, body):
        parts = body if isinstance(body, list) else [body]
        self.send_response(status)
        self.send_header('Content-Length', str(sum(map(len, parts))))
        self.end_headers()
        for o in parts:
            self.wfile.write(o)
            time.sleep(.2*(len(parts)>1))

@functools.cache
def serve():
    "The server of this process, at one address"
    server = ThreadingHTTPServer(('127.0.0.1', 0), Endpoint)
    server.handle_error = lambda *args: None # Whoever asked may have left
    server.headers = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

@pytest.fixture
def teach(tmp_path, monkeypatch):
    "`tiny_traces` into `tmp_path/t` with a server that gives an answer; no part of the key may be seen anywhere"
    monkeypatch.setenv('TEACHER_API_KEY', api_key)
    monkeypatch.setenv('OPENAI_ORG_ID', 'org-secret-123')
    data,server = write(tmp_path, 'q/train.jsonl', good).parent, serve()
    few = ('--num_samples 4 --test_samples 2 --validation_split 0 --data.unseen_samples 0 '
           '--samples 1 --retries 0 --timeout 2').split()
    def teach(answer, *more):
        server.answer = answer
        r = tiny_traces('--config', 'cpu', '--output_dir', tmp_path/'out', *own(data), *few, '--dest', tmp_path/'t',
                        '--source', f'http://127.0.0.1:{server.server_port}/v1', *more)
        for text in (r.out, r.err, *(o.decode(errors='replace') for o in files(tmp_path).values())):
            assert not [o for o in (api_key[:12], api_key[-12:], coded[:12]) if o.lower() in text.lower()], text[:200]
        return r
    return teach

def right(a, b, **more):
    "A right reply"
    reply = dict(message=dict(content=f'{a} + {b} = {a+b}.'), finish_reason='stop')
    return dict(choices=[reply], usage=dict(completion_tokens=5)) | more
def used(usage): return lambda a, b: right(a, b, usage=usage)
def said(content): return lambda a, b: dict(choices=[dict(message=dict(content=content))])
def sent(res): return lambda a, b: res

@table('answer', {
    'usage {}':used({}), 'usage null':used(None), 'tokens null':used(dict(completion_tokens=None)),
    'tokens in words':used(dict(completion_tokens='many')), 'negative tokens':used(dict(completion_tokens=-5)),
    'a list':said(['7']), 'a dict':said(dict(text='7')), 'a number':said(7), 'null':said(None), 'nothing':said(''),
    'no choices':sent(dict(choices=[])), 'null choices':sent(dict(choices=None)), 'not JSON':sent(b'hello'),
    'no body':sent(b''),
    'deep':sent(b'['*100_000), 'a surrogate':said('\ud83d 7'), 'the key':said(f'the key is {api_key}'),
    'half the key':said(api_key[:len(api_key)//2]), 'the key in capitals':said(api_key.upper()),
    'the key in base64':said(coded), 'the key in escapes':said('\x1b[31m'+api_key),
    '401 with the key':sent((401, api_key.encode())), '500 with the key':sent((500, coded.encode())),
    '302':sent((302, b'')), '429':sent((429, b'')), '599':sent((599, b'')), 'byte by byte':sent([b'x']*60),
    '11 MB':sent(b' '*11_000_000), 'a reply of 300 kB':said('1+1'*100_000),
    'thoughts without end':said('<think>'*50_000)})
def test_endpoint(teach, answer):
    teach(answer).ends(0, 2)
    r = teach(right) # What came before does not stand in the way
    if r.status and 'learned from' in r.err: r = teach(right, '--overwrite')
    r.ends(0)

def test_no_header_of_openai_goes_elsewhere(teach):
    serve().headers.clear()
    teach(right).ends(0)
    assert serve().headers and 'org-secret' not in ''.join(serve().headers)

@pytest.mark.parametrize('url', [
    'https://me:hunter22@example.com/v1', 'https://example.com/v1?key=hunter22', 'http://hunter22@[::1',
    'htp://x:hunter22@y',
    'http://a:hunter22/v1#x'])
def test_secret_in_the_address(tmp_path, url):
    r = tiny_traces(*flags(tmp_path/'out'), '--source', url).ends(2, words='source')
    assert 'hunter22' not in r.out+r.err

@pytest.mark.parametrize('name, value', [
    ('samples', 10**9), ('samples', 0), ('retries', -1), ('timeout', 0), ('at_once', 0), ('temperature', -1),
    ('top_p', 2), ('max_per_question', 0)])
def test_value(tmp_path, name, value):
    refused(tmp_path, flags(tmp_path/'out', f'--{name}', value), cmd='tiny_traces')

# --- what is at --dest
@pytest.mark.parametrize('name', ['run.json', 'adapter_config.json', 'export.json'])
@pytest.mark.parametrize('over', [[], ['--overwrite']], ids=['', '--overwrite'])
def test_folder_of_another_command(tmp_path, teach, name, over):
    write(tmp_path, f't/{name}', '{}')
    write(tmp_path, 't/train.jsonl', 'mine')
    old = files(tmp_path/'t')
    teach(right, *over).ends(2, words=name)
    kept(old, tmp_path/'t')

@table('answer', {'a wrong key':sent((401, b'')), 'an error':sent((500, b'')), 'no reply':said('')})
def test_overwrite_that_fails(tmp_path, teach, answer):
    "The old replies stay"
    teach(right).ends(0)
    old = files(tmp_path/'t')
    teach(answer, '--overwrite').ends(2)
    kept(old, tmp_path/'t')

def test_overwrite_without_correct_replies(tmp_path, teach):
    "The old ones are in `replaced`"
    teach(right).ends(0)
    old = {o:(tmp_path/'t'/o).read_bytes() for o in ('traces.json', 'train.jsonl', 'test.jsonl', 'replies.jsonl')}
    teach(said('7 + 7 = 15.'), '--overwrite').ends(2)
    moved(old, tmp_path/'t')

@pytest.mark.parametrize('name, text', [
    ('train.jsonl', 'mine'), ('test.jsonl', 'mine'), ('traces.json', '[]'), ('replies.jsonl', 'mine')])
def test_file_of_yours_moves_aside(tmp_path, teach, name, text):
    write(tmp_path, f't/{name}', text)
    teach(right).ends(0)
    moved({name:text.encode()}, tmp_path/'t')

# --- the journal
def replace(old, new): return lambda p: p.write_bytes(p.read_bytes().replace(old, new))
def once(old, new): return lambda p: p.write_bytes(p.read_bytes().replace(old, new, 1))

@table('f', {
    'half a last line':lambda p: p.write_bytes(p.read_bytes()[:-9]),
    'no last line break':lambda p: p.write_bytes(p.read_bytes()[:-1]),
    'CR line ends':replace(b'\n', b'\r'), 'CRLF line ends':replace(b'\n', b'\r\n'), 'empty':empty, 'a folder':folder,
    'zeros':lambda p: p.write_bytes(bytes(500)), 'a list':lambda p: p.write_text('[1]\n'),
    'a number as text':once(b'"text": "', b'"text": 5, "x": "'), 'null tokens':once(b'"tokens": 5', b'"tokens": null'),
    'a list as tokens':once(b'"tokens": 5', b'"tokens": []'), 'no cut_off':once(b', "cut_off": false', b''),
    'a pipe':lambda p: p.unlink() or os.mkfifo(p),
    'latin-1':lambda p: p.write_bytes(p.read_bytes()+b'{"key": "\xe9"}\n')})
def test_journal(tmp_path, teach, f):
    teach(right).ends(0)
    f(tmp_path/'t/replies.jsonl')
    teach(right).ends(0, 2)

def test_started_again(tmp_path, teach):
    "No reply is asked for twice"
    teach(right).ends(0)
    journal = (tmp_path/'t/replies.jsonl').read_bytes()
    teach(sent((500, b''))).ends(0) # nobody is asked
    assert (tmp_path/'t/replies.jsonl').read_bytes()==journal

@table('text', {
    'a list':'[]', 'text':'hello', 'NaN':'{"pass_rate": {"a": [NaN, 1]}}',
    'more correct than all':'{"source": "own", "model": "m", "samples": 1, "pass_rate": {"a": [2, 1]}}',
    'overflow':'{"source": "own", "model": "m", "samples": 1, "pass_rate": {"a": [1, 1'+'0'*400+']}}'})
def test_pass_rates(tmp_path, text):
    with pytest.raises(TinyReasoningError) as e: pass_rates(write(tmp_path, 'f/traces.json', text).parent)
    assert len(str(e.value).splitlines())==1
