"""`make docs`: the site in _docs, with an entry for every exported name; without Quarto, what it would get, in _proc"""
import ast,inspect,json,os,re,shutil,subprocess,sys,yaml
from importlib import import_module
from pathlib import Path
from textwrap import dedent

from execnb.nbio import mk_cell
from fastcore.utils import L
from nbdev import processors as p,quarto,serve
from nbdev.config import get_config
from nbdev.doclinks import NbdevLookup,patch_name
from nbdev.frontmatter import FrontmatterProc
from nbdev.process import Processor

root = Path(__file__).parent.parent
os.chdir(root)
sys.path.insert(0, str(root))
nbs,cfg = root/'nbs',get_config()
lib = cfg.lib_name
site = f'{cfg.doc_host}{cfg.doc_baseurl}/'

def alts(src):
    "The words that a cell's line `#| fig-alt:` has for its figures"
    m = re.search(r'^#\| *fig-alt: *(\S.*)', src, re.M)
    try: res = yaml.safe_load(m[1]) if m else []
    except yaml.YAMLError: return None
    return res if isinstance(res, list) else [res]

# --- an entry: heading, signature and docstring of one exported name
defs = ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef

def public(nodes):
    "Functions, classes and patched methods that `nodes` define, without private ones and those of private classes"
    return [n for o in nodes if isinstance(o, defs) and o.name[0]!='_' for n in L(patch_name(o)) if n[0]!='_']

def where():
    "The modules of each name that gets an entry; most have one"
    res = {}
    for f in sorted((root/lib).glob('[a-z]*.py')):
        for n in public(ast.parse(f.read_text()).body): res.setdefault(n, []).append(f.stem)
    return res

def module_of(nb):
    return next((c.directives_['default_exp'][0] for c in nb.cells if 'default_exp' in c.directives_), None)

def signature(f):
    "How the source of `f` begins: parameters and what they mean; of a class its fields and `__init__`"
    src = dedent(inspect.getsource(f))
    lines,o = src.splitlines(),ast.parse(src).body[0]
    def head(o):
        *ls,last = lines[o.lineno-1:o.body[0].lineno]
        return '\n'.join([*ls, last[:o.body[0].col_offset]]).rstrip()
    res = [*(s for c in o.decorator_list if '@delegates' in (s := lines[c.lineno-1])), head(o)]
    for c in o.body if isinstance(f, type) else ():
        if isinstance(c, ast.AnnAssign): res += lines[c.lineno-1:c.end_lineno]
        if getattr(c, 'name', '')=='__init__': res.append(head(c))
    return '\n'.join(res)

def entry(mod, name):
    "What a page says of `name`, in markdown"
    f = import_module(f'{lib}.{mod}')
    for o in name.split('.'): f = inspect.unwrap(getattr(f, o))
    words = re.sub(r'(`[^`]*`)|([<|$])', lambda m: m[1] or '\\'+m[2], inspect.getdoc(f) or '') # Nothing for pandoc
    full = f'{lib}.{mod}.{name}'
    link = f'{cfg.git_url}/blob/{cfg.branch}/{lib}/{mod}.py#L{inspect.getsourcelines(f)[1]}'
    return (f'### {name} {{#{full} .entry}}\n\n[GitHub]({link}){{.source-link}}\n\n'
            f'```python\n{signature(f)}\n```\n\n{words}')

# --- what becomes of a notebook on its way to the site
def summary(cell):
    "The line above folded source: the names that `cell` makes"
    names = []
    for o in cell.parsed_():
        if isinstance(o, defs): names += L(patch_name(o))
        if isinstance(o, ast.Assign):
            names += [n.id for t in o.targets for n in ast.walk(t) if isinstance(getattr(n, 'ctx', 0), ast.Store)
                      and hasattr(n, 'id')]
    imports = all(isinstance(o, (ast.Import,ast.ImportFrom)) for o in cell.parsed_())
    if not names: return 'Imports' if imports else 'Source'
    return 'Source of ' + ', '.join(f'`{o}`' for o in dict.fromkeys(names))

class entries(Processor):
    "Above an exported cell the entries of its names; the cell itself folded"
    def begin(self):
        mod,cells = module_of(self.nb),self.nb.cells
        for i,c in reversed(list(enumerate(cells))):
            if c.cell_type!='code' or not {'export','exports'} & set(c.directives_) or 'hide' in c.directives_: continue
            new = [mk_cell(entry(mod, n), 'markdown') for n in public(c.parsed_())]
            fold = f'#| code-fold: true\n#| code-summary: {json.dumps(summary(c))}\n'
            if 'exports' in c.directives_: c.source = fold+c.source
            cells[i:i] = new

class links(Processor):
    "Names in backticks lead to their entries; a plain word such as `train` may mean another thing: it needs brackets"
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
        parts = re.split(r'^(```.*?^```|#+ .*?$)|(\[[^\]]*\]\([^)]*\))', c.source, flags=re.S|re.M)
        c.source = ''.join(o if i%3 else re.sub(r'(?<!`)`([\w.]+)(\(\))?`(?!`)', self.link, o)
                           for i,o in enumerate(parts) if o)

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
        data = o.get('data', {})
        if 'text/markdown' in data: data['text/markdown'] = table(''.join(data['text/markdown'])).splitlines(True)

def raw_html(cell):
    "HTML as a raw block of markdown: for an output of type text/html Quarto would load require.js and jQuery"
    for o in cell.get('outputs', []):
        data = o.get('data', {})
        if 'text/html' not in data: continue
        html = ''.join(data.pop('text/html'))
        html = html.replace('<table', '<table class="table" data-quarto-disable-processing="true"')
        data['text/markdown'] = f'``````{{=html}}\n{html}\n``````\n'.splitlines(True)

class no_widgets(Processor):
    "A widget without a kernel is an empty box, for which Quarto would load three libraries"
    def cell(self, c):
        if c.cell_type!='code': return
        view = 'application/vnd.jupyter.widget-view+json'
        c.outputs = [o for o in c.get('outputs', []) if view not in o.get('data', {})]
    def end(self): self.nb.metadata.pop('widgets', None)

class SiteProcs(p.FilterDefaults):
    "nbdev's way with a notebook, with entries from the package as it is: nothing is executed"
    def base_procs(self):
        return [FrontmatterProc, p.populate_language, entries, p.insert_warning, p.strip_ansi, p.hide_line,
                p.filter_stream_, p.rm_header_dash, p.rm_export, p.clean_magics, p.hide_, links, plain_pictures,
                figure_alts, breakable, raw_html, no_widgets, p.strip_hidden_metadata]

# --- the site
def searchable(proc, docs):
    "Quarto's search knows pages and their sections; here it learns the entries"
    f = docs/'search.json'
    found = json.loads(f.read_text())
    pages = {o['href']: o for o in found if '#' not in o['href']}
    for nb in sorted(proc.glob('*.ipynb')):
        page = re.sub(r'^\d+[a-z]?_', '', nb.stem)+'.html'
        for c in json.loads(nb.read_text())['cells']:
            entry = r'### (\S+) \{#(\S+) \.entry\}\n\n\[.*?\n\n```python\n(.*?)```\s*(.*)'
            m = re.match(entry, ''.join(c['source']), re.S)
            if c['cell_type']!='markdown' or not m: continue
            url = f'{page}#{m[2]}'
            found.append(pages[page] | dict(objectID=url, href=url, section=m[1], text=m[3]+m[4]))
    f.write_text(json.dumps(found, indent=2, ensure_ascii=False))

def whole(docs):
    "Inline code ends a line between its words, and not within a flag such as `--data.x`"
    part,code = r'(?:[^\s<>]|<wbr>)*', r'((?<!<pre>)<code>)((?:[^<]|<wbr>)*)</code>'
    def word(m): return f'<span class="word">{m[0]}</span>'
    def words(m): return m[1]+re.sub(f'{part}-{part}', word, m[2])+'</code>'
    for f in docs.glob('*.html'): f.write_text(re.sub(code, words, f.read_text()))

def render(proc):
    "The finished pages in _docs; a warning of Quarto is an error"
    r = subprocess.run(['quarto', 'render', '--no-cache', '--no-execute'], cwd=proc, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = re.sub(r'\x1b\[[\d;]*m', '', r.stdout)
    if r.returncode: sys.exit(out)
    if warned := [o for o in out.splitlines() if 'WARN' in o]: sys.exit('Quarto warns:\n' + '\n'.join(warned))
    shutil.rmtree(root/cfg.doc_path, ignore_errors=True)
    shutil.move(proc/cfg.doc_path.name, root/cfg.doc_path)
    searchable(proc, root/cfg.doc_path)
    whole(root/cfg.doc_path)

if __name__=='__main__':
    proc = root/'_proc'
    shutil.rmtree(proc, ignore_errors=True)
    serve.FilterDefaults = SiteProcs
    quarto._ensure_quarto = lambda: None  # nbdev would download Quarto and install it as root
    quarto.nbdev_proc_nbs.__wrapped__(n_workers=0)
    if shutil.which('quarto'): render(proc)
    else: print('Quarto is not installed: no site was built, its pages are in _proc')
