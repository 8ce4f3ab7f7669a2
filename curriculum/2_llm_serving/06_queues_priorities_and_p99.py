# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [prometheus]
# ---

# %% [markdown]
# # 2.6 · Queues, priorities and P99
#
# Monday, nine o'clock: twice as many users as the service can answer. The dashboard is
# green. The machine writes as many tokens as it ever has, nothing has crashed, the error
# rate is zero. And hardly anybody gets an answer in time.
#
# What a service does in the minute when too many come is decided by three settings that
# nobody looks at in the other minutes: **how long the queue may be, who goes first in it,
# and when to say no**. This lesson breaks the same service twice with the same crowd, and
# it reads the P99 from where you will have to read it: from Prometheus, which does not
# know it.

# %% tags=["parameters"]
scale = "laptop"

# %%
import math

import numpy as np

from lab_utils.components.catalogue import CATALOGUE, program
from lab_utils.components.prometheus import Prometheus
from lab_utils.components.together import Together
from lab_utils.machine.cores import available_cores
from lab_utils.measure.buckets import read_from_buckets
from lab_utils.measure.compare import interleaved
from lab_utils.measure.load.arrivals import of_times, poisson
from lab_utils.measure.percentile import highest_supported, percentile
from lab_utils.models.decoder import TINY
from lab_utils.models.language.seeded import seeded
from lab_utils.scale import at
from lab_utils.serve.llm.chat import chat
from lab_utils.serve.llm.load import in_turn, when_due
from lab_utils.serve.llm.metrics import SECONDS
from lab_utils.serve.llm.service import LLMService
from lab_utils.show import load_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import waiting, watching
from lab_utils.show.quiz import quiz

threads = available_cores()
PLACES, LIMIT_S, SHORTER = 8, 2.0, (64, 16)
print(f"{threads} compute threads; {PLACES} places; the promise: whole answers in {LIMIT_S:g} s")

# %% [markdown]
# ## What it can do
#
# The language-model service with continuous batches (a place is filled again as soon as it is
# free), twice: once with a queue without end, once with a queue that is about to be chosen. Its
# requests are a chat's recorded ones [5], shortened. First, how many answers a second it gives
# while somebody always waits, and how long one takes when nobody does. (The better of two runs:
# what disturbs one can only slow it down.)

# %%
path = seeded(TINY, "q4_0", watching("Tensors"))
with waiting("A service starts", about_s=6):
    services = Together(
        {
            "endless queue": LLMService(
                path, threads=threads, batch_most=PLACES, queue_most=10**6, chunk_tokens=256
            )
        }
    )
endless = services["endless queue"]
tries = [
    in_turn(endless, TINY, chat(at(scale, ci=48, laptop=300), *SHORTER), PLACES + 4)
    for _ in range(2)
]
full = max(tries, key=lambda served: served.load.rate_rps)
alone = in_turn(endless, TINY, chat(at(scale, ci=8, laptop=60), *SHORTER), 1)
capacity_rps = full.load.rate_rps
inside_s = float(np.median(full.latency_s - full.queueing_s))
print(f"capacity: {capacity_rps:.0f} answers a second")
print(f"an answer takes {np.median(alone.latency_s):.2f} s alone, {inside_s:.2f} s among {PLACES}")

# %% [markdown]
# ## Twice as many
#
# For some seconds a crowd comes at twice the capacity, then the load falls to six tenths of it.

# %%
CROWD_S, AFTER_S = at(scale, ci=(4, 3), laptop=(15, 20))
crowd = poisson(2 * capacity_rps, CROWD_S, seed=1)
after = poisson(0.6 * capacity_rps, AFTER_S, seed=2)
arrivals = of_times(np.concatenate([crowd.due_s, CROWD_S + after.due_s]))
lengths = chat(arrivals.due_s.size, *SHORTER)
in_crowd = np.arange(arrivals.due_s.size) < crowd.due_s.size
in_time_guess = predict(
    f"Of those who came in the crowd: what share has the answer within {LIMIT_S:g} s?", unit="%"
)
late_guess = predict("For how long after the crowd has gone are answers late?", unit="s")


# %%
def in_time(served):
    """Which of all requests were answered within the promise."""
    found = np.zeros(arrivals.due_s.size, bool)
    found[served.number[served.latency_s <= LIMIT_S]] = True
    return found


with waiting("The crowd", about_s=CROWD_S + AFTER_S):
    melted = when_due(endless, TINY, arrivals, lengths)
load_plots.latency_over_time(
    {"endless queue": (melted.load.begun_s, 1e3 * melted.latency_s)},
    "When each came, and how long it took",
    xlabel="when the request came (s)",
)
in_time_guess.reveal(100 * np.mean(in_time(melted)[in_crowd]))
late = melted.load.begun_s[melted.latency_s > LIMIT_S]
late_s = max(float(late.max(initial=0)) - CROWD_S, 0)
late_guess.reveal(late_s)
print(f"failed: {melted.load.failed} of {melted.load.requests}")
key_figure(
    "endless queue: answered in time, in the crowd", 100 * np.mean(in_time(melted)[in_crowd]), "%"
)

# %% [markdown]
# The ramp is lesson 1.3's, without a freeze. Each second brings two seconds' work, and half of it
# stays. Whoever comes late in the crowd waits for all who came before, and *everyone is
# answered*: too late, at full speed, with an error rate of zero. Work that nobody waits for any
# more is done before work that somebody still waits for.
#
# And when the crowd has gone, the queue has not. It is worked off with what is left of the
# capacity, so those who come afterwards, on a quiet service, are late as well. (In life it is
# worse: people whose answer does not come ask again.)
#
# ## How long may the queue be?
#
# Little's law, used backwards. Who is at the end of a queue of Q waits Q ÷ capacity. The
# promise allows that wait and the answer itself:

# %%
longest_inside_s = float(np.max(full.latency_s - full.queueing_s))
queue_most = max(1, math.floor(capacity_rps * (LIMIT_S - longest_inside_s) * 0.8))
print(
    f"{capacity_rps:.0f} a second × ({LIMIT_S:g} s − {longest_inside_s:.2f} s for the longest answer), "
    f"less a fifth for bad luck: a queue of {queue_most}"
)
bounded_guess = predict(
    "With that queue, the others refused at once: what share of the crowd is answered in time?",
    unit="%",
)

# %%
with waiting("Another service starts", about_s=6):
    services.add(
        {
            "bounded queue": LLMService(
                path, threads=threads, batch_most=PLACES, queue_most=queue_most, chunk_tokens=256
            )
        }
    )
bounded = services["bounded queue"]
in_turn(bounded, TINY, chat(2 * PLACES, *SHORTER), PLACES)
with waiting("The same crowd", about_s=CROWD_S + AFTER_S):
    shed = when_due(bounded, TINY, arrivals, lengths)
load_plots.latency_over_time(
    {
        "endless queue": (melted.load.begun_s, 1e3 * melted.latency_s),
        "bounded queue": (shed.load.begun_s, 1e3 * shed.latency_s),
    },
    "The same crowd at both",
    xlabel="when the request came (s)",
)
bounded_guess.reveal(100 * np.mean(in_time(shed)[in_crowd]))
q = highest_supported(shed.load.answered)
print(f"accepted: p{q:g} {percentile(shed.latency_s, q).median:.2f} s")
for cause, count in shed.load.failures.items():
    print(
        f"refused: {count} × {cause}, told after {1e3 * np.median(shed.load.told_s):.0f} ms (median)"
    )
print(f"lost: {arrivals.due_s.size - shed.load.answered - shed.load.failed}")
key_figure(
    "bounded queue: answered in time, in the crowd", 100 * np.mean(in_time(shed)[in_crowd]), "%"
)

# %% [markdown]
# Both services worked all the time, at the same speed. The one that says no serves *more* people
# in time, and the longer the crowd stays the larger the difference: the endless queue's share goes
# to nothing, the bounded one's to capacity ÷ arrivals. What is refused is told at once, with the
# status 429 and a `Retry-After`, and may go elsewhere while there still is time. **A queue is for
# unevenness, not for overload.** Anything longer than the promise allows is a place to wait for
# answers that nobody wants.
#
# A monitor of CPU, throughput and errors shows the first service as healthy and the second as
# failing. Alert on answers in time.
#
# ## Who goes first
#
# A fifth of the requests are from users in the middle of a conversation, and matter more. The
# service has two priorities; the urgent are taken from the queue first. A short rush, at 1.6 times
# the capacity, comes to the endless queue in either order. Nothing else changes.

# %%
BUSY_S = at(scale, ci=1.2, laptop=10)
busy = poisson(1.6 * capacity_rps, BUSY_S, seed=3)
busy_lengths = chat(busy.due_s.size, *SHORTER)
urgent = np.random.default_rng(3).random(busy.due_s.size) < 0.2
urgent_guess = predict(
    "The urgent fifth: how many times as fast is its median answer?", unit="times"
)
others_guess = predict(
    "And the other four fifths: how many times as long do they take?", unit="times"
)
all_guess = predict("The mean over all: how many times as long?", unit="times")


# %%
def asked(priority):
    """The same requests once more, with these priorities."""
    return when_due(endless, TINY, busy, busy_lengths, priority=priority)


orders = {
    "first come, first served": lambda: asked(0),
    "the urgent first": lambda: asked(urgent.astype(int).tolist()),
}
rounds = interleaved(
    orders, rounds=at(scale, ci=2, laptop=4), watch=watching("Rounds of both orders")
)


def seconds(runs, who=None):
    """Latencies of all runs together, of those whom `who` names."""
    return np.concatenate(
        [r.latency_s if who is None else r.latency_s[who[r.number]] for r in runs]
    )


medians = {
    name: {
        "the urgent": np.median(seconds(runs, urgent)),
        "the others": np.median(seconds(runs, ~urgent)),
        "mean of all": np.mean(seconds(runs)),
    }
    for name, runs in rounds.items()
}
variant_plots.scoreboard(
    {
        f"{who} (s)": {name: of[who] for name, of in medians.items()}
        for who in ("the urgent", "the others", "mean of all")
    },
    "The same requests, in another order",
)
before, now = medians.values()
urgent_guess.reveal(before["the urgent"] / now["the urgent"])
others_guess.reveal(now["the others"] / before["the others"])
all_guess.reveal(now["mean of all"] / before["mean of all"])
key_figure(
    "mean latency, with priorities ÷ without", now["mean of all"] / before["mean of all"], "times"
)

# %% [markdown]
# Priorities make no capacity. As long as who goes first does not depend on how much work they
# bring, the work in the queue is the same in any order, and so is the mean wait: what the urgent
# save, the others pay (Kleinrock's conservation law [1]; the two means were measured a minute
# apart, so they differ by what the machine did meanwhile). It is cheap for as long as the urgent are
# few: a fifth gains a lot, four fifths lose a little each. When everything is urgent, nothing is.
# (An order that *does* look at the work, the short answers first, lowers the mean, if the lengths
# are known beforehand. They seldom are.)
#
# ## The P99 that Prometheus shows
#
# So far the P99 came from the clients' own clocks. In production nobody has these. The service
# counts its answers in **buckets**, so many up to 1 s, so many up to 1.5 s, and Prometheus
# reads the counters every so often. Here is the real one, while a steady load runs.

# %%
STEADY_S = at(scale, ci=5, laptop=40)
steady = poisson(0.6 * capacity_rps, STEADY_S, seed=4)
SINCE = f"[{math.ceil(STEADY_S)}s]"
WATCHED = (
    f"histogram_quantile({{}}, sum by (le) (increase(llm_request_seconds_bucket{SINCE})))",
    f"increase(llm_request_seconds_sum{SINCE}) / increase(llm_request_seconds_count{SINCE})",
    f"rate(llm_request_seconds_count{SINCE})",
    f"avg_over_time(llm_running{SINCE}) + on() sum(avg_over_time(llm_queue_depth{SINCE}))",
)
read_s = mean_s = rate_rps = inside = math.nan
steady_lengths = chat(steady.due_s.size, *SHORTER)
if program("prometheus") is None:
    print(f"Prometheus is not on this machine: {CATALOGUE['prometheus'].get}.")
    served = when_due(bounded, TINY, steady, steady_lengths)
else:
    with (
        waiting("A steady load, watched", about_s=STEADY_S + 8),
        Prometheus({"chat": bounded.url}, every_s=0.5) as prometheus,
    ):
        prometheus.until_scraped()
        served = when_due(bounded, TINY, steady, steady_lengths)
        prometheus.until_scraped()
        q = highest_supported(served.load.answered)
        read_s, mean_s, rate_rps, inside = (
            prometheus.number(one.format(q / 100)) for one in WATCHED
        )
q = highest_supported(served.load.answered)
true = percentile(served.latency_s, q)
print(f"p{q:g}: Prometheus reads {read_s:.3f} s; the clients' clocks say {true:.3f} s")

# %% [markdown]
# The two need not agree, and not because of the way to the client. All that the buckets keep of
# this percentile is *in which of them it lies*; where in it, Prometheus takes from a straight
# line. This service's buckets are close to each other (`serve/llm/metrics.py`). Most are not: a
# common choice is a handful around round numbers.

# %%
EDGES_S = (0.1, 0.5, 1.0, 5.0, 10.0)
coarse_guess = predict(
    f"The same answers in buckets up to {', '.join(f'{edge:g}' for edge in EDGES_S)} s: "
    f"what does Prometheus read as p{q:g}?",
    unit="s",
)

# %%
coarse, fine = (read_from_buckets(served.latency_s, edges, q / 100) for edges in (EDGES_S, SECONDS))
coarse_guess.reveal(coarse.read_s)
for name, reading in (("five buckets", coarse), ("the service's own", fine)):
    print(
        f"{name:18} read {reading.read_s:.3f} s ({reading.error:+.0%}); anything from "
        f"{reading.lowest_s:g} to {reading.highest_s:g} s has the same counts"
    )
key_figure(f"five buckets: error of the p{q:g}", 100 * coarse.error, "%")

# %% [markdown]
# An improvement of a third may leave a coarse reading where it was, and a few answers that cross
# an edge may double it. Three rules follow. **Put an edge exactly at your promise**: the share of
# answers up to an edge is counted, not read off a line, and that is the figure to alert on. Let
# edges grow by a constant factor: the error is then at most that factor, wherever the percentile
# goes. And never average percentiles of replicas; add their buckets first, as the query above does
# with `sum by (le)`.
#
# One more figure can be checked without anybody's clock. Little's law ties what the service says
# of itself: how many are inside, how many leave a second, how long each takes.

# %%
print(f"inside, as scraped:     {inside:.2f}")
print(f"rate × mean latency:    {rate_rps * mean_s:.2f}")
key_figure("inside ÷ (rate × latency)", inside / (rate_rps * mean_s), "")

# %% [markdown]
# (The first is a gauge, looked at twice a second, so it is a sample.) Where the two differ by much
# on a long look, one of them does not count what you think: requests that were refused, time in a
# proxy's queue, or clients that left.

# %%
services.stop()

# %% [markdown]
# ## What you have seen
#
# 1. An endless queue answers everybody, too late. Throughput and error rate do not show it.
# 2. A queue as long as *capacity × (promise − longest answer)* refuses many and serves more in
#    time.
# 3. Priorities move waiting from one to another. The mean stays.
# 4. A P99 from buckets is known up to its bucket. Put an edge at the promise.
# 5. Little's law checks a dashboard.
#
# **Next**: more machines when the queue grows, and which signal to trust.
#
# ## Three questions

# %%
quiz(
    'Your load balancer\'s queue holds 10,000 requests, "so that none is lost". Capacity is 50 a '
    "second, and clients give up after 5 s. In an overload, what is the service doing?",
    {
        "Serving everybody, a little late": "The last in that queue waits 10,000 ÷ 50 = 200 s.",
        "Mostly writing answers for clients that have left": "Right: whoever is at the head of the "
        "queue has waited longer than the client did. A queue of less than 50 × 5 = 250, or a "
        "deadline that is checked before the work begins, avoids it.",
        "Losing none": "A client that has given up is lost, whatever the log says.",
    },
    right="Mostly writing answers for clients that have left",
)

# %%
quiz(
    "Three replicas show P99s of 0.8, 0.9 and 4 s. The dashboard averages them: 1.9 s. What is the "
    "service's P99?",
    {
        "1.9 s": "An average of percentiles is the percentile of nothing.",
        "4 s, the worst": "Only if the slow replica answers enough of all requests to reach the "
        "slowest hundredth by itself; it may answer few.",
        "It cannot be told from these figures": "Right: it depends on how many answers each gave. "
        "Sum the buckets of the three, then take the quantile.",
    },
    right="It cannot be told from these figures",
)

# %%
quiz(
    "You bound the queue. The dashboard now shows an error rate of 30 % in the morning peak, and the "
    "manager asks for the old setting back. What do you show?",
    {
        "The share of users who were answered in time, before and after": "Right: that is what users "
        "have of it. Before, the late answers counted as successes.",
        "The P99 of accepted requests": "It is better, and it leaves out those who were refused. The "
        "manager's objection is just about them.",
        "The throughput": "It is the same with both settings: the machine was busy all the time.",
    },
    right="The share of users who were answered in time, before and after",
)

# %% [markdown]
# ## Sources
#
# - [1] L. Kleinrock, *A Conservation Law for a Wide Class of Queueing Disciplines*, Naval Research
#   Logistics Quarterly 12, 1965.
# - [2] J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9, 1961.
# - [3] Prometheus documentation, *Histograms and summaries*: errors of quantile estimation;
#   `histogram_quantile`.
# - [4] B. Beyer et al. (ed.), *Site Reliability Engineering*, 2016, chapters *Handling Overload* and
#   *Addressing Cascading Failures*: queues, load shedding, retries.
# - [5] The lengths: Azure Public Dataset, *Azure LLM inference trace 2023* (conversation), CC-BY 4.0.
