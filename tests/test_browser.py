"The page of `make demo` in a headless Chromium, of the model that `--page` names. Pictures: outputs/browser."
import re, subprocess, sys, time
from urllib.request import urlopen

import pytest
from commands import free_port
from playwright.sync_api import expect
from test_project import root
from test_site import contrast, faults

pytestmark = pytest.mark.browser
pics = root/'outputs/browser'

def random_adapter(folder):
    "An adapter that changes a reply a little, and the flags that name it"
    import torch
    from tiny_reasoning.adapter import add_lora, save_adapter
    from tiny_reasoning.preset import load_config
    from tiny_reasoning.model import load_model
    cfg = load_config('cpu', output_dir=str(folder))
    model,tokenizer = load_model(cfg.model)
    model = add_lora(model, cfg.lora, cfg.project.seed)
    with torch.no_grad():
        for n,p in model.named_parameters():
            if 'lora_B' in n: p.normal_(0, 0.003)
    save_adapter(model, tokenizer, cfg.project.adapter_path, cfg)
    return ['--config', 'cpu', '--output_dir', folder]

@pytest.fixture(scope='module')
def said(tmp_path_factory):
    "What the page says in its terminal"
    return tmp_path_factory.mktemp('said')/'log.txt'

@pytest.fixture(scope='module')
def url(request, tmp_path_factory, said):
    "The page as a process"
    args = request.config.getoption('page').split() or random_adapter(tmp_path_factory.mktemp('run'))
    port = free_port()
    command = [*map(str, (sys.executable, root/'.ci/demo.py', '--port', port, *args))]
    with said.open('w') as f: p = subprocess.Popen(command, stdout=f, stderr=subprocess.STDOUT)
    for _ in range(120):
        try: urlopen(f'http://localhost:{port}/voila/static/voila.js', timeout=5)
        except OSError as e:
            if getattr(e, 'code', None): break # it answers
        else: break
        assert p.poll() is None, said.read_text()
        time.sleep(0.5)
    yield f'http://localhost:{port}/'
    p.terminate()
    p.wait()

class Chat:
    "What a person does on the page, and sees"
    def __init__(self, page):
        self.page,self.replies = page, page.locator('.tr-reply')
        self.box = page.get_by_placeholder('A problem, and Enter')
    def button(self, name): return self.page.locator('button', has_text=re.compile(rf'^\s*{name}\s*$'))
    def running(self): return self.button('Stop').is_enabled()
    def tokens(self): return int((re.findall(r'(\d+) tokens,', self.replies.last.inner_text()) or [0])[-1])
    def shot(self, name): self.page.screenshot(path=pics/f'{name}.png', full_page=True)
    def cut(self, where):
        "The words of the elements `where` that are wider than their place"
        found = self.page.locator(where).all()
        return [o.inner_text() for o in found if o.evaluate('e => e.scrollWidth>e.clientWidth')]
    def limit(self, n):
        self.page.get_by_label('Max tokens').fill(str(n))
        self.page.get_by_label('Max tokens').press('Tab')
    def ask(self, text):
        self.box.click()
        self.box.press_sequentially(text, delay=5)
        self.box.press('Enter')
    def sizes(self, shot=''):
        "The lengths of the reply that one sees while it grows; a picture called `shot` is of the sixth"
        self.until(lambda: self.replies.count() and self.tokens())
        seen = set()
        while self.running():
            seen.add(len(self.replies.last.inner_text()))
            if shot and len(seen)==6: self.shot(shot)
            self.page.wait_for_timeout(20)
        return seen
    def until(self, f, secs=120):
        end = time.time()+secs
        while not f():
            assert time.time()<end
            self.page.wait_for_timeout(30)

@pytest.fixture
def chat(page, url):
    "The page, open; an error on it fails the test"
    errors = []
    page.set_viewport_size(dict(width=1000, height=760))
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.goto(url, timeout=180_000)
    chat = Chat(page)
    chat.box.wait_for(timeout=180_000)
    yield chat
    assert errors==[]

def test_reply_arrives_bit_by_bit(chat):
    chat.limit(60)
    chat.ask('Ann has 5 pears and eats 2. How many are left?')
    assert len(chat.sizes('writing'))>4

def test_stop(chat):
    fold = chat.page.locator('.tr-think summary').last
    chat.limit(256)
    chat.ask('Count from one to two hundred.')
    chat.until(lambda: chat.replies.count() and chat.tokens()>4)
    chat.ask('And now backwards.')
    expect(chat.page.locator('.tr-notice')).to_contain_text('A reply is being written') # refused in the meantime
    if fold.is_visible(): # A random adapter has no reasoning to fold
        fold.click()
        was = chat.tokens()
        chat.until(lambda: chat.tokens()>was+3)
        expect(chat.page.locator('.tr-reasoning').last).to_be_hidden() # It stays folded while tokens arrive
        fold.click()
    chat.button('Stop').click()
    expect(chat.button('Stop')).to_be_disabled(timeout=10_000)
    expect(chat.replies).to_have_count(1)
    expect(chat.replies.last).to_contain_text('stopped')
    chat.shot('stopped')
    chat.button('Clear').click()
    expect(chat.replies).to_have_count(0)

def test_tags_are_text(chat):
    chat.limit(8)
    chat.ask('<img src=x onerror="document.title=666"> <b>2+2</b>?')
    chat.until(lambda: chat.replies.count() and not chat.running())
    expect(chat.page.locator('.tr-user')).to_contain_text('<b>2+2</b>?')
    expect(chat.page.locator('.tr-user img, .tr-user b')).to_have_count(0)
    assert '666' not in chat.page.title()

def test_side_by_side(chat):
    chat.limit(200)
    chat.button('Side by side').click()
    chat.page.locator('button[title]').filter(has_text='…').nth(1).click()
    expect(chat.replies).to_have_count(2, timeout=120_000)
    chat.until(lambda: not chat.running() and 'tokens/s' in chat.replies.last.inner_text(), 180)
    base,tuned = chat.replies.all_inner_texts()
    assert base.startswith('Base') and tuned.startswith('Tuned')
    assert all('✓' in o or '✗' in o for o in (base, tuned))
    chat.page.mouse.move(0, 0)
    chat.page.wait_for_timeout(300)
    chat.shot('side_by_side')

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
def test_looks(new_context, url, width, scheme):
    "As dark as the reader's system, legible, within its width, and nothing of other sites"
    page,elsewhere = new_context(viewport=dict(width=width, height=844), color_scheme=scheme).new_page(), []
    page.route('https://**', lambda o: (elsewhere.append(o.request.url), o.abort()))
    page.goto(url, timeout=180_000)
    chat = Chat(page)
    chat.box.wait_for(timeout=180_000)
    chat.limit(12)
    chat.button('Side by side').click()
    chat.ask('What is 7+5?')
    chat.until(lambda: chat.replies.count()==2 and not chat.running())
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    chat.shot(f'looks-{width}-{scheme}')
    back = page.evaluate('getComputedStyle(document.body).backgroundColor')
    dark = sum(map(int, re.findall(r'\d+', back)[:3]))<3*128
    assert (dark, chat.cut('button'), elsewhere)==(scheme=='dark', [], [])
    pale = [o for o in page.evaluate(faults, [contrast]) if '"Stop"' not in o] # which you can't press now
    assert pale==[]

def test_terminal(chat, said):
    "A line with the address, and no warning of the server or a kernel"
    assert len(said.read_text().splitlines())==1
