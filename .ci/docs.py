"""The site of `make docs`: what nbdev and Quarto get of each notebook, an entry for every exported name, and
where the links of the finished pages lead."""
import ast,dataclasses,inspect,json,re,shutil,yaml
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from urllib.parse import unquote
from project import Failed,cells_of,cfg,lib,mods,nbs,root,run

from execnb.nbio import mk_cell
from fastcore.docments import docments
from fastcore.utils import L
from nbdev import processors,quarto,serve
from nbdev.doclinks import NbdevLookup,patch_name
from nbdev.frontmatter import FrontmatterProc
from nbdev.process import Processor

site = f'{cfg.doc_host}{cfg.doc_baseurl}/'

# --- an entry: heading, signature, docstring and a table of one exported name
defs = ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef

def public(nodes):
    "Names of the functions, classes and patched methods that `nodes` define, without private ones and those of private classes"
    return [n for o in nodes if isinstance(o, defs) and o.name[0]!='_' for n in L(patch_name(o)) if n[0]!='_']

def where():
    "The modules of each name that gets an entry; most have one"
    res = {}
    for m in mods:
        for n in public(ast.parse((root/lib/f'{m}.py').read_text()).body): res.setdefault(n, []).append(m)
    return res

def module_of(nb): return next((c.directives_['default_exp'][0] for c in nb.cells if 'default_exp' in c.directives_), None)

def text(s):
    "Words of a docstring or comment: outside code, nothing that pandoc takes for a tag, a formula or a table"
    return re.sub(r'(`[^`]*`)|([<|$])', lambda m: m[1] or '\\'+m[2], s or '')

def code(s): return f'`{s}`' if s else ''

def uncached(f):
    "The function behind `lru_cache`, whose wrapper has no parameters to read"
    return f.__wrapped__ if hasattr(f, 'cache_info') else f

def spaced(t): return re.sub(r' *(\||,) *', lambda m: ', ' if m[1]==',' else ' | ', t)

def written(f):
    "Types and defaults of the parameters or fields of `f`, as its source writes them"
    src = dedent(inspect.getsource(f))
    o = ast.parse(src).body[0]
    def seg(o): return o and ast.get_source_segment(src, o)
    if isinstance(o, ast.ClassDef): return {a.target.id: seg(a.annotation) for a in o.body if isinstance(a, ast.AnnAssign)},{}
    a = o.args
    args = a.posonlyargs + a.args
    types = {p.arg: seg(p.annotation) for p in [*args, a.vararg, *a.kwonlyargs, a.kwarg] if p}
    defaults = [*zip(args[::-1], a.defaults[::-1]), *zip(a.kwonlyargs, a.kw_defaults)]
    return types | {'return':seg(o.returns)},{p.arg: seg(v) for p,v in defaults}

def in_words(o):
    "A type or default that stands in no source, since `delegates` brought it"
    if o is inspect.Parameter.empty: return ''
    return getattr(o, '__name__', None) or (o if isinstance(o, str) else repr(o))

def parameters(f):
    "Name, stars, type and default of each parameter of `f`"
    types,defaults = written(f)
    for p in inspect.signature(f).parameters.values():
        if p.name=='self': continue
        star = {p.VAR_POSITIONAL:'*', p.VAR_KEYWORD:'**'}.get(p.kind, '')
        kind = types[p.name] if p.name in types else in_words(p.annotation)
        default = defaults.get(p.name)
        if default is None: default = repr(p.default) if isinstance(p.default, str) else in_words(p.default)
        yield p.name,star,kind or '',default

def fields(c):
    "Name, stars, type and default of each field of dataclass `c`"
    types,_ = written(c)
    for f in dataclasses.fields(c):
        default = f.default
        if default is dataclasses.MISSING: default = f.default_factory
        shown = '' if default is dataclasses.MISSING else f'{default.__name__}()' if isinstance(default, type) else repr(default() if callable(default) else default)
        yield f.name,'',types.get(f.name, ''),shown

def signature(start, rows, end):
    "`start(parameters)end`, a parameter a line where one line is too long"
    ps = [f'{star}{n}' + (f':{t}' if t else '') + (f'={d}' if d else '') for n,star,t,d in rows]
    line = f"{start}({', '.join(ps)}){end}"
    return line if len(line)<80 else f'{start}(\n    ' + ',\n    '.join(ps) + f'\n){end}'

def table(rows, head):
    "Pandoc's table of `rows`, less the columns that are empty; its look stands in styles.scss"
    keep = [i for i in range(len(head)) if i==0 or any(r[i] for r in rows)]
    lines = [head, ['---']*len(head), *rows]
    return '::: {.parameters}\n' + '\n'.join('| ' + ' | '.join(r[i] for i in keep) + ' |' for r in lines) + '\n:::'

def entry(mod, name):
    "What a page says of `name`, in markdown"
    f = import_module(f'{lib}.{mod}')
    for o in name.split('.'): f = uncached(getattr(f, o))
    is_class = isinstance(f, type)
    is_data = dataclasses.is_dataclass(f)
    init = f.__init__ if is_class and '__init__' in vars(f) else None
    rows = list(fields(f) if is_data else parameters(init or f) if init or not is_class else [])
    what = docments(f, args_kwargs=True) if rows else {}
    returns = None if is_class else written(f)[0]['return']
    if is_class:
        bases = ', '.join(b.__name__ for b in f.__bases__ if b is not object)
        sig = f'class {name}({bases})' if bases else f'class {name}'
        if not is_data and init: sig = signature(f'class {name}', rows, '')
    else: sig = signature(f'def {name}', rows, f'->{returns}' if returns else '')
    told = [[code(n), f'[{code(spaced(t))}]{{.type}}' if t else '', f'[{code(d)}]{{.default}}' if d else '', text(what.get(n)).replace('\n', ' ')] for n,_,t,d in rows]
    if what.get('return'): told.append(['*returns*', f'[{code(spaced(returns))}]{{.type}}' if returns else '', '', text(what['return']).replace('\n', ' ')])
    link = NbdevLookup().code(f'{lib}.{mod}.{name}')
    parts = [f'### {name} {{#{lib}.{mod}.{name} .entry}}', f'[GitHub]({link}){{.source-link}}', f'```python\n{sig}\n```', text(inspect.getdoc(f))]
    if any(r[-1] for r in told): parts.append(table(told, ['', 'type', 'default', 'meaning']))
    return '\n\n'.join(parts)

# --- what becomes of a notebook on its way to the site
def summary(cell):
    "The line above folded source: the names that `cell` makes"
    names = []
    for o in cell.parsed_():
        if isinstance(o, defs): names += L(patch_name(o))
        if isinstance(o, ast.Assign): names += [n.id for t in o.targets for n in ast.walk(t) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    if not names: return 'Imports' if all(isinstance(o, (ast.Import,ast.ImportFrom)) for o in cell.parsed_()) else 'Source'
    return 'Source of ' + ', '.join(map(code, dict.fromkeys(names)))

class entries(Processor):
    "Above an exported cell the entries of its names; the cell itself folded"
    def begin(self):
        mod,cells = module_of(self.nb),self.nb.cells
        for i,c in reversed(list(enumerate(cells))):
            if c.cell_type!='code' or not {'export','exports'} & set(c.directives_) or 'hide' in c.directives_: continue
            new = [mk_cell(entry(mod, n), 'markdown') for n in public(c.parsed_())]
            if 'exports' in c.directives_: c.source = f'#| code-fold: true\n#| code-summary: {json.dumps(summary(c))}\n{c.source}'
            cells[i:i] = new

class links(Processor):
    "Names in backticks lead to their entries; a plain word such as `train` only with its brackets, since it may mean another thing"
    def begin(self): self.mod,self.known = module_of(self.nb),where()
    def link(self, m):
        name,brackets = m.groups()
        whole = re.fullmatch(rf'{lib}\.(\w+)\.(.+)', name)
        name = whole[2] if whole else name
        found = [o for o in self.known.get(name, []) if not whole or o==whole[1]]
        mod = self.mod if self.mod in found else found[0] if len(found)==1 else None
        if not mod or (name.isalpha() and name.islower() and not brackets and not whole): return m[0]
        full = f'{lib}.{mod}.{name}'
        page = NbdevLookup().doc(full).removeprefix(site).partition('#')[0]
        return f'[{m[0]}]({page}#{full})'
    def cell(self, c):
        if c.cell_type!='markdown': return
        own = r'|\| `\w+`' if '.entry}' in c.source else ''  # a parameter may have the name of a function
        parts = re.split(rf'^(```.*?^```|#+ .*?${own})|(\[[^\]]*\]\([^)]*\))', c.source, flags=re.S|re.M)
        c.source = ''.join(o if i%3 else re.sub(r'(?<!`)`([\w.]+)(\(\))?`(?!`)', self.link, o) for i,o in enumerate(parts) if o)

def plain_pictures(cell):
    "A picture alone in its paragraph stays one: pandoc would make a figure of it, and a caption of its alt text"
    if cell.cell_type=='markdown': cell.source = re.sub(r'^(\[?!\[.*\))$', r'\1[]{}', cell.source, flags=re.M)

def figure_alts(cell):
    "Quarto counts all outputs of a cell, its author the figures"
    if cell.cell_type!='code' or not (got := alts(cell.source)): return
    words = iter(got)
    by_output = [next(words, '') if 'image/png' in o.get('data', {}) else '' for o in cell.get('outputs', [])]
    line = f'#| fig-alt: {json.dumps(by_output if len(got)>1 else got[0], ensure_ascii=False)}'
    cell.source = re.sub(r'^#\| *fig-alt:.*', lambda m: line, cell.source, flags=re.M)

def breakable(cell):
    "Long names in tables may break where their parts meet"
    def cut(s): return re.sub(r'(?<=\w)([._/:])(?=[a-z]\w)', r'\1<wbr>', s)
    def part(m):
        name,kept,word = m.groups()
        return kept or (cut(word) if word else f'`<code>{cut(name)}</code>`{{=html}}')
    def row(m): return re.sub(r'`([\w./:-]+)`|(`[^`]*`|\[[^\]]*\]\([^)]*\)|<[^>]*>)|([\w.]+)', part, m[0])
    def table(s): return re.sub(r'^\|.*\|$', row, s, flags=re.M)
    if cell.cell_type=='markdown' and '.entry}' not in cell.source: cell.source = table(cell.source)
    for o in cell.get('outputs', []):
        if 'text/markdown' in o.get('data', {}): o.data['text/markdown'] = table(''.join(o.data['text/markdown'])).splitlines(True)

def raw_html(cell):
    "HTML as a raw block of markdown: for an output of type text/html Quarto would load require.js and jQuery"
    for o in cell.get('outputs', []):
        data = o.get('data', {})
        if 'text/html' not in data: continue
        html = ''.join(data.pop('text/html')).replace('<table', '<table class="table" data-quarto-disable-processing="true"')
        data['text/markdown'] = f'``````{{=html}}\n{html}\n``````\n'.splitlines(True)

class no_widgets(Processor):
    "A widget without a kernel is an empty box, for which Quarto would load three libraries"
    def cell(self, c):
        if c.cell_type!='code': return
        view = 'application/vnd.jupyter.widget-view+json'
        c.outputs = [o for o in c.get('outputs', []) if view not in o.get('data', {})]
    def end(self): self.nb.metadata.pop('widgets', None)

class SiteProcs(processors.FilterDefaults):
    "nbdev's way with a notebook, with entries from the package as it is: nothing is executed"
    def base_procs(self):
        p = processors
        return [FrontmatterProc, p.populate_language, entries, p.insert_warning, p.strip_ansi, p.hide_line, p.filter_stream_, p.rm_header_dash,
                p.rm_export, p.clean_magics, p.hide_, links, plain_pictures, figure_alts, breakable, raw_html, no_widgets, p.strip_hidden_metadata]

# --- where links lead
def text_of(f, code=False):
    "The markdown and HTML of page `f`, without code blocks; code inside a line stays when `code` is true"
    s = f.read_text(encoding='utf-8')
    if f.suffix=='.ipynb':
        outs = lambda c: [''.join(o['data'][k]) for o in c.get('outputs', []) for k in ('text/markdown','text/html') if k in o.get('data', {})]
        s = '\n\n'.join(t for c in json.loads(s)['cells'] for t in ([''.join(c['source'])] if c['cell_type']!='code' else outs(c)))
    if f.suffix=='.html': return re.sub(r'<(script|pre|code)\b.*?</\1>', '', s, flags=re.S)
    return re.sub(r'^(```+|~~~+).*?^\1|`[^`\n]+`', lambda m: '' if m[1] else m[0].strip('`') if code else '', s, flags=re.S|re.M)

def anchors(f):
    "Places in `f` that a link may name; headings get the name that pandoc gives them"
    s = text_of(f, code=True)
    heads = [re.sub(r'\{[^}]*\}|\[([^\]]*)\]\([^)]*\)', r'\1', o) for o in re.findall(r'^#+ +(.+)$', s, re.M)]
    slugs = {re.sub(r'^[^a-z]+', '', re.sub(r'\s+', '-', re.sub(r'[^\w\s.-]', '', o.strip().lower()))) for o in heads}
    return slugs | set(re.findall(r'(?:id|name)="([^"]+)"', s)) | set(re.findall(r'\{#([\w.-]+)', s))

def broken(files, folder):
    "Links and pictures in `files` that lead nowhere inside `folder`; other sites are not asked"
    pages = {re.sub(r'^\d+[a-z]?_', '', o.stem)+'.html': o for o in Path(folder).glob('*.ipynb')}
    res = []
    for f in files:
        for url in re.findall(r'\]\(<?([^)\s>]+)|(?:href|src)=["\']([^"\']+)', text_of(f)):
            url = url[0] or url[1]
            own = url.startswith(site)
            path,_,frag = unquote(url.removeprefix(site)).partition('#')
            path = path.split('?')[0]
            if not own and re.match(r'[a-z][a-z0-9+.-]*:|//', url): continue
            to = f if not path and not own else (Path(folder) if own or path.startswith('/') else f.parent)/path.lstrip('/')
            if not to.exists() and to.suffix=='.html': to = pages.get(to.name, to)
            if to.is_dir() and (to/'index.html').exists(): to = to/'index.html'
            if not to.exists() or frag and to.suffix in ('.ipynb','.md','.qmd','.html') and frag not in anchors(to):
                res.append(f'{f.name}: {url}')
    return res

# --- what a page must have
def alts(src):
    "The words that a cell's line `#| fig-alt:` has for its figures"
    m = re.search(r'^#\| *fig-alt: *(\S.*)', src, re.M)
    try: res = yaml.safe_load(m[1]) if m else []
    except yaml.YAMLError: return None
    return res if isinstance(res, list) else [res]

def silent_pictures():
    "Pictures without a word for those who cannot see them"
    for f in sorted(nbs.glob('*.ipynb')):
        for c in cells_of(f):
            src,where = ''.join(c['source']),f'{f.name}, cell {c["id"]}'
            if c['cell_type']=='markdown' and re.search(r'!\[\s*\]\(|<img(?![^>]*\balt="[^"])', src): yield f'{where}: a picture without alt text'
            n = sum('image/png' in o.get('data', {}) for o in c.get('outputs', []))
            if not n or re.search(r'^#\| *hide', src, re.M): continue
            if (got := alts(src)) is None: yield f'{where}: `#| fig-alt` with a colon or a bracket in it needs quotes'
            elif len(got)!=n: yield f'{where}: {n} figures need `#| fig-alt: ["what one shows", …]`' if n>1 else f'{where}: its figure needs `#| fig-alt: what it shows`'

def undocumented(proc):
    "Exported names without a docstring, a word on a parameter, an entry on a page, or their source there"
    source = {}  # of each entry: the code on its page
    for f in proc.glob('*.ipynb'):
        cells = cells_of(f)
        page,code = ('\n'.join(''.join(c['source']) for c in cells if c['cell_type']==o) for o in ('markdown','code'))
        source |= dict.fromkeys(re.findall(r'^### \S+ \{#(\S+) \.entry\}', page, re.M), code)
    for mod in map(import_module, (f'{lib}.{o}' for o in mods)):
        for n,f in ((n, uncached(getattr(mod, n))) for n in mod.__all__):
            if getattr(f, '__module__', None)!=mod.__name__ or not callable(f): continue
            if not isinstance(f, type) and (lacks := [k for k,v in docments(f, returns=False, args_kwargs=True).items() if not v and k!='self']): yield f'{f.__module__}.{n}: nothing about {", ".join(lacks)}'
            if not f.__doc__: yield f'{f.__module__}.{n}: no docstring'
            full = f'{mod.__name__}.{n}'
            if full not in source: yield f'{full}: on no page'
            elif not re.search(rf'^(async )?(def|class) {n}\b', source[full], re.M): yield f'{full}: its page hides the source; export it with `#| exports`'

# --- the site
def searchable(proc, docs):
    "Quarto's search knows pages and their sections; here it learns the entries"
    f = docs/'search.json'
    found = json.loads(f.read_text())
    pages = {o['href']: o for o in found if '#' not in o['href']}
    for nb in sorted(proc.glob('*.ipynb')):
        page = re.sub(r'^\d+[a-z]?_', '', nb.stem)+'.html'
        for c in cells_of(nb):
            m = re.match(r'### (\S+) \{#(\S+) \.entry\}\n\n\[.*?\n\n```python\n(.*?)```(.*)', ''.join(c['source']), re.S)
            if c['cell_type']!='markdown' or not m: continue
            url = f'{page}#{m[2]}'
            found.append(pages[page] | dict(objectID=url, href=url, section=m[1], text=f'{m[3]}{m[4].strip().partition(":::")[0].strip()}'))
    f.write_text(json.dumps(found, indent=2, ensure_ascii=False))

def render(proc):
    "The finished pages in _docs; a warning of Quarto is an error"
    out = re.sub(r'\x1b\[[\d;]*m', '', run('quarto', 'render', '--no-cache', '--no-execute', cwd=proc))
    if warned := [o for o in out.splitlines() if 'WARN' in o]: raise Failed('Quarto warns:\n' + '\n'.join(warned))
    shutil.rmtree(root/cfg.doc_path, ignore_errors=True)
    shutil.move(proc/cfg.doc_path.name, root/cfg.doc_path)
    searchable(proc, root/cfg.doc_path)
    return sorted((root/cfg.doc_path).rglob('*.html'))

def docs():
    "Build the site with Quarto; without it, process the notebooks as for the site. Then follow every link"
    with_quarto = shutil.which('quarto')
    proc = root/'_proc'
    shutil.rmtree(proc, ignore_errors=True)
    serve.FilterDefaults = SiteProcs
    quarto._ensure_quarto = lambda: None  # nbdev would download Quarto and install it as root
    quarto.nbdev_proc_nbs.__wrapped__(n_workers=0)
    pages = [f for ext in ('ipynb','md','qmd') for f in sorted(proc.glob(f'*.{ext}'))]
    bad = broken(pages, proc)
    side = re.findall(r'^\s*- +(\S+\.(?:ipynb|qmd|md))', (nbs/'sidebar.yml').read_text(), re.M)
    bad += [f'sidebar.yml: {o}' for o in side if not (proc/o).exists()]
    bad += [f'sidebar.yml lacks {p.name}' for p in sorted(nbs.glob('*.ipynb')) if p.name not in side]
    if (proc/'_quarto.yml').read_bytes()!=(root/'_quarto.yml').read_bytes(): bad.append('nbs/_quarto.yml is not the _quarto.yml of the root')
    bad += [*undocumented(proc), *silent_pictures()]
    if with_quarto:
        pages = render(proc)
        bad += broken(pages, root/cfg.doc_path)
    if bad: raise Failed('links to nowhere, names without documentation, or pictures without a word:\n' + '\n'.join(bad))
    return f"{len(pages)} pages {'built in _docs' if with_quarto else 'processed, no site built (Quarto is not installed)'}; every internal link and picture resolves, every exported name is documented and shows its source"
