"""SmolLM2-135M taught sums by five recipes: written solutions, its own right replies, its own and written ones where it has none, and a teacher's replies; then asked sums like them, sums of other kinds, and what nobody taught it"""
import random, shutil
from common import *

sys.path.append(str(root))  # `finish` compares, in the process that collects the results
need,apart = ['smol'],0  # no stage measures speed
recipes = ['gold','own','gold_own','teacher']
def options(p):
    p.add_argument('--recipe_rows', type=int, default=4000, help='questions to train on')
    p.add_argument('--recipe_questions', type=int, default=500, help='test questions of each set')
    p.add_argument('--recipe_steps', type=int, default=200)
    p.add_argument('--recipe_batch', type=int, default=64)
    p.add_argument('--recipe_rate', type=float, default=5e-4)
    p.add_argument('--recipe_rank', type=int, default=32)
    p.add_argument('--recipe_samples', type=int, default=8, help='replies to each question')
    p.add_argument('--recipe_most', type=int, default=1, help='right replies kept of each question')
    p.add_argument('--recipe_tokens', type=int, default=128, help='longest reply')
    p.add_argument('--recipe_facts', type=int, default=1000, help='questions of the untaught set, at most')
    p.add_argument('--teacher_times', type=int, default=3, help="how many times the teacher's run is as long")

def plan(a): return [[['gold'], ['own','gold_own'], ['teacher']], [['judge']]]

# --- questions: sums as reasoning-gym's chain_sum words them, solved step by step
ask = 'State the final answer to the following arithmetic problem: {} ='

def solve(numbers, signs):
    "The steps from left to right, and `####` with the last one's value"
    value,steps = numbers[0],[]
    for sign,o in zip(signs, numbers[1:]):
        new = value+o if sign=='+' else value-o
        steps.append(f'{value} {sign} {o} = {new}')
        value = new
    return '\n'.join([*steps, f'#### {value}'])

def a_sum(rng, signs, most):
    "A row: numbers from 1 up to `most` with `signs` between them"
    numbers = [rng.randint(1, most) for _ in range(len(signs)+1)]
    text = f'{numbers[0]}' + ''.join(f' {s} {o}' for s,o in zip(signs, numbers[1:]))
    return dict(question=ask.format(text), answer=solve(numbers, signs))

trained = [('+', 10), ('+', 30), ('+', 50), ('++', 10), ('++', 15)]  # signs, largest number
unseen = [('-', 30), ('+++', 10), ('+-', 15), ('-+', 15)]

# --- what nobody taught it: short facts, right where the word stands in the reply
capitals = """France Paris, Germany Berlin, Italy Rome, Spain Madrid, Portugal Lisbon, England London, Scotland Edinburgh, Ireland Dublin, Wales Cardiff, Norway Oslo, Sweden Stockholm,
Finland Helsinki, Denmark Copenhagen, Iceland Reykjavik, Poland Warsaw, Austria Vienna, Hungary Budapest, Greece Athens, Turkey Ankara, Russia Moscow, Ukraine Kyiv, Belgium Brussels,
Netherlands Amsterdam, Switzerland Bern, Romania Bucharest, Bulgaria Sofia, Serbia Belgrade, Croatia Zagreb, Egypt Cairo, Morocco Rabat, Algeria Algiers, Tunisia Tunis, Kenya Nairobi,
Ghana Accra, Senegal Dakar, Ethiopia Addis, Uganda Kampala, Rwanda Kigali, Zambia Lusaka, Zimbabwe Harare, China Beijing, Japan Tokyo, India Delhi, Thailand Bangkok, Vietnam Hanoi,
Indonesia Jakarta, Philippines Manila, Iran Tehran, Iraq Baghdad, Syria Damascus, Lebanon Beirut, Jordan Amman, Pakistan Islamabad, Afghanistan Kabul, Nepal Kathmandu, Bangladesh Dhaka,
Mongolia Ulaanbaatar, Canada Ottawa, Cuba Havana, Jamaica Kingston, Peru Lima, Chile Santiago, Argentina Aires, Brazil Brasilia, Colombia Bogota, Ecuador Quito, Venezuela Caracas,
Uruguay Montevideo, Paraguay Asuncion, Australia Canberra"""
continents = dict(Europe='France Germany Italy Spain Portugal Norway Sweden Finland Denmark Poland Austria Hungary Greece Belgium Romania Bulgaria Serbia Croatia',
    Africa='Egypt Morocco Algeria Tunisia Kenya Ghana Senegal Ethiopia Uganda Rwanda Zambia Zimbabwe Nigeria Mali Chad Angola Namibia Botswana',
    Asia='China Japan India Thailand Vietnam Iran Iraq Syria Lebanon Jordan Pakistan Nepal Bangladesh Mongolia Malaysia Laos', America='Canada Cuba Peru Chile Argentina Brazil Colombia Ecuador Venezuela Uruguay Mexico')
opposites = """hot cold, big small, tall short, fast slow, up down, left right, light dark, good bad, happy sad, rich poor, old young, hard soft, wet dry, full empty, open closed, early late, near far,
high low, loud quiet, strong weak, heavy light, thick thin, wide narrow, deep shallow, clean dirty, true false, first last, inside outside, love hate, win lose, begin end, buy sell, push pull,
day night, black white, brave cowardly, sweet sour, rough smooth, cheap expensive, easy difficult, alive dead, always never, north south, east west, summer winter, question answer, friend enemy, war peace"""
plurals = """cat cats, dog dogs, book books, house houses, car cars, tree trees, box boxes, bus buses, dish dishes, watch watches, child children, man men, woman women, foot feet, tooth teeth, mouse mice,
goose geese, person people, baby babies, city cities, story stories, party parties, knife knives, leaf leaves, wolf wolves, wife wives, life lives, potato potatoes, tomato tomatoes, hero heroes, apple apples, river rivers"""
pasts = """go went, see saw, eat ate, run ran, come came, take took, give gave, make made, write wrote, drive drove, sing sang, swim swam, drink drank, begin began, speak spoke, break broke, buy bought, think thought,
bring brought, catch caught, teach taught, find found, sleep slept, keep kept, leave left, feel felt, tell told, sell sold, win won, sit sat, stand stood, lose lost, send sent, build built, know knew, grow grew, fly flew,
draw drew, fall fell, get got, walk walked, play played, jump jumped, cook cooked, talk talked, open opened"""
def pairs(text): return [o.split() for o in text.replace('\n', ' ').split(', ')]

def untaught():
    "Rows with a question and the word that answers it"
    res = [(f'What is the capital of {c}?', city) for c,city in pairs(capitals)] + [(f'Which country has {city} as its capital?', c) for c,city in pairs(capitals)]
    res += [(f'On which continent is {c}?', k) for k,cs in continents.items() for c in cs.split()]
    res += [(f"What is the opposite of '{x}'?", y) for a,b in pairs(opposites) for x,y in ((a,b), (b,a))]
    res += [(f"What is the plural of '{a}'?", b) for a,b in pairs(plurals)] + [(f"What is the past tense of '{a}'?", b) for a,b in pairs(pasts)]
    res += [(f"Which verb has the past tense '{b}'?", a) for a,b in pairs(pasts)] + [(f"What is the singular of '{b}'?", a) for a,b in pairs(plurals)]
    return [dict(question=q, answer=o) for q,o in dict(res).items()]

def in_reply(row, reply): return bool(re.search(rf"\b{row['answer']}\b", reply['text'], re.I))

def draw(make, n, seen, seed):
    "`n` rows whose questions are not in `seen`, to which they are added"
    rng,rows = random.Random(seed),[]
    for _ in range(200*n):
        if len(rows)==n: return rows
        row = make(rng)
        if row['question'] not in seen: rows.append(row)
        seen.add(row['question'])
    raise ValueError(f'only {len(rows)} of {n} different questions')

def sets(a):
    "Rows to train on, and those of two test sets; the same in every process"
    seen,n = set(),a.recipe_questions
    tests = dict(trained=draw(lambda rng: a_sum(rng, *rng.choice(trained)), n, seen, 1), unseen=draw(lambda rng: a_sum(rng, *rng.choice(unseen)), n, seen, 2))
    return draw(lambda rng: a_sum(rng, *rng.choice(trained)), a.recipe_rows, seen, 4), tests

def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(json.dumps(o)+'\n' for o in rows))

# --- a recipe is a folder of rows; the run on it is the same for all
def folder(a, name):
    "The written solutions as a folder for the run called `name`, which nobody else writes into"
    path = Path(a.work)/'recipes'/name/'gold'
    rows,tests = sets(a)
    lines(path/'train.jsonl', rows)
    lines(path/'test.jsonl', tests['trained'])
    return path

def keys(a, name, data, steps=None):
    steps = steps or a.recipe_steps
    return {'model.name':a.smol, 'model.backend':'transformers', 'project.output_dir':Path(a.work)/'recipes'/name/'run', 'data.dataset_name':data, 'data.templates':'none', 'data.unseen_samples':0, 'data.num_samples':-1,
        'data.test_samples':-1, 'data.validation_split':0.05, 'lora.r':a.recipe_rank, 'lora.lora_alpha':2*a.recipe_rank, 'training.per_device_train_batch_size':a.recipe_batch,
        'training.gradient_accumulation_steps':1, 'training.max_steps':steps, 'training.warmup_steps':steps//20, 'training.learning_rate':a.recipe_rate, 'training.logging_steps':max(1, steps//20),
        'training.eval_steps':steps, 'training.save_steps':steps, 'evaluation.max_new_tokens':a.recipe_tokens}

def fit(a, name, data, steps=None):
    "Train on folder `data`, and say what it took"
    ks = keys(a, name, data, steps)
    command('tiny_reasoning.train', '--config', 'cpu', *flags(ks), '--overwrite')
    run = json.loads((ks['project.output_dir']/'run.json').read_text())
    return {k:run[k] for k in ('steps','seconds','tokens_per_second','peak_memory_gb','best') if k in run} | dict(rows=run['data']['rows'], adapter=str(ks['project.output_dir']/'lora_adapter'))

def sampled(a, name, source, *more, adapter=None):
    "Replies to the questions of recipe `name`, in a folder that can be trained on"
    dest = Path(a.work)/'recipes'/name/'traces'
    ks = keys(a, name, folder(a, name)) | ({'project.adapter_path':adapter} if adapter else {})
    command('tiny_reasoning.traces', '--config', 'cpu', *flags(ks), '--source', source, '--samples', a.recipe_samples, '--max_per_question', a.recipe_most, '--dest', dest, *more)
    made = json.loads((dest/'traces.json').read_text())
    return dest, {k:made[k] for k in ('counts','seconds','temperature','samples','max_per_question','else_gold')}

def gold(a): return fit(a, 'gold', folder(a, 'gold'))

def own(a):
    dest,made = sampled(a, 'own', 'own')
    return fit(a, 'own', dest) | dict(traces=made)

def gold_own(a):
    (Path(a.work)/'recipes'/'gold_own').mkdir(parents=True, exist_ok=True)
    shutil.copytree(Path(a.work)/'recipes'/'own'/'traces', Path(a.work)/'recipes'/'gold_own'/'traces', dirs_exist_ok=True)  # with its replies, so none is asked for again
    dest,made = sampled(a, 'gold_own', 'own', '--else_gold')
    return fit(a, 'gold_own', dest) | dict(traces=made)

def teacher(a):
    larger = fit(a, 'larger', folder(a, 'larger'), a.teacher_times*a.recipe_steps)
    dest,made = sampled(a, 'teacher', 'adapter', adapter=larger['adapter'])
    return fit(a, 'teacher', dest) | dict(traces=made, larger=larger)

# --- all of them on the same questions
def judge(a):
    "Greedy replies of the base and of every adapter there is to all test questions"
    from tiny_reasoning.data import to_prompt, to_row
    from tiny_reasoning.verdicts import judge, summary
    from tiny_reasoning.generate import generate
    from tiny_reasoning.adapter import load_adapter
    from tiny_reasoning.model import load_model
    tests = {k:[to_row(**o) for o in rows] for k,rows in sets(a)[1].items()}
    facts = untaught()[:a.recipe_facts]
    def run(name):
        cfg = config(a, f'recipes/{name}/run', 'cpu', **{'model.backend':'transformers', 'evaluation.max_new_tokens':a.recipe_tokens})
        if name!='base' and not Path(cfg.project.adapter_path).exists(): return None
        model,tokenizer = load_model(cfg.model)
        if name!='base': model = load_adapter(model, cfg.project.adapter_path)
        res = {}
        for k,rows in tests.items():
            verdicts = judge(rows, generate(model, tokenizer, [to_prompt(o['question'], cfg.data.system_prompt) for o in rows], a.recipe_tokens))
            res[k] = dict(summary=summary(verdicts), right=[int(o['flexible'] and not o['cut_off']) for o in verdicts], examples=[o['output'] for o in verdicts[:2]])
        replies = generate(model, tokenizer, [to_prompt(o['question'], '') for o in facts], a.recipe_tokens)
        right = [int(in_reply(*o)) for o in zip(facts, replies)]
        return res | dict(untaught=dict(summary=dict(n=len(right), right=sum(right), accuracy=sum(right)/len(right)), right=right, examples=[o['text'] for o in replies[:2]]))
    done = {o:run(o) for o in ['base','larger',*recipes]}
    return dict(sets={k:len(v) for k,v in tests.items()} | dict(untaught=len(facts)), models={k:v for k,v in done.items() if v}, max_new_tokens=a.recipe_tokens)

def finish(a, results):
    "Each recipe against the base, and against gold, on each set: difference, exact McNemar p, and that corrected for the number of recipes"
    from tiny_reasoning.verdicts import compare, holm
    models = results.get('judge', {}).get('models', {})
    res = {}
    for against in ('base','gold'):
        others = [o for o in recipes if o in models and o!=against]
        if against not in models: continue
        for s in models[against]:
            found = {o:compare(models[against][s]['right'], models[o][s]['right']) for o in others}
            corrected = holm([o['p'] for o in found.values()])
            res[f'{s} against {against}'] = {k:v | dict(p_corrected=p) for (k,v),p in zip(found.items(), corrected)}
    return res
