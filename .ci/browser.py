"""`make test-browser`: the page of `make demo` in a headless Chromium. Asks, watches the tokens arrive, stops a reply, is
refused a second question, compares base and tuned. Arguments are those of `make demo`; without any, a random adapter
takes the trained one's place. Pictures go to outputs/browser; the browser is $BROWSER_PATH, or the one found in PATH."""
import os,re,shutil,socket,subprocess,sys,tempfile,time
from pathlib import Path
from urllib.request import urlopen

root = Path(__file__).resolve().parent.parent
pics = root/'outputs'/'browser'
flags = '--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run'.split()

def random_adapter(folder):
    "An adapter that changes a reply a little, and the flags that name it"
    import torch
    from tiny_reasoning.config import load_config
    from tiny_reasoning.adapter import add_lora,save_adapter
    from tiny_reasoning.model import load_model
    cfg = load_config('cpu', output_dir=folder)
    model,tokenizer = load_model(cfg.model)
    model = add_lora(model, cfg.lora, cfg.project.seed)
    with torch.no_grad():
        for n,p in model.named_parameters():
            if 'lora_B' in n: p.normal_(0, 0.003)
    save_adapter(model, tokenizer, cfg.project.adapter_path, cfg)
    return ['--config', 'cpu', '--output_dir', folder]

def chromium(pw):
    "Chromium without a window"
    path = os.environ.get('BROWSER_PATH') or next(filter(None, map(shutil.which, ('chromium','chromium-browser','google-chrome'))), None)
    return pw.chromium.launch(executable_path=path, args=flags)

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def serve(args, port):
    "The page as a process, once it answers"
    p = subprocess.Popen([sys.executable, root/'.ci'/'demo.py', '--port', str(port), *args])
    for _ in range(120):
        try: urlopen(f'http://localhost:{port}/voila/static/voila.js', timeout=5); return p
        except OSError as e:
            if getattr(e, 'code', None): return p  # it answers
        if p.poll() is not None: sys.exit('the page did not start')
        time.sleep(0.5)
    p.terminate()
    sys.exit('the page did not answer')

class Page:
    "What a person does on the page, and sees"
    def __init__(self, page): self.page,self.box = page,page.get_by_placeholder('A problem, and Enter')
    def button(self, name): return self.page.locator('button', has_text=re.compile(rf'^\s*{name}\s*$'))
    def running(self): return self.button('Stop').is_enabled()
    def replies(self): return self.page.locator('.tr-reply').all_inner_texts()
    def tokens(self): return int((re.findall(r'(\d+) tokens,', self.replies()[-1]) or [0])[-1])
    def limit(self, n):
        self.page.get_by_label('Max tokens').fill(str(n))
        self.page.get_by_label('Max tokens').press('Tab')
    def ask(self, text):
        self.box.click()
        self.box.press_sequentially(text, delay=5)
        self.box.press('Enter')
    def until(self, what, f, secs=120):
        end = time.time()+secs
        while not f():
            if time.time()>end: self.shot('failed'); sys.exit(f'waited {secs} s in vain: {what}')
            self.page.wait_for_timeout(30)
        print(f'ok: {what}', flush=True)
    def shot(self, name): self.page.screenshot(path=pics/f'{name}.png', full_page=True)

def check(p):
    p.box.wait_for(timeout=180_000)
    p.limit(60)
    p.ask('Ann has 5 pears and eats 2. How many are left?')
    p.until('a reply begins', lambda: p.replies() and p.tokens())
    seen = []
    while p.running():
        if (n := len(p.replies()[-1])) not in seen: seen.append(n)
        if len(seen)==6: p.shot('writing')
        p.page.wait_for_timeout(20)
    assert len(seen)>4, f'the reply did not arrive bit by bit: {seen}'
    print(f'ok: the reply was seen at {len(seen)} lengths before its end', flush=True)

    fold = p.page.locator('.tr-think summary')
    p.limit(256)
    p.ask('Count from one to two hundred.')
    p.until('a second reply begins', lambda: len(p.replies())==2 and p.tokens()>4)
    p.ask('And now backwards.')
    p.until('a question in the meantime is refused', lambda: 'A reply is being written' in p.page.locator('.tr-notice').inner_text())
    if fold.last.is_visible():  # a random adapter has no reasoning to fold
        fold.last.click()
        was = p.tokens()
        p.until('reasoning stays folded while tokens arrive', lambda: p.tokens()>was+3 and not p.page.locator('.tr-reasoning').last.is_visible())
        fold.last.click()
    at,start = p.tokens(),time.time()
    p.button('Stop').click()
    p.until('it stops', lambda: not p.running(), 10)
    took = time.time()-start
    assert 'stopped' in p.replies()[-1] and len(p.replies())==2
    print(f'ok: {p.tokens()-at} tokens and {took:.2f} s after the click', flush=True)
    p.shot('stopped')

    p.button('Clear').click()
    p.until('Clear empties it', lambda: not p.replies())
    p.box.fill('')
    p.limit(8)
    p.ask('<img src=x onerror="document.title=666"> <b>2+2</b>?')
    p.until('tags in a question are answered', lambda: p.replies() and not p.running())
    assert '<b>2+2</b>?' in p.page.locator('.tr-user').inner_text() and '666' not in p.page.title()
    assert not p.page.locator('.tr-user img, .tr-user b').count()
    p.button('Clear').click()

    p.limit(200)
    p.button('Side by side').click()
    p.page.locator('button[title]').filter(has_text='…').nth(1).click()
    p.until('the first of two replies', lambda: len(p.replies())==2)
    p.until('base and tuned side by side', lambda: not p.running() and 'tokens/s' in p.replies()[-1], 180)
    assert p.replies()[0].startswith('Base') and p.replies()[1].startswith('Tuned')
    assert all('✓' in o or '✗' in o for o in p.replies()), p.replies()
    p.page.mouse.move(0, 0)
    p.page.wait_for_timeout(300)
    p.shot('side_by_side')

def main(args):
    from playwright.sync_api import sync_playwright
    pics.mkdir(parents=True, exist_ok=True)
    port,errors = free_port(),[]
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as pw:
        server = serve(args or random_adapter(tmp), port)
        try:
            browser = chromium(pw)
            page = browser.new_page(viewport=dict(width=1000, height=760))
            page.on('pageerror', lambda e: errors.append(str(e)))
            page.goto(f'http://localhost:{port}/', timeout=180_000)
            check(Page(page))
            browser.close()
        finally:
            server.terminate()
            server.wait()
    if errors: sys.exit('errors on the page:\n' + '\n'.join(errors))
    print(f'The page works; pictures in {pics.relative_to(root)}')

if __name__=='__main__': main(sys.argv[1:])
