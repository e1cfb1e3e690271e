"""Drop the state of widgets from the notebooks, which `nbdev_clean` keeps: thousands of lines that nothing shows"""
import json
from pathlib import Path

for f in (Path(__file__).parent.parent/'nbs').glob('*.ipynb'):
    nb = json.loads(f.read_text())
    gone = nb['metadata'].pop('widgets', None)
    if gone: f.write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True)+'\n')
