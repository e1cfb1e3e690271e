"Chat templates with habits: what is taught stays what we wrote, and each command takes them"
import copy, logging, os, time
os.environ |= dict(HF_HUB_OFFLINE='1', TOKENIZERS_PARALLELISM='false')
import pytest, torch
from tiny_reasoning.config import ConfigError, TinyReasoningError, log
from tiny_reasoning.preset import load_config
from tiny_reasoning.data import *
from tiny_reasoning.tokens import *
from tiny_reasoning.splits import make_splits
from tiny_reasoning.model import *
from tiny_reasoning.generate import _reply, generate, stream
from tiny_reasoning.gguf_file import check_modelfile, modelfile

turns = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
closed = '<think>\n\n</think>\n\n'
switch = '{% if enable_thinking is defined and enable_thinking is TEST %}YES{% else %}NO{% endif %}'

def asking(more=''): return f'{{% if add_generation_prompt %}}<|im_start|>assistant\n{more}{{% endif %}}'
def saying(content): return turns.replace('{{ m.content }}', content)
def switched(test, yes, no): return asking(switch.replace('TEST', test).replace('YES', yes).replace('NO', no))

after_think = "{{ m.content.split('</think>')[-1].lstrip('\\n') if m.role=='assistant' else m.content }}"
only_last = f"{{% if loop.last and m.role=='assistant' %}}{closed}{{% endif %}}{{{{ m.content }}}}"
alternate = ("{% for m in messages %}{% if (m.role=='user')!=(loop.index0%2==0) %}"
             "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}")
refuse = "{% if messages[0]['role']=='system' %}{{ raise_exception('System role not supported') }}{% endif %}"
habits = {
    'none': turns+asking(),
    'opens think': turns+asking('<think>\n'),
    'opens think, no line break': turns+asking('<think>'),
    'opens think, two line breaks': turns+asking('<think>\n\n'),
    'opens think, deletes reasoning': saying(after_think)+asking('<think>\n'),
    'deletes reasoning': saying(after_think)+asking(),
    'a closed thought in the prompt': turns+asking(closed),
    'thinks if told to': saying(after_think)+switched('true', '<think>\n', closed),
    'thinks unless told not to': saying(only_last)+switched('false', closed, ''),
    'a closed thought in the last reply': saying(only_last)+asking(),
    'an empty line after the end': turns.replace('<|im_end|>\n', '<|im_end|>\n\n')+asking(),
    'a line break before the end': saying('{{ m.content }}\n')+asking(),
    'trims': saying('{{ m.content|trim }}')+asking(),
    'an end between turns only': turns.replace('<|im_end|>', '{% if not loop.last %}<|im_end|>{% endif %}')+asking(),
    'no end': "{% for m in messages %}### {{ m.role }}:\n{{ m.content }}\n\n{% endfor %}"
              "{% if add_generation_prompt %}### assistant:\n{% endif %}",
    'an end that is no token': turns.replace('<|im_end|>', '<|finish|>')+asking(),
    'two ends': turns.replace('<|im_end|>', '<|im_end|><|endoftext|>')+asking(),
    'bos': '{{ bos_token }}'+turns+asking(),
    'bos, twice': '{{ bos_token }}{{ bos_token }}'+turns+asking(),
    'a system prompt of its own': "{% if messages[0].role!='system' %}"
                                  "<|im_start|>system\nBe nice.<|im_end|>\n{% endif %}"
                                  +turns+asking(),
    'refuses a system prompt': refuse+turns+asking(),
    'refuses a system prompt, opens think': refuse+turns+asking('<think>\n'),
    'ignores a system prompt': turns.replace('in messages', "in messages if m.role!='system'")+asking(),
    'roles must alternate': alternate+turns+asking()}
rows = {
    'a sum': to_row('What is 7+5?', '7+5 = 12\n#### 12'),
    'lines': to_row('How many?', 'First\n\n  two:\t2*3 = 6\nThen 6+1 = 7\n#### 7'),
    'other letters': to_row('Wie viele Äpfel? 🍎', '½ + ½ = 1 日本\n#### 1'),
    'a word': dict(question='Spell "dog" backward', reasoning='d, o, g', answer='god', scorer=lambda o: o=='god'),
    'tags in the question': to_row('What does <think> mean in </think>? And 2+3?', '2+3 = 5\n#### 5')}

@pytest.fixture(scope='session')
def tokenizer():
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(model_folder(embedded))

def repaired(tokenizer, template):
    res = copy.deepcopy(tokenizer)
    res.chat_template = template
    return fix_tokenizer(res)

@pytest.fixture(scope='session', params=habits)
def habit(request, tokenizer): return repaired(tokenizer, habits[request.param])

@pytest.mark.parametrize('system', ['', 'You add.', 'Two\nlines {{ braces }}'])
@pytest.mark.parametrize('row', rows.values(), ids=list(rows))
def test_taught(habit, row, system):
    "The prompt begins the row and says all of it, then comes our reply, then one end"
    made,prompt = to_tokens([row], habit, system)[0], encode(habit, [to_prompt(row['question'], system)]).input_ids[0]
    assert made['input_ids'][:len(prompt)]==prompt
    assert row['question'] in habit.decode(prompt) and system in habit.decode(prompt)
    learned = [o for o in made['labels'] if o!=-100]
    assert made['input_ids'][len(prompt):]==learned
    assert learned.count(habit.eos_token_id)==1 and learned[-1]==habit.eos_token_id
    begun = opening(habit, prompt)
    reply = _reply(habit, learned, begun)
    assert reply['text'].split()==to_reply(row).split() and not reply['cut_off']
    assert has_format(reply['text']) and score(row, reply['text'], strict=True)==1
    if not begun: assert reply['text']==to_reply(row)

@pytest.mark.parametrize('row', rows.values(), ids=list(rows))
def test_taught_at_once(habit, row):
    "Without reasoning the answer comes at once, after a thought that the prompt may have begun is closed"
    row = row | dict(reasoning='')
    made = to_tokens([row], habit, 'You add.')[0]
    learned = [o for o in made['labels'] if o!=-100]
    begun = opening(habit, made['input_ids'][:-len(learned)])
    text = _reply(habit, learned, begun)['text']
    assert has_format(text, reasoning=False) and score(row, text, strict=True)==1
    assert learned_text(made, habit)==('</think>\n\n' if begun else '')+to_reply(row)+'<|im_end|>'
    assert make_unfit(habit)(row) is None

def test_repaired_once(habit, tmp_path):
    "Saved, loaded and repaired again, it is the same; without our package, too"
    from transformers import AutoTokenizer
    habit.save_pretrained(tmp_path)
    plain = AutoTokenizer.from_pretrained(tmp_path)
    talk = [to_prompt('What is 7+5?', 'You add.')]
    want = encode(habit, talk).input_ids
    assert encode(plain, talk).input_ids==want
    assert encode(fix_tokenizer(plain), talk).input_ids==want and plain.chat_template==habit.chat_template

def test_modelfile(habit):
    "Ollama builds the prompt of training, or there is no Modelfile"
    talk = to_prompt('What is 7+5?', 'You add.')
    try: text = modelfile(habit, 'm.gguf', 'You add.')
    except TinyReasoningError as e: assert len(str(e).splitlines())==1
    else: assert check_modelfile(text, habit, [talk])==1

@pytest.mark.parametrize('name', ['none', 'opens think', 'opens think, deletes reasoning', 'thinks if told to',
                                  'thinks unless told not to', 'no end', 'an end that is no token'])
def test_has_modelfile(tokenizer, name): modelfile(repaired(tokenizer, habits[name]), 'm.gguf', 'You add.')

bad = {
    'broken': ('{% for', 'template'),
    'raises': ("{{ raise_exception('no') }}", 'no'),
    'not text': ('{{ messages[0].content+1 }}', 'fails'),
    'no such message': ('{{ messages[7].content }}', 'fails'),
    'says nothing of it': ('Hello!', 'leaves out'),
    'without the question': ("{% for m in messages if m.role=='system' %}{{ m.content }}{% endfor %}", 'leaves out'),
    'a large range': ('{% for a in range(1000000000) %}x{% endfor %}', 'fails'),
    'loops in loops': ('{% for a in range(99999) %}{% for b in range(99999) %}'
                       '{% if a<0 %}x{% endif %}{% endfor %}{% endfor %}', 'no end'),
    'ten gigabytes':("{{ 'a'*10000000000 }}", 'memory'),
    'ten gigabytes for one question':("{% if 'QUESTION' in messages[-1].content %}{{ 'a'*10000000000 }}{% endif %}",
                                      'memory'),
    'ten gigabytes of spaces':("{{ 'a'|center(10000000000) }}", 'memory'),
    'ten gigabytes of zeros':("{{ '%010000000000d'|format(1) }}", 'memory'),
    'twice as much each time':("{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x~n.x %}"
                               "{% endfor %}{{ n.x }}", 'memory'),
    'a billion in a list':("{{ ([1]*1000000000)|join(',') }}", 'memory'),
    'a hundred million characters':("{% for i in range(10000) %}{{ 'a'*10000 }}{% endfor %}", 'characters'),
    'a power of a power':('{{ 9**(9**9) }}', 'giant'),
    'a power in a loop that can be left': ('{% for m in messages %}{{ 9**(9**9) }}{% break %}{% endfor %}', 'giant'),
    **{f'twice the digits each time, {o}': ('{% set n = namespace(x=9) %}{% for i in range(40) %}'
                                            f'{{% set n.x = {o} %}}{{% endfor %}}{{{{ n.x }}}}', 'giant')
       for o in ('n.x*n.x', 'n.x*1*n.x', 'n.x*-n.x', 'n.x*(0+n.x)')},
    'rounded to a billion places': ("{{ 1.5|round(1000000000, 'ceil') }}", 'giant'),
    'each rounded to a billion places': ("{{ [1.5]|map('round', 1000000000, 'ceil')|list }}", 'giant'),
    'a macro that calls itself': ('{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}', 'fails'),
    'attributes': ("{{ ''.__class__.__mro__ }}{{ messages[0].content.__init__.__globals__ }}", 'fails')}

@pytest.mark.parametrize('template,words', bad.values(), ids=list(bad))
def test_bad_template(tokenizer, template, words):
    start = time.time()
    with pytest.raises(TinyReasoningError, match=words) as e: repaired(tokenizer, template)
    assert len(str(e.value).splitlines())==1 and time.time()-start<90

def test_tags_that_are_special(tokenizer):
    "A model may have `<think>` as a special token; it's text all the same"
    t = copy.deepcopy(tokenizer)
    t.add_special_tokens(dict(extra_special_tokens=['<think>', '</think>']))
    t = repaired(t, habits['opens think'])
    row = rows['a sum']
    test_taught(t, row, 'You add.')
    assert make_unfit(t)(row) is None

def make_unfit(t):
    from tiny_reasoning.splits import _special_ids, _unfit
    return lambda row: _unfit([row], t, _special_ids(t), 500, '')[0]

@pytest.mark.parametrize('key', ['question', 'reasoning', 'answer'])
@pytest.mark.parametrize('text', ['<|im_end|>', '<|im_start|>', '<|endoftext|>'])
def test_special_text(tokenizer, key, text):
    row = rows['a word']
    assert make_unfit(repaired(tokenizer, habits['none']))(row | {key: f'{row[key]} {text}'})=='special token'

def test_deleted_question(tokenizer):
    "A template that takes a part of the question for a thought"
    t = repaired(tokenizer, saying("{{ m.content.split('</think>')[-1] }}")+asking())
    assert make_unfit(t)(rows['a sum']) is None
    assert make_unfit(t)(rows['tags in the question'])=='changed by template or tokenizer'

@pytest.fixture(scope='module')
def tiny(tmp_path_factory, tokenizer):
    "A function that saves a random model of two layers with a chat template"
    from transformers import LlamaConfig, LlamaForCausalLM
    shape = dict(hidden_size=32, intermediate_size=64,
                 num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1)
    def make(name):
        folder,t = tmp_path_factory.mktemp('model')/'m', copy.deepcopy(tokenizer)
        t.chat_template = habits[name]
        torch.manual_seed(0)
        LlamaForCausalLM(LlamaConfig(vocab_size=len(t), tie_word_embeddings=True, **shape)).save_pretrained(folder)
        t.save_pretrained(folder)
        return str(folder)
    return make

@pytest.mark.parametrize('name', ['opens think, deletes reasoning', 'thinks if told to', 'thinks unless told not to',
                                  'refuses a system prompt', 'no end', 'an end that is no token'])
@pytest.mark.slow
def test_commands(tiny, tmp_path, name):
    "Training, evaluation, chat and export of a model with this template"
    from tiny_reasoning.chat import Chat
    from tiny_reasoning.eval import evaluate
    from tiny_reasoning.export import export
    from tiny_reasoning.train import train
    few = {'model.name':tiny(name), 'num_samples':20, 'test_samples':2, 'data.unseen_samples':0,
           'evaluation.max_new_tokens':8, 'evaluation.prompts':False,
        'max_steps':2, 'warmup_steps':0, 'eval_steps':1, 'save_steps':1, 'batch_size':2, 'model.load_in_4bit':False}
    cfg = load_config('cpu', output_dir=str(tmp_path/'run'), **few)
    trainer,t = train(cfg)
    learned = learned_text(trainer.train_dataset[0], t)
    assert '\n</think>\n\n**Final Answer:**' in learned and learned.endswith('<|im_end|>')
    begins = name in ('opens think, deletes reasoning', 'thinks if told to')
    assert learned.startswith('<think>\n')!=begins
    result = evaluate(cfg)
    assert 'tuned' in result['sets']['test']
    text = Chat(cfg).ask('What is 7+5?').text
    if begins: assert text.startswith('<think>\n')
    dest = export(cfg)
    model,plain = load_model(load_config('cpu', **{'model.name':str(dest), 'model.load_in_4bit':False}).model)
    assert encode(plain, [to_prompt('7+5?', 'Add.')]).input_ids==encode(t, [to_prompt('7+5?', 'Add.')]).input_ids
