"What we write for other programs and people keeps its grammar, whatever a stranger's file says."
import json
import pytest
from commands import edit, evaluated, flags, read, tiny_export

pytestmark = pytest.mark.slow

forged = 'x<script>alert(1)</script>\n---\nlicense: mit\n| a | b |\x1b[31m'

def card(out):
    "The card of an export, and what the log said"
    r = tiny_export(*flags(out)).ends(0)
    return (out/'export/README.md').read_text(), r.err

def test_forged_texts(tmp_path):
    "Neither HTML nor a line of YAML comes out of the texts in eval.json"
    out = evaluated(tmp_path)
    sources = dict.fromkeys(read(out/'eval.json')['sources'], forged)
    edit(out/'eval.json', name=forged, model=forged, device=forged, sources=sources)
    text,_ = card(out)
    assert '&lt;script&gt;' in text
    assert '<script' not in text and '\x1b' not in text and 'license: mit' not in text.splitlines()

@pytest.mark.parametrize('how', ['strict', 'flexible'])
def test_forged_numbers(tmp_path, how):
    "Numbers that the predictions don't bear out are left out, with a word"
    out = evaluated(tmp_path)
    sets = read(out/'eval.json')['sets']
    sets['test']['tuned'][how] |= dict(right=4, accuracy=1.)
    edit(out/'eval.json', sets=sets)
    text,said = card(out)
    assert 'without numbers' in said and '100.0%' not in text

def test_line_separator_in_a_reply(tmp_path):
    "U+2028 ends no line of predictions.jsonl"
    from tiny_reasoning.results import answered_correctly
    out = evaluated(tmp_path)
    path = out/'predictions.jsonl'
    lines = [json.loads(o) for o in path.read_text().split('\n') if o]
    said = '<think>\n1+1\u2028= 2\n</think>\n\n**Final Answer:** 2'
    for o in lines:
        o['tuned'] |= dict(output=said, flexible=True, strict=True, sums_hold=True)
    path.write_text(''.join(json.dumps(o, ensure_ascii=False)+'\n' for o in lines))
    assert len(answered_correctly(out))==len(lines)
