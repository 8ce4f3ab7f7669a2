# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.9 · Going further, measured
#
# The chatbot is quantised, batched, queued and paid for. Now the team reads papers. Four tricks
# are in every engine's list of features, and each has a large number in its paper: 3.58 times the
# throughput with a *shared prefix* [1], 2 to 3 times as fast with *speculative decoding* [2], up
# to 5.6 times the capacity with *chunked prefill* [3], 7.4 times the requests with
# *disaggregation* [4]. Multiplied, that is over a hundred. Somebody switches all four on, and the
# service is slower than before.
#
# None of these numbers is wrong. Each trick has a **sum that says when it pays**, made of figures
# that you can measure in a minute. So for each one: the sum, your prediction, the measurement,
# and the case in which it does nothing, or harm.

# %% tags=["parameters"]
scale = "laptop"

# %%
import tempfile
from pathlib import Path

import numpy as np

from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import interleaved
from lab_utils.measure.interval import ratio_interval
from lab_utils.measure.percentile import percentile
from lab_utils.models.decoder import LLAMA_2_7B, TINY, expected_tokens
from lab_utils.models.language.gguf_file import write_model
from lab_utils.models.language.seeded import prompt, seeded
from lab_utils.models.language.small import held_out, load
from lab_utils.scale import at
from lab_utils.serve.llm.chat import chat, visits
from lab_utils.serve.llm.engine import Engine, preferred_precision
from lab_utils.serve.llm.in_process import newcomers, write_together
from lab_utils.show import llm_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.simulate import decoding

threads = available_cores()
settings = {"INFERENCE_PRECISION_HINT": preferred_precision(threads)}
path = seeded(TINY, "f16", watching("Tensors"))
with waiting("Two engines start", about_s=6):
    plain = Engine(path, threads, **settings)
    keeping = Engine(path, threads, keep_prefixes=True, **settings)
print(
    f"{threads} compute threads; 0.1 billion weights, products in {settings['INFERENCE_PRECISION_HINT']}"
)

# %% [markdown]
# ## 1 · Prefix caching
#
# Every request of the chatbot begins with the same instructions: who it is, what it may say,
# three examples. The *cache* of these tokens, their keys and values, is the same each time. So
# keep it, and read only what is new. The sum is short:
#
# > time to first token = tokens that must still be read ÷ rate of reading
#
# Instructions of 1,024 tokens, then a question of 32. First the reading without the trick, in the
# sizes that the sum needs.

# %%
SHARED, QUESTION = 1024, 32
READ = (QUESTION, 256, SHARED + QUESTION)
instructions = list(prompt(TINY, SHARED))


def read_s(engine, tokens):
    """Seconds until the first token."""
    return engine.run([tokens], new_tokens=1).time_to_first_token_s


read_s(plain, instructions)
rounds = interleaved(
    {n: lambda n=n: read_s(plain, prompt(TINY, n, seed=n)) for n in READ},
    rounds=at(scale, ci=3, laptop=9),
    watch=watching("Rounds of all lengths"),
)
prefill_s = {n: float(np.median(each)) for n, each in rounds.items()}
for n, seconds in prefill_s.items():
    print(f"{n:5} tokens are read in {1e3 * seconds:5.0f} ms, {n / seconds:5.0f} a second")
kept_guess = predict("Instructions kept: how many times as soon is the first token?", unit="times")
front_guess = predict(
    "The same, but the prompt begins with the time of day: how many times as soon?", unit="times"
)

# %% [markdown]
# The time of day is eight tokens long. In the experiment it stands at the front, after a quarter
# of the instructions, and so on, up to their end. All prompts have the same length.

# %%
WORDS = 8
PLACES = (0, 256, 768, SHARED)
seeds = iter(range(10_000, 20_000))


def asked(place):
    """Instructions with a new time of day at a place, and a new question."""
    new = list(prompt(TINY, WORDS + QUESTION, seed=next(seeds)))
    return instructions[:place] + new[:WORDS] + instructions[place:] + new[WORDS:]


read_s(keeping, asked(SHARED))
rounds = interleaved(
    {"nothing kept": lambda: read_s(plain, asked(SHARED))}
    | {place: lambda place=place: read_s(keeping, asked(place)) for place in PLACES},
    rounds=at(scale, ci=3, laptop=12),
    watch=watching("Rounds of all places"),
)
sooner = {place: ratio_interval(rounds["nothing kept"], rounds[place]) for place in PLACES}
left = {place: SHARED + WORDS + QUESTION - place for place in PLACES}
whole_s, *_ = foretold_s = np.interp(list(left.values()), list(prefill_s), list(prefill_s.values()))
llm_plots.foretold(
    {"first token": (PLACES, foretold_s / whole_s)},
    {"first token": (PLACES, [1 / sooner[place].median for place in PLACES])},
    "Where the prompt begins to differ",
    xlabel="tokens before the first that is new",
    ylabel="share of the time without",
    reference=1,
)
kept_guess.reveal(sooner[SHARED])
front_guess.reveal(sooner[0])
key_figure("prefix kept: first token, times as soon", sooner[SHARED], "times")
key_figure("the same words, time of day in front", sooner[0], "times")

# %% [markdown]
# Nearly all of the words are the same in all of these prompts. But each token's keys and values
# depend on **everything before it**, so from the first token that differs, nothing can be used
# again. A prefix is a prefix, and the engine looks for it in whole blocks (lesson 2.2): a shared
# beginning that is shorter than a block saves nothing.
#
# *"We switched prefix caching on and nothing happened"*: look at the first line of the prompt. A
# date, a user's name, a request's number or a list in no fixed order in front of the instructions
# turns the trick off, and no error says so. **What changes goes to the end.** (Another cause:
# many machines behind a balancer that sends each request to a machine that has not read the
# instructions.)
#
# (Where points lie above the line: a token that is read looks back at all before it, also at
# those whose cache was kept.)
#
# And what does it do for the *whole* answer? Reading is a part of it; the writing stays.

# %%
decode_rounds = interleaved(
    {
        n: lambda n=n: float(
            np.median(plain.run([prompt(TINY, 32, s) for s in range(n)], 9).token_s)
        )
        for n in (1, 4, 8, 16)
    },
    rounds=at(scale, ci=3, laptop=9),
    watch=watching("Rounds of all batches"),
)
decode_s = {n: float(np.median(each)) for n, each in decode_rounds.items()}
first_s, kept_s = (float(np.median(rounds[name])) for name in ("nothing kept", SHARED))
for tokens in (1, 20, 200):
    writing_s = (tokens - 1) * decode_s[1]
    gain = (first_s + writing_s) / (kept_s + writing_s)
    print(f"an answer of {tokens:3} tokens: {gain:.2f} times as soon complete")
key_figure("prefix kept: an answer of 200 tokens complete, times as soon", gain, "times")
keeping.close()

# %% [markdown]
# ## 2 · Speculative decoding
#
# A pass for one user fetches every weight for a single token (lesson 2.1). So let something cheap
# *guess* the next few tokens, and let the model check all of them in one pass. What it would have
# said itself is kept, up to the first wrong guess, where its own token stands in place. The
# answer is the same, token by token; only the number of passes falls.
#
# > speed-up = tokens a pass ÷ how many times as long a pass with guesses takes
#
# Tokens a pass follow from the share α of guesses that are right: (1 − α^(k+1)) ÷ (1 − α) for k
# guesses [2]. α depends on the text and on who guesses. So seeded weights will not do; here the
# course's own small model writes on from real text. The guesser is *prompt lookup* [5], which
# costs nothing: it finds the last place where the same words stood, and proposes what came after
# them.

# %%
own = load()
print(own.source)
folder = tempfile.TemporaryDirectory()
own_path = Path(folder.name) / "own.gguf"
write_model(own_path, own, "f16")
writer, guesser = Engine(own_path, threads), Engine(own_path, threads, prompt_lookup=True)
ids = own.ids(held_out())
TEXTS = at(scale, ci=16, laptop=32)
texts = [ids[start : start + 160] for start in np.linspace(0, len(ids) - 160, TEXTS).astype(int)]
GUESSES, ANSWER = 4, 32
one_guess = predict(f"One user, {GUESSES} guesses a pass: how many times as fast?", unit="times")
many_guess = predict("16 users at once, the same: how many times as fast?", unit="times")


# %%
def write(users, guesses=0, new_tokens=ANSWER, of=TEXTS):
    """So many texts continued, by so many users at once."""
    if not guesses:
        return write_together(writer, texts[:of], new_tokens, users)
    options = {"num_assistant_tokens": guesses, "max_ngram_size": 3}
    return write_together(guesser, texts[:of], new_tokens, users, **options)


USERS = (1, 4, 16)
for users in USERS:
    write(users, GUESSES, new_tokens=6)
runs = interleaved(
    {(users, k): lambda users=users, k=k: write(users, k) for users in USERS for k in (0, GUESSES)},
    rounds=at(scale, ci=2, laptop=7),
    watch=watching("Rounds with and without guesses"),
)
faster = {
    users: ratio_interval(*([run.tokens_per_s for run in runs[users, k]] for k in (GUESSES, 0)))
    for users in USERS
}
longer = {
    users: ratio_interval(
        *([run.seconds / run.passes for run in runs[users, k]] for k in (GUESSES, 0))
    )
    for users in USERS
}
same = all(runs[users, GUESSES][0].answers == runs[users, 0][0].answers for users in USERS)
print(f"the same answers with and without guesses: {same}")
one_guess.reveal(faster[1])
many_guess.reveal(faster[16])
for users in USERS:
    print(
        f"users at once {users:2}: {runs[users, GUESSES][0].tokens_per_pass:.2f} tokens a pass and user; "
        f"a pass takes {longer[users].median:.1f} times as long; {faster[users].median:.2f} times as fast"
    )
key_figure("speculative, 1 user: times as fast", faster[1], "times")
key_figure("speculative, 16 users: times as fast", faster[16], "times")

# %% [markdown]
# Compare the first line with the last. With one user the weights are fetched anyway, and four
# more tokens in the pass cost little. With sixteen users a pass holds sixteen tokens already, and
# with guesses up to eighty. There is no fetching left to share out over them: a wrong guess is
# real work, thrown away. **What speeds up an idle service slows down a busy one**, and it is the
# busy one that needs help. So engines can be told to stop guessing when the batch is large.
#
# (This model is so small that much of a pass is the engine's own work, the search for guesses
# included. Where even one user gained nothing on your machine, that is why. The larger model
# below has more to fetch.)
#
# How many guesses, and how good? From the runs with two guesses follows α, and from α what more
# of them bring.

# %%
SHARES = np.linspace(0, 0.99, 100)


def share_right(tokens_per_pass, k):
    """The α that gives so many tokens a pass."""
    return float(np.interp(tokens_per_pass, [expected_tokens(a, k) for a in SHARES], SHARES))


by_guesses = {2: write(1, 2), GUESSES: runs[1, GUESSES][0], 8: write(1, 8)}
alpha = share_right(by_guesses[2].tokens_per_pass, 2)
for k, run in by_guesses.items():
    print(
        f"{k} guesses: {run.tokens_per_pass:.2f} tokens a pass; "
        f"foretold from α = {alpha:.2f}: {expected_tokens(alpha, k):.2f}"
    )
babble = write(1, GUESSES, new_tokens=4 * ANSWER, of=TEXTS // 2)
babble_alpha = share_right(babble.tokens_per_pass, GUESSES)
loop_guess = predict(
    f"The model writes {4 * ANSWER} tokens instead of {ANSWER}: tokens a pass?", unit="tokens"
)

# %%
loop_guess.reveal(babble.tokens_per_pass)
print(f"α = {babble_alpha:.2f}. The end of one of these answers:")
print(own.text(babble.answers[0][-40:]))
key_figure("tokens a pass, answers of 32 tokens", by_guesses[GUESSES].tokens_per_pass, "tokens")
key_figure("tokens a pass, answers of 128 tokens", babble.tokens_per_pass, "tokens")

# %% [markdown]
# More guesses hardly help where α is small: the second counts only if the first was right. And
# read that answer. A small model that always takes the likeliest word runs into a loop, and
# nothing is easier to guess than a loop. **A benchmark that lets a model babble measures its
# loops.** Ask of each published α on which text it was measured: editing a program, where the
# answer repeats the prompt, deserves a high one; a conversation does not.
#
# The sum for the larger model, whose passes were measured above, needs no experiment. For each α
# and number of users:

# %%
writer.close()
guesser.close()
CROWD = (1, 2, 4, 8, 16)
by_tokens = interleaved(
    {
        n: lambda n=n: read_s(plain, prompt(TINY, n, seed=n))
        for n in sorted({*CROWD, *((GUESSES + 1) * n for n in CROWD)})
    },
    rounds=at(scale, ci=5, laptop=15),
    watch=watching("Rounds of all passes"),
)
pass_s = {n: float(np.median(each)) for n, each in by_tokens.items()}
cost = np.array([pass_s[(GUESSES + 1) * n] / pass_s[n] for n in CROWD])
llm_plots.foretold(
    {f"α = {a:.2f}": (CROWD, expected_tokens(a, GUESSES) / cost) for a in (alpha, 0.5, 0.8)},
    {},
    f"{GUESSES} guesses a pass, 0.1 billion weights",
    xlabel="users at once",
    ylabel="times as fast",
    reference=1,
)
for n, times in zip(CROWD, cost, strict=True):
    print(
        f"users at once {n:2}: a pass with guesses takes {times:.1f} times as long; "
        f"with this text's α {expected_tokens(alpha, GUESSES) / times:.2f} times as fast"
    )
key_figure("0.1 billion weights: a pass with guesses, 16 users", cost[-1], "times")

# %% [markdown]
# Below the dashed line the trick harms. The better the guesses, the busier the service may be. A
# lookup costs nothing; where a *small model* guesses, its own passes are added to the cost. The
# published factor of 2 to 3 [2] is one user, a good guesser and a large model: the left end of a
# high line.
#
# ## 3 · How large a piece?
#
# Lesson 2.4 let prompts be read in pieces, within the steps that write: the readers' screens no
# longer stand still. The setting has a number, the tokens of a step. Eight users are written to
# and somebody comes with a long prompt.
#
# > a writer's pause ≈ a step with a piece
# >
# > the newcomer's first token ≈ (prompt ÷ piece) × that
#
# So small pieces seem to be kind to the writers, at the newcomer's expense.

# %%
WRITERS, PROMPT = 8, 768
small_guess = predict(
    "Pieces of 32 tokens instead of 128: the writers' pause, how many times as long?", unit="times"
)
newcomer_guess = predict("And the newcomer's first token?", unit="times")

# %%
engines = {"in one step": plain}
for tokens in progress((128, 32), "Engines start"):
    engines[f"steps of {tokens}"] = Engine(path, threads, chunk_tokens=tokens, **settings)
for engine in engines.values():
    newcomers(engine, TINY, WRITERS, 64, 1)
came = interleaved(
    {
        name: lambda engine=engine: newcomers(engine, TINY, WRITERS, PROMPT, 1)
        for name, engine in engines.items()
    },
    rounds=at(scale, ci=3, laptop=12),
    watch=watching("Rounds of all sizes"),
)
pause_s = {name: [run.pause_s[0] for run in each] for name, each in came.items()}
first_token_s = {name: [run.first_token_s[0] for run in each] for name, each in came.items()}
usual_s = float(np.median([run.usual_s for each in came.values() for run in each]))
variant_plots.scoreboard(
    {
        "pause of those who write (ms)": {
            name: 1e3 * float(np.median(each)) for name, each in pause_s.items()
        },
        "newcomer's first token (ms)": {
            name: 1e3 * float(np.median(each)) for name, each in first_token_s.items()
        },
    },
    f"{WRITERS} write, and a prompt of {PROMPT} tokens comes",
)
print(f"between two tokens when nobody comes: {1e3 * usual_s:.0f} ms")
shorter = ratio_interval(pause_s["steps of 32"], pause_s["steps of 128"])
later = ratio_interval(first_token_s["steps of 32"], first_token_s["steps of 128"])
small_guess.reveal(shorter)
newcomer_guess.reveal(later)
key_figure("pieces of 32 ÷ 128: pause of those who write", shorter, "times")
key_figure("pieces of 32 ÷ 128: newcomer's first token", later, "times")

# %% [markdown]
# A step cannot be shorter than the step that writes: it fetches all weights. Once a piece is so
# small that a step with it takes about as long as one without, a smaller piece wins nothing for
# the writers, and each of its many steps pays for the fetching again. The newcomer waits for all
# of them.
#
# So the size follows from the pass curve of lesson 2.1: **as many tokens as the promise about
# gaps allows, and not fewer than the critical batch**. And where nobody writes while somebody
# reads, as in a batch job, pieces do nothing at all.
#
# ## 4 · One machine reads, another writes
#
# If reading disturbs writing, let them be done by different machines (*disaggregation* [4, 6]):
# one reads prompts and hands the cache over, the other only writes. No newcomer can ever stop a
# writer. This needs two machines and a network, so it is simulated, fed with this machine's
# steps. The requests are a chat service's, at full length [7].

# %%
for engine in engines.values():
    engine.close()
COUNT = at(scale, ci=300, laptop=1000)
BATCH = 16
whole, pieces = (
    decoding.Engine.measured(decode_s, prefill_s, BATCH, chunk_tokens=tokens)
    for tokens in (None, 128)
)
MEGABYTE_S = 1.25e9 / 1e6  # a network of 10 Gbit/s, in MB a second


def handover_s(tokens, megabytes_s=MEGABYTE_S):
    """The cache of a prompt, 16 bits a number, over the network."""
    return tokens * TINY.cache_bytes_per_token() / (1e6 * megabytes_s)


def requests(rate_rps, prompts_by=1.0, answers_by=1.0):
    """The chats, at a rate; prompts and answers divided by these."""
    lengths = chat(COUNT, prompts_by, answers_by)
    due_s = visits(COUNT, rate_rps).due_s
    return decoding.Requests.of(due_s, lengths.prompt_tokens, lengths.new_tokens)


def work_s(asked):
    """Machine-seconds of a request on average: reading, and its part of full batches' steps."""
    read = np.mean([whole.prefill_s(int(n)) for n in asked.prompt_tokens])
    return read, np.mean(asked.new_tokens - 1) * whole.decode_s(BATCH) / BATCH


reading_s, writing_s = work_s(requests(1))
share = reading_s / (reading_s + writing_s)
print(
    f"a request: {reading_s:.3f} s of reading, {writing_s:.3f} s of writing: {share:.0%} is reading"
)
gap_guess = predict(
    "One machine for each, against two that do both: the longest pause in an answer, how many times?",
    unit="times",
)
capacity_guess = predict("And the requests that the two can do a second?", unit="times")

# %%
two = {
    "both do both, whole prompts": lambda asked: decoding.replicas(asked, whole, 2),
    "both do both, in pieces": lambda asked: decoding.replicas(asked, pieces, 2),
    "one reads, one writes": lambda asked: decoding.disaggregated(asked, whole, 1, 1, handover_s),
}
apart_rps = 1 / max(reading_s, writing_s)


def pause_of(run):
    """Seconds: of 100 answers, 5 have a longer pause between two tokens."""
    return percentile([np.diff(times).max() for times in run.token_s if times.size > 1], 95).median


calm = {name: policy(requests(0.6 * apart_rps)) for name, policy in progress(two.items(), "Calm")}
full = {name: policy(requests(100 * apart_rps)) for name, policy in progress(two.items(), "Full")}
variant_plots.scoreboard(
    {
        "longest pause, P95 (ms)": {name: 1e3 * pause_of(run) for name, run in calm.items()},
        "first token, median (ms)": {
            name: 1e3 * float(np.median(run.time_to_first_token_s)) for name, run in calm.items()
        },
        "tokens a second, full": {name: run.tokens_per_s for name, run in full.items()},
    },
    "Two machines, the same chats",
)
mixed, _, apart = two
gap_ratio = pause_of(calm[apart]) / pause_of(calm[mixed])
capacity_ratio = full[apart].tokens_per_s / full[mixed].tokens_per_s
gap_guess.reveal(gap_ratio)
capacity_guess.reveal(capacity_ratio)
key_figure("one for each ÷ both do both: longest pause, simulated", gap_ratio, "times")
key_figure("one for each ÷ both do both: tokens a second, simulated", capacity_ratio, "times")

# %% [markdown]
# The pauses are what was promised: nobody's prompt stops a writer. (Chats come in bursts. Whole
# prompts of several newcomers are read in a row, and those who write wait for all of them.) What
# is left of them is the handing over, between an answer's first token and its second. (Why not
# the P99 of all gaps? A pause that comes once in an answer of two hundred tokens is half a
# percent of its gaps. A P99 does not see it, and the reader does.) Look at the middle line as
# well, pieces in place of whole prompts. Where it has most of that gain already, and no fewer
# tokens, it is the cheaper trick. And look at the first token of those that are apart: one
# machine reads for all, where two did.
#
# The throughput follows from a sum. Two machines that do both are always busy with one or the
# other: 2 ÷ (reading + writing) requests a second. Two that are apart are as fast as the slower,
# 1 ÷ max(reading, writing), and the other waits. With a share *s* of reading:
#
# > apart ÷ both = ½ ÷ max(s, 1 − s)
#
# which is never above 1, and 1 only where the traffic happens to read as long as it writes.
# Below, the same chats with prompts or answers shortened.

# %%
MIXES = ((1, 8), (1, 3), (1, 1), (2, 1), (4, 1), (10, 1))
shares, ratios = [], []
for mix in progress(MIXES, "Mixes of prompts and answers"):
    asked_for = requests(100 * apart_rps, *mix)
    read, written = work_s(asked_for)
    shares.append(read / (read + written))
    runs_of = [two[name](asked_for).tokens_per_s for name in (apart, mixed)]
    ratios.append(runs_of[0] / runs_of[1])
line = np.linspace(0.05, 0.95, 91)
llm_plots.foretold(
    {"apart ÷ both": (line, 0.5 / np.maximum(line, 1 - line))},
    {"apart ÷ both": (shares, ratios)},
    "Two machines apart, against two that do both",
    xlabel="share of the work that is reading",
    ylabel="tokens a second, times",
    reference=1,
)
MACHINES = 8
by_readers = {
    f"{n} read, {MACHINES - n} write": decoding.disaggregated(
        requests(1000 * apart_rps), whole, n, MACHINES - n, handover_s
    ).tokens_per_s
    for n in progress(range(1, MACHINES), "Eight machines")
}
variant_plots.scoreboard({"tokens a second, full": by_readers}, "Eight machines, the same chats")
best = max(by_readers, key=by_readers.get)
print(
    f"{MACHINES} machines × {share:.0%} of reading = {MACHINES * share:.1f} readers; best here: {best}"
)

# %% [markdown]
# With more machines the ratio can be chosen: **readers : writers = reading : writing**, both
# measured in machine-seconds of a request. It is right for one mix of traffic, and the mix is
# another at night. The published factor [4] compares requests *within promises for the first
# token and for the gaps*: where both are tight, machines that do both cannot keep them at a load
# at which others can. A service with loose promises gains nothing.
#
# And the cache must travel. Over which network?

# %%
tokens_s = 1 / whole.prefill_s(1000) * 1000
need = tokens_s * TINY.cache_bytes_per_token() / 1e6
print(f"this model: {tokens_s:.0f} tokens a second are read here, {need:.0f} MB of cache a second")
for factor in (2, 1, 0.5, 0.25):
    run = decoding.disaggregated(
        requests(100 * apart_rps), whole, 1, 1, lambda n, f=factor: handover_s(n, f * need)
    )
    print(
        f"a link of {factor:4} times that: {run.tokens_per_s / full[apart].tokens_per_s:.2f} of the tokens"
    )
seven_gb = 1000 * LLAMA_2_7B.cache_bytes_per_token() / 1e9
print(f"Llama 2 7B: {seven_gb:.2f} GB for a prompt of 1,000 tokens: "
      f"{1e3 * seven_gb / MEGABYTE_S:.2f} s on 10 Gbit/s")  # fmt: skip

# %% [markdown]
# A link is wide enough if it carries the cache as fast as prompts are read. For a model with
# ungrouped heads on a fast card that is gigabytes a second: such services are built on the cards'
# own links, or on networks of hundreds of gigabits [4, 6].
#
# ## What you have seen
#
# | trick | the sum | nothing, or harm |
# |---|---|---|
# | prefix caching | tokens still to be read ÷ rate | a date in front; long answers |
# | speculative decoding | tokens a pass ÷ cost of a pass | a busy service; text that nobody can guess |
# | chunked prefill | a step with a piece, × pieces | pieces below the critical batch |
# | disaggregation | ½ ÷ max(s, 1 − s) | a mix that does not fit; a slow network |
#
# Published factors are measured where the trick pays. They are no property of the trick, and they
# do not multiply: a kept prefix leaves less to disaggregate, and guesses spend the arithmetic
# that a larger batch or a piece of a prompt would have used.
#
# ## Three questions

# %%
quiz(
    "A support bot's prompts are: customer's name, then 2,000 tokens of instructions, then the question. "
    "Prefix caching is on; the hit rate is near zero. What is the cheapest remedy?",
    {
        "A larger cache": "Nothing was evicted. Prompts of two customers differ from their first "
        "words, so there is nothing to find, however much is kept.",
        "Move the name behind the instructions": "Right: a prefix ends at the first token that differs. "
        "Now 2,000 tokens are shared by all.",
        "Smaller blocks": "They save part of a block at the end of what is shared. Here nothing is "
        "shared.",
    },
    right="Move the name behind the instructions",
)

# %%
quiz(
    "Speculative decoding gave 1.8 times in the test with one user. In production, at batches of 32, "
    "tokens a second fell by a third. α is the same. What has happened?",
    {
        "The guesser is too weak for real texts": "α is the same, so as many guesses are right as in the "
        "test.",
        "The passes were full already, so checking guesses takes time": "Right: with one user the guesses "
        "ride along with the weights. With 32 they multiply the tokens of a pass that had no arithmetic to "
        "spare.",
        "The KV cache was full": "Guesses that are refused leave nothing in it. A full cache shows as "
        "waiting, not as slower passes.",
    },
    right="The passes were full already, so checking guesses takes time",
)

# %%
quiz(
    "Traffic needs 0.1 s of reading and 0.3 s of writing a request, in full batches. You have eight "
    "machines and disaggregate. How many should read?",
    {
        "Four": "Then the writers are full at 4 ÷ 0.3 = 13 requests a second, and the readers, who could "
        "do 40, mostly wait.",
        "Two": "Right: 2 ÷ 0.1 = 20 and 6 ÷ 0.3 = 20 requests a second. The ratio of the machines is that "
        "of the work.",
        "One, since reading is quick": "One reads 10 requests a second, and seven writers who could do 23 "
        "wait for it.",
    },
    right="Two",
)

# %% [markdown]
# ## Sources
#
# - [1] W. Kwon et al., *Efficient Memory Management for Large Language Model Serving with
#   PagedAttention*, SOSP 2023, section 6.4: shared prefixes.
# - [2] Y. Leviathan, M. Kalman, Y. Matias, *Fast Inference from Transformers via Speculative
#   Decoding*, ICML 2023: 2 to 3 times as fast; equation 1 for the tokens of a pass.
# - [3] A. Agrawal et al., *Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve*,
#   OSDI 2024: up to 5.6 times the capacity.
# - [4] Y. Zhong et al., *DistServe: Disaggregating Prefill and Decoding for Goodput-optimized Large
#   Language Model Serving*, OSDI 2024: 7.4 times the requests within the promises, or promises 12.6
#   times as tight (4.48 and 10.2 in its first version).
# - [5] A. Saxena, *Prompt Lookup Decoding*, 2023; here as built into OpenVINO GenAI.
# - [6] P. Patel et al., *Splitwise: Efficient Generative LLM Inference Using Phase Splitting*, ISCA
#   2024.
# - [7] Azure Public Dataset, *Azure LLM inference trace 2023* (conversation), CC-BY 4.0;
#   `lab_utils/simulate/decoding.py`.
