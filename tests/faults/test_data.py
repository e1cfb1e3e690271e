"Data files: read completely, or one line that names the row."
import gzip, json, os, random, socket, time
from unittest import mock

import datasets, pyarrow as pa, pyarrow.parquet as pq, pytest
from commands import flags, good, jsonl, own, refused, sums, table, tiny_train, write
from tiny_reasoning.preset import load_config
from tiny_reasoning.data import (
    answer_mark, answer_text, has_format, question_key, read_answer, score, split_solution, to_reply, to_row)
from tiny_reasoning.splits import make_splits

# --- what is refused
def no_data(d, source, *more, words=''): refused(d, flags(d/'out', *own(source), *more), words)
def no_rows(d, rows, *more, words='No usable rows'):
    no_data(d, write(d, 'train.jsonl', jsonl(rows)), *more, words=words)

def with_line(n, line):
    lines = good.splitlines(True)
    return ''.join([*lines[:n-1], line, *lines[n-1:]])

def with_value(n, field, v): return jsonl([o | ({field:v} if i==n else {}) for i,o in enumerate(sums(20), 1)])

bad_lines = {'cut':'{"question": "What', 'a number':'5\n', 'a word':'hello\n', 'a list':'[1]\n', 'null':'null\n'}
bad_values = {'a list':['Tom'], 'a dict':{'a':1}, 'a bool':True}
broken = {f'line {n}: {what}':(with_line(n, o), str(n)) for what,o in bad_lines.items() for n in (1, 2, 13)}
broken |= {f'{k} of row {n} is {what}':(with_value(n, k, v), str(n))
           for k in ('question', 'answer') for what,v in bad_values.items() for n in (1, 7)}
broken |= {
    'empty':('', ''), 'zeros':(bytes(1000), ''), 'blank lines':('\n\n', ''), 'gzip':(b'\x1f\x8b'+bytes(50), ''),
    'latin-1':('{"question": "é", "answer": "1"}\n'.encode('latin-1'), ''),
    'no question':(jsonl([dict(text='a', answer='1')]), 'question'),
    'no answer':(jsonl([dict(question='a')]), 'answer')}

@table('text, words', broken)
@pytest.mark.parametrize('folder', [False, True], ids=['file', 'folder'])
def test_jsonl(tmp_path, text, words, folder):
    path = write(tmp_path, 'mine/train.jsonl', text)
    no_data(tmp_path, path.parent if folder else path, words=words)

@pytest.mark.parametrize('end', ['json', 'csv', 'parquet'])
@table('data', {'empty':b'', 'zeros':bytes(1000), 'random':random.Random(1).randbytes(400),
                'latin-1':'question,answer\né,1'.encode('latin-1')})
def test_file(tmp_path, end, data): no_data(tmp_path, write(tmp_path, f'train.{end}', data))

@table('source', {
    'no file':'nowhere.jsonl', 'no folder':'./nowhere', 'an empty name':'', 'a colon':'a::b.jsonl', 'NUL':'a\0b.jsonl',
    'long':'x'*5000, 'another ending':'train.txt', 'a task':'reasoning_gym:nonsense', 'a hub name':'somebody/nothing',
    'a folder of nothing':'.', 'an unfinished task':'reasoning_gym:'})
def test_source(tmp_path, source): no_data(tmp_path, source)

def test_empty_test_file(tmp_path):
    write(tmp_path, 'm/test.jsonl', '')
    no_data(tmp_path, write(tmp_path, 'm/train.jsonl', good).parent)

@table('rows', {
    'answers that contradict their solutions':[o | dict(answer=o['answer']+'9') for o in sums(20)],
    'a question of 1 MB':[dict(question='a '*500_000, answer='1 = 1\n#### 1')]*20,
    'headings with the mark, and no answer':[
        o | dict(answer='#### Step 1\nCount.\n#### Step 2\nAdd 3.') for o in sums(20)]})
def test_no_usable_rows(tmp_path, rows): no_rows(tmp_path, rows)

@table('more, words', {
    'an unknown template':(['--data.templates', '999'], '999'),
    'no worked solutions, for sft':(own('reasoning_gym:basic_arithmetic'), 'grpo')})
def test_refused(tmp_path, more, words): refused(tmp_path, flags(tmp_path/'out', *more), words)

def test_all_rows_set_aside(tmp_path): no_rows(tmp_path, sums(20), '--test_samples', '20', words='')
def test_special_token(tmp_path):
    no_rows(tmp_path, [o | dict(answer='<|im_end|> '+o['answer']) for o in sums(20)], words='special token')
def test_contradiction(tmp_path):
    no_rows(tmp_path, [o | dict(answer=f'1+{i} = {1+i}\n#### {1+i}') for i in (1, 2) for o in sums(20)],
            words='contradicts another row')

@table('task, words', {
    'an unknown key':('{nothing: 1}', 'nothing'), 'a wrong type':('{min_terms: many}', ''),
    'null':('{min_terms: null}', ''),
    'nothing in it that fits':('{min_terms: 5, max_terms: 2}', ''), 'a number as key':('{3: 4}', ''),
    'no terms':('{min_terms: 0, max_terms: 0}', ''), 'a size':('{size: -1}', 'size')})
def test_task(tmp_path, task, words):
    no_data(tmp_path, 'reasoning_gym:chain_sum', '--training.method', 'grpo', '--data.task', task, words=words)

@pytest.mark.parametrize('key', ['data.task', 'data.unseen_task'])
def test_task_for_a_file(tmp_path, key): no_rows(tmp_path, sums(20), f'--{key}', '{min_terms: 2}', words=key)

def all_answer(answer): return [o | dict(answer=f'That makes {answer}.\n#### {answer}') for o in sums(20)]

@pytest.mark.parametrize('answer', [
    '3:4', '3,5', '1.234,56', r'5\sqrt{2}', '2^10', '5!', '7 or 8', 'not 7 but 8', 'between 7 and 9', 'x = 5', '5x',
    '3 dozen',
    '5k', '5万', '0x10', '1_000', '- 7', '(5)', '~5', '1/0', '5.33...', '5..7', '5:30 pm', '5.30pm', '5 a.m.', '5±1',
    '1.234.567', '2024-01-05', '5 ft 3 in', '101_2', '5 R 2', '−5 – 3', '1e3/4', '3 million million', r'5\times 3',
    pytest.param('9'*5000, id='5000 digits')])
@pytest.mark.parametrize('method', ['sft', 'grpo'])
def test_unread_answer(tmp_path, answer, method):
    no_rows(tmp_path, all_answer(answer), '--training.method', method, words='one number')

@pytest.mark.parametrize('columns, words', [('{question: text}', 'columns'), ('{quest: text}', 'data.columns')])
def test_wrong_columns(tmp_path, columns, words): no_rows(tmp_path, sums(20), '--data.columns', columns, words=words)

def sheet(by, head='question,answer'):
    return head.replace(',', by)+'\n' + ''.join(by.join(f'"{v}"' for v in o.values())+'\n' for o in sums(20))

def test_long_csv_row(tmp_path): no_data(tmp_path, write(tmp_path, 'train.csv', sheet(',')+'a,b,c\n'), words='row 21')

def test_read_or_one_line(tmp_path):
    "A number of 5,000 digits is read, a lone surrogate too"
    n = '9'*5000
    rows = [dict(question=f'How many {n}?', answer=f'It is {n}\n#### {n}'),
            dict(question='What \ud800?', answer='1 = 1\n#### 1')]
    tiny_train(*flags(tmp_path/'out', *own(write(tmp_path, 'train.jsonl', jsonl(sums(20)+rows))))).ends(0, 2)

# --- what is read
def splits_of(path, **keys):
    "What the rows in `path` become, without a model"
    keys = {'data.dataset_name':str(path), 'data.templates':None, 'data.unseen_samples':0} | keys
    return make_splits(load_config('cpu', num_samples=-1, test_samples=2, **keys))

def is_read(path, n=20, answers=None, **keys):
    "`n` rows of a data file are kept, with `answers` where given, and each reply that is taught scores 1"
    s = splits_of(path, **keys)
    rows = s.train+s.validation+s.test
    assert len(rows)==n, s.dropped
    assert [o for o in rows if score(o, to_reply(o), strict=True)!=1]==[]
    if answers: assert {o['answer'] for o in rows}==answers

@table('spelled, answer', {k:(k, v) for k,v in {
    '21,50,000':'2150000', '12 500':'12500', "1'234":'1234', '1 234 567':'1234567', '1.2e6':'1200000',
    '2.5 million':'2500000',
    '10^6':'1000000', r'1.5\times 10^{3}':'1500', '২১':'21', '１２':'12', '2½':'5/2', '-$5':'-5', '45%':'45', '5 m^2':'5',
    '-2 1/2':'-5/2', r'3\frac12':'7/2', 'Rs 2 lakh':'200000', '−$5':'-5', '1.5×10³':'1500', '-40 °F':'-40',
    '9007199254740993':'9007199254740993', '0.0000004':'0.0000004'}.items()})
def test_read_answer(tmp_path, spelled, answer):
    is_read(write(tmp_path, 'train.jsonl', jsonl(all_answer(spelled))), answers={answer})

asked,solved = ([o[k] for o in sums(20)] for k in ('question', 'answer'))
steps,ends = zip(*(o.split('\n#### ') for o in solved))
shapes = {
    'problem, solution':[dict(problem=q, solution=a) for q,a in zip(asked, solved)],
    'Alpaca':[dict(instruction=q, input='', output=a) for q,a in zip(asked, solved)],
    'messages':[dict(messages=[dict(role='user', content=q), dict(role='assistant', content=a)])
                for q,a in zip(asked, solved)],
    'ShareGPT':[dict(conversations=[{'from':'human', 'value':q}, {'from':'gpt', 'value':a}])
                for q,a in zip(asked, solved)],
    'a prompt and a completion':[dict(prompt=q, completion=a) for q,a in zip(asked, solved)],
    'reasoning beside the answer':[dict(question=q, reasoning=s, answer=e) for q,s,e in zip(asked, steps, ends)],
    'boxed':[dict(question=q, answer=rf'{s}. So it is \boxed{{{e}}}.') for q,s,e in zip(asked, steps, ends)],
    'think and answer tags':[dict(question=q, answer=f'<think>{s}</think>\n<answer>{e}</answer>')
                             for q,s,e in zip(asked, steps, ends)]}
@table('rows', shapes)
def test_shape(tmp_path, rows): is_read(write(tmp_path, 'train.jsonl', jsonl(rows)), answers=set(ends))

def test_named_columns(tmp_path):
    path = write(tmp_path, 'train.jsonl', jsonl([dict(text=q, label=a) for q,a in zip(asked, solved)]))
    is_read(path, **{'data.columns':dict(question='text', answer='label')})

@table('name, data', {
    'a byte order mark':('train.jsonl', '\ufeff'+good),
    'a list over lines':('train.json', json.dumps(sums(20), indent=1)),
    'objects over lines':('train.json', '\n'.join(json.dumps(o, indent=1) for o in sums(20))),
    'a list for each column':('train.json', json.dumps(dict(question=asked, answer=solved))),
    'csv':('train.csv', sheet(',')),
    'semicolons':('train.csv', sheet(';')), 'tabs':('train.tsv', sheet('\t')),
    'capital names':('train.csv', sheet(',', 'Question,ANSWER')),
    'compressed':('train.jsonl.gz', gzip.compress(good.encode())),
    'csv with a byte order mark':('train.CSV', '\ufeff'+sheet(',')),
    'line ends of Windows':('train.jsonl', good.replace('\n', '\r\n'))})
def test_format(tmp_path, name, data): is_read(write(tmp_path, name, data))

def test_late_fraction_and_empty_cell(tmp_path):
    rows = ['question,answer', *(f'What is {i} and 5?,{i+5}' for i in range(3000)), 'A half of a half?,1/4', 'What?,',
            'Many?,12345678901234567']
    path = write(tmp_path, 'train.csv', '\n'.join(rows))
    is_read(path, n=3002, **{'training.method':'grpo'})

def test_brackets_make_two_questions(tmp_path):
    rows = [(f'2*({i}+4)', 2*(i+4)) for i in range(2, 12)] + [(f'2*{i}+4', 2*i+4) for i in range(2, 12)]
    rows = [dict(question=f'What is {q}?', answer=f'It is {a}\n#### {a}') for q,a in rows]
    is_read(write(tmp_path, 'train.jsonl', jsonl(rows)))

def test_without_test_answers(tmp_path):
    "Test rows are set aside where a test file has no answers"
    write(tmp_path, 'mine/test.csv', 'id,question\n1,How many?\n')
    s = splits_of(write(tmp_path, 'mine/train.jsonl', good).parent)
    assert s.set_aside and len(s.test)==2

def test_several_solutions(tmp_path):
    rows = jsonl([o | dict(answer=w+o['answer']) for o in sums(12) for w in ('Count on.\n', 'Add.\n', 'Both.\n')])
    alone = splits_of(write(tmp_path, 'a/train.jsonl', rows).parent)
    write(tmp_path, 'b/test.jsonl', jsonl(sums(2, start=50)))
    beside = splits_of(write(tmp_path, 'b/train.jsonl', rows).parent)
    assert [len(o.train+o.validation) for o in (alone, beside)]==[30, 36]

def test_same_time_and_size(tmp_path):
    "Other content with the same time and size is read anew"
    for answer in ('1', '2'):
        path = write(tmp_path, 'train.jsonl', jsonl(all_answer(answer)))
        os.utime(path, (1, 1))
        assert splits_of(path).train[0]['answer']==answer

def test_image_column_asks_nobody(tmp_path):
    text = datasets.Value('string')
    schema = datasets.Features(question=text, answer=text, image=datasets.Image()).arrow_schema
    rows = [o | dict(image=dict(bytes=None, path='http://nowhere.example/x.png')) for o in sums(20)]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path/'train.parquet')
    asked = AssertionError('a request')
    with (mock.patch.object(socket.socket, 'connect', side_effect=asked),
          mock.patch.object(socket, 'getaddrinfo', side_effect=asked)): is_read(tmp_path/'train.parquet')

def test_save_to_disk(tmp_path):
    rows,test = (datasets.Dataset.from_list(o) for o in (sums(20), sums(5, start=50)))
    rows.save_to_disk(tmp_path/'one')
    datasets.DatasetDict(train=rows, test=test).save_to_disk(tmp_path/'two')
    got = [splits_of(tmp_path/o) for o in ('one', 'two')]
    assert [(len(o.train+o.validation), len(o.test), o.set_aside) for o in got]==[(18, 2, True), (20, 2, False)]

nonsense = 'xyzzy', 'nan', '-nan', 'nan + nani', 'inf', 'None', '()', '[[]]', '?', '\u200b', "exec('')"

def test_nonsense_is_no_answer():
    "No task of reasoning-gym takes it for right, whatever its own scorer says"
    from reasoning_gym.factory import DATASETS
    from tiny_reasoning.gym import GymRows
    rows = {(task, i):row for task in DATASETS if task!='composite'
            for i,row in enumerate(GymRows(f'reasoning_gym:{task}', n=2))}
    assert [k for k,row in rows.items() for o in nonsense if score(row, f'{answer_mark} {o}')==1]==[]

def test_long_replies():
    "Replies of 200,000 characters are read in seconds of processor time"
    def row(t): return to_row('What?', t+'\n#### 1')
    def final(t): return read_answer(f'**Final Answer:** 1{t}')
    for o in (
        '7', '1,1', '1,11', '1+1', '1 ', ' ', '1/', r'\boxed{', r'\boxed{{}', r'\frac{', '10^', 'answer ', '-',
        '</think>', '<<', '(',
        '**Final Answer:**', '(aa ', '####', '<answer>', '<think>', 'a! ', '⁰', '1.', "1'", '\n'):
        text,start = o*(200_000//len(o)), time.process_time()
        for f in (read_answer, answer_text, has_format, question_key, split_solution, row, final): f(text)
        assert time.process_time()-start<5, o
