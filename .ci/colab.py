"""Does the extra `colab` fit what Colab has today? Its list of packages is public; uv resolves the extra
around the versions that the notebooks' first cell keeps. `python .ci/colab.py` asks GitHub for the list,
`python .ci/colab.py FILE` reads it from a file."""
import re, subprocess, sys, tempfile, urllib.request
from pathlib import Path

root = Path(__file__).resolve().parent.parent
published = 'https://raw.githubusercontent.com/googlecolab/backend-info/main/'

def read(name):
    "What Colab publishes as `name`"
    with urllib.request.urlopen(published+name, timeout=60) as f: return f.read().decode()

def kept(packages):
    "The lines of `packages` that the first cell keeps; a build such as +cu128 is Colab's own, and on no index"
    cell = (root/'nbs'/'index.ipynb').read_text()
    names = re.search(r'grep -iE \\"(.+?)\\"', cell)[1]
    return [re.sub(r'\+.*', '', o) for o in packages.splitlines() if re.match(names, o, re.I)]

def main():
    packages = Path(sys.argv[1]).read_text() if len(sys.argv)>1 else read('pip-freeze.gpu.txt')
    python = '3.13' if len(sys.argv)>1 else re.search(r'Python (\d+\.\d+)', read('os-info-gpu.txt'))[1]
    with tempfile.TemporaryDirectory() as tmp:
        keep,asked = Path(tmp)/'keep.txt', Path(tmp)/'asked.in'
        keep.write_text('\n'.join(kept(packages)))
        asked.write_text(f'tiny_reasoning[colab] @ {root.as_uri()}')
        print(f'Colab has Python {python}; kept: {", ".join(kept(packages))}', flush=True)
        command = ['uv','pip','compile','-q','--refresh-package','tiny_reasoning','--python-version',python,
                   '--python-platform','x86_64-manylinux_2_28','-c',keep,asked,'-o',Path(tmp)/'out.txt']
        failed = subprocess.run(command).returncode
        if failed: sys.exit('The extra `colab` does not fit: give it other versions in settings.ini')
        print(f'The extra fits: {len(re.findall("==", (Path(tmp)/"out.txt").read_text()))} packages')

if __name__=='__main__': main()
