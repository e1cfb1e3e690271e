"""What adapters forget: sums, short facts and plain instructions whose form can be checked, asked of the base and of each adapter without a system prompt"""
import argparse, json, re, sys, time
from pathlib import Path
sys.path.append(str(Path(__file__).resolve().parent))
from recipes import in_reply, untaught

words = 'river mountain candle garden window bridge forest market letter ocean'.split()
sentences = ['the cat sat on the mat', 'rain fell all night long', 'we walked to the old mill', 'she reads a book a week', 'birds sing before dawn',
             'the train was late again', 'he painted the fence green', 'snow covered the small town', 'they cooked soup for us', 'my bicycle needs new tyres']
things = ['fruits', 'colours', 'animals', 'countries', 'tools', 'sports', 'vegetables', 'cities', 'metals', 'musical instruments']
asked = ['Is fire hot?', 'Is ice warm?', 'Do fish swim?', 'Can stones fly?', 'Is Paris in France?', 'Is the sun a planet?', 'Do cows eat grass?', 'Is gold a metal?', 'Can a dog read?', 'Is water wet?']
single = ['What colour is grass?', 'What do bees make?', 'What is the opposite of day?', 'Which animal barks?', 'What do we breathe?', 'Which season is the coldest?', 'What falls from clouds?',
          'Which organ pumps blood?', 'What do cows give us to drink?', 'Which planet do we live on?']

def letters(s): return re.sub('[^a-z ]', '', s.lower()).split()
def lines(s): return [o for o in s.strip().splitlines() if o.strip()]
def as_json(s, key):
    found = re.search(r'\{.*\}', s, re.S)
    try: return key in json.loads(found[0])
    except (TypeError, ValueError): return False

def instructions():
    "A hundred questions, each with a check of the reply"
    res = [(f'{q} Answer with one word only.', lambda s: len(letters(s))==1) for q in single]
    res += [(f'{q} Reply with yes or no only.', lambda s: letters(s) in (['yes'],['no'])) for q in asked]
    res += [(f'Write this sentence in capital letters, and nothing else: {s}', lambda r, s=s: s.upper() in r and not re.search('[a-z]', r)) for s in sentences]
    res += [(f'Repeat this sentence exactly, and write nothing else: {s}', lambda r, s=s: letters(r)==letters(s)) for s in sentences]
    res += [(f'Name three {o}, one on each line, and write nothing else.', lambda r: len(lines(r))==3) for o in things]
    res += [(f'Name exactly four {o}, separated by commas, on one line.', lambda r: len(lines(r))==1 and r.count(',')==3) for o in things]
    res += [(f"Write one sentence that contains the word '{w}'.", lambda r, w=w: w in r.lower() and len(re.findall('[.!?](?:\\s|$)', r.strip()))==1) for w in words]
    res += [(f"Say something about a {w}, and end your reply with the word 'done'.", lambda r: letters(r)[-1:]==['done']) for w in words]
    res += [(f"Spell the word '{w}' with a hyphen between the letters.", lambda r, w=w: '-'.join(w) in r.lower()) for w in words]
    res += [(f"Give the length of the word '{w}' as a JSON object with the key 'length'.", lambda r: as_json(r, 'length')) for w in words]
    return res

def sums(n):
    "`n` questions of reasoning-gym's chain_sum as it comes, as rows"
    import reasoning_gym
    data = reasoning_gym.create_dataset('chain_sum', size=n, seed=2026)
    return [dict(question=o['question'], answer=str(o['answer'])) for o in data]

def measure(model, tokenizer, cfg, n, longest):
    "Right replies in each set, 0 or 1 a question, and two replies to look at"
    from tiny_reasoning.data import to_prompt
    from tiny_reasoning.verdicts import judge
    from tiny_reasoning.generate import generate
    def ask(questions): return generate(model, tokenizer, [to_prompt(q, '') for q in questions], longest)
    facts,plain,rows = untaught(), instructions(), sums(n)
    replies = dict(sums=ask([o['question'] for o in rows]), facts=ask([o['question'] for o in facts]), instructions=ask([q for q,_ in plain]))
    right = dict(
        sums=[int(o['flexible']) for o in judge(rows, replies['sums'])],
        facts=[int(in_reply(*o)) for o in zip(facts, replies['facts'])],
        instructions=[int(bool(check(o['text']))) for (_,check),o in zip(plain, replies['instructions'])])
    return {k:dict(n=len(v), right=sum(v), each=v, tokens=round(sum(o['tokens'] for o in replies[k])/len(v), 1), examples=[o['text'] for o in replies[k][:2]]) for k,v in right.items()}

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument('model')
    p.add_argument('adapters', nargs='*', help='folders')
    p.add_argument('--sums', type=int, default=200)
    p.add_argument('--longest', type=int, default=256, help='tokens of a reply')
    p.add_argument('--out', default='forgotten.json')
    a = p.parse_args()
    from tiny_reasoning.adapter import with_adapter
    from tiny_reasoning.preset import load_config
    from tiny_reasoning.verdicts import compare
    from tiny_reasoning.model import for_this_machine, load_model
    cfg = for_this_machine(load_config('reason', **{'model.name':a.model}))
    start = time.time()
    model,tokenizer = load_model(cfg.model)
    found = dict(base=measure(model, tokenizer, cfg, a.sums, a.longest))
    for o in a.adapters:
        with with_adapter(model, o) as tuned: found[o] = measure(tuned, tokenizer, cfg, a.sums, a.longest)
    against = {o:{k:compare(found['base'][k]['each'], found[o][k]['each']) for k in found[o]} for o in a.adapters}
    Path(a.out).write_text(json.dumps(dict(model=a.model, date=time.strftime('%Y-%m-%d'), seconds=round(time.time()-start), models=found, compared=against), indent=1)+'\n')
    for m,sets in found.items(): print(m, {k:f"{v['right']}/{v['n']}" for k,v in sets.items()})
