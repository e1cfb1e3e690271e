"""Every page of `make docs` in a headless Chromium, as wide as a phone and as a desk, light and dark: nothing scrolls
sideways, logs an error, loads code from elsewhere or is hard to read. Pictures: outputs/site."""
import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlparse

import pytest
from test_project import cfg, root

pytestmark = pytest.mark.browser
pics = root/'outputs/site'
contrast = 4.5 # WCAG 2, level AA, for text of a common size

# What is wrong with the page that is open, a line each
faults = r"""([contrast]) => {
  const bad = [], all = s => [...document.querySelectorAll(s)], right = e => e.getBoundingClientRect().right
  const name = e => [e.tagName.toLowerCase() + (e.id && '#'+e.id), ...e.classList].join('.')
  const page = document.documentElement, wide = page.scrollWidth - page.clientWidth
  if (wide>0) {
    const inside = 'pre, .cell-output-display, [style*=fixed]'
    const out = all('body *').filter(e => right(e) > page.clientWidth+1 && !e.closest(inside))
    bad.push(`scrolls sideways by ${wide} px: ${out.slice(0, 3).map(name).join(', ')}`)
  }
  for (const e of innerWidth>=1280 ? all('main table') : [])
    if (e.scrollWidth > e.clientWidth+1 || right(e) > right(e.parentElement)+1)
      bad.push(`hides a column: ${e.textContent.trim().slice(0, 60)}`)
  for (const e of all('main :not(pre) > code')) {
    const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), block = e.closest('p, li, td, div')
    while (texts.nextNode()) for (const m of texts.currentNode.data.matchAll(/[^\s]*-[^\s]*/g)) {
      const range = document.createRange()
      range.setStart(texts.currentNode, m.index), range.setEnd(texts.currentNode, m.index + m[0].length)
      const parts = [...range.getClientRects()], lines = new Set(parts.map(o => Math.round(o.top))).size
      const long = parts.reduce((a,o) => a + o.width, 0) > block.clientWidth - 20
      if (lines>1 && !long) bad.push(`cuts ${m[0]} into ${lines} lines`)
    }
  }
  for (const e of document.images) {
    if (!e.alt.trim()) bad.push(`no alt text: ${e.getAttribute('src').slice(0, 80)}`)
    if (e.complete && !e.naturalWidth) bad.push(`no picture: ${e.getAttribute('src').slice(0, 80)}`)
  }
  const ids = all('main [id]').map(e => e.id)
  for (const o of new Set(ids.filter((o,i) => ids.indexOf(o)!=i))) bad.push(`two elements have the id ${o}`)
  const rgba = s => { const [r,g,b,a=1] = s.match(/[\d.]+/g).map(Number); return [r,g,b,a] }
  const linear = o => o<=.03928 ? o/12.92 : ((o+.055)/1.055)**2.4
  const light = c => { const [r,g,b] = c.map(o => linear(o/255)); return .2126*r + .7152*g + .0722*b }
  const over = (c,d) => [0,1,2].map(i => c[i]*c[3] + d[i]*(1-c[3]))
  const ground = e => {
    if (!e) return [255,255,255]
    const c = rgba(getComputedStyle(e).backgroundColor)
    return c[3]==1 ? c.slice(0,3) : over(c, ground(e.parentElement))
  }
  const pale = {}
  for (const e of all('body *')) {
    const words = [...e.childNodes].some(o => o.nodeType==3 && o.data.trim())
    if (!words || !e.checkVisibility({checkVisibilityCSS:true, checkOpacity:true})) continue
    const back = ground(e), fore = over(rgba(getComputedStyle(e).color), back)
    const [a,b] = [light(fore), light(back)].sort((x,y) => y-x), ratio = (a+.05)/(b+.05)
    if (ratio<contrast) pale[`${name(e).slice(0, 60)} at ${ratio.toFixed(1)}`] ??= e.textContent.trim().slice(0, 30)
  }
  for (const [k,v] of Object.entries(pale)) bad.push(`hard to read: ${k}, "${v}"`)
  return bad
}"""

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@pytest.fixture(scope='module')
def url():
    "The site, served"
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=root/cfg.doc_path))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()

def elsewhere(route, errors):
    "Nothing of other sites is loaded: a badge gets an empty picture, code is an error"
    url,kind = route.request.url, route.request.resource_type
    if urlparse(url).hostname=='127.0.0.1': return route.continue_()
    if kind!='image': errors.append(f'loads a {kind} from elsewhere: {url}')
    route.fulfill(content_type='image/svg+xml',
                  body='<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>')

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1280])
@pytest.mark.parametrize('name', sorted(o.stem for o in (root/cfg.doc_path).glob('*.html')))
def test_page(new_context, url, name, width, scheme):
    page,errors = new_context(viewport=dict(width=width, height=900), color_scheme=scheme).new_page(), []
    page.on('console', lambda o: o.type=='error' and errors.append(o.text))
    page.on('pageerror', lambda o: errors.append(str(o)))
    page.route('**/*', lambda o: elsewhere(o, errors))
    page.goto(f'{url}/{name}.html', wait_until='networkidle')
    dark = page.evaluate('document.body.classList.contains("quarto-dark")')
    errors += page.evaluate(faults, [contrast])
    page.screenshot(path=pics/f'{name}-{width}-{scheme}.png', full_page=True)
    assert errors==[] and dark==(scheme=='dark')

def test_search(new_context, url, word='wilson'):
    "The entry of a name comes first"
    page = new_context(viewport=dict(width=1280, height=900)).new_page()
    page.route('**/*', lambda o: elsewhere(o, []))
    page.goto(f'{url}/index.html', wait_until='networkidle')
    page.locator('#quarto-search button').first.click()
    page.locator('.aa-Input').fill(word)
    page.locator('.aa-Item a').first.click(timeout=10_000)
    page.wait_for_url(re.compile(word))
    assert page.locator(f'[id$=".{word}"]').count()
