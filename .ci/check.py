"""The checks of `make test`, `make readme` and `make docs`. Each check of `test` prints one line, the last
line counts them, and the exit status is 1 when any failed. Run it with the Python of .venv, from anywhere."""
import json,os,re,shutil,subprocess,sys,tempfile,time
from pathlib import Path
from urllib.parse import unquote

root = Path(__file__).resolve().parent.parent
bin_,nbs = Path(sys.executable).parent,root/'nbs'
os.environ['PATH'] = f"{bin_}{os.pathsep}{os.environ['PATH']}"
os.chdir(root)

from nbdev.config import get_config
from nbdev.processors import clean_magics,filter_stream_,hide_,hide_line,rm_export,rm_header_dash,strip_ansi
from nbdev.process import NBProcessor
import nbformat

cfg = get_config()
lib = cfg.lib_name

mods = sorted(p.stem for p in (root/lib).glob('*.py') if p.stem[0]!='_' and p.stem!='all')
late = ['trainer']  # derives classes from trl's, so it imports trl at its top; `train` imports it after Unsloth, and `all` leaves it out
early = [o for o in mods if o not in late]

class Failed(Exception): "What went wrong, in words for the person who reads the log"

def run(*cmd, **kw):
    "Output of `cmd`, which must succeed"
    res = subprocess.run([str(o) for o in cmd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if res.returncode: raise Failed(f"{' '.join(map(str,cmd))} ended with status {res.returncode}\n{res.stdout}")
    return res.stdout

def cells_of(f): return json.loads(f.read_text(encoding='utf-8'))['cells']
def snapshot(*globs): return {p.relative_to(root): p.read_bytes() for g in globs for p in root.glob(g)}

def unchanged(globs, cmd, why):
    "`cmd` must leave the files in `globs` as they are now, committed or not"
    old = snapshot(*globs)
    run(cmd)
    new = snapshot(*globs)
    diff = sorted(str(o) for o in old.keys()|new.keys() if old.get(o)!=new.get(o))
    if diff: raise Failed(f"{cmd} changed {', '.join(diff)}: {why}")

def exported(): unchanged([f'{lib}/**/*.py', f'{lib}/*.py'], 'nbdev_export', 'the notebooks and the package had drifted apart')
def cleaned(): unchanged(['nbs/**/*.ipynb'], 'nbdev_clean', 'run nbdev_clean (or nbdev_install_hooks) before committing')

def pictures():
    "Where a cell gave a figure, its picture is stored, and not its name alone"
    for f in sorted(nbs.glob('*.ipynb')):
        for c in cells_of(f):
            for d in (o.get('data', {}) for o in c.get('outputs', [])):
                if '<Figure' in ''.join(d.get('text/plain', '')) and 'image/png' not in d: raise Failed(f'{f.name}, cell {c["id"]}: no picture; run it with `%matplotlib inline`')

# --- README.md, which is nbs/index.ipynb
mark = '<!-- Made from nbs/index.ipynb by `make readme`: edit the notebook, not this file -->\n\n'

def from_root(md):
    "Relative links that hold in nbs/, made to hold in the root"
    def f(m):
        url,tail = re.fullmatch(r'([^#?]*)(.*)', m[2]).groups()
        ok = url and ':' not in url and not url.startswith('/') and (nbs/unquote(url)).exists()
        return m[1] + (os.path.relpath(nbs/url, root) if ok else url) + tail
    return re.sub(r'(\]\(|(?:src|href)=")([^)\s"]+)', f, md)

def convert():
    "README and its pictures as nbconvert gives them"
    from nbconvert import MarkdownExporter
    procs = [strip_ansi, hide_line, filter_stream_, rm_header_dash, rm_export, clean_magics, hide_]
    proc = NBProcessor(nbs/cfg.readme_nb, procs=procs)
    proc.process()
    cells = []
    for c in proc.nb.cells:
        d = {'cell_type':c.cell_type, 'metadata':{}, 'source':c.source}
        if c.cell_type=='code':  # what Quarto reads as `#| echo: false`
            d.update(outputs=json.loads(json.dumps(c.get('outputs', []))), execution_count=None)
            if c.directives_.get('echo:')==['false']: d['metadata'] = {'transient':{'remove_source':True}}
            d['source'] = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M)
        cells.append(d)
    nb = nbformat.reads(json.dumps({'cells':cells, 'metadata':proc.nb.metadata, 'nbformat':4, 'nbformat_minor':4}), as_version=4)  # joins the lines of outputs
    md,res = MarkdownExporter().from_notebook_node(nb, {'output_files_dir':'index_files', 'unique_key':'output'})
    for c in cells:
        if c['metadata'] and c['source'].strip() in md: raise Failed('README shows the source of a cell that is marked `echo: false`')
    md = re.sub(r'\n{3,}', '\n\n', re.sub(r'[ \t]+$', '', md, flags=re.M)).strip()
    return mark + from_root(md) + '\n', res.get('outputs', {})

def readme():
    "Write README.md, through Quarto where it is installed"
    f = root/'README.md'
    if shutil.which('quarto'):
        from nbdev.quarto import refresh_quarto_yml
        refresh_quarto_yml()
        run('nbdev_readme')
        return f.write_text(from_root(f.read_text()))
    md,pics = convert()
    shutil.rmtree(root/'index_files', ignore_errors=True)
    for name,data in pics.items():
        (root/name).parent.mkdir(exist_ok=True)
        (root/name).write_bytes(data)
    f.write_text(md)

def words(md):
    "What a reader of `md` sees: the words in order, without link targets, tags and comments"
    return re.findall(r'\w+', re.sub(r'<!--.*?-->|\]\([^)]*\)|<[^>]+>', ' ', md, flags=re.S))

def readme_current():
    "README.md must be what `readme` writes: to the byte for nbconvert, in its words where Quarto lays it out"
    f = root/'README.md'
    was = f.read_text() if f.exists() else ''
    old = snapshot('README.md', 'index_files/*')
    try:
        readme()
        now,new = f.read_text(),snapshot('README.md', 'index_files/*')
    finally:  # this is a check: put everything back
        shutil.rmtree(root/'index_files', ignore_errors=True)
        for p,data in old.items():
            (root/p).parent.mkdir(exist_ok=True)
            (root/p).write_bytes(data)
    same = old==new if was.startswith(mark) and now.startswith(mark) else words(was)==words(now)
    if not same: raise Failed('README.md is not what nbs/index.ipynb gives: run make readme')
    bad = broken([root/'README.md'], root)
    if bad: raise Failed('README.md has links to nowhere:\n' + '\n'.join(bad))

# --- the wheel
apart = {k:v for k,v in os.environ.items() if k!='PYTHONPATH'}

def wheel(tmp):
    "Build the wheel through the source release, as PyPI gets it, and look into it"
    from zipfile import ZipFile
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', tmp)
    whl = next(Path(tmp).glob('*.whl'))
    want = {f'{lib}/py.typed'} | {str(p.relative_to(root)) for p in (root/lib).glob('presets/*.yaml')} \
        | {str(p.relative_to(root)) for p in (root/lib).glob('*.py')}
    lacks = want-set(ZipFile(whl).namelist())
    if lacks: raise Failed(f"{whl.name} lacks {', '.join(sorted(lacks))}")
    return whl

def wheel_env(tmp, whl):
    "An environment with the wheel, .venv's packages behind it, and nothing of the checkout"
    run(sys.executable, '-m', 'venv', '--without-pip', tmp/'env')
    py = tmp/'env'/'bin'/'python'
    run(bin_/'pip', '--disable-pip-version-check', '--python', py, 'install', '--no-deps', '--no-index', whl, env=apart)
    site = Path(run(py, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))').strip())
    deps = next(Path(p) for p in sys.path if p.endswith('site-packages'))
    (site/'deps.pth').write_text(f'{deps}\n')
    (tmp/'empty').mkdir()
    return py

def outside(py, *cmd):
    "Output of `cmd` in an empty folder"
    return run(*cmd, cwd=py.parent.parent.parent/'empty', env=apart)

def imports(py, mod):
    "`mod` comes from the wheel, warns of nothing, and leaves torch for when it is used"
    outside(py, py, '-W', 'error', '-c', f"import sys, {mod} as m; assert m.__file__.startswith(sys.prefix), m.__file__; assert 'torch' not in sys.modules, 'imports torch'")

def quick(py):
    "The best of three, since somebody else may want the processor"
    code = f'import time; start = time.perf_counter(); import {lib}; print(time.perf_counter()-start)'
    if (secs := min(float(outside(py, py, '-c', code)) for _ in range(3)))>=0.5: raise Failed(f'it took {secs:.2f} s')

def star(py):
    "`from ….all import *` gives the names of every module"
    outside(py, py, '-c', f"from importlib import import_module\nfrom {lib}.all import *\n"
        f"lacks = [o for m in {early} for o in import_module(f'{lib}.{{m}}').__all__ if o not in globals()]\nassert not lacks, lacks")

# --- Colab
def colab(tmp):
    "All numbered notebooks have their badge and one and the same cell, which installs in Colab alone, and around Colab's torch"
    books,cells = sorted(nbs.glob('[0-9]*.ipynb')),set()
    for f in books:
        badge,cell = (''.join(c['source']) for c in cells_of(f)[2:4])
        if f'](https://colab.research.google.com/github/{cfg.user}/{cfg.repo}/blob/{cfg.branch}/nbs/{f.name})' not in badge: raise Failed(f'{f.name}: no badge below its title')
        cells.add(cell)
    if len(cells)>1: raise Failed("the notebooks' first cells differ:\n" + '\n\n'.join(cells))
    (tmp/'bin').mkdir()
    (tmp/'bin'/'pip').write_text('#!/bin/sh\necho "$@" >> asked.txt\n[ "$1" != list ] || printf "%s\\n" torch==2.11.0+cu128 torchao==0.10.0 pillow==11.3.0\n')
    (tmp/'bin'/'pip').chmod(0o755)
    for there in (False, True):
        code = f"import sys; sys.modules |= dict.fromkeys(['google.colab'][:{there:d}])\nfrom IPython import InteractiveShell\nInteractiveShell.instance().run_cell({cell!r}).raise_error()"
        run(sys.executable, '-c', code, cwd=tmp, env=os.environ | dict(PATH=f"{tmp/'bin'}{os.pathsep}{os.environ['PATH']}", IPYTHONDIR=str(tmp)))
        if (tmp/'asked.txt').exists()!=there: raise Failed(f"pip was {'not ' if there else ''}asked")
    kept,asked = (tmp/'keep.txt').read_text().split(),(tmp/'asked.txt').read_text().splitlines()[-1]
    if kept!=['torch==2.11.0+cu128','pillow==11.3.0'] or asked!=f'install -q -c keep.txt {lib}[colab] @ git+{cfg.git_url}': raise Failed(f'kept {kept}, asked pip to {asked}')

# --- the docs
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
    site = f'{cfg.doc_host}{cfg.doc_baseurl}/'
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

def with_tables():
    "Let nbdev show what parameters mean in a table below the signature, not as comments inside it"
    from fastcore.docments import DocmentTbl,docments
    from nbdev import showdoc
    class Table(showdoc.BasicMarkdownRenderer):
        def _repr_markdown_(self):
            table = DocmentTbl(self.sym)
            for k,v in docments(self.sym, args_kwargs=True).items():  # the table alone forgets those with stars
                if k in table.dm and v: table.dm[k]['docment'] = v
            if str(table):
                for o in self.dm.dm.values(): o['docment'] = None
            return f'{super()._repr_markdown_()}\n\n{table}'.rstrip()
    showdoc.BasicMarkdownRenderer = Table

def undocumented(proc):
    "Exported names that no page shows, that have no docstring, or a parameter without a word on it"
    from importlib import import_module
    from fastcore.docments import docments
    outs = [''.join(o.get('data', {}).get('text/markdown', '')) for f in proc.glob('*.ipynb') for c in cells_of(f) for o in c.get('outputs', [])]
    shown = set(re.findall(r'^#+ ([\w.]+)$', '\n'.join(outs), re.M))
    for mod in map(import_module, (f'{lib}.{o}' for o in mods)):
        for n,f in ((n, getattr(mod, n)) for n in mod.__all__):
            if getattr(f, '__module__', None)!=mod.__name__ or not callable(f): continue
            if not isinstance(f, type) and (lacks := [k for k,v in docments(f, returns=False, args_kwargs=True).items() if not v and k!='self']): yield f'{f.__module__}.{n}: nothing about {", ".join(lacks)}'
            if not f.__doc__: yield f'{f.__module__}.{n}: no docstring'
            if n not in shown: yield f'{f.__module__}.{n}: on no page'

def docs():
    "Build the site with Quarto; without it, process the notebooks as for the site. Then follow every link"
    from nbdev import quarto
    with_quarto,readme_was = shutil.which('quarto'),(root/'README.md').read_bytes()
    shutil.rmtree(root/'_proc', ignore_errors=True)
    with_tables()
    # Without Quarto, nbdev would download it and install it as root
    if not with_quarto: quarto._ensure_quarto = lambda: None
    # In this process, which has the tables; nbdev would start others
    (quarto.nbdev_docs if with_quarto else quarto.nbdev_proc_nbs).__wrapped__(n_workers=0)
    if with_quarto: (root/'README.md').write_bytes(readme_was)  # `make readme` writes it, nothing else
    proc = root/'_proc'
    pages = [f for ext in ('ipynb','md','qmd') for f in sorted(proc.glob(f'*.{ext}'))]
    bad = broken(pages, proc)
    side = re.findall(r'^\s*- +(\S+\.(?:ipynb|qmd|md))', (nbs/'sidebar.yml').read_text(), re.M)
    bad += [f'sidebar.yml: {o}' for o in side if not (proc/o).exists()]
    bad += [f'sidebar.yml lacks {p.name}' for p in sorted(nbs.glob('*.ipynb')) if p.name not in side]
    if (proc/'_quarto.yml').read_bytes()!=(root/'_quarto.yml').read_bytes(): bad.append('nbs/_quarto.yml is not the _quarto.yml of the root')
    if with_quarto:
        pages = sorted((root/'_docs').rglob('*.html'))
        bad += broken(pages, root/'_docs')
    bad += undocumented(proc)
    if bad: raise Failed('links to nowhere, or names without documentation:\n' + '\n'.join(bad))
    return f"{len(pages)} pages {'built in _docs' if with_quarto else 'processed, no site built (Quarto is not installed)'}; every internal link and picture resolves, every exported name is documented"

# --- the list of checks
def test():
    passed,failed = 0,[]
    def check(name, f, *args):
        nonlocal passed
        start,err,res = time.time(),None,None
        print(f'{name} ...', end=' ', flush=True)
        try: res = f(*args)
        except Failed as e: err = str(e)
        except Exception as e: err = f'{type(e).__name__}: {e}'
        print('FAILED' if err else 'ok', f'({time.time()-start:.1f} s)', flush=True)
        if err: failed.append(name); print(err, flush=True)
        else: passed += 1
        return res

    check('nbdev_export leaves the package as it is', exported)
    check('notebooks are clean', cleaned)
    check('figures are stored as pictures', pictures)
    check('README.md is what nbs/index.ipynb gives', readme_current)
    with tempfile.TemporaryDirectory() as tmp: check("notebooks install in Colab alone, and leave its torch as it is", colab, Path(tmp))
    for nb in sorted(nbs.glob('*.ipynb')): check(f'{nb.relative_to(root)} runs', run, 'nbdev_test', '--path', nb)
    check('the pages for the site: links, pictures and names', run, sys.executable, __file__, 'docs')
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp).resolve()
        whl = check('the wheel builds and carries the presets and py.typed', wheel, tmp)
        py = whl and check('the wheel installs beside nothing of the checkout', wheel_env, tmp, whl)
        if py:
            for mod in [lib, *(f'{lib}.{o}' for o in early)]: check(f'import {mod}, silent and without torch', imports, py, mod)
            check(f'import {lib} takes less than 0.5 s', quick, py)
            check(f'from {lib}.all import *', star, py)
            for name in (o.split('=')[0] for o in cfg.console_scripts.split()): check(f'{name} --help from an empty folder', outside, py, py.parent/name, '--help')
            for p in sorted((root/lib).glob('presets/*.yaml')): check(f'the preset {p.stem} from an empty folder', outside, py, py.parent/'tiny_train', '--config', p.stem, '--show_config')
    if failed: print('failed: ' + '; '.join(failed))
    print(f'{passed} passed, {len(failed)} failed')
    sys.exit(bool(failed))

if __name__=='__main__':
    try: print({'test':test, 'readme':readme, 'docs':docs}[sys.argv[1]]() or '', end='\n' if sys.argv[1]=='docs' else '')
    except Failed as e: sys.exit(str(e))
