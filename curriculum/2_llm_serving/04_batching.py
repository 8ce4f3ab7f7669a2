# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.4 · Batching
#
# The chatbot's first version takes one request at a time. Each is answered as fast as this
# machine can, and everybody else waits. Lesson 2.1 found the remedy: a pass for sixteen
# users takes hardly longer than a pass for one, because the weights are fetched once for
# all of them. *So batch.* The team does, and gets less than half of what was promised. It reads
# of a better way to batch, installs it, and again gets less than *that* had promised.
#
# In unit 1 a batch was easy: sixteen pictures go in together and come out together. Here
# one user wants three words and another a page. **Who is in the batch, and when may the
# next one come in?** That question is worth more than any kernel in this unit.

# %% tags=["parameters"]
scale = "laptop"

# %%
import numpy as np

from lab_utils.components.together import Together
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import interleaved
from lab_utils.measure.load.lengths import Lengths
from lab_utils.measure.percentile import highest_supported, percentile
from lab_utils.models.decoder import TINY
from lab_utils.models.language.seeded import seeded
from lab_utils.scale import at
from lab_utils.serve.llm.chat import chat, visits
from lab_utils.serve.llm.engine import preferred_precision
from lab_utils.serve.llm.load import in_turn, streamed_beside, when_due
from lab_utils.serve.llm.service import LLMService
from lab_utils.serve.llm.step_times import step_times
from lab_utils.show import llm_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.simulate import decoding

threads = available_cores()
PLACES = 16
print(
    f"{threads} compute threads; batches of up to {PLACES}; products in {preferred_precision(threads)}"
)

# %% [markdown]
# ## A service and a crowd
#
# The service is a real one: HTTP, a queue, a scheduler, and an engine that is stepped. It runs
# three times here, with nothing different but the scheduler. The first is *static*: whoever waits is
# taken as a batch, the batch is computed until its longest answer is done, and then all are sent.
# That is what one call of a library's `generate` does with a list of prompts, and what most
# teams write first. The two others are introduced when they are needed.
#
# Its model has 0.1 billion seeded weights of 16 bits: small enough that hundreds of requests fit
# into a lesson, and a percentile means something.
#
# The crowd is real, too: conversations that a chat service recorded [1], with the lengths of
# their prompts and answers. They are shortened to save your time, the prompts more than the
# answers, since this lesson is about writing (what reading does comes at its end). The *spread* of
# the answers is as it was, and the spread is what matters.

# %%
path = seeded(TINY, "f16", watching("Tensors"))
SHORTER = at(scale, ci=(64, 16), laptop=(64, 8))
COUNT = at(scale, ci=64, laptop=320)
crowd = chat(COUNT, *SHORTER)
shared = {"threads": threads, "queue_most": COUNT}
shared |= {"INFERENCE_PRECISION_HINT": preferred_precision(threads)}
with waiting("Three services start", about_s=10):
    services = Together(
        {
            "static": LLMService(path, batch_most=PLACES, batching="static", **shared),
            "continuous": LLMService(path, batch_most=PLACES, **shared),
            "in pieces": LLMService(path, batch_most=PLACES, chunk_tokens=128, **shared),
        }
    )
for what, tokens in (("prompts", crowd.prompt_tokens), ("answers", crowd.new_tokens)):
    short, median, long = np.quantile(tokens, (0.1, 0.5, 0.99)).astype(int)
    print(
        f"{what}: median {median} tokens, shortest tenth up to {short}, longest hundredth over {long}"
    )

# %% [markdown]
# First the engine's own promise, measured through the service: one step, with so many users
# in it.

# %%
SIZES = (1, 4, 8, 16)
past = int(crowd.prompt_tokens.mean() + crowd.new_tokens.mean() / 2)


def steps():
    """What a step takes, of the service with continuous batches."""
    return step_times(
        services["continuous"],
        TINY,
        sizes=SIZES,
        past_tokens=past,
        prompts=(8, 64, 256),
        new_tokens=16,
        rounds=at(scale, ci=2, laptop=5),
        watch=watching("Rounds of all sizes"),
    )


times = steps()
for size in SIZES:
    step_s = times.decode_s[size]
    print(
        f"users at once {size:3}: {1e3 * step_s:5.1f} ms a step, {size / step_s:5.0f} tokens a second"
    )
promised = PLACES * times.decode_s[1] / times.decode_s[PLACES]
print(f"{PLACES} places: {promised:.1f} times the tokens of one")

# %%
static_guess = predict(
    f"Static batches of {PLACES}: how many times the tokens of one request at a time?",
    unit="times",
)

# %% [markdown]
# Now the crowd asks, first one after the other, then with always somebody waiting. Machines have
# faster and slower minutes, so all services take turns, twice. All is measured; it is opened piece by
# piece. (A run counts while somebody waits: its end, when places stay empty, does not.)

# %%
one_by_one = chat(at(scale, ci=8, laptop=50), *SHORTER)
runs = interleaved(
    {"one at a time": lambda: in_turn(services["static"], TINY, one_by_one, connections=1)}
    | {
        name: lambda name=name: in_turn(services[name], TINY, crowd, connections=2 * PLACES)
        for name in services
    },
    rounds=2,
    watch=watching("Rounds of all services"),
)
rates = {name: [run.saturated_tokens_per_s for run in each] for name, each in runs.items()}


def times_of(name, than):
    """How many times the tokens a second, within a round."""
    return float(np.mean(np.divide(rates[name], rates[than])))


def show_rates(*names):
    """Tokens a second, round by round."""
    for name in names:
        print(f"{name:14} {', '.join(f'{rate:.0f}' for rate in rates[name])} tokens a second")


show_rates("one at a time", "static")
gain = times_of("static", "one at a time")
static_guess.reveal(gain)
key_figure("static ÷ one at a time", gain, "times")

# %% [markdown]
# Where has the rest gone? Nothing is slow, no step takes longer than promised. Look at who
# had a place, and when. A bar is an answer; it is pale from its own last token on, when the
# place is computed for nobody.


# %%
def places(names):
    """Who has a place, in these runs."""
    llm_plots.places(
        {
            name: (run.begun_s, run.written_s, run.done_s)
            for name in names
            for run in runs[name][:1]
        },
        PLACES,
        "Who has a place",
    )


places(["static"])
pale_guess = predict("What share of this picture is not a full colour?", unit="%")


# %%
def share_used(served):
    """Of all places, while somebody waited: those in which somebody's own token was computed."""
    until_s = served.begun_s.max()
    own_s = np.sum(np.minimum(served.written_s, until_s) - served.begun_s)
    return own_s / (PLACES * until_s)


used = {name: np.mean([share_used(run) for run in runs[name]]) for name in services}
pale_guess.reveal(100 * (1 - used["static"]))
batches = crowd.new_tokens[: COUNT - COUNT % PLACES].reshape(-1, PLACES)
spread = np.mean(batches.max(1)) / np.mean(batches)
print(f"the longest of {PLACES} answers ÷ their mean: {spread:.1f}")
print(f"promised ÷ that: {promised / spread:.1f} times; measured: {gain:.1f} times")
key_figure("longest ÷ mean, from the log of lengths", spread, "times")
key_figure("places used, static", 100 * used["static"], "%")

# %% [markdown]
# Each batch is as long as its longest answer. **What a static batch wastes is known before
# anything is built**: from a log of lengths, *longest ÷ mean* of as many answers as there are
# places. Divide the promise by it; the last line shows how near that comes. (What is left over is
# the reading of prompts, and the moments in which a batch is waited for.)
#
# It grows with the places, since a larger batch has a longer longest. That is why a larger static
# batch disappoints: what the sharing of the weights gives, the waiting takes.
#
# ## Let the next one in
#
# Nothing forces the batch to end together. A step is a pass over whoever is there; between two
# steps somebody may leave and somebody may come [2].

# %%
continuous_guess = predict(
    "The same crowd, places filled again at once: how many times the tokens of static?",
    unit="times",
)

# %%
places(["static", "continuous"])
better = times_of("continuous", "static")
continuous_guess.reveal(better)
show_rates("static", "continuous")
print(f"places used: {used['static']:.0%} and {used['continuous']:.0%}")
key_figure("continuous ÷ static, tokens a second", better, "times")

# %% [markdown]
# Compare two ratios, that of the used places and that of the tokens. If a used place were all that
# counts, they would be the same. Where the tokens have gained much less, the new rule pays
# for something that the old one did not.
#
# ## What a newcomer costs
#
# To see it, watch one user's screen. An answer grows, and every now and then somebody else comes with
# a long prompt.

# %%
LONG_PROMPT = at(scale, ci=1024, laptop=2048)
pause_guess = predict(
    f"A prompt of {LONG_PROMPT:,} tokens comes in: the watcher's longest pause, in usual gaps?",
    unit="times",
)

# %%
watched = {
    name: streamed_beside(
        services[name],
        TINY,
        new_tokens=at(scale, ci=80, laptop=400),
        others=Lengths.of([LONG_PROMPT] * 2, [4] * 2),
        every_s=at(scale, ci=0.6, laptop=2),
    )
    for name in ("continuous", "in pieces")
}
token_s, came_s = watched["continuous"]
llm_plots.stream(token_s, came_s, "One reader's screen, and when others came")
pauses = {name: np.diff(each[0]) for name, each in watched.items()}
longest = {name: gaps_s.max() / np.median(gaps_s) for name, gaps_s in pauses.items()}
pause_guess.reveal(longest["continuous"])
key_figure("longest pause ÷ usual gap", longest["continuous"], "times")

# %% [markdown]
# The stairs stand still each time. A newcomer's prompt must be read before its first word, and
# reading is a step like any other: whoever is in the batch waits for it. With a *static* batch
# all prompts are read in one step at its beginning. With continuous batches **every answer brings
# a step of its own in which nobody writes**, however short its prompt.
#
# So do the sum for the crowd. In the steady state, for each answer: one step that reads, and its
# part of the steps that write, which is *tokens × step ÷ places*.

# %%
read = sorted(times.prefill_s.items())
read_s = float(np.interp(crowd.prompt_tokens.mean(), *zip(*read, strict=True)))
write_s = crowd.new_tokens.mean() * times.decode_s[PLACES] / PLACES
print(f"a prompt is read in          {1e3 * read_s:5.1f} ms, while all others stand still")
print(f"an answer's part of writing: {1e3 * write_s:5.1f} ms")
print(f"time that goes into reading: {read_s / (read_s + write_s):.0%}")
pieces_guess = predict(
    "If prompts were read *within* the steps that write: how many times static's tokens?",
    unit="times",
)

# %% [markdown]
# A step for sixteen users multiplies sixteen columns with every weight and takes hardly
# longer than for one. Then why not thirty more columns, from somebody's prompt? That is *chunked
# prefill* [6]: a step takes everybody's next token, and fills up with pieces of prompts to a fixed
# number of tokens. The third service does that.

# %%
in_pieces = times_of("in pieces", "static")
pieces_guess.reveal(in_pieces)
show_rates("static", "continuous", "in pieces")
for name, times_gap in longest.items():
    print(f"longest pause on the watcher's screen, {name}: {times_gap:.0f} usual gaps")
key_figure("continuous, prompts in pieces ÷ static, tokens a second", in_pieces, "times")

# %% [markdown]
# Two famous ideas, and the first disappoints without the second. "Continuous batching is N times as
# fast" is a statement about a spread of lengths, a number of places, a machine, *and how prompts are
# read*. All four are known before anybody installs anything.
#
# (The pauses are shorter and not gone: while a long prompt is read in pieces, each step is a longer
# one. And a mean of the time between tokens hides all of this, as does a P99 of whole answers. Watch
# the **P99 of the gaps**.)
#
# ## What it does to those who wait
#
# Tokens a second are the owner's figure. Now the users': requests come when they come,
# as recorded, at six tenths of what the *static* service can do. Static, and continuous with prompts
# in pieces, have the same arrivals and the same answers to write.

# %%
rate_rps = 0.6 * max(rates["static"]) / crowd.new_tokens.mean()
short_guess = predict(
    "Of the shorter half of the answers: how many times as long do they take with static?",
    unit="times",
)

# %%
COME = at(scale, ci=48, laptop=640)
arrivals, comers = visits(COME, rate_rps), chat(COME, *SHORTER)
crowded = {
    name: when_due(services[name], TINY, arrivals, comers)
    for name in progress(("static", "in pieces"), "The same visits at both")
}
llm_plots.latency_by_length(
    {name: (served.new_tokens, served.latency_s) for name, served in crowded.items()},
    "Every answer",
    ylabel="from asking to the last word (s)",
)
shorter_half = {
    name: served.latency_s[served.new_tokens <= np.median(comers.new_tokens)]
    for name, served in crowded.items()
}
longer_wait = np.median(shorter_half["static"]) / np.median(shorter_half["in pieces"])
short_guess.reveal(longer_wait)
q = highest_supported(COME)
for name, served in crowded.items():
    print(
        f"{name:11} first token {1e3 * np.median(served.first_token_s):5.0f} ms (median), "
        f"whole answer p{q:g} {percentile(served.latency_s, q).median:.2f} s"
    )
key_figure("short answers, static ÷ continuous", longer_wait, "times")

# %% [markdown]
# With continuous batches the cloud rises to the right: a long answer takes long. With static
# ones it hardly does. Three words take as long as a page: they wait for the batch before theirs,
# and then for a *stranger's* page in their own. This is **head-of-line blocking**. And nothing can be
# streamed: the first word comes with the last. No faster kernel helps them.
#
# ## As many tokens, at the same P99
#
# The two figures are one trade: any service can have more tokens a second by letting people
# wait. The honest question is *how many tokens at a P99 that we may promise?* That takes a run
# for each rate and each policy; we have seconds. So we simulate: the rules of the three
# schedulers, fed with measured step times [3]. A simulation is worth as much as its error, so first
# the runs we have. And its input is worth as much as the machine is steady, so the steps are measured
# once more, and the mean of both is taken.

# %%
again = steps()
print(f"a step of {PLACES}, now ÷ before: {again.decode_s[PLACES] / times.decode_s[PLACES]:.2f}")
decode_s = {n: (times.decode_s[n] + again.decode_s[n]) / 2 for n in SIZES}
prefill_s = {n: (s + again.prefill_s[n]) / 2 for n, s in times.prefill_s.items()}
whole_prompts, chunks = (
    decoding.Engine.measured(decode_s, prefill_s, PLACES, chunk_tokens=tokens)
    for tokens in (None, 128)
)
policies = {
    "static": lambda requests: decoding.static(requests, whole_prompts),
    "continuous": lambda requests: decoding.continuous(requests, whole_prompts),
    "in pieces": lambda requests: decoding.continuous(requests, chunks),
}


def simulated(policy, rate_rps, count=COME):
    """The crowd's visits at a rate, under a policy."""
    lengths, due_s = chat(count, *SHORTER), visits(count, rate_rps).due_s
    requests = decoding.Requests.of(due_s, lengths.prompt_tokens, lengths.new_tokens)
    return policies[policy](requests)


for name, served in crowded.items():
    told = simulated(name, rate_rps)
    error = np.median(told.latency_s) / np.median(served.latency_s) - 1
    tail = percentile(told.latency_s, q).median / percentile(served.latency_s, q).median - 1
    print(f"{name:11} simulated against measured: median {error:+.0%}, p{q:g} {tail:+.0%}")
    key_figure(f"{name}: simulated p{q:g} ÷ measured", 1 + tail, "")

# %%
equal_guess = predict(
    "At equal P99: how many times the tokens of static, as static gets near its limit?",
    unit="times",
)

# %%
MANY = 600
curves = {}
for name in progress(policies, "Policies"):
    most_rps = max(rates[name]) / crowd.new_tokens.mean()
    simulations = [
        simulated(name, s * most_rps, MANY)
        for s in np.linspace(0.1, 1, at(scale, ci=10, laptop=20))
    ]
    curves[name] = (
        np.array([run.tokens_per_s for run in simulations]),
        np.array([percentile(run.latency_s, 99).median for run in simulations]),
    )
static_tokens, static_p99 = (line[-3] for line in curves["static"])  # at some 8 tenths
llm_plots.latency_by_rate(
    curves,
    {
        name: ([served.tokens_per_s], [percentile(served.latency_s, q).median])
        for name, served in crowded.items()
        if q >= 99
    },
    "What may be promised, and how much work it allows",
    ylabel="P99 of the whole answer (s)",
    limit_s=static_p99,
)
tokens, p99_s = curves["in pieces"]
equal = max(tokens[p99_s <= static_p99], default=float("nan"))
equal_guess.reveal(equal / static_tokens)
print(
    f"P99 up to {static_p99:.2f} s: static {static_tokens:.0f}, in pieces {equal:.0f} tokens a second"
)
key_figure("in pieces ÷ static at equal P99, simulated", equal / static_tokens, "times")

# %% [markdown]
# Read the dashed line from left to right. It is a promise that static batches can just keep at
# eight tenths of what they can do. Where each curve crosses it is the work that this machine can
# sell under the promise. The tighter the promise, the larger the distance between the crossings:
# below the left end of its curve static cannot keep a promise *at any load*. Published gains from
# two to over twenty [2, 4] are such crossings, of different lines.
#
# ## Which batch size?
#
# One setting is left: the number of places. More places, more tokens a second, and slower
# steps for everybody in them. The answer follows from a promise again, this time about the time
# between words. People read some four words a second [5]; a chat is pleasant while it is faster.

# %%
variant_plots.scoreboard(
    {
        "ms between tokens": {f"{n} at once": 1e3 * s for n, s in times.decode_s.items()},
        "tokens a second": {f"{n} at once": n / s for n, s in times.decode_s.items()},
    },
    "Full batches",
)
half, whole = SIZES[-2:]
last = times.decode_s[whole] / times.decode_s[half]
print(
    f"from {half} to {whole} places: steps {last:.2f} times as long, "
    f"{whole / half / last:.2f} times the tokens"
)

# %% [markdown]
# So: **the largest batch whose step keeps the promise about the gaps, as far as the KV cache has
# room for it** (lesson 2.2), and no larger. Where doubling the places brings hardly more tokens,
# the machine has passed its critical batch (2.1): from there on a larger batch only makes
# everybody wait inside instead of outside. A queue outside is better: it can be bounded, sorted
# and refused (2.6).

# %%
services.stop()

# %% [markdown]
# ## What you have seen
#
# 1. A static batch is as long as its longest answer. What it wastes is *longest ÷ mean*, known
#    from a log of lengths.
# 2. Continuous batching fills the places, and pays with a step for every newcomer's prompt.
# 3. Read in pieces, within the steps that write, prompts cost less, and pauses are short.
# 4. Short answers gain most: they no longer wait for a stranger's page.
# 5. Gains are compared at equal P99. The tighter the promise, the larger they are.
#
# **Next**: a server that batches any model, and why that batching is the wrong one for words.
#
# ## Three questions

# %%
quiz(
    "With static batches you double the places from 8 to 16, and tokens a second grow by a tenth. "
    "Step times grew by a tenth as well. What is the likeliest cause?",
    {
        "The KV cache was full": "Then steps would not have been filled; requests would wait, and the "
        "engine's cache usage would show it.",
        "The longest of 16 answers is longer than the longest of 8": "Right: more places stand empty "
        "for longer. The log of answer lengths tells by how much, before the change.",
        "The machine is past its critical batch": "Then a step of 16 would take nearly twice as long "
        "as one of 8. It took a tenth more.",
    },
    right="The longest of 16 answers is longer than the longest of 8",
)

# %%
quiz(
    "A service classifies texts: one pass each, one word as the answer, prompts of about the same "
    "length. Is it worth moving it from request-level to continuous batching?",
    {
        "Yes, continuous batching is faster": "It fills places that others leave early. Here all "
        "leave after the same single step.",
        "Hardly: all of a batch are done after the same step": "Right. Longest ÷ mean is 1. What "
        "matters there is how long to wait for company, which is the next lesson.",
        "Yes, because prompts are padded": "Prompts of about the same length have little padding, and "
        "it can be avoided by sorting.",
    },
    right="Hardly: all of a batch are done after the same step",
)

# %%
quiz(
    "After the move to continuous batching the P99 of whole answers halves. Users of the streaming "
    "client complain that words now stutter. Which figure shows what they see?",
    {
        "The mean time between tokens": "A pause of half a second among three hundred tokens moves the "
        "mean by less than two milliseconds.",
        "The time to first token": "It is over before the first word is on the screen.",
        "The P99 of the gaps between tokens": "Right: newcomers' prompts are read in steps of their "
        "own, and everybody in the batch waits for these. They are few, and the long ones are long.",
    },
    right="The P99 of the gaps between tokens",
)

# %% [markdown]
# ## Sources
#
# - [1] Azure Public Dataset, *Azure LLM inference trace 2023* (conversation), CC-BY 4.0; P. Patel et
#   al., *Splitwise*, ISCA 2024.
# - [2] G.-I. Yu et al., *Orca: A Distributed Serving System for Transformer-Based Generative
#   Models*, OSDI 2022: iteration-level scheduling; 36.9 times the throughput at equal latency of
#   the system that it was compared with.
# - [3] `lab_utils/simulate/decoding.py`; `./lab bench llm` holds it against the live service at
#   three loads.
# - [4] W. Kwon et al., *Efficient Memory Management for Large Language Model Serving with
#   PagedAttention*, SOSP 2023: 2 to 4 times against earlier systems, at the same latency.
# - [5] M. Brysbaert, *How many words do we read per minute?*, Journal of Memory and Language 109,
#   2019: 238 words a minute in silence, four a second.
# - [6] A. Agrawal et al., *Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve*,
#   OSDI 2024: chunked prefills.
