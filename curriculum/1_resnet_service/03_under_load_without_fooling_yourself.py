# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [gunicorn, wrk, ab, k6, loadgen]
# ---

# %% [markdown]
# # 1.3 · Under load without fooling yourself
#
# A team load-tests its service for a minute: the slowest one per cent of the requests
# take 12 ms. In production, on the same day, the slowest one per cent take 400 ms.
# Nobody has lied, nothing is broken, and both figures are called *p99 latency*.
#
# In lesson 1.1 you saw what a request costs and how rate, latency and connections hang
# together. This lesson is about the step after that: **sending load such that the
# figures which come back are true for users**. You will freeze a real service for half
# a second and see which tools notice. You will find a well-known tool that prints
# latencies of requests which nobody has sent. And you will see why a service that is
# busy 80 % of the time makes one in a hundred users wait many times its service time,
# with no fault anywhere.

# %% tags=["parameters"]
scale = "laptop"

# %%
import math
from functools import partial

import numpy as np
import torch

from lab_utils.components.together import Together
from lab_utils.files import ROOT
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import interleaved
from lab_utils.measure.histogram import LatencyHistogram
from lab_utils.measure.interval import interval
from lab_utils.measure.load import loadgen
from lab_utils.measure.load.arrivals import constant, of_times, poisson, recorded
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.measure.percentile import percentile, samples_needed
from lab_utils.measure.queueing import mm1_sojourn_s, sojourn_s
from lab_utils.models import pictures
from lab_utils.scale import at
from lab_utils.serve import load
from lab_utils.serve.freeze import frozen
from lab_utils.serve.resnet_request import ResNetRequest
from lab_utils.serve.web import WebService
from lab_utils.show import load_plots, plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz

cores = available_cores()
torch.set_num_threads(cores)
jpegs = [p.jpeg for p in pictures.draw(32, seed=13)]
print(f"{cores} cores; {load.generators()}")

# %% [markdown]
# ## How long does a p99 take?
#
# Lesson 1.1 refused to print a p99 of a few dozen requests: 459 are needed before one
# of them is likely to lie beyond it. What does that mean for our ResNet-50?

# %%
resnet = ResNetRequest.load()
for jpeg in jpegs[:2]:
    resnet.answer(jpeg)
timed = [resnet.timed(jpeg).total_s for jpeg in jpegs[: at(scale, ci=4, laptop=20)]]
one_request = interval(timed)
p99_s = samples_needed(99) * one_request.median
print(f"ResNet-50, one request: {one_request.scaled(1e3):.0f} ms")
print(f"one p99, one request after the other: {p99_s:.0f} s")
print(f"a p99.9: {samples_needed(99.9) * one_request.median / 60:.0f} minutes")

# %% [markdown]
# And that is for a single setting; below there are more than ten. So the service under
# load in this lesson does only what comes *before* the network, decode a photograph,
# resize it, cut the middle, and sends the small picture back: some milliseconds of real
# work on one core. Everything below is about queues, clocks and counting; it holds for
# the ResNet-50 service too, only that each figure would take a coffee break.
#
# It runs with **one worker**: one request at a time, the others wait in line. That is
# the simplest queue there is, and the only one whose waiting can be worked out on
# paper, which we shall do. (And it leaves a core for the load generator, if you have
# two.)

# %%
with waiting("The service starts", about_s=2):
    services = Together(
        {
            "thumbnails": WebService(
                "lab_utils.serve.thumbnail_app:create_app()", workers=1, compute_threads=1
            )
        }
    )
service = services["thumbnails"]
url = f"{service.url}/predict"

# %% [markdown]
# ## Warm-up, again
#
# There is no network here, no weights, nothing that is compiled for a shape.

# %%
first_slower = predict(
    "How many times slower is the very first answer than the later ones?", unit="times"
)

# %%
cold = closed_loop(post(url), jpegs, connections=1, requests=at(scale, ci=200, laptop=600))
warm_s = cold.latencies_s[len(cold.latencies_s) // 2 :]
load_plots.latency_over_time(
    {"since the start": (1 + np.arange(cold.answered), 1e3 * cold.latencies_s)},
    "The first requests of a new process",
    xlabel="number of the request",
)
first_slower.reveal(cold.latencies_s[0] / np.median(warm_s))
key_figure("first answer ÷ warm answer", cold.latencies_s[0] / np.median(warm_s), "times")

# %% [markdown]
# Even a service without a model has a cold first request: libraries that load their
# parts when they are first used (here those that read and write JPEG), memory that is
# touched for the first time, caches that are empty. One request among hundreds does not
# move the mean much. But it *is* the worst one, and in a series of a hundred it is the
# p99. Everything from here on is measured warm.
#
# ## Double the connections
#
# The classical tools keep a number of connections busy: each sends, waits for its
# answer, sends again. This is the closed loop of lesson 1.1. Take the service with one
# worker, and go from 4 connections to 8.

# %%
eight = predict("8 connections instead of 4: how many times the mean latency?", unit="times")

# %%
counts = (1, 2, 4, 8)
runs = {}
for count in progress(counts, "Numbers of connections"):
    runs[count] = load.for_a_time(
        service, jpegs, connections=count, duration_s=at(scale, ci=1, laptop=5), rate_rps=200
    ).load
load_plots.closed_loop(
    counts,
    [runs[count].rate_rps for count in counts],
    [1e3 * runs[count].mean_latency_s for count in counts],
    f"The same service, asked by {runs[1].tool}",
)
eight.reveal(runs[8].mean_latency_s / runs[4].mean_latency_s)
for count in counts:
    print(f"connections {count}: rate × mean latency = {runs[count].in_flight:.2f} in flight")

# %% [markdown]
# The rate on the left grows no more once the worker always finds a request waiting. (If
# it is flat from the first bar on, a single connection already keeps the worker busy:
# the client's own turn takes next to nothing.) The latency on the right grows with
# every connection, and it must: the last lines are Little's law, *in flight = rate ×
# latency* [1], checked on these very runs. With the rate at its limit, latency *is* the
# number of connections, divided by the rate. (The products fall a little short by what
# was unanswered when the time was up.)
#
# So "our latency is 25 ms", from a closed loop, may be a statement about the figure
# behind `-c`. What the service can do is on the left: its **capacity**. We shall need
# it, and measure it once more with our own generator, which sends the load in the rest
# of this lesson and takes its own share of the machine. The best of three counts: what
# disturbs a run can only slow it down.

# %%
enough = at(scale, ci=250, laptop=1000)
saturated = [closed_loop(post(url), jpegs, connections=4, requests=enough) for _ in range(3)]
capacity_rps = max(run.rate_rps for run in saturated)
print("three runs:", ", ".join(f"{run.rate_rps:.0f}" for run in saturated), "answers a second")
service_s = 1 / capacity_rps
print(f"capacity {capacity_rps:.0f} answers a second; service time {1e3 * service_s:.2f} ms")
key_figure("capacity of one worker", capacity_rps, "answers a second")

# %% [markdown]
# ## Half a second in which nothing happens
#
# Sometimes a process stands still: its memory is being tidied up, its virtual machine
# is moved, somebody else gets its core. We do the same on purpose. The operating system
# stops the service's processes for 500 ms (signal `SIGSTOP`) and lets them go on; they
# lose nothing, they are only late.
#
# During that time two kinds of client ask. The first is a **closed loop** with one
# connection. The second is an **open loop**: requests come when they are due, at half
# of the capacity, whatever has become of the earlier ones, as users do; and the clock
# of each starts when it was *due*.

# %%
freeze_s = 0.5
rate_rps = capacity_rps / 2
enough_s = 1.1 * samples_needed(99) / rate_rps
run_s = max(at(scale, ci=3, laptop=10), enough_s)
closed_p99 = predict(f"{freeze_s:g} s frozen in {run_s:.1f} s. Closed loop: p99?", unit="ms")
open_late = predict(
    f"Open loop at half of the capacity: what share waits longer than {freeze_s / 5:g} s?",
    unit="%",
)

# %%
with waiting("Both loops, a freeze in each", about_s=2 * run_s):
    with frozen(service, after_s=run_s / 3, for_s=freeze_s) as freeze:
        closed = closed_loop(
            post(url), jpegs, connections=1, requests=round(runs[1].rate_rps * (run_s - freeze_s))
        )
    with frozen(service, after_s=run_s / 3, for_s=freeze_s):
        opened = open_loop(post(url), jpegs, constant(rate_rps, run_s))

load_plots.latency_over_time(
    {
        "closed loop": (closed.begun_s, 1e3 * closed.latencies_s),
        "open loop": (opened.begun_s, 1e3 * opened.latencies_s),
    },
    "The same freeze, seen by two kinds of client",
    xlabel="when the request was due (s)",
)
late_share = np.mean(opened.latencies_s > freeze_s / 5)
closed_p99.reveal(closed.latency_percentile_s(99).scaled(1e3))
open_late.reveal(100 * late_share)
for name, run in (("closed", closed), ("open", opened)):
    p99_ms = run.latency_percentile_s(99).scaled(1e3)
    late = int(np.sum(run.latencies_s > freeze_s / 5))
    print(f"{name:6} loop: p99 {p99_ms:.1f} ms, {late} of {run.answered} over {freeze_s / 5:g} s")
key_figure("p99 with a freeze, open ÷ closed loop", opened.latency_percentile_s(99).median
           / closed.latency_percentile_s(99).median, "times")  # fmt: skip

# %% [markdown]
# On the left: one slow answer, then business as usual. While the service stood still,
# its client stood still too, and *asked nobody*. Those who would have come in that half
# second are missing from the record. Gil Tene gave this the name **coordinated
# omission** [2]: the tool and the service agree, unknowingly, not to measure when it
# would hurt.
#
# On the right: a ramp. Whoever was due at the beginning of the freeze waited for all of
# it, those after them a little less. And the ramp is longer than the freeze, because
# afterwards there is a queue to be worked off *while new requests go on arriving*. At
# half of the capacity the service gains on its queue with half of its speed. A freeze
# of F therefore makes everybody late who comes within F / (1 − ρ), where ρ is the
# utilisation.

# %%
rho = rate_rps / capacity_rps
expected_late = (freeze_s - freeze_s / 5) / (1 - rho) / run_s
print(f"expected late by that rule: {expected_late:.1%}, measured: {late_share:.1%}")
print(f"without the queue:          {(freeze_s - freeze_s / 5) / run_s:.1%}")

# %% [markdown]
# (If more were late than the rule says, the queue was worked off more slowly than the
# capacity promises: something else is using the machine.)
#
# ### Can the closed loop be corrected?
#
# There is a well-known repair. If you know how often the client *meant* to send, here
# as often as it did the rest of the time, add the requests that are missing: to a
# latency of 500 ms one of 500 minus an interval, one of 500 minus two, and so on. The
# library HdrHistogram does it when it records [3]. It is exactly that: requests that
# nobody has sent, with latencies that nobody has measured, on the supposition that the
# service has caught up the moment it is back.

# %%
usual_s = float(np.median(closed.latencies_s))
spectra = {
    "closed loop": LatencyHistogram.of(closed.latencies_s),
    "closed loop, corrected": LatencyHistogram.of(closed.latencies_s, interval_s=usual_s),
    "open loop": LatencyHistogram.of(opened.latencies_s),
}
load_plots.percentile_spectrum(
    spectra, "Which percentile sees the freeze?", dashed=["closed loop, corrected"]
)
added = spectra["closed loop, corrected"].count - spectra["closed loop"].count
print(f"measured {closed.answered}, added {added}")

# %% [markdown]
# Read the plot from the left: up to which percentile does a curve look healthy? The
# closed loop's does so to the end. The corrected one rises, but later than the open
# loop's: it makes late who came *during* the freeze (a share of F / run), not those who
# came into the queue behind it (F / (1 − ρ) / run). The busier the service, the more it
# misses. A correction is better than an omission; a schedule that is kept is better
# than both, and costs no more.
#
# ## The same freeze, the field's tools
#
# All of them with one connection, then MLPerf's load generator in its *Server*
# scenario, which is an open loop with Poisson arrivals.

# %%
wrk_p99 = predict("The same freeze. Which p99 does wrk print? (ab, for comparison?)", unit="ms")

# %%
supported_s = 1.5 * samples_needed(99) / runs[1].rate_rps
each_s = math.ceil(max(at(scale, ci=2, laptop=8), freeze_s + supported_s))
tools = load.tools(service, jpegs, connections=1, duration_s=each_s, rate_rps=runs[1].rate_rps)
for other in ("ours", "LoadGen", *(["k6"] if "ab" in tools else [])):
    tools.pop(other, None)
if loadgen.available():
    tools["LoadGen, Server"] = partial(
        loadgen.loadgen, "Server", url, jpegs, rate_rps=rate_rps, duration_s=run_s, bound_s=0.1
    )
seen = {}
for name in progress(list(tools), "A freeze for each tool"):
    with frozen(service, after_s=at(scale, ci=1.2, laptop=2), for_s=freeze_s):
        seen[name] = tools[name]()


def ladder(latencies_s):
    p50, p99 = (1e3 * percentile(latencies_s, q).median for q in (50, 99))
    return {"p50": p50, "p99": p99, "worst": 1e3 * np.max(latencies_s)}


ladders = {}
for name, run in seen.items():
    ladders[name] = ladder(run.latencies_s)
    if run.printed_latencies_s is not None:
        ladders[f"{name}, as it prints"] = ladder(run.printed_latencies_s)
load_plots.ladders(ladders, "One freeze of 500 ms, by tool", xlabel="latency (ms)")
for name, run in seen.items():
    printed = run.latencies_s if run.printed_latencies_s is None else run.printed_latencies_s
    print(f"{name}: {run.answered} answers, {len(printed)} latencies in its percentiles")
if "wrk" in seen:
    wrk_p99.reveal(ladders["wrk, as it prints"]["p99"])
else:
    print("wrk is not on this machine, so its p99 is missing: apt install wrk.")

# %% [markdown]
# `ab` (or k6, where there is no ab) is a plain closed loop, and its p99 does not know
# that anything happened. If you have `wrk`, read its two rows. It is a closed loop with
# one connection as well, it met one slow answer as well, and yet its p99 sees the
# freeze. The last lines say how: **there are more latencies in its percentiles than
# answers**. When a run is over, wrk works out how often each connection *should* have
# sent and adds latencies to every long one, just as in the correction above (function
# `stats_correct` in its source [4]; its manual does not say so). This course takes them
# out again before it shows a wrk result, and keeps both.
#
# So two tools of the same kind, on the same service, with the same fault, differ in p99
# by as much as the two dots lie apart, and a reader who has only the two figures will
# look for the reason in the service.
#
# LoadGen sees the freeze as users do: it keeps its schedule, and a latency counts from
# the scheduled time. It also gives a verdict of its own.

# %%
if "LoadGen, Server" in seen:
    print(seen["LoadGen, Server"])
else:
    print("MLPerf LoadGen is not installed here: its package exists for Linux on x86-64.")

# %% [markdown]
# **INVALID** is not an insult to the service. The run promised that 99 % of the answers
# come within 100 ms. From the answers over the bound, LoadGen works out how many
# queries would be needed to be sure of that at 99 % confidence: the rule behind our 459
# [5]. A freeze spends the whole allowance of a long run: read how many more queries it
# asks for. A result that knows when it proves nothing is worth more than one that
# always has a p99 to print.
#
# ## Why do my numbers differ from yours?
#
# Now without a freeze: the same service, one connection, each tool in turn.

# %%
spread = predict("Slowest tool's mean latency ÷ fastest tool's?", unit="times")

# %%
quiet = load.tools(service, jpegs, connections=1, duration_s=1, rate_rps=runs[1].rate_rps)
if "ab" in quiet:
    quiet.pop("k6", None)
quiet_runs = interleaved(
    quiet, rounds=at(scale, ci=2, laptop=6), watch=watching("Rounds of all tools")
)
means_ms = {
    name: [1e3 * run.mean_latency_s for run in tool_runs] for name, tool_runs in quiet_runs.items()
}
means = {name: interval(values) for name, values in means_ms.items()}
plots.rates(means_ms, means, "One service, no fault", xlabel="mean latency (ms), one connection")
slowest, fastest = (
    max(means, key=lambda n: means[n].median),
    min(means, key=lambda n: means[n].median),
)
spread.reveal(means[slowest].median / means[fastest].median)
for name, tool_runs in quiet_runs.items():
    run = tool_runs[-1]
    gap_ms = 1e3 * run.duration_s / run.answered - 1e3 * run.mean_latency_s
    print(
        f"{name:8} {run.rate_rps:5.0f} a second; outside of its latencies {gap_ms:5.2f} ms a request"
    )
by_connections = runs[8].mean_latency_s / runs[1].mean_latency_s
print(f"{runs[8].tool} alone, with 8 connections instead of 1: {by_connections:.1f} times")
key_figure("mean latency, slowest ÷ fastest tool", means[slowest].median / means[fastest].median,
           "times")  # fmt: skip

# %% [markdown]
# Compare the two factors. Between tools that are made to ask the same question there is
# often little: some per cent. Between two settings of *one* tool, the last line, there
# is a factor of several, and between a tool that notices a freeze and one that does not
# there was one of a hundred. When numbers differ it is seldom the tool's quality; it is
# the question, and each tool comes with its own as the default.
#
# | | ab | wrk | LoadGen | ours |
# |---|---|---|---|---|
# | loop | closed | closed | both | both |
# | it stops after | a count | a time | a time *and* enough queries | a count, or its arrivals |
# | its clock starts | before it connects | when it sends, connected | when it hands the query to a client; *Server*: when it was due | when a client takes the request up; open loop: when it was due |
# | in its percentiles | every answer, failures too | every answer, and some that never were | every query, failed or not | good answers only |
# | written in | whole ms | µs | ns | ns |
# | connections | a new one each | kept if the server keeps them | those of our client | kept if the server keeps them |
#
# The small differences have causes, too. Our service closes each connection after its
# answer: whose clock starts before connecting counts the connecting, whose clock starts
# later leaves it out, and it appears in the column *outside of its latencies*. (A
# negative figure there is rounding: whole milliseconds are coarse for a service that
# answers in a few.) A generator is a program that reads answers and writes requests in
# time that it reports as yours, and on a machine with few cores it takes them from the
# service.
#
# When two figures disagree, ask in this order: **Same loop? Same load? When does the
# clock start? What is counted? On whose cores?** Only then: which is the faster
# service?
#
# ## Why is my p99 bad when the mean is fine?
#
# No freeze, no warm-up, no fault. Independent users (Poisson arrivals) at a share of
# the capacity measured above.

# %%
at_80 = predict("At 80 % of the capacity: p99 of the latency, in service times?", unit="times")

# %%
shares = at(scale, ci=(0.6, 0.8, 0.95), laptop=(0.4, 0.6, 0.8, 0.95))
swept, with_whom = {}, {}
for share in progress(shares, "Arrival rates"):
    rate = share * capacity_rps
    lasts_s = max(1.1 * samples_needed(99) / rate, at(scale, ci=2, laptop=15))
    for _ in range(2):
        with load.company(service) as with_whom[share]:
            swept[share] = open_loop(post(url), jpegs, poisson(rate, lasts_s, seed=5))
        if with_whom[share].others_cores < 0.3 and not swept[share].schedule.fell_behind:
            break

measured_ms = {
    f"p{q}": [swept[share].latency_percentile_s(q).scaled(1e3) for share in shares]
    for q in (50, 99)
}
replayed_ms = [
    1e3 * np.quantile(sojourn_s(swept[share].schedule.intended_s, service_s), 0.99)
    for share in shares
]
load_axis = np.linspace(0.05, 0.97, 47)
steady = {
    share: np.quantile(sojourn_s(poisson(share, 400_000, seed=1).due_s, 1.0), 0.99)
    for share in load_axis
}
load_plots.latency_against_load(
    shares,
    measured_ms,
    {
        "M/M/1, p99": (
            load_axis,
            [1e3 * mm1_sojourn_s(service_s, share, 99) for share in load_axis],
        ),
        "M/D/1, p99": (load_axis, [1e3 * service_s * steady[share] for share in load_axis]),
    },
    replayed_ms,
    "The closer to the capacity, the longer the tail",
)
p99_at_80 = swept[0.8].latency_percentile_s(99)
at_80.reveal(p99_at_80.scaled(1 / service_s))
key_figure("p99 at 80 % of the capacity", p99_at_80.scaled(1 / service_s), "service times")
for share in shares:
    run = swept[share]
    p99_ms = run.latency_percentile_s(99).scaled(1e3)
    core_ms = 1e3 * with_whom[share].service_cores * run.duration_s / run.answered
    print(
        f"{share:.0%}: mean {1e3 * run.mean_latency_s:5.1f} ms, p99 {p99_ms:.1f} ms, n = {run.answered}; "
        f"{core_ms:.2f} ms of core an answer, others used {with_whom[share].others_cores:.1f} cores"
        + (", THE GENERATOR FELL BEHIND" if run.schedule.fell_behind else "")
    )

# %% [markdown]
# The service does the same work at each point. What grows is the wait of those who come
# while others are being served, and chance decides who that is: at 80 % most users find
# a short queue, and one in a hundred comes behind a crowd. The mean is that of the
# many; the p99 is that of the crowd.
#
# Two lines are drawn beside the points. **M/M/1** supposes that service times are as
# irregular as the arrivals (exponential); its p99 is 4.6 · S / (1 − ρ) [6], try `./lab
# calc mm1 service_s=0.003 utilisation=0.8 percentile=99`. **M/D/1** supposes that they
# are all alike, and its tail is about half as long: *half of a queue comes from
# irregular arrivals, half from irregular work*. Our pictures are nearly alike, so an
# undisturbed service should lie near the lower line. The open circles are an M/D/1
# queue that is given the very arrivals of your run.
#
# Where a point differs from its *circle*, it is not chance in the arrivals. Three
# causes are worth a look. The client's and the network's part is in every latency. A
# worker that slept must be woken, with cold caches: if *core an answer* is larger at
# low load, then the capacity, measured with a worker that never slept, promised too
# much. And a neighbour: **if others used half a core or more, you have measured them,
# too.** (A point whose generator fell behind, or that had company, was measured a
# second time, no more; believe the last column. A point far *below* its circle says
# that the capacity was taken too low.) A service that does not get its core is a slower
# service, and near the limit a little slower is a lot: at 95 %, five per cent less
# capacity means a queue that grows without end. It is one more answer to *why do my
# numbers differ from yours?*, and seldom stands beside them.
#
# Where *circle and line* differ, it is your sample. The whiskers come from a rule for
# independent requests, and in a queue neighbours are not independent: a crowd makes
# dozens of them late together. At 95 % one crowd may be all there was. Run the cell
# again with another `seed` and look how far the last point moves. To know that p99 you
# need many crowds, not many requests.
#
# ## Users who do not come one by one
#
# Poisson arrivals are the textbook's users. These are real ones: the moments at which
# requests came to one of Microsoft Azure's LLM services for code, in November 2023,
# [7], 700 of them, hurried up so that their mean rate is 60 % of our capacity. Look at
# your Poisson crowd of 60 % above, and guess.

# %%
real = recorded(ROOT / "data" / "arrivals" / "azure_llm_code.txt")
real = of_times(real.due_s[:700]).at_rate(0.6 * capacity_rps)
variation = poisson(real.rate_rps, 60).variation
print(
    f"irregularity of the gaps (deviation ÷ mean): real {real.variation:.1f}, Poisson {variation:.1f}"
)
burst_times = predict("Real users at the same mean rate: how many times the p99?", unit="times")

# %%
with waiting("Recorded arrivals", about_s=real.due_s[-1] + 1):
    bursts = open_loop(post(url), jpegs, real)
load_plots.latency_over_time(
    {
        "Poisson, 60 %": (swept[0.6].begun_s, 1e3 * swept[0.6].latencies_s),
        "recorded, 60 %": (bursts.begun_s, 1e3 * bursts.latencies_s),
    },
    "Two crowds of the same size",
    xlabel="when the request was due (s)",
)
times_worse = bursts.latency_percentile_s(99).median / swept[0.6].latency_percentile_s(99).median
burst_times.reveal(times_worse)
ideal_s = np.quantile(sojourn_s(real.due_s, service_s), 0.99)
print(
    f"p99 {bursts.latency_percentile_s(99).scaled(1e3):.0f} ms; an ideal queue: {1e3 * ideal_s:.0f} ms"
)
key_figure("p99, recorded ÷ Poisson arrivals", times_worse, "times")

# %% [markdown]
# Same service, same mean rate, same utilisation. The tail is made by *how* they come.
# And compare the two p99 in the line above: the ideal queue knows nothing of HTTP or of
# JPEG, only when requests came and how long one takes. If it is near, you can plan
# capacity without a load test: record the arrivals, measure the service time, work out
# the queue. (Hurrying a recording up keeps its pattern, not its causes: think of it as
# a service with proportionally more users of the same habits.)
#
# A recording of your own is a text file with one number of seconds a line:
# `recorded("arrivals.txt")` reads it, and refuses what is none.

# %%
services.stop()

# %% [markdown]
# ## Three questions

# %%
quiz(
    "A closed-loop test with 64 connections gives 400 answers a second at a p50 of 160 ms. The "
    "same service is asked by an open loop at 200 a second. What do you expect?",
    {
        "About 160 ms again: the service is the same": "160 ms is 64 / 400, Little's law: it is "
        "the 64 connections waiting in line. At half of the capacity there is hardly a line.",
        "A small multiple of the service time": "At saturation the closed loop measured its own "
        "64 connections (64 / 400 = 0.16 s). At half of the capacity a request waits for few "
        "others.",
        "About 80 ms: half the rate, half the latency": "Latency is not proportional to the rate: "
        "it is nearly flat at low utilisation and rises without limit near the capacity.",
    },
    right="A small multiple of the service time",
)

# %%
quiz(
    "Your service pauses for one second every minute. A closed loop with one connection and 5 ms "
    "answers runs for ten minutes. What do its p99 and p99.9 show?",
    {
        "p99 about 5 ms, p99.9 about 5 ms": "About ten slow answers among 118,000: one in ten "
        "thousand. Neither sees them. Of users who come at any time, one in sixty meets a pause.",
        "p99 about 5 ms, p99.9 about 1 s": "For the p99.9 one answer in a thousand would have to be "
        "slow. There are ten in some 118,000.",
        "Both about 1 s": "One second in sixty is 1.7 % of the *time*, and of the users. But the "
        "closed loop's client asks once in each pause.",
    },
    right="p99 about 5 ms, p99.9 about 5 ms",
)

# %%
quiz(
    "LoadGen's Server scenario ends INVALID: all answers within the bound, at least 219 more "
    "queries needed. What do you do?",
    {
        "Lower the arrival rate": "The latencies are fine; there are too few of them.",
        "Report the p99 that it prints anyway": "It has been printed from fewer samples than a p99 "
        "needs: that is what the verdict says.",
        "Run longer": "With none over the bound 459 queries make a p99 likely enough at 99 % "
        "confidence. It processed 240 of them.",
        "Use a stricter bound": "Then more queries would be needed, not fewer, once one is over it.",
    },
    right="Run longer",
)

# %%
quiz(
    "At 80 % utilisation the p99 is too high. The team can make every answer 20 % faster, or take "
    "a fifth of the load away. Which helps the p99 more, in a single queue?",
    {
        "Faster answers": "Both bring the utilisation to 64 %, and so the same number of service "
        "times of waiting; but with faster answers each of these is 20 % shorter, too.",
        "Less load": "It brings the utilisation to 64 %, and so do faster answers, which also "
        "shorten every wait.",
        "They are the same": "Nearly: both bring the utilisation to 64 %. But latency is counted in "
        "service times, and only one of the two makes these shorter.",
    },
    right="Faster answers",
)

# %% [markdown]
# ## What you have seen
#
# 1. A closed loop measures its own connections as much as the service; its rate at
#    saturation is the capacity, its latency there is Little's law.
# 2. While a service stands still a closed loop does not ask. An open loop does, as
#    users do, and finds the queue afterwards too: F / (1 − ρ) of lateness for a freeze F.
# 3. A correction adds requests that were never sent. wrk does so without saying.
# 4. Tools differ in loop, clock, counting and cores. Compare questions before answers.
# 5. A good mean and a bad p99 are what a healthy queue looks like near its capacity;
#    irregular arrivals and irregular work each have their share.
# 6. A percentile needs samples, and near the capacity independent ones.
#
# **Next**: you can now say *how slow* a service is. Lesson 1.4, *Finding the
# bottleneck*, asks *where* the time goes, with tools that each see something else.
#
# ## Sources
#
# - [1] J. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9(3), 1961.
# - [2] G. Tene, *How NOT to Measure Latency*, Strange Loop 2015; the term is his.
# - [3] HdrHistogram, `recordValueWithExpectedInterval`; in Python `record_corrected_value`.
# - [4] W. Glozer, wrk 4.1.0, `src/stats.c`, function `stats_correct`, called at the end of
#   `main` in `src/wrk.c`. What is said here of ab's clock: `support/ab.c` in Apache httpd 2.4.
# - [5] MLPerf Inference, LoadGen, *early stopping*.
# - [6] L. Kleinrock, *Queueing Systems*, volume I, 1975: the sojourn time of M/M/1 is
#   exponential with mean S / (1 − ρ); M/D/1 by the Pollaczek–Khinchine formula.
# - [7] Azure Public Dataset, *Azure LLM inference trace 2023* (code), CC-BY 4.0; P. Patel et
#   al., *Splitwise*, ISCA 2024. `data/arrivals/` says how the sample was cut.
