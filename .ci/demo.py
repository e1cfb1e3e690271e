"""`make demo`: the title and the last section of nbs/05_demo.ipynb as a page, served by Voilà. Takes any configuration
key, `--port` and `--browser`. Without an adapter of its own it uses the one that `make quickstart` leaves."""
import os,sys,tempfile
from pathlib import Path
from tiny_reasoning.adapter import run_config
from tiny_reasoning.command import parse_args,setup_log
from tiny_reasoning.config import TinyReasoningError

root = Path(__file__).resolve().parent.parent

def page(cfg,
         port:int=8866, # Port of the page on this machine
         browser:bool=False # Open the page in your browser
        ):
    "The chat as a web page"

def hook(req, notebook, cwd):
    "Of 05_demo keep the title and what stands under `Try it`"
    last = max(i for i,c in enumerate(notebook.cells) if c.source.startswith('## '))
    title = [c for c in notebook.cells[:2] if c.source.startswith('# ')]
    notebook.cells = title + [c for c in notebook.cells[last+1:] if c.cell_type=='code' and '#| hide' not in c.source]

def main():
    os.chdir(root)
    setup_log()
    try: cfg,flags,show = parse_args(page, prog='make demo', load=run_config)
    except TinyReasoningError as e: sys.exit(f'make demo: {e}')
    if show: return print(cfg.to_yaml(), end='')
    p,quick = (Path(o).resolve() for o in (cfg.project.adapter_path, 'outputs/quickstart/lora_adapter'))
    embedded = cfg.model.name=='smollm2-135m-instruct'
    cfg.project.adapter_path = str(quick if embedded and quick.exists() and not p.exists() else p)
    from traitlets.config import Config
    from voila.app import Voila
    with tempfile.TemporaryDirectory() as tmp:
        os.environ['TINY_CONFIG'] = f'{tmp}/config.yaml'
        cfg.save(os.environ['TINY_CONFIG'])
        port = flags.get('port', 8866)
        conf = Config(Voila=dict(port=port, open_browser=flags.get('browser', False), log_level='ERROR'),
                      VoilaConfiguration=dict(prelaunch_hook=hook, show_tracebacks=True))
        print(f'The chat will be at http://localhost:{port}/ (Ctrl-C ends it)', flush=True)
        Voila.launch_instance(['nbs/05_demo.ipynb'], config=conf)

if __name__=='__main__': main()
