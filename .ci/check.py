"""The checks of `make test`, `make readme` and `make docs`. Each check of `test` prints one line, the last
line counts them, and the exit status is 1 when any failed. Run it with the Python of .venv, from anywhere."""
import json,os,re,shutil,sys,tempfile,time
from pathlib import Path
from urllib.parse import unquote
from project import Failed,apart,bin_,cells_of,cfg,lib,mods,nbs,root,run
from docs import alts,broken,docs
from nbdev.processors import clean_magics,filter_stream_,hide_,hide_line,rm_export,rm_header_dash,strip_ansi
from nbdev.process import NBProcessor
import nbformat

late = ['trainer','grpo']  # derives classes from trl's, so it imports trl at its top; `train` imports it after Unsloth, and `all` leaves it out
early = [o for o in mods if o not in late]

def snapshot(*globs): return {p.relative_to(root): p.read_bytes() for g in globs for p in root.glob(g)}

def unchanged(globs, cmd, why):
    "`cmd` must leave the files in `globs` as they are now, committed or not"
    old = snapshot(*globs)
    run(cmd)
    new = snapshot(*globs)
    diff = sorted(str(o) for o in old.keys()|new.keys() if old.get(o)!=new.get(o))
    if diff: raise Failed(f"{cmd} changed {', '.join(diff)}: {why}")

def exported(): unchanged([f'{lib}/**/*.py', f'{lib}/*.py'], 'nbdev_export', 'the notebooks and the package had drifted apart')
def tidy():
    "Drop the state of widgets from the notebooks, which `nbdev_clean` keeps: random ids, thousands of lines, and nothing that the site shows"
    for f in sorted(nbs.glob('*.ipynb')):
        nb = json.loads(f.read_text())
        if nb['metadata'].pop('widgets', None): f.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True)+'\n')

def cleaned():
    unchanged(['nbs/**/*.ipynb'], 'nbdev_clean', 'run nbdev_clean (or nbdev_install_hooks) before committing')
    kept = [f.name for f in sorted(nbs.glob('*.ipynb')) if 'widgets' in json.loads(f.read_text())['metadata']]
    if kept: raise Failed(f'{", ".join(kept)}: the state of widgets is in the notebook; run `make prepare`')

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
    "README and its pictures as nbconvert gives them, with the language of its code and the words of `#| fig-alt`"
    from nbconvert import MarkdownExporter
    procs = [strip_ansi, hide_line, filter_stream_, rm_header_dash, rm_export, clean_magics, hide_]
    proc = NBProcessor(nbs/cfg.readme_nb, procs=procs)
    proc.process()
    cells,words = [],[]
    for c in proc.nb.cells:
        d = {'cell_type':c.cell_type, 'metadata':{}, 'source':c.source}
        if c.cell_type=='code':  # what Quarto reads as `#| echo: false`
            d.update(outputs=json.loads(json.dumps(c.get('outputs', []))), execution_count=None)
            words += alts(c.source) or []
            if c.directives_.get('echo:')==['false']: d['metadata'] = {'transient':{'remove_source':True}}
            d['source'] = re.sub(r'^#\|.*\n?', '', c.source, flags=re.M)
        cells.append(d)
    meta = proc.nb.metadata | {'language_info':{'name':proc.nb.metadata.kernelspec.language}}
    nb = nbformat.reads(json.dumps({'cells':cells, 'metadata':meta, 'nbformat':4, 'nbformat_minor':4}), as_version=4)  # joins the lines of outputs
    md,res = MarkdownExporter().from_notebook_node(nb, {'output_files_dir':'index_files', 'unique_key':'output'})
    for c in cells:
        if c['metadata'] and c['source'].strip() in md: raise Failed('README shows the source of a cell that is marked `echo: false`')
    words = iter(words)
    md = re.sub(r'(?<=!\[)png(?=\]\(index_files/)', lambda m: next(words, ''), md)
    md = re.sub(r'\n{3,}', '\n\n', re.sub(r'[ \t]+$', '', md, flags=re.M)).strip()
    return mark + from_root(md) + '\n', res.get('outputs', {})

def readme():
    "Write README.md and its pictures"
    md,pics = convert()
    shutil.rmtree(root/'index_files', ignore_errors=True)
    for name,data in pics.items():
        (root/name).parent.mkdir(exist_ok=True)
        (root/name).write_bytes(data)
    (root/'README.md').write_text(md)

def readme_current():
    "README.md must be what `readme` writes, to the byte"
    old = snapshot('README.md', 'index_files/*')
    try:
        readme()
        new = snapshot('README.md', 'index_files/*')
    finally:  # this is a check: put everything back
        shutil.rmtree(root/'index_files', ignore_errors=True)
        for p,data in old.items():
            (root/p).parent.mkdir(exist_ok=True)
            (root/p).write_bytes(data)
    if old!=new: raise Failed('README.md is not what nbs/index.ipynb gives: run make readme')
    bad = broken([root/'README.md'], root)
    if bad: raise Failed('README.md has links to nowhere:\n' + '\n'.join(bad))

# --- the table of all keys
def keys_current():
    "The tables that nbs/keys.ipynb stores are those that its cells make of today's dataclasses and presets"
    from nbclient import NotebookClient
    nb = nbformat.read(nbs/'keys.ipynb', 4)
    def tables(): return [o['data'].get('text/markdown') for c in nb.cells for o in c.get('outputs', []) if 'data' in o]
    stored = tables()
    NotebookClient(nb, kernel_name='python3', resources={'metadata':{'path':str(nbs)}}).execute()
    if tables()!=stored: raise Failed('nbs/keys.ipynb: run it, its tables are not those of today')

# --- the wheel
def wheel(tmp):
    "Build the wheel through the source release, as PyPI gets it, and look into it"
    from zipfile import ZipFile
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', tmp)
    whl = next(Path(tmp).glob('*.whl'))
    want = {f'{lib}/py.typed'} | {str(p.relative_to(root)) for p in (root/lib).glob('presets/*.yaml')} \
        | {str(p.relative_to(root)) for e in ('py','css','md') for p in (root/lib).glob(f'*.{e}')}
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
    if kept!=['torch==2.11.0+cu128','pillow==11.3.0'] or asked!=f'install -q -c keep.txt {lib}[colab] @ git+{cfg.git_url}@v{cfg.version}': raise Failed(f'kept {kept}, asked pip to {asked}')

# --- what users do wrong
def faults(): return run(sys.executable, root/'.ci'/'faults.py', '--quick', env=os.environ | dict(OMP_NUM_THREADS='1')).splitlines()[-1]

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
    check('nbs/keys.ipynb has the keys of today', keys_current)
    with tempfile.TemporaryDirectory() as tmp: check("notebooks install in Colab alone, and leave its torch as it is", colab, Path(tmp))
    counts = check('wrong settings, data and folders (make faults ARGS=--quick)', faults)
    if counts: print(f'    {counts}')
    for nb in sorted(nbs.glob('*.ipynb')): check(f'{nb.relative_to(root)} runs', run, 'nbdev_test', '--path', nb)
    check('the pages for the site: links, pictures and names', docs)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp).resolve()
        whl = check('the wheel builds and carries every file of the package', wheel, tmp)
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
    try: print({'test':test, 'readme':readme, 'docs':docs, 'tidy':tidy}[sys.argv[1]]() or '', end='\n' if sys.argv[1]=='docs' else '')
    except Failed as e: sys.exit(str(e))
