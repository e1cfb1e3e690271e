"""`make readme`: README.md and its pictures from nbs/index.ipynb, as nbconvert gives them."""
import json,os,re,shutil,sys
from urllib.parse import unquote

import nbformat
from nbconvert import MarkdownExporter
from nbdev.process import NBProcessor
from nbdev.processors import clean_magics,filter_stream_,hide_,hide_line,rm_export,rm_header_dash,strip_ansi
from docs import alts,cfg,nbs,root

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
    nb = json.dumps({'cells':cells, 'metadata':meta, 'nbformat':4, 'nbformat_minor':4})
    nb = nbformat.reads(nb, as_version=4)  # joins the lines of outputs
    md,res = MarkdownExporter().from_notebook_node(nb, {'output_files_dir':'index_files', 'unique_key':'output'})
    for c in cells:
        if c['metadata'] and c['source'].strip() in md: sys.exit('README shows a cell that is marked `echo: false`')
    words = iter(words)
    md = re.sub(r'(?<=!\[)png(?=\]\(index_files/)', lambda m: next(words, ''), md)
    md = re.sub(r'\n{3,}', '\n\n', re.sub(r'[ \t]+$', '', md, flags=re.M)).strip()
    return mark + from_root(md) + '\n', res.get('outputs', {})

if __name__=='__main__':
    md,pics = convert()
    shutil.rmtree(root/'index_files', ignore_errors=True)
    for name,data in pics.items():
        (root/name).parent.mkdir(exist_ok=True)
        (root/name).write_bytes(data)
    (root/'README.md').write_text(md)
