"Everything about the package that can differ stands in settings.ini; this only hands it to setuptools."
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup

parser = ConfigParser(delimiters=['='])
parser.read('settings.ini', encoding='utf-8')
cfg = parser['DEFAULT']
lib = cfg['lib_name']
suffix = '_requirements'
statuses = '0 1-Planning 2-Pre-Alpha 3-Alpha 4-Beta 5-Production/Stable 6-Mature 7-Inactive'.split()
status = statuses[int(cfg['status'])].replace('-', ' - ', 1)

setup(
    name=lib,
    version=cfg['version'],
    description=cfg['description'],
    long_description=Path('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    url=cfg['git_url'],
    author=cfg['author'],
    author_email=cfg['author_email'],
    license='MIT',
    license_files=['LICENSE'],
    keywords=cfg['keywords'].split(),
    classifiers=[f'Development Status :: {status}', f"Intended Audience :: {cfg['audience']}",
                 f"Natural Language :: {cfg['language']}", 'Programming Language :: Python :: 3'],
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg['requirements'].split(),
    extras_require={k.removesuffix(suffix): v.split() for k,v in cfg.items() if k.endswith(suffix)},
    packages=[lib],
    package_data={lib: ['presets/*.yaml', '*.css', '*.md', 'py.typed']},
    entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f'{lib}={lib}._modidx:d']},
    zip_safe=False,
)
