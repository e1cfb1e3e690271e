"What `--push` sends to the Hub, by a stand-in on this machine that keeps it"
import base64, json, os, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import pytest
from commands import flags, made, trained

token = 'hf_notatrueoneatall'

class Hub(BaseHTTPRequestHandler):
    "As much of the Hub as an upload asks for"
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass

    def sent(self):
        if self.headers.get('Transfer-Encoding')!='chunked':
            return self.rfile.read(int(self.headers.get('Content-Length') or 0))
        parts = []
        while n := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(n))
            self.rfile.readline()
        self.rfile.readline()
        return b''.join(parts)

    def answer(self, o):
        data = json.dumps(o).encode()
        self.send_response(200)
        for k,v in {'Content-Type':'application/json', 'Content-Length':len(data)}.items(): self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def commit(self, lines):
        blobs,files = self.server.blobs, self.server.files
        for o in map(json.loads, lines):
            v = o['value']
            if o['key']=='file': files[v['path']] = base64.b64decode(v['content'])
            if o['key']=='lfsFile': files[v['path']] = blobs[v['oid']]
        url = f'{self.server.url}/me/sums/commit/1'
        self.answer(dict(commitUrl=url, commitOid='1'*40, success=True, hookOutput=''))

    def do(self):
        data,path,hub = self.sent(), self.path, self.server
        if path.startswith('/blob/'):
            hub.blobs[path[6:]] = data
            return self.answer({})
        hub.tokens.add(self.headers.get('Authorization'))
        if path=='/api/whoami-v2':
            return self.answer(dict(name='me', type='user', auth=dict(accessToken=dict(role='write'))))
        if path=='/api/validate-yaml': return self.answer(dict(errors=[], warnings=[]))
        if path=='/api/repos/create':
            hub.made.append(json.loads(data))
            return self.answer(dict(url=f'{hub.url}/me/sums', name='me/sums'))
        if '/preupload/' in path:
            def mode(name): return 'lfs' if name.endswith(('.safetensors', '.gguf', '.png')) else 'regular'
            names = [o['path'] for o in json.loads(data)['files']]
            return self.answer(dict(files=[dict(path=o, uploadMode=mode(o), shouldIgnore=False) for o in names]))
        if path.endswith('/info/lfs/objects/batch'):
            def place(o): return o | dict(actions=dict(upload=dict(href=f'{hub.url}/blob/{o["oid"]}')))
            objects = [place({k:o[k] for k in ('oid','size')}) for o in json.loads(data)['objects']]
            return self.answer(dict(transfer='basic', objects=objects))
        if '/commit/' in path: return self.commit(data.splitlines())
        if '/tree/' in path: return self.answer([dict(type='file', path=o, size=1, oid='0') for o in hub.files])
        self.answer(dict(id='me/sums', sha='1'*40, private=True, siblings=[dict(rfilename=o) for o in hub.files]))

    do_GET = do_POST = do_PUT = do_HEAD = do

@pytest.fixture
def hub():
    server = ThreadingHTTPServer(('127.0.0.1', 0), Hub)
    server.url = f'http://127.0.0.1:{server.server_port}'
    server.files,server.blobs,server.made,server.tokens = {}, {}, [], set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()

def push(hub, out, to):
    "`tiny_export --push` in a process of its own, which reads the Hub's address as it begins"
    env = os.environ | dict(HF_ENDPOINT=hub.url, HF_TOKEN=token, HF_HUB_OFFLINE='0', HF_HUB_DISABLE_XET='1')
    argv = [sys.executable, '-m', 'tiny_reasoning.export', *flags(out), '--to', to, '--push', 'me/sums']
    return subprocess.run(list(map(str, argv)), env=env, capture_output=True, text=True)

kinds = dict(
    adapter={'adapter_config.json', 'adapter_model.safetensors', 'config.yaml'}, gguf={'Modelfile'},
    merged={'config.json', 'model.safetensors', 'tokenizer.json', 'generation_config.json'})

@pytest.mark.parametrize('to', kinds)
def test_upload(hub, tmp_path, to):
    out = trained(tmp_path)
    r = push(hub, out, to)
    assert not r.returncode, r.stderr[-2000:]
    assert token not in r.stdout+r.stderr
    there = {o.relative_to(out/'export').as_posix():o.read_bytes() for o in (out/'export').rglob('*') if o.is_file()}
    there.pop('.tiny_reasoning.lock', None)
    assert hub.files==there # what was proven is what was sent
    assert kinds[to] | {'README.md', 'export.json'} <= set(there)
    assert sum(o.endswith('.gguf') for o in there)==(2 if to=='gguf' else 0)
    assert hub.tokens-{None}=={f'Bearer {token}'}
    assert [o.get('visibility') for o in hub.made]==['private'], hub.made
    for name,data in hub.files.items():
        for secret in (token, str(tmp_path), str(made)): assert secret.encode() not in data, name
