"""`make test-site`: every page of the site in a headless Chromium, as wide as a phone and as a desk, light and dark. A page
fails that scrolls sideways, hides a column, logs an error, loads code from elsewhere, has a picture without alt text or text that
is hard to read; the search must find `wilson`. Pictures go to outputs/site; the browser is $BROWSER_PATH, or the one found in PATH."""
import re,sys
from functools import partial
from http.server import SimpleHTTPRequestHandler,ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlparse
from browser import chromium
from docs import docs
from project import Failed,cfg,lib,nbs,root

site,pics = root/cfg.doc_path,root/'outputs'/'site'
widths,schemes = (390,1280),('light','dark')
contrast = 4.5  # WCAG 2, level AA, for text of a common size

# What is wrong with the page that is open, a line each
faults = """([contrast]) => {
  const bad = [], name = e => e.tagName.toLowerCase() + (e.id ? '#'+e.id : '') + (e.className.trim ? e.className.trim().split(/\\s+/).map(o => '.'+o).join('') : '')
  const page = document.documentElement, wide = page.scrollWidth - page.clientWidth
  if (wide>0) {
    const out = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > page.clientWidth+1 && !e.closest('pre, .cell-output-display, [style*=fixed]'))
    bad.push(`scrolls sideways by ${wide} px: ${out.slice(0, 3).map(name).join(', ')}`)
  }
  for (const e of document.querySelectorAll('main table'))
    if (innerWidth>=1280 && (e.scrollWidth > e.clientWidth+1 || e.getBoundingClientRect().right > e.parentElement.getBoundingClientRect().right+1)) bad.push(`hides a column: ${e.textContent.trim().slice(0, 60)}`)
  for (const e of document.images) {
    if (!e.alt.trim()) bad.push(`no alt text: ${e.getAttribute('src').slice(0, 80)}`)
    if (e.complete && !e.naturalWidth) bad.push(`no picture: ${e.getAttribute('src').slice(0, 80)}`)
  }
  const ids = [...document.querySelectorAll('main [id]')].map(e => e.id)
  for (const o of new Set(ids.filter((o,i) => ids.indexOf(o)!=i))) bad.push(`two elements have the id ${o}`)
  const rgba = s => { const [r,g,b,a=1] = s.match(/[\\d.]+/g).map(Number); return [r,g,b,a] }
  const light = c => { const [r,g,b] = c.map(o => o/255).map(o => o<=.03928 ? o/12.92 : ((o+.055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b }
  const over = (c,d) => [0,1,2].map(i => c[i]*c[3] + d[i]*(1-c[3]))
  const ground = e => { if (!e) return [255,255,255]; const c = rgba(getComputedStyle(e).backgroundColor); return c[3]==1 ? c.slice(0,3) : over(c, ground(e.parentElement)) }
  const pale = {}
  for (const e of document.querySelectorAll('body *')) {
    const words = [...e.childNodes].some(o => o.nodeType==3 && o.data.trim())
    if (!words || !e.checkVisibility({checkVisibilityCSS:true, checkOpacity:true})) continue
    const back = ground(e), fore = over(rgba(getComputedStyle(e).color), back)
    const [a,b] = [light(fore), light(back)].sort((x,y) => y-x), ratio = (a+.05)/(b+.05)
    if (ratio<contrast) pale[`${name(e).slice(0, 60)} at ${ratio.toFixed(1)}`] ??= e.textContent.trim().slice(0, 30)
  }
  for (const [k,v] of Object.entries(pale)) bad.push(`hard to read: ${k}, "${v}"`)
  return bad
}"""

def stale():
    "Is anything newer than the site that it is made from?"
    made = site/'search.json'
    sources = [*nbs.glob('*'), *(root/lib).glob('*.py'), *(root/'.ci').glob('*.py'), root/'_quarto.yml', root/'settings.ini']
    return not made.exists() or any(p.stat().st_mtime>made.stat().st_mtime for p in sources)

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

def elsewhere(route, errors):
    "Nothing of other sites is loaded: a badge gets an empty picture, code is an error"
    url,kind = route.request.url,route.request.resource_type
    if urlparse(url).hostname=='127.0.0.1': return route.continue_()
    if kind!='image': errors.append(f'loads a {kind} from elsewhere: {url}')
    route.fulfill(content_type='image/svg+xml', body='<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>')

def look(browser, url, name, width, scheme):
    "What is wrong with page `name`"
    context = browser.new_context(viewport=dict(width=width, height=900), color_scheme=scheme)
    page,errors = context.new_page(),[]
    page.on('console', lambda o: o.type=='error' and errors.append(o.text))
    page.on('pageerror', lambda o: errors.append(str(o)))
    page.route('**/*', lambda o: elsewhere(o, errors))
    page.goto(f'{url}/{name}.html', wait_until='networkidle')
    if (scheme=='dark') != page.evaluate('document.body.classList.contains("quarto-dark")'): errors.append(f'is not {scheme}')
    errors += page.evaluate(faults, [contrast])
    page.screenshot(path=pics/f'{name}-{width}-{scheme}.png', full_page=True)
    context.close()
    return errors

def search(browser, url, word):
    "What is wrong with the search for `word`: its entry must come first"
    page = browser.new_page(viewport=dict(width=1280, height=900))
    page.route('**/*', lambda o: elsewhere(o, []))
    page.goto(f'{url}/index.html', wait_until='networkidle')
    page.locator('#quarto-search button').first.click()
    page.locator('.aa-Input').fill(word)
    page.locator('.aa-Item a').first.wait_for(timeout=10_000)
    found = [o.get_attribute('href') for o in page.locator('.aa-Item a').all()]
    page.screenshot(path=pics/'search.png')
    page.locator('.aa-Item a').first.click()
    page.wait_for_url(re.compile(word))
    there = page.locator(f'[id$=".{word}"]').count()
    page.close()
    return [] if there else [f'the search for {word} leads to {found[:3]}']

def tell(name, wrong):
    "Print what is wrong with `name`; true if anything is"
    print(f"{name} {'FAILED' if wrong else 'ok'}", *wrong, sep='\n  ', flush=True)
    return bool(wrong)

def main():
    from playwright.sync_api import sync_playwright
    if stale(): print(docs(), flush=True)
    if not site.exists(): raise Failed('no site: install Quarto (https://quarto.org)')
    pics.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=site))
    Thread(target=server.serve_forever, daemon=True).start()
    url,bad = f'http://127.0.0.1:{server.server_port}',0
    with sync_playwright() as pw:
        browser = chromium(pw)
        for name in sorted(p.stem for p in site.glob('*.html')):
            wrong = {}
            for w in widths:
                for s in schemes:
                    for o in look(browser, url, name, w, s): wrong.setdefault(' '.join(o.split()), []).append(f'{w} {s}')
            bad += tell(name, [f"{o} ({', '.join(dict.fromkeys(where))})" for o,where in wrong.items()])
        bad += tell('search', search(browser, url, 'wilson'))
        browser.close()
    server.shutdown()
    print(f'{bad} failed; pictures in {pics.relative_to(root)}')
    sys.exit(bool(bad))

if __name__=='__main__':
    try: main()
    except Failed as e: sys.exit(str(e))
