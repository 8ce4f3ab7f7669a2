# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [prometheus, redis-server, chaos]
# ---

# %% [markdown]
# # 3.7 · Breaking it on purpose
#
# There are two regions, three tiers, a deadline for each, a breaker, an audit log that is on disk
# before anybody is answered. On paper, payments are scored whatever fails. Has anybody seen it?
#
# The only proof is to break something and look, on a weekday morning, with everybody at their desks,
# before it breaks by itself on a Saturday night. That is *chaos engineering* [1], and it is an
# experiment like any other: a hypothesis about what stays true, one thing that is changed, a
# measurement. In this lesson you break the fraud service in eight ways, with a real Chaos Toolkit
# [2] and a real Prometheus. Most of what you expect to fall stands. What falls, falls where no
# dashboard of the service looks.

# %% tags=["parameters"]
scale = "laptop"

# %%
import tempfile
import time
from pathlib import Path

import numpy as np
from IPython.display import Markdown

from lab_utils.components import chaos_toolkit
from lab_utils.components.small_disk import SmallDisk
from lab_utils.components.together import Together
from lab_utils.resilience.error_budget import ALERTS, error_budget_min, error_budget_requests
from lab_utils.scale import at
from lab_utils.serve.fraud.chaos.campaign import (
    EXPERIMENTS,
    NAMES,
    Hypothesis,
    books,
    campaign,
    report,
    spells,
)
from lab_utils.serve.fraud.chaos.stage import prepared
from lab_utils.serve.fraud.chaos.system import FraudSystem
from lab_utils.show import chaos_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting
from lab_utils.show.quiz import quiz

SLO, DAYS, DEADLINE_S = 0.9999, 30, 0.05
RATE_RPS = at(scale, ci=60, laptop=80)
WINDOW_S = at(scale, ci=1, laptop=4)
rooted = SmallDisk.possible()
folder = tempfile.TemporaryDirectory()
chaos_toolkit.prepare(waiting)
with waiting("Models learn, two regions and Prometheus start", about_s=8):
    stage = prepared(Path(folder.name), deadline_s=DEADLINE_S)
    system = FraudSystem(
        stage, Path(folder.name), rate_rps=RATE_RPS, repaired=False, small_disk=rooted
    )
    started = Together({"system": system, "prometheus": system.watched(WINDOW_S)})
prometheus = started["prometheus"]
began_s = time.time()

# %% [markdown]
# Two regions run on this machine, "eu" and "us". Each has a gateway of its own (lesson 3.3's chain:
# the first model, a smaller one, rules) and a Redis of its own with everybody's past. Both write
# one audit log. (The first tier is called "gpu" and is a stand-in: a session on this processor. On
# one machine the log is one file; between continents it would be a replicated one, lesson 3.5.)
#
# And there are **payers**. They come when they come, each with a home region; each waits 50 ms. One
# whose home does not connect, does not answer or has a fault asks the other region, within the same
# 50 ms. What *they* see is what the promise is about, so they do the counting, and Prometheus reads
# it ten times a second. They have been paying since the last cell.
#
# ## A hypothesis
#
# The promise is 99.99 % within 50 ms. Can an experiment of a few seconds test it?

# %% tags=["deterministic"]
from lab_utils.measure.interval import share

for payments in (100, 1_000, 10_000, 40_000):
    print(f"none of {payments:6,} failed: at least {share(payments, payments).low:.3%} are good")

# %% [markdown]
# No. Where a hundred payments in a row are answered in time, the true share may still be 96 %. To
# be 95 % sure of 99.99 % takes some forty thousand without a single failure: eight minutes at 80 a
# second, and half a second at the 100,000 of lesson 3.6. (Statisticians' rule of thumb
# is three over the share: 30,000. The interval above is two-sided, so it asks for more.) A short
# experiment can only tell *broken* from *not broken*. So the hypothesis is coarse, and has two
# halves, each over the last moments:

# %%
hypothesis = Hypothesis(in_time=0.9, flagged=0.1)
with waiting("A calm moment", about_s=WINDOW_S + 1):
    prometheus.until(hypothesis.promql, within_s=60)
    time.sleep(WINDOW_S)
calm = {
    name: prometheus.number(f"payers:{name}:ratio") for name in ("in_time", "flagged", "degraded")
}
print(f"answered in time {calm['in_time']:.1%}, not approved {calm['flagged']:.1%}, "
      f"by another tier than the first {calm['degraded']:.1%}")  # fmt: skip
print(
    f"hypothesis: at least {hypothesis.in_time:.0%} in time, at most {hypothesis.flagged:.0%} not approved"
)

# %% [markdown]
# An experiment is a file. This is the whole of one; the other seven differ in their title and in
# what they break.

# %%
print((EXPERIMENTS / "slow_gpu.yaml").read_text())

# %% [markdown]
# The toolkit looks at the hypothesis first, and does nothing if it does not hold: nobody breaks
# what is broken. Then it plays the *method*, looks again **while the fault is there**, and mends.
# (By default it does *not* mend where the hypothesis has failed, so that somebody can look at the
# wreck. Whoever does not know that leaves the outage on. Here it is told
# `--rollback-strategy always`.)
#
# The eight:
#
# | | what is broken |
# |---|---|
# | a replica is killed | the eu gateway, by SIGKILL |
# | a region is killed | the eu gateway and its Redis, which forgets everything |
# | Redis stands still | both feature stores take connections and answer nothing |
# | the GPU tier is slow | each of its calls takes 50 ms longer, in both regions |
# | a clock is wrong | eu's is ten minutes behind |
# | the disk is full | not one byte more for the audit log |
# | a bad model is pushed | in eu; its two classes are mixed up |
# | a feature is poisoned | eu's store is told of a huge payment of each customer: a feed took cents for units |

# %%
names = [name for name in NAMES if name in system.faults]
if not rooted:
    print("The full disk is left out: only root may mount a small one. Run the lesson as root.")
broken_guess = predict(f"In how many of the {len(names)} does the hypothesis fail?", unit="")
payers_guess = predict(
    "While eu's clock is wrong: what share of all payers is answered in time?", unit="%"
)
gateways_guess = predict(
    "And what share is in time by the gateways' own latency histograms, meanwhile?", unit="%"
)

# %%
outcomes = campaign(
    system, prometheus, names, hypothesis, window_s=WINDOW_S,
    watch=lambda faults: progress(list(faults), "Experiments"),
)  # fmt: skip
ended_s = time.time()
by_name = {one.name: one for one in outcomes}
missed = [one for one in outcomes if one.noticed_by]
broken_guess.reveal(len(missed))
skewed = by_name["clock_skew"]
payers_guess.reveal(skewed.in_time.scaled(100))


def during(record, one):
    """A record's value just before the fault was mended: its window holds nothing else."""
    return prometheus.number(record, at=one.journal.mended_s)


gateways_guess.reveal(100 * during("gateways:in_time:ratio", skewed))
key_figure("experiments in which the hypothesis failed", len(missed), "")
key_figure("a wrong clock: answered in time, payers", skewed.in_time.scaled(100), "%")
key_figure("a wrong clock: in time, by the gateways' own account",
           100 * during("gateways:in_time:ratio", skewed), "%")  # fmt: skip
Markdown(report(outcomes))

# %%
panels = {
    "answered in time, as the payers see it": "payers:in_time:ratio",
    "answered in time, by the gateways' own histograms": "gateways:in_time:ratio",
    "answered by another tier than the first": "payers:degraded:ratio",
    "not approved": "payers:flagged:ratio",
}
seen = {}
for panel, record in panels.items():
    (found,) = prometheus.query_range(record, began_s, ended_s, step_s=0.2)
    seen[panel] = (found.times_s, found.values)
chaos_plots.under_faults(seen, list(spells(outcomes)), "What was seen meanwhile")

# %% [markdown]
# **What one is afraid of**, the first four, did little or nothing. (Where one of them missed on your
# machine, look at the first panel: the region that is left had too few cores for everybody.) A killed
# gateway refuses connections at once, so its payers are answered by the other region within their
# 50 ms. A store that stands still costs its part of the deadline, and the rules answer. A slow first
# model costs its budget until the breaker opens. Lesson 3.3 said so; now it has been seen. Look at the third panel, though: there, *all* answers came
# from a lower tier for as long as the fault lasted. The promise says nothing about that. An alert
# should. (Dips where nothing is broken any more are this machine's: a gateway that starts again takes
# the cores that the others need.)
#
# **What nobody was afraid of** broke the hypothesis, in three ways.
#
# - *A refusal that looks like the payer's fault.* To a gateway whose clock is behind, every payment
#   comes from the future; it says 422, "your payment cannot be". And a 4xx is the caller's fault, so
#   no retry, no breaker, no other region. The two regions *disagree*, and nobody asks the second.
# - *A thing that both regions share.* The log's disk. No number of gateways helps (lesson 3.3's
#   *shared*), and the gateway is right to refuse: an answer that is not recorded must not be sent.
# - *Answers in time that are wrong.* With a bad model and with a poisoned feature every payer is
#   answered, within 50 ms, with status 200; the last panel shows how many of them are sent away or
#   kept waiting for somebody to look. An experiment that looks at latency and errors alone calls both
#   a success. Only the second half of the hypothesis, what is decided, has noticed.
#
# ## Why was the dashboard green?
#
# The practitioners' question. Compare the first two panels at the wrong clock. A gateway's histogram
# holds the answers that it gave. It holds neither the payments that it refused, nor those that did
# not reach it, nor anything at all while it is dead. So it shows full marks while half of the payers
# are sent away. **A service cannot count who did not get through.** Count at the payer, or as close
# to the payer as you own something: at the edge proxy, in the client library, with a probe that pays.
#
# ## The budget
#
# How bad is bad? 99.99 % in 30 days is a budget. Prometheus has counted what these minutes took of
# it, at this rate.

# %%
bad_share = 1 - skewed.in_time.median
gone_guess = predict(
    "The clock stays wrong. After how many minutes is the budget of 30 days used up?", unit="min"
)
budget = error_budget_requests(SLO, DAYS, RATE_RPS)
BAD = "sum(payers_asked_total) - sum(payers_in_time_total)"
(burnt,) = prometheus.query_range(
    f"clamp_min(1 - payers:in_time:ratio, 0) / {1 - SLO:.6f}", began_s, ended_s, step_s=0.2
)
(bad,) = prometheus.query_range(BAD, began_s, ended_s, step_s=0.2)

# %%
page = max(alert.burn_rate(DAYS) for alert in ALERTS)
chaos_plots.budget(
    (burnt.times_s, burnt.values),
    (bad.times_s, bad.values / budget),
    list(spells(outcomes)),
    "The error budget, while things were broken",
    page_at=page,
    days=DAYS,
)
gone_min = error_budget_min(SLO, DAYS) / bad_share
gone_guess.reveal(gone_min)
print(f"the budget at {RATE_RPS} payments a second: {budget:,.0f} bad answers in {DAYS} days")
print(
    f"this campaign took {np.nanmax(bad.values):,.0f} of them, {np.nanmax(bad.values) / budget:.2%}"
)
key_figure("a wrong clock: the month's budget is gone in", gone_min, "min")

# %% [markdown]
# Budget in minutes ÷ share of bad answers. A page goes out where a burn rate of 14.4 has lasted
# for an hour (lesson 3.3); here it is thousands, and there is no hour: whatever breaks half of the
# payments and waits for a person has spent the month before that person has found the page.
# Experiments cost budget, too. That is what a budget is for, and it says how long one may last. Do
# the sum before: *share that may break × seconds × rate*.
#
# ## Repair, and break it again
#
# Two repairs, a few lines each.
#
# - A payer's client asks the other region after *any* refusal. Scoring is idempotent (the log gives
#   one payment one answer), so asking twice costs a request and harms nobody. A payment that
#   really comes from the future is refused twice.
# - The log keeps a **reserve**: a file of some megabytes that holds nothing. When the disk is full
#   it is deleted, and there is room for as long as somebody needs to make more. `fraud_audit_reserve`
#   goes to 0, and that is the alert.
#
# The bad model and the poisoned feature stay. They need something that compares decisions *before*
# everybody has the new model: a canary (lesson 3.4), and a look at what the store holds (lesson 3.2).

# %%
audit_before = books(system.payers.paid, system.audit)
started.stop()
again = [name for name in ("clock_skew", "full_disk") if name in names]
repaired_guess = predict(
    "Both repaired: what share is in time while eu's clock is wrong?", unit="%"
)
lost_guess = predict(
    "Over all experiments: how many answers are lost or doubled in the audit log, per 1,000?",
    unit="",
)
with waiting("The repaired system starts", about_s=5):
    second = tempfile.TemporaryDirectory()
    system = FraudSystem(stage, Path(second.name), rate_rps=RATE_RPS, small_disk=rooted)
    started = Together({"system": system, "prometheus": system.watched(WINDOW_S)})

# %%
repaired = campaign(
    system, started["prometheus"], again, hypothesis, window_s=WINDOW_S,
    watch=lambda faults: progress(list(faults), "Experiments"),
)  # fmt: skip
after = {one.name: one for one in repaired}
repaired_guess.reveal(after["clock_skew"].in_time.scaled(100))
audit_after = books(system.payers.paid, system.audit)
answers = audit_before.answers + audit_after.answers
wrong = sum(one.lost + one.doubled for one in (audit_before, audit_after))
lost_guess.reveal(1000 * wrong / answers)
print(f"{answers:,} answers compared with the log: {wrong} lost or doubled\n")
for name in again:
    print(
        f"{name:11} in time: {by_name[name].in_time.median:.1%} before, {after[name].in_time.median:.1%} now"
    )
key_figure("answers lost or doubled", wrong, f"of {answers:,}")
Markdown(report(repaired))

# %% [markdown]
# The experiment that failed has become a test that passes, and stays: it runs each week, or before
# each release, or the repair will be gone in a year without anybody noticing.
#
# The log lost nothing and doubled nothing, while gateways were killed in the middle of writing and
# its disk was full. That is its one rule at work: *on disk first, then the answer*, and one row for
# each payment. Who was not answered at all is not in the log, and knows it.

# %%
started.stop()
second.cleanup()
folder.cleanup()

# %% [markdown]
# ## What you have seen
#
# 1. A chaos experiment is a hypothesis, one fault, a look *during* the fault, and a way back.
# 2. What was built against faults stood: killed processes, silent stores, slow models.
# 3. What broke the promise were a refusal taken at its word, and a disk that all shared.
# 4. What nobody would have noticed broke no promise: wrong answers, in time. Put what is decided
#    into the hypothesis.
# 5. Count at the payer. A service cannot count who did not get through.
# 6. A budget in minutes ÷ the share of bad answers is the time that you have. Seconds of an
#    experiment cannot show 99.99 %; forty thousand payments can.
#
# **Next**: the model itself, made smaller.
#
# ## Four questions

# %%
quiz(
    "Your experiment kills one of 20 replicas for ten seconds. 2,000 requests came meanwhile, none "
    "failed. What may you say?",
    {
        "99.99 % holds when a replica dies": "Of 2,000 without a failure the true share may be as low as "
        "99.8 %. For 99.99 % it takes some 40,000.",
        "It is not badly broken; for four nines I need twenty times as many requests": "Right. Repeat it, "
        "or let it last; the counts of several runs may be added.",
        "Nothing, since ten seconds are too short": "It has excluded a great deal: that a twentieth of all "
        "requests fails, for one, which is what many would have feared.",
    },
    right="It is not badly broken; for four nines I need twenty times as many requests",
)

# %%
quiz(
    "A region's errors are counted by its load balancer: 0.001 %. Customers say that for an hour nothing "
    "worked. Both are right. How?",
    {
        "The customers' requests did not reach the load balancer": "Right: a name that did not resolve, a "
        "certificate, a route. It counts what comes to it. Count from outside, too.",
        "The load balancer's window is too long": "An hour of nothing would show in any window that is not "
        "days long.",
        "The customers were answered late, which is no error": "They would have been answered. Late answers "
        'are worth a look, but "nothing" is something else.',
    },
    right="The customers' requests did not reach the load balancer",
)

# %%
quiz(
    "Half of your payments fail since a minute ago, and the promise is 99.99 % in 30 days. Somebody is "
    "paged, and needs ten minutes to be at a keyboard. What do you change?",
    {
        "Page earlier": "The page came within a minute. The month's budget lasts under nine minutes at this "
        "rate, and nobody is at a keyboard by then.",
        "Nothing: four nines allow four minutes of outage": "They do, and ten minutes at one half are five.",
        "What reacts must not be a person": "Right: a fallback, a rollback that starts by itself, a region "
        "that is left out. People find the cause afterwards.",
    },
    right="What reacts must not be a person",
)

# %%
quiz(
    "Which of these does a hypothesis of latency and error rate notice?",
    {
        "A model whose classes are mixed up": "Its answers are as quick as ever, with status 200.",
        "A feature that is 0 for everybody": "The model scores it without complaint.",
        "A dependency that answers after the deadline": "Right, if there is no fallback. Both of the others "
        "need a look at what is decided.",
    },
    right="A dependency that answers after the deadline",
)

# %% [markdown]
# ## Sources
#
# - [1] A. Basiri and others, *Chaos Engineering*, IEEE Software 33(3), 2016, and
#   principlesofchaos.org: the steady state as hypothesis, real events, in production, automated.
# - [2] Chaos Toolkit, documentation: *The Open API*: experiments, tolerances, rollbacks and their
#   strategies.
# - [3] B. Beyer and others, *The Site Reliability Workbook*, 2018, chapters 2 (what to measure, and
#   where) and 5 (*Alerting on SLOs*).
# - [4] P. Alvaro and others, *Automating Failure Testing Research at Internet Scale*, SoCC 2016:
#   faults put in at the calls between services.
# - [5] J. A. Hanley and A. Lippman-Hand, *If Nothing Goes Wrong, Is Everything All Right?*, JAMA
#   249(13), 1983: the rule of three.
