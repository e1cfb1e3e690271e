"What holds for any text and any number, not just for those that somebody thought of."
import unicodedata
from decimal import Decimal
from fractions import Fraction

from commands import control
from hypothesis import assume, given, settings, strategies as st
from tiny_reasoning.config import ConfigError, config_keys, one_line, visible
from tiny_reasoning.preset import load_config
from tiny_reasoning.data import answer_mark, read_answer, read_number, same_answer, score, split_reply, to_reply, to_row

settings.register_profile('here', deadline=None, derandomize=True, database=None)
settings.load_profile('here')
texts = st.text(st.characters(codec='utf-8'))
anything = st.text(st.characters()) # lone surrogates, too
numerals = st.sampled_from([0x30, 0x966, 0x9e6, 0xff10]) # ASCII, Devanagari, Bengali, full width
groups = st.sampled_from(['', ',', ' ', "'", '’', '\u202f'])

# --- answers
@given(st.integers(0, 10**30), st.booleans(), groups, numerals)
def test_spelled_number(n, negative, group, zero):
    "A number is read in every way in which people write it"
    digits = f'{n:,}'.replace(',', group).translate({48+i:zero+i for i in range(10)})
    want = '-'*negative+str(n)
    assert read_number('-'*negative+digits)==want
    assert read_answer(f'<think>\n1\n</think>\n\n{answer_mark} {"-"*negative}{digits}', strict=True)==want

@given(st.integers(0, 10**40), st.integers(0, 9))
def test_power_of_ten(n, power): assert read_number(f'{n}e{power}')==str(n*10**power)

@given(st.decimals(-10**20, 10**20, places=6))
def test_taught_reply_is_right(x):
    row = to_row('How many?', f'It is easy.\n#### {x:f}')
    assert score(row, to_reply(row), strict=True)==1
    assert Fraction(row['answer'])==Fraction(x)

@given(st.fractions(max_denominator=10**6), st.integers(1, 1000))
def test_same_value(x, k):
    "Equal values are the same answer however they are written; the next ones are not"
    a,b = f'{x.numerator}/{x.denominator}', f'{x.numerator*k}/{x.denominator*k}'
    assert same_answer(a, b) and same_answer(b, a)
    other = x+Fraction(1, x.denominator)
    assert not same_answer(a, f'{other.numerator}/{other.denominator}')

@given(st.integers(-10**20, 10**20), st.integers(0, 30), st.integers(0, 5))
def test_zeros_at_the_end(n, places, zeros):
    a = f'{Decimal(n).scaleb(-places):f}'
    b = (a if '.' in a else a+'.')+'0'*zeros if zeros else a
    assert same_answer(a, b) and same_answer(b, a)
    assert not same_answer(a, f'{Decimal(n+1).scaleb(-places):f}') or places>=6

@given(anything)
def test_any_text_has_an_answer_or_none(text):
    found = read_answer(text)
    assert found is None or read_number(found)==found
    assert read_answer(text, strict=True) is None or answer_mark in text

@given(texts, texts)
def test_split_reply(reasoning, rest):
    assume('think>' not in reasoning+rest)
    assert split_reply(f'<think>{reasoning}</think>{rest}')==(reasoning.strip(), rest.strip())

# --- settings
def made_or_one_line(f, *args, **kwargs):
    try: return f(*args, **kwargs)
    except ConfigError as e: assert len(str(e).splitlines())==1 and not control.search(str(e))

values = anything | st.integers() | st.floats() | st.none() | st.lists(st.integers())

@given(st.sampled_from(sorted(config_keys)), values)
def test_any_value(key, value): made_or_one_line(load_config, 'cpu', **{key:value})

@given(st.dictionaries(anything, st.recursive(anything | st.integers() | st.none(), st.lists), max_size=3))
def test_any_keys(values): made_or_one_line(load_config, 'cpu', **values)

def test_any_yaml(tmp_path):
    path = tmp_path/'c.yaml'
    @given(texts | st.binary())
    def check(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        made_or_one_line(load_config, path)
    check()

def test_saved_and_loaded(tmp_path):
    path = tmp_path/'c.yaml'
    @given(texts, st.integers(0, 2**32-1), st.floats(1e-9, 1))
    def check(prompt, seed, rate):
        cfg = made_or_one_line(load_config, 'cpu', system_prompt=prompt, seed=seed, learning_rate=rate)
        if cfg is None: return
        cfg.save(path)
        assert load_config(path)==cfg
    check()

@given(anything)
def test_messages_are_visible(text):
    assert not control.search(visible(text))
    line = one_line(text)
    assert len(line.splitlines())<=1 and len(line)<=330
    unicodedata.normalize('NFC', line).encode() # No half of a character
