"The site's pages: every link and picture resolves, every exported name is documented and shows its source."
import json, re, sys, yaml
from importlib import import_module
from inspect import unwrap
from pathlib import Path
from urllib.parse import unquote

import pytest
from fastcore.docments import docments
from test_project import books, cells, cfg, lib, modules, nbs, root, run

sys.path.append(str(root/'.ci'))
pytestmark = pytest.mark.xdist_group('docs') # One worker makes them
site = f'{cfg.doc_host}{cfg.doc_baseurl}/'

@pytest.fixture(scope='session')
def made(request, copy):
    "A folder in which `.ci/docs.py` has run: this checkout after `make docs`, a copy else"
    if request.config.getoption('site'): return root
    run(sys.executable, '.ci/docs.py', cwd=copy)
    return copy

# --- where links lead
def text_of(f, code=False):
    "The markdown and HTML of page `f`, without code blocks; code inside a line stays when `code` is true"
    s = f.read_text(encoding='utf-8')
    if f.suffix=='.ipynb':
        def texts(c):
            if c['cell_type']!='code': return [''.join(c['source'])]
            return [''.join(o.get('data', {}).get(k, '')) for o in c['outputs'] for k in ('text/markdown', 'text/html')]
        s = '\n\n'.join(t for c in json.loads(s)['cells'] for t in texts(c))
    if f.suffix=='.html': return re.sub(r'<(script|pre|code)\b.*?</\1>', '', s, flags=re.S)
    return re.sub(r'^(```+|~~~+).*?^\1|`[^`\n]+`', lambda m: '' if m[1] else m[0].strip('`') if code else '', s,
                  flags=re.S|re.M)

def anchors(f):
    "Places in `f` that a link may name; headings get the name that pandoc gives them"
    s = text_of(f, code=True)
    heads = [re.sub(r'\{[^}]*\}|\[([^\]]*)\]\([^)]*\)', r'\1', o) for o in re.findall(r'^#+ +(.+)$', s, re.M)]
    slugs = {re.sub(r'^[^a-z]+', '', re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', o.strip().lower()))) for o in heads}
    return slugs | set(re.findall(r'(?:id|name)="([^"]+)"', s)) | set(re.findall(r'\{#([\w.-]+)', s))

def broken(files, folder):
    "Links and pictures in `files` that lead nowhere inside `folder`; other sites are not asked"
    pages = {re.sub(r'^\d+[a-z]?_', '', o.stem)+'.html': o for o in folder.glob('*.ipynb')}
    for f in files:
        for url in map(''.join, re.findall(r'\]\(<?([^)\s>]+)|(?:href|src)=["\']([^"\']+)', text_of(f))):
            own = url.startswith(site)
            path,_,frag = unquote(url.removeprefix(site)).partition('#')
            path = path.split('?')[0]
            if not own and re.match(r'[a-z][a-z0-9+.-]*:|//', url): continue
            to = f if not path and not own else (folder if own or path.startswith('/') else f.parent)/path.lstrip('/')
            if not to.exists() and to.suffix=='.html': to = pages.get(to.name, to)
            if to.is_dir() and (to/'index.html').exists(): to = to/'index.html'
            if not to.exists() or frag and to.suffix in ('.ipynb','.md','.html') and frag not in anchors(to):
                yield f'{f.name}: {url}'

def test_readme_links(): assert [*broken([root/'README.md'], root)]==[]

@pytest.mark.parametrize('folder, pages', [('_proc', '*.ipynb'), ('_docs', '**/*.html')])
def test_links(made, folder, pages):
    "Of the notebooks as Quarto gets them, and of the finished pages where Quarto is installed"
    assert [*broken(sorted((made/folder).glob(pages)), made/folder)]==[]

def test_sidebar():
    names = re.findall(r'^\s*- +(\S+\.ipynb)', (nbs/'sidebar.yml').read_text(), re.M)
    assert sorted(names)==[o.name for o in books]

def test_configuration(made):
    "nbs/_quarto.yml is the _quarto.yml of the root"
    assert (made/'_proc/_quarto.yml').read_bytes()==(root/'_quarto.yml').read_bytes()

# --- what a page must have
@pytest.mark.parametrize('book', books, ids=lambda o: o.stem)
def test_alt_text(book):
    "Pictures have a word for those who cannot see them: `#| fig-alt: what it shows`, a list for several figures"
    from docs import alts
    for c in cells(book):
        src = ''.join(c['source'])
        if c['cell_type']=='markdown': assert not re.search(r'!\[\s*\]\(|<img(?![^>]*\balt="[^"])', src), src
        n = sum('image/png' in o.get('data', {}) for o in c.get('outputs', []))
        if n and not re.search(r'^#\| *hide', src, re.M): assert len(alts(src) or [])==n, src

@pytest.mark.parametrize('module', modules)
def test_documented(made, module):
    "An exported name has a docstring, a word on each parameter, an entry on a page, and its source there: `#| exports`"
    source = {} # of each entry: the code on its page
    for f in (made/'_proc').glob('*.ipynb'):
        page,code = ('\n'.join(''.join(c['source']) for c in cells(f) if c['cell_type']==o)
                     for o in ('markdown', 'code'))
        source |= dict.fromkeys(re.findall(r'^### \S+ \{#(\S+) \.entry\}', page, re.M), code)
    mod = import_module(f'{lib}.{module}')
    for n,f in ((n, unwrap(getattr(mod, n))) for n in mod.__all__ if callable(getattr(mod, n))):
        if getattr(f, '__module__', None)!=mod.__name__: continue
        if not isinstance(f, type):
            lacks = [k for k,v in docments(f, returns=False, args_kwargs=True).items() if not v and k!='self']
            assert lacks==[], n
        assert f.__doc__, n
        assert re.search(rf'^(async )?(def|class) {n}\b', source[f'{lib}.{module}.{n}'], re.M), f'{n} hides its source'
