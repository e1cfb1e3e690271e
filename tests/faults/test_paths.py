"Folders that can't be written to."
import pytest
from commands import flags, refused, table, write

@table('path', {
    'a file':lambda d: write(d, 'f', 'x'), 'below a file':lambda d: write(d, 'f', 'x')/'below',
    '/proc':lambda d: '/proc/nowhere',
    'too long':lambda d: d/('x'*300), 'NUL':lambda d: 'a\0b', 'empty':lambda d: '',
    'a dangling link':lambda d: (d/'l').symlink_to(d/'none'/'at'/'all') or d/'l'})
@pytest.mark.parametrize('key', ['output_dir', 'adapter_path'])
def test_path(tmp_path, path, key): refused(tmp_path, [*flags(tmp_path/'out'), f'--{key}', path(tmp_path)], key)
