# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 3.3 · Falling back
#
# A card is held against a reader. The shop waits 50 ms for a score; the best model is on a GPU, a
# smaller one on a CPU, and a page of rules needs neither. If the first does not answer, ask the
# second; if that does not, use the rules. Everybody draws this picture, and 99.99 % seems a
# matter of course: three boxes, one of which always works.
#
# Outages come from the arrows. A box that is *dead* says so at once. One that is *slow* says
# nothing, and takes everybody down with it who waits. In this lesson you will see a server that
# is slow do more harm than one that has been killed; half a second of trouble become a permanent
# one; a fallback that falls with what it was for; and a protection that switches a healthy tier
# off.

# %% tags=["parameters"]
scale = "laptop"

# %%
import asyncio
import itertools
from functools import partial

import numpy as np

from lab_utils.components.together import Together
from lab_utils.measure.interval import share
from lab_utils.measure.laws import fan_out_slow_share
from lab_utils.measure.load.arrivals import constant, poisson
from lab_utils.measure.load.generator import closed_loop, open_loop
from lab_utils.resilience.attempts import retried, within
from lab_utils.resilience.availability import availability
from lab_utils.resilience.breaker import breaker
from lab_utils.resilience.budget import Budget
from lab_utils.resilience.chain import Chain, Tier
from lab_utils.resilience.fan_out import fan_out
from lab_utils.resilience.hedging import RecentPercentile, hedged_slow_share
from lab_utils.resilience.load import bodies, sending
from lab_utils.resilience.practice import PracticeServers, asking
from lab_utils.resilience.rehearsal import rehearse
from lab_utils.scale import at
from lab_utils.show import plots, resilience_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting
from lab_utils.show.quiz import quiz

SERVERS = 100
with waiting("Servers start", about_s=2):
    started = Together(
        {
            "hundred": PracticeServers(count=SERVERS, slots=64),
            "tiers": PracticeServers(count=3, slots=2),
            "gone": PracticeServers(),
            "one place": PracticeServers(count=3, slots=1),
        }
    )

# %% [markdown]
# The servers are real ones on loopback, with real queues, and they are told by each request how
# long it takes. **They wait, they do not compute**: a hundred of them fit on your machine so, and
# each can be made slow, silent or wrong. Their service times below are chosen; everything that a
# client sees is measured. (So the "GPU" and "CPU" tiers of this lesson are stand-ins on every
# machine. `resilience.session_tier` makes a tier of a model: a CUDA session where there is a GPU,
# else one on the processor, named as a stand-in in each answer.)
#
# ## One per cent, a hundred times
#
# Each of a hundred servers answers quickly, and one answer in a hundred is slow (it collects its
# garbage, its disk is busy, a neighbour is loud). A request needs something from all hundred.

# %%
QUICK_S, SLOW_S, SLOW_SHARE = 0.005, 0.25, 0.01
REQUESTS = at(scale, ci=60, laptop=400)
random = np.random.default_rng(33)
work_s, again_s = np.where(random.random((2, REQUESTS, SERVERS)) < SLOW_SHARE, SLOW_S, QUICK_S)
slow_guess = predict(
    f"{SLOW_SHARE:.0%} of each server's answers take {SLOW_S:g} s. What share of the requests does?",
    unit="%",
)

# %%
with waiting("Requests to a hundred servers", about_s=REQUESTS * 0.2):
    alone = fan_out(started["hundred"], work_s)


def slow(fan):
    """The share of requests that waited for a slow answer, with its interval."""
    return share(int((fan.request_s >= SLOW_S).sum()), REQUESTS)


slow_guess.reveal(slow(alone).scaled(100))
print(f"1 − (1 − {SLOW_SHARE:g})^{SERVERS} = {fan_out_slow_share(SERVERS, SLOW_SHARE):.1%}")
key_figure("slow, of requests to a hundred servers", slow(alone).scaled(100), "%")

# %% [markdown]
# The 63 % of *The Tail at Scale* [1], live. One server's p99 is the normal case of everybody who
# asks a hundred of them (`./lab calc fan-out`). A fraud score asks a gateway, a feature store for
# a dozen aggregates, a model: not a hundred, but every one of them counts.
#
# The paper's cure: when an answer has not come after the p95, send the same call to another
# server and take whichever comes first. A **hedge**. The p95 is that of the last thousand calls,
# as it is when the call is sent.

# %%
moment = RecentPercentile(95, start_s=float(np.quantile(alone.call_s, 0.95)), last=1000)
extra_guess = predict("A second call after the p95: how many more calls is that?", unit="%")
hedged_guess = predict("And what share of the requests is slow now?", unit="%")

# %%
hedges = Budget(0.1, most=SERVERS)
with waiting("The same requests, hedged", about_s=REQUESTS * 0.1):
    hedged = fan_out(started["hundred"], work_s, again_s=again_s, after_s=moment, budget=hedges)
plots.ecdf(
    {"alone": 1e3 * alone.request_s, "hedged after the p95": 1e3 * hedged.request_s},
    "A request to a hundred servers",
    xlabel="until the last of the hundred answers is there (ms)",
)
extra = hedges.taken / hedges.earned
extra_guess.reveal(100 * extra)
hedged_guess.reveal(slow(hedged).scaled(100))
print(f"p95 of one call: {1e3 * moment():.0f} ms; hedges refused by the budget: {hedges.refused}")
print(f"expected slow: {hedged_slow_share(SLOW_SHARE, SERVERS):.1%}")
key_figure("more calls, by hedging after the p95", 100 * extra, "%")
key_figure("slow, hedged", slow(hedged).scaled(100), "%")

# %% [markdown]
# After the p95 about five in a hundred have not answered; they are sent twice, and that is the
# whole price. Whoever is slow now was slow twice: one in ten thousand of a server's answers, one
# in a hundred of the requests. (Google's table, for comparison: the p99.9 of reading 1,000 keys
# from 100 servers fell from 1,800 to 74 ms, for 2 % more requests [1].)
#
# Two conditions are easily forgotten. The slowness must be the *server's*. If it is the request's
# (a customer with a million transactions), the second one is slow as well, at twice the work:
# `./lab calc hedge` has an input for it, `together`. And when *all* servers are slow, everybody
# is beyond the p95, everything is sent twice, and the hedge has doubled the load at the worst
# moment. So there is a **budget**: at most a tenth of the calls, however slow it gets.
#
# ## Dead or slow
#
# Now the fallback. One tier plays the GPU, one the CPU, and this is how it is usually written:
# try the first; whatever goes wrong, ask the second. The time limit is the client library's.

# %%
DEADLINE_S, GPU_S, CPU_S, LIBRARY_S = 0.050, 0.004, 0.008, 1.0
SLOWER = 25
RATE_RPS, RUN_S = 100, at(scale, ci=1.2, laptop=8)
tiers = started["tiers"]
tiers.fault(1, slower=SLOWER)
started["gone"].stop()
GPU = {"healthy": tiers.url(0), "dead": started["gone"].url(), "slow": tiers.url(1)}
arrivals = poisson(RATE_RPS, RUN_S, seed=1)


def as_usual(gpu_url):
    """Try the GPU; on any failure ask the CPU."""
    gpu, cpu = asking(gpu_url), asking(tiers.url(2))

    async def score(_):
        try:
            await within(lambda: gpu(GPU_S), LIBRARY_S)
        except Exception:
            await cpu(CPU_S)

    return score


dead_guess = predict(
    f"The GPU server is killed. What share of the answers comes within {1e3 * DEADLINE_S:g} ms?",
    unit="%",
)
slow_tier_guess = predict(
    f"It is not killed, only {SLOWER} times as slow ({SLOWER * GPU_S:g} s a call). What share now?",
    unit="%",
)


# %%
def in_time(load):
    """The share of all requests that were answered by the deadline."""
    return share(int((load.latencies_s <= DEADLINE_S).sum()), load.requests)


usual = {}
for state in progress(list(GPU), "Runs"):
    usual[state] = open_loop(sending(partial(as_usual, GPU[state])), bodies([0]), arrivals)
dead_guess.reveal(in_time(usual["dead"]).scaled(100))
slow_tier_guess.reveal(in_time(usual["slow"]).scaled(100))
for state, load in usual.items():
    print(
        f"{state:8} median {load.median_latency_s.scaled(1e3):.0f} ms; failed {load.failed} of {load.requests}"
    )
key_figure("as usual, GPU dead: in time", in_time(usual["dead"]).scaled(100), "%")
key_figure("as usual, GPU slow: in time", in_time(usual["slow"]).scaled(100), "%")

# %% [markdown]
# A dead server refuses the connection within a millisecond, and the fallback does its work:
# hardly anybody notices. The slow one accepts every request and keeps it. The code waits,
# politely, as long as the library allows. No request has failed; a monitor of errors is green.
# **Slow is worse than dead**, since dead is an answer.
#
# (Look at how slow. Two places, 0.1 s each, could answer 20 a second; 100 come. So it is not 25
# times as slow for long: the queue grows until the time limit cuts it off. Little's law counts
# who waits: 100 a second, a second each, are a hundred requests inside, with their memory and
# connections.)
#
# ## A deadline, a budget, a breaker
#
# Three repairs, one on top of the other. A request gets **one deadline**; each tier has a
# **budget** within it, so that time is left for the next one, and `Chain` refuses budgets that do
# not add up. Then a **circuit breaker**: where half of the last calls failed (too slow is a
# failure), the tier is not asked at all, and every now and then one request tries it again.


# %%
def guarded(gpu_url, *, with_breaker):
    """The same two tiers in a chain, and the rules as the last."""
    gpu, cpu = asking(gpu_url), asking(tiers.url(2))
    guard = breaker("gpu", calls=20, failures=0.5, open_s=0.5) if with_breaker else None
    chain = Chain(
        [
            Tier("gpu", lambda _: gpu(GPU_S), budget_s=0.020, breaker=guard),
            Tier("cpu", lambda _: cpu(CPU_S), budget_s=0.025),
        ],
        last=lambda _: None,
        deadline_s=DEADLINE_S,
    )
    return chain.answer


budget_guess = predict("GPU slow, budgets, no breaker: median answer?", unit="ms")
breaker_guess = predict("And with a breaker?", unit="ms")

# %%
ways = {
    "as usual": usual,
    "deadline and budgets": {},
    "and a breaker": {},
}
answers = {}
for way, with_breaker in (("deadline and budgets", False), ("and a breaker", True)):
    for state in progress(["dead", "slow"], way):
        kept = []
        make = sending(partial(guarded, GPU[state], with_breaker=with_breaker), kept)
        ways[way][state] = open_loop(make, bodies([0]), arrivals)
        answers[way, state] = kept
variant_plots.scoreboard(
    {
        f"{state}: {what}": {way: figure(ways[way][state]) for way in ways}
        for state in ("dead", "slow")
        for what, figure in (
            ("in time (%)", lambda load: 100 * in_time(load).median),
            ("median (ms)", lambda load: load.median_latency_s.scaled(1e3)),
        )
    },
    "The GPU tier dead, and slow",
)
budget_guess.reveal(ways["deadline and budgets"]["slow"].median_latency_s.scaled(1e3))
breaker_guess.reveal(ways["and a breaker"]["slow"].median_latency_s.scaled(1e3))
last = answers["and a breaker", "slow"][-1]
print(f"the last answer: tier {last.tier}, degraded {last.degraded}, because {last.reason}")
key_figure(
    "deadline and budgets, GPU slow: in time",
    in_time(ways["deadline and budgets"]["slow"]).scaled(100),
    "%",
)
key_figure("slow GPU, median without ÷ with a breaker",
           ways["deadline and budgets"]["slow"].median_latency_s.median
           / ways["and a breaker"]["slow"].median_latency_s.median, "times")  # fmt: skip

# %% [markdown]
# The budgets make the promise hold: with a slow tier, too, nearly everybody has an answer in 50
# ms. The breaker makes it cheap: without it each request pays the whole budget of a tier that
# will not answer, and the sick server goes on being asked. With it the answers are as quick as if
# the tier were dead, which for its clients it now is.
#
# Note the last line. **Each answer says who gave it and why not the one before**, as data. A
# fallback that works is invisible otherwise: users are content, errors are zero, and for three
# weeks the fraud model has been a page of rules. Alert on the share of degraded answers.
#
# What no deadline can do: stop work. A call that was given up goes on in its server, and a thread
# cannot be interrupted at all. `Bulkhead` bounds how many such there may be; a call keeps its
# place in it until it has *really* ended. And a tier that computes in the event loop stops the
# clock of every deadline in there: give it a thread (`Threads`) or a loop of its own (`OwnLoop`).
#
# ## Why did half a second take us down for the evening?
#
# The practitioners' question of this lesson. Here is a server that is fine: one place, a queue,
# 80 % busy, by clients that come evenly. They give up after a time limit and try again, three
# attempts in all. Once, early on, one long job keeps the server for less than half a second. That
# is the whole trouble.

# %%
WORK_S, STALL_S, LIMIT_S, ATTEMPTS = 0.008, 0.4, 0.2, 3
STORM_S, STALL_AT_S = at(scale, ci=5.5, laptop=20.0), 1.0
place = started["one place"]
tries = [
    closed_loop(sending(lambda: asking(place.url(0))), bodies([WORK_S]), connections=4,
                requests=at(scale, ci=80, laptop=400))
    for _ in range(3)
]  # fmt: skip
capacity_rps = min(run.rate_rps for run in tries)  # so that 80 % is not more
steady = constant(0.8 * capacity_rps, STORM_S)
work = np.full(steady.due_s.size, WORK_S)
work[np.searchsorted(steady.due_s, STALL_AT_S)] = STALL_S
print(f"capacity {capacity_rps:.0f} a second; asked for {steady.rate_rps:.0f} a second")


def patient(number, attempts, budget):
    """Asks one server, so many times at most; only the first attempt may be the long job."""
    ask = asking(place.url(number))

    async def score(seconds):
        turns = itertools.chain([seconds], itertools.repeat(WORK_S))
        await retried(lambda: within(lambda: ask(next(turns)), LIMIT_S),
                      attempts=attempts, budget=budget, pause_s=0.02)  # fmt: skip

    return score


policies = {
    "no retries": (1, None),
    "three attempts": (ATTEMPTS, None),
    "three attempts, a budget of a tenth": (ATTEMPTS, Budget(0.1, most=3)),
}
storm_guess = predict(
    f"{STORM_S - STALL_AT_S:g} s later, with three attempts: what share is answered?", unit="%"
)
plain_guess = predict("And without any retries?", unit="%")

# %%
storms, sent = {}, {}
for number, (name, (attempts, budget)) in enumerate(progress(list(policies.items()), "Policies")):
    before = place.received(number)
    make = sending(partial(patient, number, attempts, budget))
    storms[name] = open_loop(make, bodies(work), steady)
    sent[name] = (place.received(number) - before) / steady.due_s.size


def answered(load):
    """Which of the requests got an answer."""
    return np.isin(load.schedule.intended_s, load.begun_s)


def at_the_end(load):
    """The share of the last second's requests that were answered, with its interval."""
    late = load.schedule.intended_s > STORM_S - 1
    return share(int(answered(load)[late].sum()), int(late.sum()))


resilience_plots.share_over_time(
    {name: (load.schedule.intended_s, answered(load)) for name, load in storms.items()},
    "One stall, three kinds of client",
    ylabel="answered (%)",
    trouble_s=(STALL_AT_S, STALL_AT_S + STALL_S),
    bin_s=0.25,
)
storm_guess.reveal(at_the_end(storms["three attempts"]).scaled(100))
plain_guess.reveal(at_the_end(storms["no retries"]).scaled(100))
for name, load in storms.items():
    good = 100 * at_the_end(load).median
    print(f"{name:36}{sent[name]:.2f} calls a request, {good:.0f} % answered at the end")
key_figure(
    "three attempts: answered at the end", at_the_end(storms["three attempts"]).scaled(100), "%"
)
key_figure(
    "with a budget: answered at the end",
    at_the_end(storms["three attempts, a budget of a tenth"]).scaled(100),
    "%",
)

# %% [markdown]
# The stall leaves a queue longer than anybody's patience. Without retries, whoever gives up is
# gone; the server works at what nobody waits for, but it gains on its queue with the fifth of its
# capacity that is spare, and it is well again.
#
# With three attempts each of those who give up comes back, twice. 80 % × 3 is 240 % of the
# capacity: the queue *grows*, so everybody gives up, so everybody comes back. The trouble is over
# and the outage is not. The server is busy all the time, with calls that have been given up
# before it takes them. This state feeds itself (a **metastable failure** [2]); more servers help
# only from more than twice as many on, and a restart helps only if the clients do not wait at the
# door. It is why the evening was lost, and why "it worked in the test": at a load of 30 %, three
# attempts are 90 %.
#
# In the third panel the clients are the same, and a budget allows them one retry for every ten
# requests. That is 88 % at most: it takes longer than without any, but there is something left to
# work the queue off with. A retry is for the one call that met a bad moment. When all calls meet
# it, asking more is not what is missing. Google's servers let a client retry a tenth of its
# requests [3]; gRPC and Finagle have the same under other names.
#
# It is a thin margin, and the clients here come evenly. With `poisson` in place of `constant` (seed
# 5, six seconds, the 2 cores where this was written) the clients with the budget were still without
# answers at the end; those without retries had recovered. A budget bounds what retries add. It does
# not make room: a tenth of 80 % is only harmless where more than that is free. Try both.
#
# ## Two nines and two nines
#
# Each model tier reads the customer's features first. The feature store is down for a tenth of
# the time, in spells of a second. (A **rehearsal**: the same chain, on an event loop whose clock
# jumps from timer to timer, so that minutes take a second and every machine sees the same.)

# %%
SPELLS = at(scale, ci=200, laptop=1000)
spell = np.random.default_rng(4).permutation(SPELLS)  # in any order
down = np.array([spell % 10 == 0, spell // 10 % 10 == 0])  # a tenth each, both in a hundredth


def reading(store, seconds):
    """A tier that needs this store, and then so many seconds."""

    async def score(_):
        if down[store][int(asyncio.get_running_loop().time()) % SPELLS]:
            raise ConnectionError("the store is down")
        await asyncio.sleep(seconds)

    return score


def two_tiers(stores):
    """A GPU and a CPU tier, and which store each reads."""
    return Chain(
        [
            Tier("gpu", reading(stores[0], GPU_S), budget_s=0.020),
            Tier("cpu", reading(stores[1], CPU_S), budget_s=0.025),
        ],
        last=lambda _: None,
        deadline_s=DEADLINE_S,
    )


shared_guess = predict(
    "Each tier can score nine requests in ten. What share is scored by one of the two?", unit="%"
)

# %%
spread = poisson(8, SPELLS, seed=6)
scored = {}
for name, stores in (("one store for both", (0, 0)), ("a store for each", (0, 1))):
    tiers_used = [answer.tier for answer in rehearse(partial(two_tiers, stores), spread)]
    scored[name] = 100 * float(np.mean([tier != "rules" for tier in tiers_used]))
up = 1 - down.mean()
variant_plots.scoreboard(
    {
        "scored by a model (%)": scored,
        "the formula (%)": {
            "one store for both": 100 * availability(each=1, shared=1 - down[0].mean()),
            "a store for each": 100 * availability(each=up, tiers=2),
        },
    },
    "Two tiers, and what they share",
)
shared_guess.reveal(scored["one store for both"])
key_figure("scored by a model, one store for both", scored["one store for both"], "%")
key_figure("scored by a model, a store for each", scored["a store for each"], "%")

# %% [markdown]
# The picture has two boxes, so one multiplies: 0.1 × 0.1, two nines. But the second box needs the
# same store. It adds *nothing* while the store is down, which is when it was wanted. Availability
# is *shared × (1 − (1 − each)^tiers)* (`./lab calc availability`), and no number of tiers lifts
# it over what they share. Ask of each fallback what it still needs: the store, the network, the
# GPU's own host, the certificate, the deployment that just went out everywhere. That is why the
# last tier here is plain Python in the same process with rules that read nothing but the request.
#
# ## A breaker that opens on noise
#
# Last, the protection itself. The GPU tier fails at random in 2 % of its calls, as things do, and
# once it hangs, from second 20 to 40. Three settings:

# %%
NOISE, OUTAGE_S, END_S = 0.02, (20, 40), at(scale, ci=70, laptop=70)
settings = {
    "5 calls, 20 %, open 5 s": {"calls": 5, "failures": 0.2, "open_s": 5},
    "20 calls, 50 %, open 60 s": {"calls": 20, "failures": 0.5, "open_s": 60},
    "20 calls, 50 %, open 1 s": {"calls": 20, "failures": 0.5, "open_s": 1},
}


def noisy(thresholds):
    """A tier with noise and one outage, behind a breaker with these thresholds."""
    drawn = np.random.default_rng(8)

    async def gpu(_):
        if OUTAGE_S[0] <= asyncio.get_running_loop().time() < OUTAGE_S[1]:
            await asyncio.sleep(3600)
        await asyncio.sleep(GPU_S)
        if drawn.random() < NOISE:
            raise ConnectionError("noise")

    tier = Tier("gpu", gpu, budget_s=0.020, breaker=breaker("gpu", **thresholds))
    return Chain([tier], last=lambda _: None, deadline_s=DEADLINE_S)


noise_guess = predict(
    "5 calls, 20 %, open 5 s: outside of the outage, what share is scored by the GPU?", unit="%"
)

# %%
stream = poisson(40, END_S, seed=9)
healthy = (stream.due_s < OUTAGE_S[0]) | (stream.due_s > OUTAGE_S[1])
runs, by_gpu, waited = {}, {}, {}
for name, thresholds in progress(list(settings.items()), "Settings"):
    given = rehearse(partial(noisy, thresholds), stream)
    good = np.array([answer.tier == "gpu" for answer in given])
    runs[name] = (stream.due_s, good)
    by_gpu[name] = 100 * float(good[healthy].mean())
    waited[name] = sum("no answer" in answer.reason for answer in given)
resilience_plots.share_over_time(
    runs,
    "The same tier behind three breakers",
    ylabel="scored by the GPU (%)",
    trouble_s=OUTAGE_S,
    bin_s=1.0,
)
noise_guess.reveal(by_gpu["5 calls, 20 %, open 5 s"])
for name in settings:
    print(f"{name:26}{by_gpu[name]:5.1f} % by the GPU; {waited[name]} waited in vain")
key_figure("nervous breaker, healthy tier: scored by it", by_gpu["5 calls, 20 %, open 5 s"], "%")
key_figure("calm breaker, healthy tier: scored by it", by_gpu["20 calls, 50 %, open 1 s"], "%")

# %% [markdown]
# The nervous one takes one failure in five calls for an outage, so it opens at *every* failure,
# and then refuses everybody for five seconds in which nothing is wrong. At 40 requests a second
# and 2 % noise the next one is never far. **It has made an outage of 2 % errors.** The second
# ignores the noise, and the recovery as well: who opens for a minute pays a minute for any short
# outage. The third notices the outage after some ten calls, tries again each second with a few
# requests, one at a time, and is back within seconds of the tier.
#
# So: a rate, not a count; enough calls that noise cannot reach it (2 % noise makes 10 of 20 with
# a chance too small to print); a short time open; few probes, one at a time. And see that what
# counts as a failure *is* one: a request that is refused for its own content must not open a
# breaker for all others.
#
# ## What 99.99 % allows

# %% tags=["deterministic"]
from lab_utils.resilience.error_budget import (
    ALERTS,
    SOURCE,
    error_budget_min,
    error_budget_requests,
)

for slo in (0.999, 0.9999):
    minutes, requests = error_budget_min(slo, 30), error_budget_requests(slo, 30, 100_000)
    print(
        f"{slo:.2%} in 30 days: {minutes:.2f} min, or {requests / 1e6:.1f} million answers at 100k a second"
    )
for alert in ALERTS:
    kind = "page" if alert.page else "ticket"
    print(
        f"{kind}: {alert.budget_share:.0%} of the budget in {alert.long_h:g} h: a burn rate of {alert.burn_rate():.1f}"
    )
print(SOURCE)

# %% [markdown]
# Four minutes a month: nobody is awake, logged in and typing by then. What is to keep 99.99 %
# must work without people, and a restart must not be part of it. How fast each of the above burns
# it you can say now: share of bad answers ÷ 0.01 %. Where nobody is answered that is 10,000, and
# the month's budget is gone in those four minutes.

# %%
started.stop()

# %% [markdown]
# ## What you have seen
#
# 1. Who waits for many is as slow as the slowest. A hedge after the p95 costs about 5 % and
#    squares the slow share, where slowness is the server's own.
# 2. Slow is worse than dead. One deadline for a request, budgets within it, a breaker against
#    paying them again and again.
# 3. Retries multiply load when there is none to spare, and the outage outlives its cause. A
#    budget for retries, and for hedges.
# 4. A fallback is worth what it does not share with what failed.
# 5. A breaker counts rates over enough calls, opens briefly and probes gently.
# 6. Each answer says its tier and its reason, or nobody will know for weeks.
#
# **Next**: shipping a model that nobody has seen in production, without betting the month on it.
#
# ## Four questions

# %%
quiz(
    "A dependency's p99 is 40 ms, its median 3 ms. You may spend 50 ms. Which time limit do you give "
    "the first tier, with a second one behind it that needs 10 ms?",
    {
        "50 ms, so as not to cut anybody off": "Then the one in a hundred that is late leaves nothing for "
        "the second tier: it is cut off without an answer, not with a worse one.",
        "Some 30 ms: what is left when the second tier has had its turn": "Right: the limit follows from the "
        "deadline and from what comes after, not from the tier's own p99. A few good answers are lost to "
        "the second tier, and nobody is late.",
        "3 ms, its median": "Half of the healthy answers would be thrown away, and a breaker would open.",
    },
    right="Some 30 ms: what is left when the second tier has had its turn",
)

# %%
quiz(
    "A service at 40 % of its capacity has clients that give up after a second and try three times in "
    "all. It stands still for ten seconds. What do you expect afterwards?",
    {
        "It recovers by itself, since 40 % is far from full": "While everybody times out, each comes three "
        "times: 120 % of the capacity. The queue grows although the trouble is over.",
        "It stays down until clients are turned away or stop asking": "Right: 3 × 40 % is more than it can "
        "do. A budget, shedding, or a queue that throws away what has been given up would bring it back.",
        "It recovers once each client has made its third attempt": "Those clients are done; the next ones "
        "find the same queue and make their three attempts.",
    },
    right="It stays down until clients are turned away or stop asking",
)

# %%
quiz(
    "Hedging after the p95 brought the p99 of a read from 300 to 40 ms. On the first day of the month, "
    "when reports run and every server is slow, the cluster falls over. What was missing?",
    {
        "A hedge after the p99 in place of the p95": "On that day everybody is beyond the p99 of the other "
        "days, too. Any fixed moment is passed by all.",
        "A budget for hedges": "Right: when all are slow, each call is sent twice. A bound of a few per cent "
        "of the calls makes that impossible, whatever the latency.",
        "A breaker for each server": "Then the healthy rest takes the load of the open ones and the hedges as "
        "well.",
    },
    right="A budget for hedges",
)

# %%
quiz(
    "A team adds a third region as a fallback: three regions of 99.9 %. All three ask one identity service of "
    "99.95 % before they answer. What is the service's availability?",
    {
        "Nine nines: 1 − 0.001³": "That is of three regions that share nothing. Each asks the identity service.",
        "99.95 %, and with two regions it was the same": "Right, to the digits shown. What is shared bounds "
        "it; the money for the third region is better spent there.",
        "99.85 %: 99.9 % × 99.95 %": "That is one region with the identity service, without any fallback.",
    },
    right="99.95 %, and with two regions it was the same",
)

# %% [markdown]
# ## Sources
#
# - [1] J. Dean and L. A. Barroso, *The Tail at Scale*, Communications of the ACM 56(2), 2013: the
#   63 %, hedged requests, the 95th percentile, 1,800 and 74 ms.
# - [2] N. Bronson, A. Aghayev, A. Charapko and T. Zhu, *Metastable Failures in Distributed
#   Systems*, HotOS 2021.
# - [3] B. Beyer and others, *Site Reliability Engineering*, 2016, chapters 21 (*Handling
#   Overload*: the retry budget of a client, 10 %) and 22 (*Addressing Cascading Failures*).
# - [4] M. Brooker, *Exponential Backoff and Jitter*, AWS Architecture Blog, 2015.
# - [5] M. Nygard, *Release It!*, 2nd edition 2018: circuit breaker and bulkhead.
# - [6] B. Beyer and others, *The Site Reliability Workbook*, 2018, chapter 5.
