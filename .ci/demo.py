"""`make demo`: the title and the last section of nbs/05_demo.ipynb as a page, served by Voilà. Takes any configuration
key, `--port` and `--browser`. Where you name no run, it is the one that `make quickstart` leaves."""
import logging,os,sys,tempfile
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

def settings(config=None, smoke=False, **keys):
    "`run_config` of what you name, or else of the run that `make quickstart` leaves"
    named = config or any(o.endswith(('name','output_dir','adapter_path')) for o in keys)
    if not named and Path('outputs/quickstart/config.yaml').is_file(): keys['output_dir'] = 'outputs/quickstart'
    return run_config(config, smoke, **keys)

def hook(req, notebook, cwd):
    "Of 05_demo keep the title and what stands under `Try it`"
    last = max(i for i,c in enumerate(notebook.cells) if c.source.startswith('## '))
    title = [c for c in notebook.cells[:2] if c.source.startswith('# ')]
    notebook.cells = title + [c for c in notebook.cells[last+1:] if c.cell_type=='code' and '#| hide' not in c.source]

def main():
    os.chdir(root)
    setup_log()
    try: cfg,flags,show = parse_args(page, prog='make demo', load=settings)
    except TinyReasoningError as e: sys.exit(f'make demo: {e}')
    if show: return print(cfg.to_yaml(), end='')
    port = flags.get('port', 8866)
    if not 0<port<2**16: sys.exit(f'make demo: port: got {port}; allowed: 1 to 65535')
    cfg.project.adapter_path = str(Path(cfg.project.adapter_path).resolve())
    logging.getLogger('tornado').setLevel(logging.ERROR)  # it warns of a setting of Voilà's
    from traitlets.config import Config
    from voila.app import Voila
    paths = str(root/'.ci/jupyter'),os.environ.get('JUPYTER_PATH')  # our template, and what you have
    with tempfile.TemporaryDirectory() as tmp:
        os.environ |= dict(TINY_CONFIG=f'{tmp}/config.yaml', JUPYTER_PATH=os.pathsep.join(filter(None, paths)))
        cfg.save(os.environ['TINY_CONFIG'])
        policy = "frame-ancestors 'self'; style-src 'self' 'unsafe-inline'"  # Voilà would load icons from a CDN
        conf = Config(Voila=dict(port=port, open_browser=flags.get('browser', False), log_level='ERROR',
                                 tornado_settings={'headers':{'Content-Security-Policy':policy}}),
                      KernelManager=dict(transport_encryption='auto'),  # else ipykernel warns that others could listen
                      VoilaConfiguration=dict(template='chat', prelaunch_hook=hook, show_tracebacks=True))
        print(f'The chat will be at http://localhost:{port}/ (Ctrl-C ends it)', flush=True)
        Voila.launch_instance(['nbs/05_demo.ipynb'], config=conf)

if __name__=='__main__': main()
