# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.1 · Prefill and decode
#
# A chatbot runs on a model of seven billion weights. It is right often enough, and it
# takes twenty seconds to say so. The product wants two, for 99 of 100 answers, at a
# fixed price for a thousand of them. Before anybody buys anything: **what is the time
# of an answer made of?**
#
# In unit 1 a request was one pass through a network. Here it is one pass to read the
# prompt (*prefill*), then one for each further token of the answer (*decode*). Both are
# the same network with the same weights. They could not be less alike, and nearly
# everything in this unit follows from the difference.

# %% tags=["parameters"]
scale = "laptop"

# %%
import itertools
from dataclasses import replace
from functools import partial

import psutil

from lab_utils.machine.caches import caches
from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.machine.roofline import critical_batch
from lab_utils.measure.compare import compare, interleaved
from lab_utils.measure.interval import interval, ratio_interval
from lab_utils.measure.resident import resident
from lab_utils.models.decoder import LLAMA_2_7B, SMALL, answer_s, decode_s
from lab_utils.models.language.gguf_file import bits_of
from lab_utils.models.language.seeded import prompt, seeded
from lab_utils.optimize.language_forms import from_gguf
from lab_utils.scale import at
from lab_utils.serve.llm.engine import Engine
from lab_utils.show import machine as plots
from lab_utils.show import variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, side_by_side, waiting, watching
from lab_utils.show.quiz import quiz

threads = available_cores()
print(f"{threads} compute threads; {', '.join(facts().instruction_sets) or facts().processor}")

# %% [markdown]
# ## A model of the right shape
#
# Speed depends on a model's shape and on the bits of its weights, not on what they say.
# So this lesson's weights are drawn by a seed: the files have the size and the layers of
# a real model, load as one, compute as one, and talk nonsense. The first is a tenth of the
# 7B or less, at 8 bits and at 4 [2], which is far beyond the processor's private caches and
# still quick enough for a lesson.

# %%
shape = replace(SMALL, layers=at(scale, ci=12, laptop=24))
files = {kind: seeded(shape, kind, watching(f"Tensors, {kind}")) for kind in ("q8_0", "q4_0")}


def loaded(path):
    """An engine, warm. It keeps what it has read and does not read it again."""
    engine = Engine(path, threads, keep_prefixes=True)
    engine.run([prompt(shape, 4)], new_tokens=4)
    return engine


engines = side_by_side({kind: partial(loaded, path) for kind, path in files.items()}, "Engines")
read_bytes = {kind: shape.decode_parameters * bits_of(kind) / 8 for kind in files}
print(f"{shape.parameters / 1e9:.2f} billion weights in {shape.layers} layers")
for kind, path in files.items():
    print(
        f"{kind}: {bits_of(kind)} bits a weight with its scale, {path.stat().st_size / 1e9:.2f} GB; "
        f"a token reads {read_bytes[kind] / 1e9:.2f} GB"
    )
print("caches:", ", ".join(f"{name} {plots.size_text(size)}" for name, size in caches().items()))

# %% [markdown]
# (A token reads a little less than the file: of the table that turns tokens into vectors
# it needs one row.)
#
# ## Reading is fast, writing is slow
#
# A prompt of 128 tokens, a long paragraph, and an answer of 25: the pass that reads
# the prompt gives the first token, 24 more passes give the others. (The engine keeps what it
# has read, as a service does; so each prompt here is another.)

# %%
reading_guess = predict(
    "Reading 128 tokens takes how many times as long as writing one?", unit="times"
)

# %%
TOKENS, ANSWER = 128, 25
seeds = itertools.count(1)


def new(length=TOKENS):
    """A prompt that no engine has read."""
    return prompt(shape, length, next(seeds))


slow = engines["q8_0"]
slow.run([new()], new_tokens=4)
answers = [
    slow.run([new()], ANSWER) for _ in progress(range(at(scale, ci=2, laptop=10)), "Answers")
]
first_s = interval([answer.time_to_first_token_s for answer in answers])
token_s = interval([s for answer in answers for s in answer.token_s])
written_s = token_s.median * (ANSWER - 1)
variant_plots.shares(
    {
        name: {"read": 100 * read / (read + written), "written": 100 * written / (read + written)}
        for name, read, written in (
            ("tokens", TOKENS, ANSWER - 1),
            ("time", first_s.median, written_s),
        )
    },
    "One answer: what is read, and what is written",
    xlabel="%",
)
reading_guess.reveal(first_s.median / token_s.median)
print(f"reading: {TOKENS / first_s.median:6.0f} tokens a second")
print(f"writing: {1 / token_s.median:6.1f} tokens a second")
key_figure("8 bits: reading 128 tokens ÷ writing one", first_s.median / token_s.median, "times")

# %% [markdown]
# If you guessed 128, you thought of the arithmetic: each token, read or written, costs
# the same multiplications, two operations for each weight. So something else takes the
# time of a written token.
#
# It is the way of the weights. To multiply with a weight the processor must have it, and
# so many do not fit into its caches: each pass fetches **all of them** from memory. A pass
# that reads a page uses each weight 128 times while it is there. A pass that writes uses
# it once.
#
# That makes a prediction that needs no model, no engine and no experiment: *seconds a
# token ≥ bytes of the weights ÷ bandwidth* [1].

# %%
limits = ceilings(threads, watch=watching("Ceilings, unless measured already"))
least_s = {kind: size / limits.bandwidth_bytes_per_s for kind, size in read_bytes.items()}
print(f"memory gives {limits.read.per_s.scaled(1e-9)} GB a second")
print(f"so 8 bits write at most {1 / least_s['q8_0']:.1f} tokens a second")
reached_guess = predict("What share of that does the engine reach?", unit="%")

# %%
reached = interval([least_s["q8_0"] / s for answer in answers for s in answer.token_s]).scaled(100)
reached_guess.reveal(reached)
key_figure("8 bits: writing, share of the bandwidth's promise", reached, "%")

# %% [markdown]
# What is missing to 100 %: weights must be unpacked from their blocks before they can be
# multiplied, which takes instructions; between two matrices the threads meet and wait; and
# the ceiling was measured with a loop that does nothing but read. (A figure near or above
# 100 % would mean a cache that holds much of the model. Compare the sizes above.)
#
# A monitor shows all cores busy all the while. *"The processor is at 100 %, so we are
# compute-bound"* is the commonest wrong conclusion about these services. A core that waits
# for memory counts as busy (lesson 1.2).
#
# ## Half the bits
#
# If bytes are the time, then fewer bits are faster, whatever the arithmetic. From 8 bits to
# 4, each with its scales:

# %%
fewer = bits_of("q8_0") / bits_of("q4_0")
print(f"{bits_of('q8_0')} bits ÷ {bits_of('q4_0')} bits = {fewer:.2f}")
writing_guess = predict("4 bits in place of 8: how many times as fast is writing?", unit="times")
page_guess = predict("And reading the page?", unit="times")

# %%
for engine in engines.values():
    engine.run([new()], new_tokens=4)
rounds = interleaved(
    {
        kind: lambda engine=engine: engine.run([new()], at(scale, ci=5, laptop=17))
        for kind, engine in engines.items()
    },
    rounds=at(scale, ci=6, laptop=15),
    watch=watching("Rounds of both"),
)
written, read = (
    compare(
        *([of(run) for run in rounds[kind]] for kind in ("q4_0", "q8_0")), higher_is_faster=False
    )
    for of in (lambda run: interval(run.token_s).median, lambda run: run.time_to_first_token_s)
)
writing_guess.reveal(written.speed_ratio)
page_guess.reveal(read.speed_ratio)
print("writing:", written)
print("reading:", read)
key_figure("writing, 4 bits ÷ 8 bits", written.speed_ratio, "times")
key_figure("reading, 4 bits ÷ 8 bits", read.speed_ratio, "times")

# %% [markdown]
# Writing gains, as a rule by less than the bytes promise: 4 bits take more instructions to unpack
# than 8. Where the gain is far below the promise, the limit has moved. It was the memory,
# and now it is the cores that unpack. Reading gains little or nothing, or loses: each
# weight, once fetched, is used 128 times, so the fetching hardly counted, and the
# multiplications are as many as before.
#
# So "INT4 made our model much faster" and "INT4 brought us nothing" are both true, of a
# chatbot with long answers and of a summariser with long prompts. **Ask which of the two
# passes your service spends its time in, before you quantise.**
#
# ## A prompt is a batch
#
# One use of each weight is a waste, and there is a remedy: let several users' tokens go
# through the network in the same pass. Each weight is fetched once for all of them.

# %%
batch_guess = predict(
    "16 users write at once: a pass takes how many times as long as for one?", unit="times"
)
same_guess = predict(
    "A prompt of 16 tokens of one user: how many times as long as those 16 users' pass?",
    unit="times",
)

# %%
sizes = at(scale, ci=(1, 4, 16, 32), laptop=(1, 2, 4, 8, 16, 32, 64))
quick = engines["q4_0"]


def users(size):
    """Seconds of a pass that writes one token for each of so many users."""
    return interval(quick.run([new(4) for _ in range(size)], 5).token_s).median


def one_prompt(size):
    """Seconds of the pass that reads a prompt of so many tokens."""
    return quick.run([new(size)], new_tokens=1).time_to_first_token_s


passes = {f"users {n}": lambda n=n: users(n) for n in sizes}
passes |= {f"prompt {n}": lambda n=n: one_prompt(n) for n in sizes}
for one_pass in passes.values():
    one_pass()
timed = interleaved(
    passes, rounds=at(scale, ci=3, laptop=12), watch=watching("Rounds of all sizes")
)
by_users, by_prompt = (
    {n: interval(timed[f"{what} {n}"]) for n in sizes} for what in ("users", "prompt")
)
precision = "int8" if facts().multiplies_int8 else "fp32"
turning = critical_batch(
    limits.peak_per_s(precision), limits.bandwidth_bytes_per_s, bits_of("q4_0") / 8
)
operations = 2 * shape.decode_parameters
plots.time_by_batch(
    {"so many users, a token each": by_users, "one prompt of so many tokens": by_prompt},
    {n: max(least_s["q4_0"], n * operations / limits.peak_per_s(precision)) for n in sizes},
    "One pass through the network, 4 bits",
    critical_batch=turning,
)
batch_guess.reveal(by_users[16].median / by_users[1].median)
same_guess.reveal(by_prompt[16].median / by_users[16].median)
for n in (1, 4, 16, sizes[-1]):
    print(
        f"users at once {n:3}: {n / by_users[n].median:6.1f} tokens a second together, {1 / by_users[n].median:5.1f} each"
    )
key_figure("16 users ÷ 1, one pass", by_users[16].median / by_users[1].median, "times")
key_figure("prompt of 16 ÷ 16 users", by_prompt[16].median / by_users[16].median, "times")

# %% [markdown]
# Two curves, and they lie nearly on each other. The network does not know whether sixteen tokens
# are the words of one prompt or the next words of sixteen people: it is a matrix of sixteen
# rows either way. **A prompt is a batch**, and prefill is fast for the same reason that
# batching is. (They part where attention does: each token of a prompt looks back at its own
# prompt only, and each user brings a past of their own. Short ones, here.)
#
# The black line is the roofline's: flat while fetching the weights takes longer than
# multiplying with them, then rising. It turns at the **critical batch**, which depends on
# the machine and on the bits, and on nothing in the model. Where the measured curves rise
# earlier, the engine unpacks weights or multiplies more slowly than the best matrix product
# of lesson 1.2; read *your* turning point from the points, not from the line.
#
# Read the printed lines as the owner of the service does. From 1 user to 16 the machine
# writes several times as many tokens for the same electricity, and each user waits
# longer for each. That trade, throughput for latency, is the subject of lesson 2.4.
#
# ## What the past costs
#
# To write a token the network looks back at every earlier one: it keeps two vectors for
# each, in each layer (the *KV cache*), and a pass reads all of them. How much is that?

# %%
PAST = at(scale, ci=768, laptop=3072)
cache_bytes = shape.cache_bytes_per_token(bytes_per_value=1)
print(f"{cache_bytes / 1e3:.0f} kB a token at 8 bits a value; {PAST:,} tokens: "
      f"{PAST * cache_bytes / 1e6:.0f} MB, beside {read_bytes['q4_0'] / 1e6:.0f} MB of weights")  # fmt: skip
by_bytes = 1 + PAST * cache_bytes / read_bytes["q4_0"]
print(f"by bytes alone: {by_bytes:.2f} times as long a token")
past_guess = predict(
    f"With {PAST:,} tokens of past: how many times as long is a written token?", unit="times"
)

# %% [markdown]
# (Now its habit of keeping what it has read is of use: the long prompt is read once, not in each
# round.)

# %%
slow.close()
lengths = {"no past": 16, "past": PAST}
with waiting("A long prompt is read", about_s=6):
    for length in lengths.values():
        quick.run([prompt(shape, length)], 8)
for_token = interleaved(
    {
        name: lambda length=length: (
            interval(quick.run([prompt(shape, length)], at(scale, ci=9, laptop=13)).token_s).median
        )
        for name, length in lengths.items()
    },
    rounds=at(scale, ci=6, laptop=16),
    watch=watching("Rounds with and without a past"),
)
longer = ratio_interval(for_token["past"], for_token["no past"])
past_guess.reveal(longer)
key_figure(f"{PAST:,} tokens of past, a written token", longer, "times")

# %% [markdown]
# (By bytes is the least. The engine finds each past in blocks all over the cache and
# unpacks its 8-bit values, with little arithmetic for each, so it takes longer. Where the
# interval includes 1, this past is too short to be seen beside the weights.)
#
# One user's past is small beside the weights. But the weights are shared by all users of a
# batch, and nobody shares a past. With sixteen users of that past, the cache is read
# sixteen times over. So what limits a batch is seldom arithmetic; it is the memory for
# everybody's past, and the time to read it. Lesson 2.2 counts it.
#
# ## An answer, foretold
#
# Two numbers are promised to users: the **time to first token** (prefill, and waiting), and
# the **time between tokens** (a pass). The formula of an answer needs both passes:
#
# > answer ≥ 2 × weights × prompt ÷ peak + (tokens − 1) × bytes of the weights ÷ bandwidth
#
# Below, the bound for three kinds of work, and what the engine took (4 bits).

# %%
KINDS = {"chat": (64, 33), "summary": (384, 17), "one word": (384, 1)}
print(f"{'':10}{'prompt':>7}{'answer':>8}{'bound':>9}{'measured':>10}{'reading':>9}")
for name, (read_tokens, new_tokens) in KINDS.items():
    bound_s = answer_s(
        shape.decode_parameters,
        bits_of("q4_0") / 8,
        read_tokens,
        new_tokens,
        limits.peak_per_s(precision),
        limits.bandwidth_bytes_per_s,
    )
    run = quick.run([new(read_tokens)], new_tokens)
    print(
        f"{name:10}{read_tokens:7}{new_tokens:8}{bound_s:8.2f}s{run.step_s.sum():9.2f}s"
        f"{run.time_to_first_token_s / run.step_s.sum():9.0%}"
    )

# %% [markdown]
# Neither pass reaches its bound: weights are unpacked on the way, which neither a plain
# read nor the best matrix product has to do. The bounds still tell which way to go. A
# summary gets faster with more or better *arithmetic* (more cores, a GPU), a chat with
# fewer *bytes* or more *bandwidth*.
#
# ## Seven billion
#
# Now the job's model, in the shape of Llama 2 7B [3]. Everything needed is known.

# %%
bytes_7b = LLAMA_2_7B.decode_parameters * bits_of("q4_0") / 8
fraction = least_s["q4_0"] / interval([r.token_s.min() for r in rounds["q4_0"]]).median
least_7b_s = decode_s(
    LLAMA_2_7B.decode_parameters, bits_of("q4_0") / 8, limits.bandwidth_bytes_per_s
)
print(f"{bytes_7b / 1e9:.1f} GB a token; at most {1 / least_7b_s:.1f} tokens a second")
seven_guess = predict("Llama 2 7B at 4 bits on this machine: tokens a second?", unit="tokens/s")

# %%
quick.close()
expected = fraction / least_7b_s
print(
    f"as efficient as the small one: {expected:.1f} tokens a second, "
    f"{200 / expected:.0f} s for an answer of 200"
)
NEEDED = 1.6  # times the file's size; mostly the engine's own copy, in the order it multiplies in
needed_gb = NEEDED * LLAMA_2_7B.parameters * bits_of("q4_0") / 8e9
free_gb = psutil.virtual_memory().available / 1e9
folder = None
if at(scale, ci=True, laptop=False):
    print("At the scale ci it is not measured: its file has 3.8 GB. At laptop it is.")
elif free_gb < needed_gb:
    print(f"It takes {needed_gb:.0f} GB of memory, and {free_gb:.0f} are free here.")
else:
    with waiting("7B is written and converted, unless it was already", about_s=90):
        folder = from_gguf(LLAMA_2_7B, "q4_0")

# %%
if folder is not None:
    with waiting("7B loads and answers", about_s=20), Engine(folder, threads) as large:
        run = large.run([prompt(LLAMA_2_7B, 32)], new_tokens=17)
        own_bytes = resident().private_bytes
    rate = interval(1 / run.token_s)
    seven_guess.reveal(rate)
    print(f"{own_bytes / 1e9:.1f} GB of this process's own memory, beside the pages of its file")
    key_figure("7B at 4 bits, written", rate, "tokens a second")
    key_figure("7B at 4 bits, memory of the process's own", own_bytes / 1e9, "GB")

# %% [markdown]
# That is what the complaint is about, and no setting of a server changes it for a single
# user: every token must fetch every weight. What *can* be changed is how much there is to fetch (2.2, 2.3), how many share a
# fetch (2.4), and from which memory. A data-centre GPU reads some 3,000 GB a second [4]; now
# you know what is bought with it.
#
# ## What you have seen
#
# 1. Reading 128 tokens takes far less than 128 times as long as writing one, though the
#    arithmetic is 128 times as much.
# 2. A written token takes at least bytes ÷ bandwidth, however few operations it has; how near
#    an engine comes to that is measured.
# 3. Fewer bits make writing faster and reading hardly.
# 4. Sixteen users, or sixteen tokens of a prompt: the same pass.
# 5. A past costs each user its own bytes; weights are shared.
#
# **Next**: the memory. How many users' pasts fit beside the weights?
#
# ## Three questions

# %%
quiz(
    "A service writes 12 tokens a second for one user. All cores are at 100 %. A processor with "
    "twice as many cores and the same memory is offered. What do you expect for one user?",
    {
        "24 tokens a second": "If arithmetic were the limit. At one token a pass each weight is "
        "fetched for two operations; the cores mostly wait, which a monitor counts as busy.",
        "About 12 tokens a second": "Right: the bytes of the weights over the same bandwidth. (A few "
        "more, if so far the cores could not keep the memory busy.) Several users at once, and long "
        "prompts, would gain.",
        "6, because of oversubscription": "There are more cores, not more threads a core.",
    },
    right="About 12 tokens a second",
)

# %%
quiz(
    "Your summariser reads 4,000 tokens and writes 50. The team has quantised it from 8 to 4 bits, "
    "and the time of an answer hardly moved. Which explanation fits?",
    {
        "The engine has no kernel for 4 bits": "Possible; then writing would be slow, too. Look at "
        "the time between tokens first.",
        "Most of its time is reading, which is bound by arithmetic": "Right: a page uses each "
        "fetched weight thousands of times, so fetching less saves little.",
        "The scales of the blocks eat the gain": "They make 4 bits 4.5. That still is close to half.",
    },
    right="Most of its time is reading, which is bound by arithmetic",
)

# %%
quiz(
    "At 8 users a pass takes 1.3 times as long as at 1. What do the users get?",
    {
        "Each waits 8 times as long": "They share the pass; each gets a token from it.",
        "Each gets tokens 1.3 times as slowly, and the machine writes 6 times as many": "Right: "
        "8 ÷ 1.3. The weights were fetched once for all of them.",
        "The same speed each, up to the critical batch": "That is the roofline's promise. 1.3 is "
        "what was measured; unpacking and everybody's own past take time.",
    },
    right="Each gets tokens 1.3 times as slowly, and the machine writes 6 times as many",
)

# %% [markdown]
# ## Sources
#
# - [1] R. Pope et al., *Efficiently Scaling Transformer Inference*, MLSys 2023: memory time and
#   compute time of the two phases; J. Austin et al., *How To Scale Your Model*, 2025, *All About
#   Transformer Inference*, for the critical batch.
# - [2] GGUF specification, ggml project: blocks of 32 weights with a 16-bit scale (Q4_0, Q8_0).
# - [3] H. Touvron et al., *Llama 2: Open Foundation and Fine-Tuned Chat Models*, 2023.
# - [4] NVIDIA, *H100 Tensor Core GPU* data sheet: 3.35 TB/s of memory bandwidth (SXM).
