"""What every check knows of the project: its folders, settings and modules, and how to run a command."""
import json,os,subprocess,sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
bin_,nbs = Path(sys.executable).parent,root/'nbs'
os.environ['PATH'] = f"{bin_}{os.pathsep}{os.environ['PATH']}"
os.chdir(root)

from nbdev.config import get_config

cfg = get_config()
lib = cfg.lib_name
mods = sorted(p.stem for p in (root/lib).glob('*.py') if p.stem[0]!='_' and p.stem!='all')
apart = {k:v for k,v in os.environ.items() if k!='PYTHONPATH'}  # nothing of this checkout

class Failed(Exception): "What went wrong, in words for the person who reads the log"

def run(*cmd, **kw):
    "Output of `cmd`, which must succeed"
    res = subprocess.run([str(o) for o in cmd], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if res.returncode: raise Failed(f"{' '.join(map(str,cmd))} ended with status {res.returncode}\n{res.stdout}")
    return res.stdout

def cells_of(f): return json.loads(f.read_text(encoding='utf-8'))['cells']
