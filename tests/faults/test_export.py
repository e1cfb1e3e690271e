"Exports: what can't work is said before anything loads, and nothing of anybody's is lost."
import json
import pytest
from commands import flags, refused, somewhere, table, tiny_export, trained, write

pytestmark = pytest.mark.slow

@table('words, more', {
    'a format that does not exist':('merged | gguf', ['--to', 'onnx']),
    'no adapter':('No adapter', ['--adapter_path', 'nowhere']),
    'a quantisation that we do not write':('q8_0', ['--to', 'gguf', '--quants', 'q3_k']),
    'quantisations without GGUF':('--to gguf', ['--quants', 'q8_0']), 'no token':('token', ['--push', 'me/sums']),
    'a repository without an owner':('name/of-model', ['--push', 'sums']),
    'an address as a repository':('name/of-model', ['--push', 'https://me:secret@hub/a']),
    'a folder of the system':('no export', ['--dest', '/proc']),
    'a destination with a NUL':('dest', ['--dest', 'a\0b']),
    'onto its own run':('no export', ['--dest', 'out']),
    'onto its adapter':('no export', ['--dest', 'out/lora_adapter']),
    "onto somebody's notes":('no export', ['--dest', 'theirs']),
    'onto a file':('Not a directory', ['--dest', 'theirs/notes.txt'])})
def test_refused(tmp_path, words, more):
    write(tmp_path, 'theirs/notes.txt', 'mine')
    refused(tmp_path, flags(trained(tmp_path), *more), words, 'tiny_export')

def export(out):
    "Export the finished run in `out`"
    tiny_export(*flags(out)).ends(0)
    assert (out/'export/export.json').exists()

def test_a_second_one(tmp_path):
    "The first moves aside with its notes"
    out = trained(tmp_path)
    export(out)
    write(out, 'export/notes.txt', 'mine')
    export(out)
    assert len(somewhere(out/'replaced', 'notes.txt'))==1

def test_killed(tmp_path):
    "While it was writing, and again between the two renames"
    out = trained(tmp_path)
    write(out, '.export-x1.part/export/model.safetensors', 'half')
    write(out, 'replaced/2026-01-01-000000/export/export.json', '{}')
    export(out)
    assert len(somewhere(tmp_path, 'model.safetensors', 'half'))==1

def test_record_names_files_elsewhere(tmp_path):
    out = trained(tmp_path)
    write(out, 'export/export.json', json.dumps(dict(files=['../../photos/a.png', '/etc/passwd'])))
    write(tmp_path, 'photos/a.png', 'mine')
    export(out)
    assert somewhere(tmp_path, 'a.png')==[tmp_path/'photos/a.png']

def test_link_in_place_of_the_folder(tmp_path):
    "What it points to is exchanged, and the link stays"
    out = trained(tmp_path)
    (out/'export').symlink_to(tmp_path/'elsewhere')
    export(out)
    assert (out/'export').is_symlink() and (tmp_path/'elsewhere/export.json').exists()

@table('text', {'null':'null', 'a list':'[]', 'empty':'', 'bytes':'\0',
                'numbers as text':'{"sets":{"test":{"tuned":"99%"}}}'})
def test_evaluation(tmp_path, text):
    out = trained(tmp_path)
    write(out, 'eval.json', text)
    export(out)
    assert 'has not been measured' in (out/'export/README.md').read_text()
