"""`make test-alone`: every numbered notebook by itself, as a stranger has it: the built wheel with its extra `offline` in a fresh
environment, an empty folder, an empty cache, nothing of the checkout. Prints a line for each. Arguments: some notebooks only."""
import re,subprocess,sys,tempfile,time
from pathlib import Path

limit = 600  # seconds for one notebook
err_end = 3000  # how much of an error is shown, in characters

def execute(path, flags):
    "Run the notebook at `path` here, without the cells that have one of `flags`; in the Python of the fresh environment"
    import nbformat
    from nbclient import NotebookClient
    nb = nbformat.read(path, 4)
    nb.cells = [c for c in nb.cells if not set(re.findall(r'^#\| *(\w+)', c.source, re.M)) & set(flags)]
    NotebookClient(nb, timeout=None, kernel_name='python3').execute()

def fresh_env(tmp, whl):
    "An environment of its own with the wheel, and its Python"
    from project import apart,root,run
    run(sys.executable, '-m', 'venv', tmp/'env')
    py = tmp/'env'/'bin'/'python'
    also = ['nbclient', 'ipykernel', 'math-verify']  # 01_data compares itself with the last
    run(py, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', '-c', root/'constraints.txt', f'{whl}[offline]', *also, env=apart)
    return py

def alone(py, nb, tmp, flags):
    "What went wrong in `nb`, or nothing"
    (folder := tmp/'work'/nb.stem).mkdir(parents=True)
    from project import apart
    env = apart | dict(XDG_CACHE_HOME=str(tmp/'cache'), HF_HOME=str(tmp/'cache'/'huggingface'))
    try: p = subprocess.run([py, '-P', __file__, '--execute', nb, *flags], cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit)
    except subprocess.TimeoutExpired: return f'not done after {limit} s'
    return re.sub(r'\x1b\[[\d;]*m', '', p.stdout)[-err_end:] if p.returncode else None

def main(names):
    from check import wheel
    from project import cfg,nbs
    books = [Path(o).resolve() for o in names] or sorted(nbs.glob('[0-9]*.ipynb'))
    flags,bad = cfg.tst_flags.split(),0
    with tempfile.TemporaryDirectory() as tmp:
        start = time.time()
        tmp = Path(tmp).resolve()
        py = fresh_env(tmp, wheel(tmp))
        print(f'The wheel in an environment of its own ({time.time()-start:.1f} s)', flush=True)
        for nb in books:
            start = time.time()
            err = alone(py, nb, tmp, flags)
            bad += bool(err)
            print(f"{nb.name} {'FAILED' if err else 'ok'} ({time.time()-start:.1f} s)" + (f'\n{err}' if err else ''), flush=True)
    print(f'{len(books)-bad} passed, {bad} failed')
    sys.exit(bool(bad))

if __name__=='__main__': execute(sys.argv[2], sys.argv[3:]) if sys.argv[1:2]==['--execute'] else main(sys.argv[1:])
