# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [triton]
# ---

# %% [markdown]
# # 2.5 · Triton
#
# A small service runs on NVIDIA's Triton Inference Server. Its model answers within
# milliseconds, and it is idle most of the time. To be safe somebody adds one line to the
# model's configuration: at most a thousand requests may wait. Never more than ten have
# waited. From that day on some users wait half a second. No error, nothing in the log.
#
# An inference server is a bundle of such lines: batches, pauses, bounds, priorities,
# warm-up, a cache. Each is easy to switch on. This lesson switches on one after the other
# on the real server, says beforehand what will come of it, and then asks **the server's own
# statistics**: did it happen, and what did it bring? The line above is among them.
#
# The model is a small one that stands before a chatbot: a **guard**. A prompt may be
# garbage, or a string that a search has found to make the chatbot misbehave. Nobody would
# write such a text, so it surprises a language model, and the surprise (*perplexity*) can
# be measured in one pass, without writing a token [1]. The guard is asked for each message.
# So it must be quick, and it must never be what fails.

# %% tags=["parameters"]
scale = "laptop"

# %%
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import numpy as np

from lab_utils.command import completed
from lab_utils.components import environments, triton
from lab_utils.components.perf_analyzer import perf_analyzer
from lab_utils.components.together import Together
from lab_utils.measure.compare import interleaved
from lab_utils.measure.interval import interval, ratio_interval
from lab_utils.measure.load.arrivals import constant, of_times, poisson
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.models.language import small
from lab_utils.optimize.onnx_variants import session
from lab_utils.optimize.scorer_onnx import scorer
from lab_utils.scale import at
from lab_utils.serve.guard.prompts import (
    CLIENT,
    CODE,
    INPUTS,
    ONE_BY_ONE,
    OUTPUTS,
    TOGETHER,
    WEIGHTS,
    address,
    body,
    prompts,
)
from lab_utils.serve.triton_repository import ModelConfig, QueuePolicy, WarmUp, write_model
from lab_utils.serve.triton_statistics import counted, counter, since_loaded
from lab_utils.show import batch_plots, load_plots, plots, variant_plots
from lab_utils.show import machine as machine_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz

triton.interpreter(waiting)
with waiting("The guard as an ONNX graph, unless kept", about_s=8):
    weights = scorer(small.load())
repository = Path((folder := tempfile.TemporaryDirectory()).name)
services = Together(
    {
        "triton": triton.Triton(repository, on_demand=True),
        "on one core": triton.Triton(repository, on_demand=True, cores=1),
    }
)
server, narrow = services["triton"], services["on one core"]
print(f"the guard: {small.load().source}: {weights.stat().st_size / 1e6:.0f} MB")

# %% [markdown]
# ## What a batch can bring
#
# Before any server: what does the model itself gain if several prompts go through it in one
# call? Each call reads all weights, and eight prompts in a call read them once for all eight
# (lesson 2.1). One thread; prompts of 8 tokens (a short message), then of 128 (a page).

# %%
SHORT, PAGE, MOST = 8, 128, 8
short_guess = predict(f"{MOST} prompts of {SHORT} tokens in a call: how many times the prompts a second?", unit="times")  # fmt: skip
page_guess = predict(f"And {MOST} prompts of {PAGE} tokens?", unit="times")

# %%
model = session(weights, threads=1)
sizes = (1, 2, 4, MOST)


def call_s(tokens, times):
    """Seconds of a call with these prompts, over a few of them."""
    start_s = time.perf_counter()
    for _ in range(times):
        model.run(None, {"tokens": tokens})
    return (time.perf_counter() - start_s) / times


calls = {
    (length, size): partial(call_s, prompts(length, size), times=max(1, 128 // (length * size)))
    for length in (SHORT, PAGE)
    for size in sizes
}
for one_call in calls.values():
    one_call()
timed = interleaved(calls, rounds=at(scale, ci=5, laptop=15), watch=watching("Rounds of all sizes"))
gain = {
    length: {
        size: ratio_interval([size * s for s in timed[length, 1]], timed[length, size])
        for size in sizes
    }
    for length in (SHORT, PAGE)
}
batch_plots.gain_by_batch(
    {f"prompts of {length} tokens": gains for length, gains in gain.items()},
    "Several prompts in one call, one thread",
    ylabel="prompts a second, as times those of 1",
)
short_guess.reveal(gain[SHORT][MOST])
page_guess.reveal(gain[PAGE][MOST])
key_figure(f"gain of a batch of {MOST}, {SHORT} tokens each", gain[SHORT][MOST], "times")
key_figure(f"gain of a batch of {MOST}, {PAGE} tokens each", gain[PAGE][MOST], "times")

# %% [markdown]
# Same weights, same batch, two answers. A call has a part that it pays whatever is in it (weights
# fetched, hundreds of operators started), and a part for each token:

# %%
tokens = np.array([length * size for length, size in timed])
took_s = np.array([interval(s).median for s in timed.values()])
(each_s, fixed_s), *_ = np.linalg.lstsq(
    np.stack([tokens / took_s, 1 / took_s], axis=1), np.ones_like(took_s)
)
print(f"a call takes {1e3 * fixed_s:.2f} ms, and {1e3 * each_s:.3f} ms for each token in it")
print(f"so the fixed part is worth {fixed_s / each_s:.0f} tokens")

# %% [markdown]
# **A prompt is a batch already.** Its tokens share the fixed part among themselves, and a page
# leaves little of it to share with other prompts. What counts is not the prompts in a call but
# the *tokens* in a call; past a few times the number above, more of them bring nothing. (Where a
# batch of pages gains less than 1, its numbers no longer fit into the caches.) So batch short
# texts. Do not expect anything of batching pages, whatever the server. This took seconds, and
# needed no server.
#
# ## The repository
#
# Triton serves what lies in a folder: for each model its `config.pbtxt`, and for each version of
# it a folder, here with the weights and with `model.py`, which the *Python backend* runs in a
# process of its own. This is the whole of one model:

# %%
LIMIT = float(np.exp(np.quantile(model.run(None, {"tokens": prompts(SHORT, 200)})[0], 0.99)))
SETTINGS = {"threads": "1", "limit": f"{LIMIT:.0f}"}


def guard(name, code=CODE, batch_most=MOST, **settings):
    """Write a guard into the repository."""
    config = ModelConfig(name, INPUTS, OUTPUTS, batch_most, parameters=SETTINGS, **settings)
    return write_model(repository, config, code, files={WEIGHTS: weights})


WARM_UP = WarmUp(count=4, length=SHORT)
place = guard("batching", warm_up=WARM_UP)
for path in sorted(repository.rglob("*.*")):
    print(path.relative_to(repository))
print(f"\n--- batching/config.pbtxt\n{(place / 'config.pbtxt').read_text()}")
print(f"--- batching/1/model.py\n{(place / '1' / 'model.py').read_text()}")

# %% [markdown]
# Read `execute` twice. Triton does not compute a batch. It hands over **a list of requests**, and
# what becomes of it is the author's business. Here they are joined to one array, and the answers
# are cut apart again.
#
# The other models of this lesson are the same guard, each with **one line changed**:

# %%
CLIENTS = 2 * MOST
page_s, full_s = (interval(timed[PAGE, size]).median for size in (1, MOST))
PAUSE_S = 4 * interval(timed[SHORT, MOST]).median
IMPATIENT = QueuePolicy(timeout_us=round(1e6 * 2 * full_s))
print("batching, in model.py:", TOGETHER)
print("looping, in model.py: ", ONE_BY_ONE)
guard("single", dynamic=False)
guard("looping", CODE.replace(TOGETHER, ONE_BY_ONE), warm_up=WARM_UP)
LINES = {
    "bounded": {"queue": QueuePolicy(size_most=1000)},
    "twice": {"queue": QueuePolicy(size_most=1000), "instances": 2},
    "pausing": {"batch_wait_us": round(1e6 * PAUSE_S)},
    "ranked": {"priorities": 2, "queue": IMPATIENT},
    "alone": {"priorities": 2, "queue": IMPATIENT, "batch_most": 1},
    "sized": {"queue": QueuePolicy(size_most=CLIENTS)},
    "impatient": {"queue": IMPATIENT},
    "caching": {"cache": True},
}
before = set((place / "config.pbtxt").read_text().splitlines())
for name, line in LINES.items():
    for text in (guard(name, **line) / "config.pbtxt").read_text().splitlines():
        if text not in before and not text.startswith("name"):
            print(f"{name}: {text.strip()}")
cold_guess = predict("The first request after loading, without warm-up: how many times the time of a later one?", unit="times")  # fmt: skip

# %% [markdown]
# ## Ready
#
# The server runs; now it is told to load all of them. Four are asked ten times each, in the
# protocol that Triton shares with KServe and others (v2: inputs by name, with shape and type). Two
# have `model_warmup` in the file, and so had requests computed before the
# server called them ready.

# %%
NARROW = ["batching", "bounded", "twice"]
MODELS = ["batching", "single", "looping", *list(LINES)[2:]]
with (
    waiting(f"{len(MODELS) + len(NARROW)} models load", about_s=4),
    ThreadPoolExecutor(1) as thread,
):
    loading = thread.submit(narrow.load, *NARROW)
    server.load(*MODELS)
    loading.result()
short, pages = ([body(t) for t in prompts(length, 200)] for length in (SHORT, PAGE))
bars, made = {}, {}
with httpx.Client() as client:
    for name in ("batching", "looping", "single", "caching"):
        made[name] = since_loaded(server, name).executions
        warm = "warmed up" if made[name] else "cold"
        took_ms = []
        for content in short[:10]:
            start_s = time.perf_counter()
            client.post(address(server, name), content=content).raise_for_status()
            took_ms.append(1e3 * (time.perf_counter() - start_s))
        bars.setdefault(f"{warm}: the first", []).append(took_ms[0])
        bars.setdefault(f"{warm}: later ones", []).append(float(np.median(took_ms[1:])))
plots.rates(
    bars, {n: interval(ms) for n, ms in bars.items()}, "After loading", xlabel="latency (ms)"
)
cold_times = ratio_interval(bars["cold: the first"], bars["cold: later ones"])
cold_guess.reveal(cold_times)
print("executions before anybody asked:", ", ".join(f"{name} {n}" for name, n in made.items()))
key_figure("first request ÷ later ones, without warm-up", cold_times, "times")

# %% [markdown]
# The executions stand in the statistics before anybody has asked. What is slow the first time,
# though the weights are loaded? Memory is asked of the system, code is read when it is first run,
# buffers are planned for the shape. Here that is milliseconds. Where something is compiled at
# first use (TensorRT, torch.compile) it is seconds or minutes, once for each shape. So warm up
# with the shapes and the batch sizes that will come: a replica that is started because there is
# too much load meets all of it at once.
#
# ## Batches, three times
#
# Sixteen clients; each sends its next prompt when it has its answer. The same at three models:
# `single` has no `dynamic_batching`; `batching` has it; `looping` has it, and goes in `model.py`
# from request to request, as the first example in NVIDIA's own repository does [2].

# %%
rate_guess = predict("`batching` against `single`: how many times the rate?", unit="times")
loop_guess = predict("`looping` against `single`: how many times the rate?", unit="times")
ENOUGH = at(scale, ci=160, laptop=3000)


def saturated(name, bodies=short, requests=ENOUGH, server=server):
    """Clients that always have a request under way; what they saw, and what the server counted."""
    sender = post(address(server, name))
    run = partial(closed_loop, sender, bodies, connections=CLIENTS, requests=requests)
    return counted(server, name, run)


# %%
three = interleaved(
    {name: partial(saturated, name) for name in ("single", "batching", "looping")},
    rounds=at(scale, ci=2, laptop=6),
    watch=watching("Rounds of the three"),
)
rate = {name: max(load.rate_rps for load, _ in runs) for name, runs in three.items()}
seen = {name: runs[-1][1] for name, runs in three.items()}
variant_plots.scoreboard(
    {
        "answers a second": rate,
        "requests an execution": {name: s.mean_batch for name, s in seen.items()},
        "ms, an execution": {name: 1e3 * s.busy_s / s.executions for name, s in seen.items()},
    },
    f"{CLIENTS} clients, prompts of {SHORT} tokens",
)
rate_guess.reveal(rate["batching"] / rate["single"])
loop_guess.reveal(rate["looping"] / rate["single"])
key_figure("dynamic batching ÷ without, served", rate["batching"] / rate["single"], "times")
key_figure("looping ÷ without, served", rate["looping"] / rate["single"], "times")

# %% [markdown]
# The server batched for both, and said so: the column in the middle is its `batch_stats`, and no
# monitor shows more than that. The right one tells them apart: an execution of `looping` takes as
# many times as long as it has requests in it. **Statistics count what the server does; only the
# rate says what the model made of it.** (Where `batching` gains less than a call alone did above:
# a request also goes through HTTP, JSON and from process to process, and the clients need a core,
# too. Where `looping` gains a little: the messages between the two processes are fewer.)
#
# ## A bound that is never reached
#
# Now the line from the beginning. `bounded` is `batching` with room for a thousand in its
# queue, and there are sixteen clients. Both run on a second server that has **one core**, as the
# smallest machine of a cloud has.

# %%
bound_guess = predict("`bounded` against `batching`, the same clients: how many times the rate?", unit="times")  # fmt: skip

# %%
FEWER = at(scale, ci=96, laptop=400)
with waiting("Both, on one core", about_s=4):
    free, free_seen = saturated("batching", requests=FEWER, server=narrow)
    bounded, bounded_seen = saturated("bounded", requests=FEWER, server=narrow)
load_plots.latency_over_time(
    {
        "batching": (free.begun_s, 1e3 * free.latencies_s),
        "bounded": (bounded.begun_s, 1e3 * bounded.latencies_s),
    },
    f"{CLIENTS} clients, {FEWER} prompts",
    xlabel="when the request was sent (s)",
)
for name, run, s in (("batching", free, free_seen), ("bounded", bounded, bounded_seen)):
    print(
        f"{name:9} {run.rate_rps:4.0f} a second, refused: {run.failed}, {s.mean_batch:.1f} requests an "
        f"execution; the model works for {s.busy_s / run.duration_s:.0%} of the time"
    )
bound_guess.reveal(bounded.rate_rps / free.rate_rps)
key_figure("rate with a bound that is never reached ÷ without", bounded.rate_rps / free.rate_rps, "times")  # fmt: skip

# %% [markdown]
# The same batches, nobody refused, and for most of the time **all wait while the model does
# nothing**, for half a second each time. Is it a queue? Then more load would make it worse. Beside
# the sixteen somebody sends a prompt every 20 ms, whose answers nobody needs:

# %%
more_guess = predict(f"The rate of the {CLIENTS} clients beside it, as times that without it?", unit="times")  # fmt: skip

# %%
BEATS_S = at(scale, ci=1.2, laptop=5)
with waiting("Beside useless requests", about_s=BEATS_S), ThreadPoolExecutor(1) as thread:
    url = address(narrow, "bounded")
    beats = thread.submit(open_loop, post(url), short, constant(50, BEATS_S))
    beside = closed_loop(post(url), short, connections=CLIENTS, requests=2 * FEWER)
    beats.result()
more_guess.reveal(beside.rate_rps / bounded.rate_rps)
print(f"{beside.rate_rps:.0f} a second; `batching` gave {free.rate_rps:.0f}")
key_figure("rate beside useless requests ÷ without them", beside.rate_rps / bounded.rate_rps, "times")  # fmt: skip

# %% [markdown]
# More load made it faster. So what is missing is not capacity, it is **an arrival**. Two users, a
# millisecond apart, on a service where nobody else is; then nobody for a moment; then the next
# two. The same pairs at `batching`, at `bounded`, and at `twice`: the bound, and two instances of the
# model (on the same core).

# %%
PAIRS = at(scale, ci=12, laptop=80)
first_s = np.cumsum(np.random.default_rng(7).uniform(0.04, 0.16, PAIRS + 1))
pairs = of_times(np.sort(np.concatenate([first_s, first_s[:-1] + 0.001])))
until_next_ms = 1e3 * (pairs.due_s[2::2] - pairs.due_s[1::2])
second_guess = predict("Of the second ones at `bounded`: what share is answered only after the next pair has come?", unit="%")  # fmt: skip

# %%
second_ms = {}
for name in progress(("batching", "bounded", "twice"), "Pairs at each"):
    run = open_loop(post(address(narrow, name)), short, pairs)
    second_ms[name] = 1e3 * run.latencies_s[1::2]
load_plots.latency_over_time(
    {name: (until_next_ms, ms) for name, ms in second_ms.items()},
    "The second of each pair",
    xlabel="until the next came (ms)",
)
left = {name: 100 * np.mean(ms > until_next_ms) for name, ms in second_ms.items()}
second_guess.reveal(left["bounded"])
print("answered after the next had come:", ", ".join(f"{n} {v:.0f} %" for n, v in left.items()))
key_figure("second of a pair left until the next came, with a bound", left["bounded"], "%")

# %% [markdown]
# Without a bound the second waits for the first, and is computed. With one it lies there, beside an
# idle model, **until somebody else comes** (the dots along the diagonal), or until half a second is
# over. That is a race in Triton's batcher, and can be read in its source [3]:
#
# - Without a policy the batcher makes up the next batch while one is computed, so the model never
#   waits. What has been handed over can no longer be refused or overtaken. So with *any* queue
#   policy, and with priority levels, it waits until the model is free.
# - Somebody must wake it then. The model's thread does so at the end of an execution, and **a
#   moment later** reports itself free. If the batcher looks within that moment it finds the model
#   busy, and lies down again. The next request wakes it, or its time limit: `500 * 1000` µs.
#
# On one core the woken batcher takes the core at once, so it often looks too early. With more cores
# it is a matter of luck, and now and then somebody waits half a second; a timeout of less than that
# makes it a refusal, on an idle server. A second instance helps: one of the two is free while the
# other reports. So where few come, keep policies off a model or give it two instances, and bound
# the queue before Triton, in a proxy. Where many come, nobody waits long for the next arrival.
#
# And look at the slowest requests, not at averages. **Half a second, again and again, is no queue.
# It is somebody's timer.**
#
# ## A pause for company
#
# `max_queue_delay_microseconds` is the setting that everybody turns. A request waits so long for
# company. It was 0 so far: a request that finds the model idle goes alone. `pausing` waits as long
# as four full batches take.

# %%
print(f"the pause: {1e3 * PAUSE_S:.1f} ms")
SHARES = (0.05, 0.7)
quiet_guess = predict(f"At {SHARES[0]:.0%} of the capacity: median latency with the pause, as times that without?", unit="times")  # fmt: skip
busy_guess = predict(f"And at {SHARES[-1]:.0%}?", unit="times")

# %%
runs = {"batching": [], "pausing": []}
for share in progress(SHARES, "Arrival rates"):
    arrivals = poisson(share * rate["batching"], at(scale, ci=1, laptop=8), seed=2)
    for name, results in runs.items():
        run = partial(open_loop, post(address(server, name)), short, arrivals)
        results.append(counted(server, name, run))
batch_plots.by_rate(
    [100 * share for share in SHARES],
    {n: [run.median_latency_s.scaled(1e3) for run, _ in r] for n, r in runs.items()},
    {n: [s.mean_batch for _, s in r] for n, r in runs.items()},
    "No pause, and a pause for company",
    xlabel="arrivals, % of the capacity",
)
worse = [
    pausing.median_latency_s.median / batching.median_latency_s.median
    for (batching, _), (pausing, _) in zip(runs["batching"], runs["pausing"], strict=True)
]
quiet_guess.reveal(worse[0])
busy_guess.reveal(worse[-1])
for name, results in runs.items():
    print(name, "- the model works:", ", ".join(
        f"{s.busy_s / run.duration_s:.0%} of the time at {share:.0%}"
        for share, (run, s) in zip(SHARES, results, strict=True)
    ))  # fmt: skip
key_figure("median latency with the pause ÷ without, few arrivals", worse[0], "times")
key_figure("median latency with the pause ÷ without, many", worse[-1], "times")

# %% [markdown]
# With few arrivals nobody comes, and everybody has waited for nobody: the pause is simply added.
# With many it is cut short, since a full batch leaves at once; but then the first has waited for
# the eighth. And look at the batches *without* a pause, on the right: they grow with the load by themselves. While one batch is computed, the
# next one gathers. **Under load the queue is the pause**, and it is as long as it needs to be.
#
# So what does the pause buy? The printed lines: in larger batches the same work takes the model
# less time. That is worth something where a core or a card is shared, or where the rate is close to
# what it can bear. (If the pause made yours faster, it was.) NVIDIA's own advice is to begin with
# 0 [4].
#
# ## Real prompts
#
# All prompts had 8 tokens. Now the same clients send prompts of 5 to 12, in turn: the same work on
# average, the same model, the same settings.

# %%
mixed_guess = predict("Requests an execution (with 8 tokens each it was as above)?")

# %%
mixed = [body(prompts(5 + i % 8, 1, seed=i)[0]) for i in range(200)]
mixed_load, mixed_seen = saturated("batching", mixed)


def parts(s):
    """The share of requests in batches of each kind."""
    kinds = {"alone": (1, 1), "2 to 4": (2, 4), "5 to 7": (5, 7), "8": (8, 8)}
    return {
        kind: sum(share for size, share in s.shares().items() if low <= size <= high)
        for kind, (low, high) in kinds.items()
    }


machine_plots.shares(
    {"8 tokens each": parts(seen["batching"]), "5 to 12 tokens": parts(mixed_seen)},
    "In whose company were requests computed?",
)
mixed_guess.reveal(mixed_seen.mean_batch)
print(f"rate: {mixed_load.rate_rps / rate['batching']:.2f} times that of equal lengths")
key_figure("requests an execution, mixed lengths", mixed_seen.mean_batch, "")

# %% [markdown]
# Requests share a batch only if their inputs have **the same shape**: a rectangle has no ragged
# edge. The batcher takes the first in the queue, then those behind it *until one does not fit*. The
# load test with equal prompts has measured a service that no user will ever see. Two ways out:
# pad in the client to a few lengths, with a mask, and compute the padding; or
# `allow_ragged_batch`, with which the server hands over whatever has come, and `model.py` pads [5].
#
# Then why not serve the chatbot itself like this? Because such a batch is made **of requests**: it
# begins together and ends together. A guard's request is one pass. An answer is hundreds, and
# there the unit must be the pass: whoever has finished leaves, whoever waits joins (continuous
# batching, [6]). Triton serves language models, too, and then without this batcher: the backend
# (TensorRT-LLM, vLLM) takes requests as they come and makes the batches itself [7].
#
# ## Who goes first?
#
# A batch job scores old pages: many, in no hurry. It must not delay the messages of people who are
# typing. `priority_levels: 2`; people's requests name level 1, the job's level 2. For a while the
# job sends 1.5 times what the model can bear, and what has waited for the time of two full batches is
# refused (`IMPATIENT`; the job may ask again). First at `ranked`, whose batches hold up to eight.

# %%
alone = closed_loop(post(address(server, "single")), short, connections=1, requests=50)
alone_ms = 1e3 * alone.median_latency_s.median
pages_load, _ = saturated("batching", pages, requests=at(scale, ci=64, laptop=300))
pages_rps = pages_load.rate_rps
LASTS_S, AFTER_S = at(scale, ci=(1, 0.5), laptop=(6, 2))
urgent_guess = predict(f"A short message alone takes {alone_ms:.1f} ms. With level 1, beside the job: how many times that (median)?", unit="times")  # fmt: skip


def people_and_job(name):
    """ms of the people's requests while the job runs, and of the job's, which have the last level."""
    url = address(server, name)
    people = [body(t, priority=1) for t in prompts(SHORT, 50, seed=9)]
    with ThreadPoolExecutor(1) as threads:
        arrivals = poisson(1.5 * pages_rps, LASTS_S, seed=1)
        job = threads.submit(open_loop, post(url), pages, arrivals)
        typed = open_loop(post(url), people, constant(20, LASTS_S + AFTER_S))
        return 1e3 * typed.latencies_s[typed.begun_s < LASTS_S], 1e3 * job.result().latencies_s


# %%
with waiting("People and the job", about_s=LASTS_S + AFTER_S):
    typed_ms, job_ms = people_and_job("ranked")
plots.ecdf(
    {"people, level 1": typed_ms, "the job, level 2": job_ms},
    "Two levels, batches of up to eight pages",
    xlabel="latency (ms)",
)
in_batches = interval(typed_ms).scaled(1 / alone_ms)
urgent_guess.reveal(in_batches)
print(f"a page takes {1e3 * page_s:.0f} ms, eight of them together {1e3 * full_s:.0f} ms")
key_figure("urgent beside batches of eight pages ÷ alone", in_batches, "times")

# %% [markdown]
# They did overtake; compare the job's curve. But an urgent request **stops nothing**: it waits for
# the execution that is under way, half of it on average, and that is a batch of eight pages. Which
# brings nothing, as you have measured before there was a server. So send the job's pages one by one
# (`alone`: the same levels, `max_batch_size: 1`):

# %%
one_guess = predict("Now how many times as long as alone?", unit="times")

# %%
with waiting("People and the job", about_s=LASTS_S + AFTER_S):
    typed_one_ms, job_one_ms = people_and_job("alone")
plots.ecdf(
    {
        "people, batches of up to 8": typed_ms,
        "people, one at a time": typed_one_ms,
        "the job, batches of up to 8": job_ms,
        "the job, one at a time": job_one_ms,
    },
    "The same load, with and without batches",
    xlabel="latency (ms)",
)
one_by_one = interval(typed_one_ms).scaled(1 / alone_ms)
print(f"pages of the job that were scored: {job_ms.size} in batches, {job_one_ms.size} one by one")
one_guess.reveal(one_by_one)
key_figure("urgent beside single pages ÷ alone", one_by_one, "times")

# %% [markdown]
# **The largest thing that can be under way is what the urgent wait for.** Levels decide the order
# among those who wait; `max_batch_size` decides for how long the model cannot be had. (A model of
# its own for the urgent is the other way, where there is a core for it.) Triton's statistics have no
# count for each level: whoever promises something to level 1 must measure it at the clients. (If
# fewer of the job's pages were scored one by one: after each execution the batcher must be woken.)
#
# ## Full is full
#
# What does a queue without an end do when too many come, and what do bounds do? There are two. A
# **size**: whoever comes to a full queue is refused at once (`sized`). And a **timeout**: whoever
# has waited too long is refused (`impatient`; the time of two full batches). Pages come at three
# times the capacity for a while, then a few.

# %%
refused_guess = predict("`sized`: what share of the pages is refused?", unit="%")
alert_guess = predict("And what share of these does the metric `nv_inference_request_failure` count?", unit="%")  # fmt: skip

# %%
CROWD_S = at(scale, ci=0.6, laptop=6)
crowd, after = poisson(3 * pages_rps, CROWD_S, seed=5), constant(20, AFTER_S)
arrivals = of_times(np.concatenate([crowd.due_s, CROWD_S + after.due_s]))
overload = {}
for name in progress(("batching", "sized", "impatient"), "Three times the capacity"):
    run = partial(open_loop, post(address(server, name)), pages, arrivals)
    overload[name] = counted(server, name, run)
load_plots.latency_over_time(
    {n: (run.begun_s, 1e3 * run.latencies_s) for n, (run, _) in overload.items()},
    "Three times the capacity, three queues",
    xlabel="when the request was due (s)",
)
page, FAILURE = server.metrics(), "nv_inference_request_failure"
columns = ("clients: refused", "statistics: failed", "metric: REJECTED", "all reasons")
print(" " * 10 + "".join(f"{column:>19}" for column in columns))
for name, (run, s) in overload.items():
    rejected = counter(page, FAILURE, model=name, reason="REJECTED")
    failed = counter(page, FAILURE, model=name)
    print(f"{name:10}{run.failed:19}{s.failed:19}{rejected:19.0f}{failed:19.0f}")
full = overload["sized"][0]
refused_guess.reveal(100 * full.failed / full.requests)
counted_share = 100 * counter(page, FAILURE, model="sized") / max(1, full.failed)
alert_guess.reveal(counted_share)
key_figure("refused for a full queue, and counted as failed", counted_share, "%")

# %% [markdown]
# (A refused request has no dot.) Without a bound the latency climbs for as long as the overload
# lasts. With either bound whoever is served has waited about as long as was promised. A size *is* a
# time: so many places × the time of one.
#
# Now read the table. Requests that waited too long stand in every column. Those that came to a
# **full queue stand in the first alone**: the server refuses them before it counts them. The guide
# says so, if one reads it closely: `REJECTED` is a timeout in the scheduler [8]. An alert on the
# failure metric sleeps through the very overload that the bound was made for. Count status 503 at
# the clients or at the proxy, and watch `nv_inference_pending_request_count`.
#
# A trap beside it: a request may bring a `timeout` of its own, but only one *below* the model's. A
# model whose own is 0, for ever, pays no attention to it [3].
#
# ## The same question again
#
# Many open their conversation with the same words. `response_cache { enable: true }`:

# %%
ASKED = at(scale, ci=150, laptop=1000)
hit_guess = predict("A hit: what share of the latency of a computed answer is left?", unit="%")


def one_client(bodies):
    """One connection, so that nobody waits for anybody."""
    run = partial(
        closed_loop, post(address(server, "caching")), bodies, connections=1, requests=ASKED
    )
    return counted(server, "caching", run)


# %%
strangers = [body(t) for t in np.random.default_rng(1).integers(2, 2000, (ASKED, SHORT))]
new, counted_new = one_client(strangers)
again, counted_again = one_client(strangers[:1])
for name, run, s in (("new", new, counted_new), ("again", again, counted_again)):
    print(
        f"{name:6} {s.cache_hits:5} hits, {s.cache_misses:5} misses, {s.executions:5} executions; "
        f"median {1e3 * run.median_latency_s.median:.2f} ms"
    )
hit_share = 100 * again.median_latency_s.median / new.median_latency_s.median
hit_guess.reveal(hit_share)
miss_s, saved_s = counted_new.cache_miss_s, new.median_latency_s.median
print(
    f"a hit's look-up took {1e6 * counted_again.cache_hit_s:.0f} µs, a miss {1e6 * miss_s:.0f} µs"
)
print(f"so it saves time from a share of hits of {miss_s / saved_s:.1%}")
key_figure("latency of a hit ÷ of a computed answer", hit_share, "%")

# %% [markdown]
# A hit is not free: the request is read, its tensors are hashed, the answer is copied and written.
# What is saved is the queue and the model. A miss pays for the look-up and the entry, and that is
# next to nothing here. So is there a price? The guard has another feature. A request may bring
# its own `limit` (see `answer` in `model.py`): for some users it is stricter. Both ask the same.

# %%
prompt = prompts(SHORT, 1, seed=77)[0]
for limit in (10**9, 1):
    verdicts = {}
    for name in ("batching", "caching"):
        said = httpx.post(address(server, name), content=body(prompt, limit=limit)).json()
        verdicts[name] = said["outputs"][1]["data"][0]
    print(f"limit {limit:13,}: refused without a cache: {verdicts['batching']!s:5}  with: {verdicts['caching']}")  # fmt: skip

# %% [markdown]
# The second user got the first one's verdict. The key of the cache is a hash of the model's name,
# its version and the **input tensors** [9]. Whatever else an answer depends on is not in it: the
# parameters of a request, the time, a random number, a user's rights, a table that the model reads.
# A cache is right for a function of its inputs, and for nothing else. Make `limit` an input, or
# leave the cache off.
#
# ## The tool that everybody uses
#
# `perf_analyzer` is NVIDIA's load generator for Triton: a closed loop, with the server's own
# account of each request beside it. On `batching`, with one client and with sixteen:

# %%
more_clients_guess = predict(f"{CLIENTS} clients in place of 1: the mean latency is how many times as long?", unit="times")  # fmt: skip

# %%
with waiting("perf_analyzer", about_s=6):
    rows = perf_analyzer(
        server,
        "batching",
        (1, CLIENTS),
        window_s=at(scale, ci=0.3, laptop=2),
        requests=[{"TOKENS": t.tolist()} for t in prompts(SHORT, 50)],
        stable_percent=at(scale, ci=200, laptop=30),
    )
print(
    f"{'clients':>8}{'a second':>10}{'mean':>9}{'p99':>9}{'queue':>9}{'compute':>9}   rate × mean"
)
for row in rows:
    ms = [1e3 * s for s in (row.mean_s, row.p99_s, row.parts_s["queue"], row.parts_s["compute"])]
    print(f"{row.concurrency:>8}{row.rate_rps:>10.0f}" + "".join(f"{v:>7.2f}ms" for v in ms)
          + f"   {row.rate_rps * row.mean_s:.2f}")  # fmt: skip
one_row, all_row = rows
more_clients_guess.reveal(all_row.mean_s / one_row.mean_s)
key_figure("perf_analyzer: clients, from rate × mean latency", all_row.rate_rps * all_row.mean_s, "")  # fmt: skip

# %% [markdown]
# The last column is Little's law, and it gives back the first: so many clients, so many requests in
# flight, whatever the server does. So you could have known the latency without asking: clients ÷
# rate. A latency from this tool is a statement about its `--concurrency-range`; its rate is the
# capacity. Users do not wait for each other, and for them the tool has an open loop, too:
# `--request-rate-range` with `--request-distribution poisson` (lesson 1.3).
#
# `tritonclient` is the library that an application would use: tensors from numpy arrays, over HTTP
# with binary tensors, or over gRPC. It lives in Triton's environment and runs there.

# %%
place_of = {"http": server.url.removeprefix("http://"), "grpc": server.grpc_address}
url = address(server, "batching")
took_ms = {
    "JSON, our generator": 1e3
    * closed_loop(post(url), short[:1], connections=1, requests=ASKED).latencies_s
}
for protocol, place in progress(list(place_of.items()), "tritonclient"):
    command = environments.command("triton", CLIENT, protocol, place, "batching", ASKED)
    done = completed(
        command,
        limit_s=60,
        late="tritonclient did not end.",
        order=json.dumps(prompts(SHORT, 1)[0].tolist()),
    )
    took_ms[f"tritonclient, {protocol}"] = 1e3 * np.array(json.loads(done.stdout)["latencies_s"])
plots.ecdf(took_ms, "One prompt, three clients", xlabel="latency (ms)")

# %% [markdown]
# The model's part is the same for all three. The rest is the client's and the protocol's. With eight
# numbers it does not matter whether they travel as text or as bytes; with the 150,000 of a picture
# it would. Measure with the client that your application has.

# %%
services.stop()
folder.cleanup()

# %% [markdown]
# ## What you have seen
#
# 1. A prompt is a batch already: what counts is the tokens in a call.
# 2. The server puts requests together; `model.py` decides what that brings. `batch_stats` of eight
#    prove nothing.
# 3. Any queue policy changes how the batcher works. A bound that is never reached can cost half a
#    second, where few come.
# 4. A pause for company costs most where nobody comes. Under load the queue is the pause.
# 5. Requests of different shapes share no batch.
# 6. Priorities stop nothing: the urgent wait for the batch that is under way.
# 7. A full queue refuses without a trace in the failure metric.
# 8. The cache knows a request's tensors, and nothing else of what an answer depends on.
#
# **Next**: queues, priorities and the P99 of the chatbot itself.
#
# ## Four questions

# %%
quiz(
    "A team switches on `dynamic_batching`. The statistics show batches of 8 at full load, the rate "
    "has not changed, and an execution takes 8 times as long as before. What do you look at first?",
    {
        "max_queue_delay_microseconds: it is too short": "The batches are full already. A longer "
        "pause cannot make them fuller than 8.",
        "What model.py does with the list of requests": "Right: eight times as long for eight "
        "requests is what a loop takes. (If it does join them: are the inputs so long that each is "
        "a batch by itself?)",
        "The number of instances": "More instances compute side by side where cores are idle. They "
        "do not make a batch cheaper, and this batch gains nothing.",
    },
    right="What model.py does with the list of requests",
)

# %%
quiz(
    "A Triton service gets three requests a second; the model takes 10 ms. Its slowest requests take "
    "510 ms, again and again. The configuration has `priority_levels: 2`, which nobody uses yet. "
    "What do you try first?",
    {
        "A second replica: at the peaks the queue is too long": "Three requests a second × 10 ms are "
        "3 % of the time. And no queue is always half a second long.",
        "max_queue_delay_microseconds: 0": "It is 0 unless somebody has set it, and a pause would be "
        "added to every request, not to some.",
        "Take the levels out": "Right: levels, like any queue policy, leave the waking of the batcher "
        "to a race and a timer of half a second. Where three come in a second, hardly anybody rings "
        "before it.",
    },
    right="Take the levels out",
)

# %%
quiz(
    "The alert on nv_inference_request_failure has been silent all night. Users report status 503 "
    "for an hour of it. The model has max_queue_size 50 and no timeout. What happened?",
    {
        "A proxy before Triton answered for it": "Possible, but there is no need for one: Triton "
        "itself answers 503 when the queue is full.",
        "The queue was full; Triton refuses before it counts": "Right: such requests stand in "
        "neither the failure metric nor the statistics. Count them at the client or the proxy, and "
        "watch nv_inference_pending_request_count against the 50.",
        "Prometheus did not scrape during that hour": "Then everything else would be missing too; "
        "and a counter keeps what it has counted until the next scrape.",
    },
    right="The queue was full; Triton refuses before it counts",
)

# %%
quiz(
    "A chatbot behind Triton samples its answers at the temperature that the request's parameters "
    "name. Somebody switches on the response cache. What will users see?",
    {
        "Faster answers, and otherwise nothing": "Faster, yes. But the first answer to a prompt is "
        "now everybody's, at whatever temperature they ask.",
        "Always the first answer to a prompt, whatever the temperature": "Right: parameters are not "
        "in the key, and a sampled answer is not a function of the tensors at all.",
        "No hits: no two sampled answers are equal": "The key is made of the request, not of the "
        "answer.",
    },
    right="Always the first answer to a prompt, whatever the temperature",
)

# %% [markdown]
# ## Sources
#
# - [1] N. Jain et al., *Baseline Defenses for Adversarial Attacks Against Aligned Language Models*,
#   2023; G. Alon, M. Kamfonas, *Detecting Language Model Attacks with Perplexity*, 2023.
# - [2] Triton's Python backend, `examples/add_sub/model.py`: "Every Python backend must iterate over
#   everyone of the requests"; the response for each, that is.
# - [3] Triton's core, release 24.10 (2.51) and unchanged in this in June 2026:
#   `dynamic_batch_scheduler.cc` (`WaitForPayloadSlotAvailable`, `default_wait_microseconds`),
#   `scheduler_utils.cc` (`support_prefetching_`; a request's own timeout), `payload.cc`
#   (`Execute`), `rate_limiter.cc` (`DequeuePayload`); pull request 237, *Disable pre-fetching when
#   using queue policy*, 2023. Another fault of the same part: issue 8870 of
#   `triton-inference-server/server`, 2026.
# - [4] Triton Inference Server, user guide, *Batchers*: recommended configuration process, delayed
#   batching, priority levels, queue policy.
# - [5] The same, *Ragged Batching*.
# - [6] G.-I. Yu et al., *Orca: A Distributed Serving System for Transformer-Based Generative Models*,
#   OSDI 2022.
# - [7] Triton's vLLM backend, README: requests are placed on vLLM's engine as soon as they are
#   received.
# - [8] Triton user guide, *Metrics*: failure reasons, pending requests.
# - [9] Triton user guide, *Triton Response Cache*: what is hashed.
