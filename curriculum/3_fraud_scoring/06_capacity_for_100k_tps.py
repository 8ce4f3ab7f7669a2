# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [gunicorn]
# ---

# %% [markdown]
# # 3.6 · Capacity for 100k TPS
#
# *"The model scores a payment in some tens of microseconds. A hundred thousand payments a second,
# that makes a handful of cores. Why does your plan say more than a hundred, and a third of them
# idle?"*
#
# Nobody can try a hundred thousand payments a second on the machine in front of you. So this lesson
# does what is done in its place: **measure one core, show that a simulation of it is right where it
# can be checked, and only then ask the simulation what cannot be tried.** Then it asks: how many
# queues, how busy, what happens when a region goes, and what do clients do who try again.

# %% tags=["parameters"]
scale = "laptop"

# %%
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from lab_utils.components.together import Together
from lab_utils.cost.prices import catalogue
from lab_utils.machine.cores import available_cores
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import closed_loop, post
from lab_utils.measure.percentile import percentile
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions
from lab_utils.models.fraud.trees import train
from lab_utils.optimize.fraud_scorers import Scorer, of_trees
from lab_utils.scale import at
from lab_utils.serve.fraud.scoring_app import scoring_service
from lab_utils.show import capacity_plots, load_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.simulate.capacity import Demand, loss_of_budget, plan
from lab_utils.simulate.regions.engine import simulate
from lab_utils.simulate.regions.model import Change, Clients, Fleet, Loss, Tier
from lab_utils.simulate.validation import gaps_s, in_turn, largest_error

TPS = 100_000
print(f"{available_cores()} cores; the job: {TPS:,} payments a second, in three regions")

# %% [markdown]
# ## One core
#
# The scorer is the boosted trees of lesson 3.1 as an ONNX file. First it alone, in this process, one
# payment at a time; then the same file behind the smallest HTTP service there is: one process, one
# compute thread, one payment at a time.

# %%
payments = simulate_transactions(customers=500, terminals=1000, days=45, seed=36)
known = features(payments)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "trees.onnx"
path.write_bytes(of_trees(train(known, payments["fraud"])))
scorer = Scorer(path.read_bytes(), threads=1)
rows = known.to_numpy(np.float32)[-512:]
took_s = []
for place in range(at(scale, ci=4, laptop=20) * len(rows)):
    row = rows[place % len(rows)][None]
    begun_s = time.perf_counter()
    scorer(row)
    took_s.append(time.perf_counter() - begun_s)
model_s = float(np.median(took_s[len(rows) :]))
bodies = [json.dumps({"features": row.tolist()}).encode() for row in rows]
with waiting("The service starts", about_s=3):
    services = Together({"scores": scoring_service(path)})
url = f"{services['scores'].url}/score"
print(f"the model alone: {1e6 * model_s:.0f} µs a payment")

# %%
rate_guess = predict(
    f"The model alone: {1 / model_s:,.0f} payments a second. Behind HTTP, one core: how many?",
    unit="a second",
)

# %%
rounds, enough = [], at(scale, ci=400, laptop=2000)


with waiting("One core, kept busy", about_s=4):
    for _ in range(4):  # the first is the warm-up
        rounds.append(gaps_s(closed_loop(post(url), bodies, connections=4, requests=enough)))
del rounds[0]
per_s = interval([1 / times_s.mean() for times_s in rounds])
rate_guess.reveal(per_s)
print(f"rounds: {', '.join(f'{1 / t.mean():,.0f}' for t in rounds)} a second")
key_figure("one core: the model's time ÷ the service's", 100 * model_s * per_s.median, "%")

# %% [markdown]
# The model is what everybody optimises, and here it is the small part. The rest is a socket that is
# accepted, a head that is parsed, JSON in and out. (It can be made much smaller, with another server,
# another format and several payments in a request. That is a matter of measuring, too, and the plan
# below takes whatever comes out.)
#
# Where do the service times come from? While somebody always waits, a server that takes one request
# at a time gives an answer each service time. **The gaps between its answers are its service
# times**, with everything it does for a request. They are kept, all of them, round by round; a mean
# alone would not do.
#
# ## Is the simulation right?
#
# A simulation that is not held against anything is an opinion. At three loads, with the core at work
# for 30, 50 and 70 % of the time, Poisson arrivals are sent to the live service, in short runs that
# take turns, two at a load right after each other. **Each run is predicted with the service times
# of the one beside it, never with its own**: the simulation gets its arrivals and nothing else of
# it. A machine that changes its speed does so for both.
#
# The times are taken **in the order in which they came**, from a place that is drawn. Whatever
# holds a server up may come in clusters, and in a queue each delay of a cluster waits for the one
# before it. Times drawn one by one have the same mean and the same spread, but no clusters: where
# there were any, their P99 is too low [5].
#
# Before that, one question about the service times alone. Under a load of 30 % the core is idle
# most of the time. A payment then finds nobody in its way.

# %%
idle_guess = predict(
    "The mean service time of a core that is busy for 30 % of the time ÷ of one that is always busy?",
    unit="times",
)
# %%
error_guess = predict("The largest error of the simulation, of P50, P99 and throughput?", unit="%")

# %%
SHARES = (0.3, 0.5, 0.7)
live = in_turn(
    url,
    bodies,
    SHARES,
    each=120,
    blocks=at(scale, ci=8, laptop=30),
    watch=watching("Three loads, live, in turn"),
)
rounds += live.busy_s
times_s = np.concatenate(rounds)
under, compared = live.service_s, live.compared
idle_guess.reveal(under[0.3].mean() / times_s.mean())
key_figure("service time at 30 % ÷ always busy", under[0.3].mean() / times_s.mean(), "times")
shares = np.linspace(0.05, 0.93, 23)
alike = Fleet((Tier("one core", 1, times_s),))
lines = []
for share in shares:
    rate_rps = share / times_s.mean()
    run = simulate(poisson(rate_rps, 50_000 / rate_rps).due_s, alike)
    lines.append([1e3 * np.quantile(run.latency_s, q) for q in (0.5, 0.99)])
load_plots.latency_against_load(
    SHARES,
    {f"p{q:g}": [compared[s].percentiles_s[q][0].scaled(1e3) for s in SHARES] for q in (50, 99)},
    {
        f"p{q:g}, times of a busy core": (shares, np.transpose(lines)[row])
        for row, q in enumerate((50, 99))
    },
    [1e3 * compared[s].percentiles_s[99][1].median for s in SHARES],
    "One core, live and simulated",
    replayed="p99 of the same arrivals, simulated",
)
worst_error = largest_error(compared.values()).scaled(100)
for share, found in compared.items():
    said = ", ".join(f"{name} {error:+.1%}" for name, error in found.errors.items())
    behind = any(run.schedule.fell_behind for run in live.runs[share])
    late = " (the generator fell behind)" if behind else ""
    print(f"at {share:.0%}: {said}{late}")
error_guess.reveal(worst_error)
key_figure("simulation, largest error of three loads", worst_error, "%")

# %% [markdown]
# Where the core is mostly idle, a payment takes *longer* (on nearly every machine; the ratio is
# above), though nobody is in its way: the process sleeps and has to be woken, the caches hold what
# others did meanwhile. (So a service that is measured with one client who takes a rest between
# requests looks slower than it is, and the dashed lines, which know only the times of a busy core,
# lie too low on the left. The P99 of these lines may lie too high on the right: a stall that one of
# the rounds has met is drawn from at every load.) For a plan the times of a busy core are the right
# ones: its cores will be busy.
#
# The simulation knows of it: it has two kinds of times, those of payments that met an idle core and
# those of the others.
#
# Behind each error stands its interval: what other draws of the same runs would have shown. An
# error whose interval holds 0 may be chance. The P99 at the highest load is the hard one: near
# saturation a queue multiplies every small error of the service time, by 1 ÷ (1 − ρ): at 85 % a
# machine that is 3 % slower in one run than in the one beside it shows as 20 %, and no simulation
# can know of it. (So the check stops at 70 %; above, it would test the machine's moods.) A P99 that
# is far off, with a wide interval, while P50 and throughput agree is a stall: something else had
# the machine for some milliseconds in a few of the runs. Read the errors before you read the plan;
# they belong on the same page.
#
# ## A hundred thousand
#
# From here on the simulation goes where this machine cannot. It is compiled (`simulate/regions`),
# works through some millions of events a second on one core, and agrees with SimPy to the last bit
# on cases that SimPy can do. First a look at what it costs:

# %%
mean_s = float(times_s.mean())
busy = TPS * mean_s
print(f"{TPS:,} a second × {1e3 * mean_s:.2f} ms = {busy:,.0f} cores that are always busy")
fleet = Fleet((Tier("score", int(busy / 0.8), times_s),))
begun_s = time.perf_counter()
run = simulate(poisson(TPS, at(scale, ci=3, laptop=10)).due_s, fleet)
took_s = time.perf_counter() - begun_s
print(f"{run.events:,} events in {took_s:.2f} s: {run.events / took_s / 1e6:.1f} million a second")
key_figure("simulated events", run.events / took_s / 1e6, "million a second")

# %% [markdown]
# ## The same cores, four ways to queue
#
# 64 cores, the same payments, the same service times. Only the way to a core differs: each core
# with a queue of its own, a balancer that draws one at random, or goes round in turn, or looks at
# two and takes the shorter; or one queue for all.

# %%
CORES = 64
pool_guess = predict(
    f"At 90 % utilisation: the P99 of {CORES} queues at random ÷ with two looked at?",
    unit="times",
)
one_guess = predict("And two looked at ÷ one queue for all?", unit="times")

# %%
layouts = {
    "a queue each, at random": (CORES, "random"),
    "in turn": (CORES, "in turn"),
    "the shorter of two": (CORES, "shorter of two"),
    "one queue for all": (1, "random"),
}
busy_shares = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
p99_ms = {}
for name, (queues, route) in layouts.items():
    fleet = Fleet((Tier("score", CORES, times_s, queues=queues, route=route),))
    p99_ms[name] = []
    for share in busy_shares:
        rate_rps = share * CORES / mean_s
        due_s = poisson(rate_rps, at(scale, ci=100_000, laptop=400_000) / rate_rps, seed=3).due_s
        late_s = simulate(due_s, fleet).latency_s[due_s.size // 10 :]
        p99_ms[name].append(1e3 * percentile(late_s, 99).median)
limit_s = max(0.010, 3 * float(np.quantile(times_s, 0.99)))
capacity_plots.by_utilisation(
    {name: (busy_shares, values) for name, values in p99_ms.items()},
    f"P99 of {CORES} cores, by how payments find one",
    ylabel="P99 of waiting and service (ms)",
    limit=1e3 * limit_s,
)
at_90 = busy_shares.index(0.9)
waits_ms = {name: p99_ms[name][at_90] for name in layouts}
pool_guess.reveal(waits_ms["a queue each, at random"] / waits_ms["the shorter of two"])
one_guess.reveal(waits_ms["the shorter of two"] / waits_ms["one queue for all"])
key_figure(
    "P99 at 90 %, queues at random ÷ shorter of two",
    waits_ms["a queue each, at random"] / waits_ms["the shorter of two"],
    "times",
)

# %% [markdown]
# All four are equally busy, and equally fast. With a queue each, one payment waits while a core next
# door is idle. One queue for all never lets that happen, but nobody has one queue for all across
# machines. **Looking at two queues in place of one** is nearly as good [1], and costs a balancer one
# comparison.
#
# So *100,000 ÷ (what one core does)* is wrong in both directions. It leaves no room for chance: at
# full utilisation the queue grows without end. And the room that one core needs alone is far more
# than what each of a hundred needs together: where the curves meet the promise, read off how busy
# the cores may be.
#
# ## A region goes
#
# Of the 50 ms of the promise suppose a fifth is left for waiting and scoring; the rest is for the
# network, the features and the gateway. Here is the smallest fleet that keeps that for 99 of 100
# payments *with all three regions there*. Then one region is lost. Its payments go nowhere for a
# second, then to the other two.

# %%
offer = catalogue().with_cores(2)
resamples = at(scale, ci=12, laptop=60)
usual = Demand(tps=TPS, deadline_s=limit_s, regions=3, lost=0)
careful = Demand(tps=TPS, deadline_s=limit_s, regions=3, lost=1)
with waiting("Two plans", about_s=8):
    plans = {
        "all regions there": plan(rounds, usual, offer, resamples=resamples),
        "one may be lost": plan(rounds, careful, offer, resamples=resamples),
    }
tight = plans["all regions there"]
print(f"waiting and scoring within {1e3 * limit_s:.0f} ms for 99 of 100")
print(f"by rate × mean: {tight.by_mean:,.0f} cores; planned: {tight.cores:,.0f}")
print(f"utilisation: {tight.utilisation.median:.0%}")
lost_guess = predict(
    "Five seconds after the failover: what share of the payments is scored in time?", unit="%"
)


# %%
def fleet_of(found, clients):
    """The plan's fleet as the simulation has it."""
    machines = round(found.machines.median / found.demand.regions)
    servers = machines * offer.cores
    tier = Tier("score", servers, times_s, queues=machines, route=found.demand.route)
    return Fleet((tier,), regions=found.demand.regions, clients=clients, failover_s=1.0)


LOST_S, END_S = 2.0, 9.0
lost_due_s = poisson(TPS, END_S, seed=11).due_s
slices_s = np.arange(0, END_S + 0.1, 0.1)


def in_time_by_slice(run, due_s, within_s):
    """The share scored in time of the payments of each tenth of a second."""
    place = np.digitize(due_s, slices_s) - 1
    good = np.bincount(place, run.in_time(within_s), minlength=slices_s.size)
    return (good / np.maximum(np.bincount(place, minlength=slices_s.size), 1))[:-1]


curves = {}
for name, found in plans.items():
    run = simulate(lost_due_s, fleet_of(found, Clients()), changes=[Loss(LOST_S, region=0)])
    curves[f"planned for: {name}"] = (slices_s[:-1], in_time_by_slice(run, lost_due_s, limit_s))
    if found is tight:
        after = lost_due_s > LOST_S + 1 + 5
        lost_guess.reveal(100 * run.in_time(limit_s)[after].mean())
        key_figure("tight fleet, in time after a region's loss",
                   100 * run.in_time(limit_s)[after].mean(), "%")  # fmt: skip
capacity_plots.bad_minute(
    curves, (LOST_S, LOST_S + 1), "A region is lost; nothing is sent there a second later"
)

# %% [markdown]
# Two thirds of the cores do not score two thirds of the payments in time. **They score nearly
# none.** The load on them is half as much again as before, more than they can do; the queue grows,
# and everybody is in it, not only those who came from the lost region. It is lesson 2.6's crowd,
# with no end. A queue with a bound, or a tier of rules behind a deadline (lesson 3.3), saves two
# thirds of them; cores save all.
#
# The dip of a second hits both fleets: that is what is sent into a region before anybody knows that
# it is gone. No capacity helps against it, and it is paid from the error budget:

# %%
used = loss_of_budget(Demand(failover_s=1.0, regions=3, availability=0.9999))
slow = loss_of_budget(Demand(failover_s=60.0, regions=3, availability=0.9999))
print(f"failover after 1 s: {used:.2%} of the 30 days' budget at 99.99 %; after 60 s: {slow:.1%}")

# %% [markdown]
# ## How many regions?
#
# Each of these fleets survives the loss of one of its regions.

# %%
regions_guess = predict("Five regions in place of two: what share of the cores?", unit="%")

# %%
with waiting("Two more plans", about_s=8):
    by_regions = {
        f"{n} regions": plans["one may be lost"]
        if n == 3
        else plan(
            rounds,
            Demand(tps=TPS, deadline_s=limit_s, regions=n, lost=1),
            offer,
            resamples=resamples,
        )
        for n in (2, 3, 5)
    }
table = {"3 regions, none may be lost": tight} | by_regions
variant_plots.scoreboard(
    {
        "cores": {name: found.cores for name, found in table.items()},
        "utilisation (%)": {name: found.utilisation.scaled(100) for name, found in table.items()},
        f"a month ({offer.currency})": {n: found.cost_per_month for n, found in table.items()},
    },
    f"{TPS:,} a second, P99 of {1e3 * limit_s:.0f} ms",
)
ratio = by_regions["5 regions"].cores.median / by_regions["2 regions"].cores.median
regions_guess.reveal(100 * ratio)
print(f"{offer.machine}: {offer.price():.4f} {offer.currency} an hour, {offer.seen_text()}")
print(f"simulation against the live service: errors up to {worst_error.median:.0f} %")
key_figure("cores, 5 regions ÷ 2", 100 * ratio, "%")

# %% [markdown]
# With n regions of which one may go, each carries 1 ÷ (n − 1) of everything at its worst:
# n ÷ (n − 1) times the cores, so 2 times, 1.5 times, 1.25 times. That is what the low utilisation
# is for, and whoever "optimises" it away has sold the spare region. (More regions bring other costs:
# traffic between them, features that must be everywhere, more that can break. Lesson 3.5.)
#
# The whiskers hold what the rounds' differences leave open and the simulation's chance. They do
# *not* hold the price list's machine being another than yours, nor the error that the check above
# showed. Put both beside the plan.
#
# ## Clients who try again
#
# The fleet that survives a region's loss has a third of its cores to spare. Now something small:
# for two seconds each payment takes three times as long, a deployment, say, or a slow store.
# Clients wait 50 ms, as the promise has it. Either they take no for an answer, or they try up to
# three times.

# %%
SLOW_S, WHOLE_S = (2.0, 4.0), at(scale, ci=10.0, laptop=20.0)
storm_guess = predict(
    "Clients try up to three times. For how many seconds after the trouble are fewer than half "
    "answered in time?",
    unit="s",
)

# %%
patience_s = max(0.050, 5 * limit_s / 2)
kinds = {
    "no retries": Clients(timeout_s=patience_s),
    "up to 3 attempts": Clients(timeout_s=patience_s, attempts=3),
    "3 attempts, a budget of 10 %": Clients(timeout_s=patience_s, attempts=3, retry_budget=0.1),
    "3 attempts, dropped when late": Clients(timeout_s=patience_s, attempts=3, cancel=True),
}
storm_due_s = poisson(TPS, WHOLE_S, seed=12).due_s
slices_s = np.arange(0, WHOLE_S + 0.1, 0.1)
slow = [Change(SLOW_S[0], slower=3.0), Change(SLOW_S[1])]
curves, sent, bad_s = {}, {}, {}
for name, clients in kinds.items():
    run = simulate(storm_due_s, fleet_of(plans["one may be lost"], clients), changes=slow)
    answered = in_time_by_slice(run, storm_due_s, patience_s)
    curves[name] = (slices_s[:-1], answered)
    sent[name] = float(run.attempts[storm_due_s > SLOW_S[1]].mean())
    bad_s[name] = 0.1 * int(np.sum(answered[slices_s[:-1] >= SLOW_S[1]] < 0.5))
capacity_plots.bad_minute(curves, SLOW_S, "Two slow seconds, and what comes of them")
storm_guess.reveal(bad_s["up to 3 attempts"])
for name in kinds:
    print(
        f"{name:30} bad for {bad_s[name]:4.1f} s after it; {sent[name]:.2f} attempts a payment then"
    )
print(f"(the run ends {WHOLE_S - SLOW_S[1]:.0f} s after the trouble)")
key_figure("retries: bad after the trouble ÷ watched", 100 * bad_s["up to 3 attempts"]
           / (WHOLE_S - SLOW_S[1]), "%")  # fmt: skip

# %% [markdown]
# The trouble is over, every core is healthy, the load is the usual one, and the service does not
# come back. What keeps it down is its own work: whoever gives up leaves a payment in the queue that
# is scored for nobody, and sends another one. The load that was three fifths of the capacity has
# become up to three times as much, and it *stays* there, because being late is what makes it so.
# The field calls that a metastable failure [2]: it needs a cause to begin and none to go on.
#
# Even without retries the queue of payments that nobody waits for has to be worked off first. The
# remedy is a line of configuration: a **budget**, so that retries are a tenth of the traffic at
# most [3]. More cores are none: the share that has to be spare for *this* is two thirds.
#
# **Dropping what is late** before it is begun sounds like another remedy. Read its line above before
# you trust it; on one machine it ends the trouble at once, on another never. A queue that is worked
# off in order gives a free core the payment that has waited longest. While too much comes in, that
# one was about to be dropped: it is begun just before its time is over, and finished just after. All
# cores are busy, nothing that was late is begun, and nothing is in time. What has to be dropped is
# what cannot be *finished* in time any more, or the newest has to go first.
#
# ## The practitioners' question
#
# *"Our three regions run at 65 %. Can we lose one?"* Ask the simulation, with the service times of
# this machine:

# %%
answer_guess = predict(
    "Three regions at 65 %, one is lost: what share is scored in time then?", unit="%"
)

# %%
asked = {}
for share in (0.55, 0.6, 0.63, 0.65, 0.7):
    machines = max(1, round(busy / 3 / share / offer.cores))
    tier = Tier("score", machines * offer.cores, times_s, queues=machines, route="shorter of two")
    due_s = poisson(TPS / 2, 4.0, seed=13).due_s
    left = simulate(due_s, Fleet((tier,)))
    asked[share] = (1.5 * share, 100 * left.in_time(limit_s)[due_s > 2].mean())
for share, (then, good) in asked.items():
    print(f"at {share:.0%}: {then:.1%} with two regions, {good:.1f} % in time")
answer_guess.reveal(asked[0.65][1])

# %% [markdown]
# 65 % × 3 ÷ 2 is 97.5 %: below 100 %, so it "fits". Whether it also *holds the promise* depends on how
# unevenly payments come and how long they take, and at these heights on the third digit of a service
# time that you know to two. So the honest answer has a margin in it: the error of the simulation,
# the interval of the service times. Then ask what the utilisation was averaged over. A day's mean
# of 65 % may hide an hour of 100 %.
#
# The same from the command line, with times that were recorded elsewhere or with your own:
#
# ```
# ./lab calc capacity tps=100000 deadline_ms=10
# ./lab calc erlang-c servers=64 offered=58
# ./lab calc canary-samples usual=0.001 worse=0.002
# ```

# %%
services.stop()

# %% [markdown]
# ## What you have seen
#
# 1. A core's rate is the service's, not the model's. Measure it from outside, keep all the times.
# 2. A simulation is worth what its check against the live system says, at several loads.
# 3. Looking at two queues is nearly as good as having one.
# 4. A region that may be lost costs n ÷ (n − 1), and without it two thirds of the cores do not do two
#    thirds of the work in time.
# 5. Retries without a budget turn two bad seconds into a failure that lasts.
#
# **Next**: breaking it on purpose.
#
# ## Four questions

# %%
quiz(
    "One core scores 800 payments a second. 100,000 ÷ 800 is 125 cores. What is wrong with ordering 125?",
    {
        "Nothing, with a good balancer": "At full utilisation the queue grows without end, whatever "
        "balances it.",
        "It leaves nothing for chance, nor for a region that is lost": "Right: the first costs some per "
        "cent in a large pool, the second n ÷ (n − 1).",
        "800 was the mean, it should have been the P99": "The mean is what the load is made of. The tail "
        "decides how far below full the cores must stay.",
    },
    right="It leaves nothing for chance, nor for a region that is lost",
)

# %%
quiz(
    "The simulation agrees with the live service to 2 % at 40 % load and is 18 % off at 85 %. Why, most "
    "likely?",
    {
        "It forgets something that happens only under load": "It may. Look first at what is simpler.",
        "The service became a little slower between the two measurements": "Right, to begin with: near "
        "saturation 1 ÷ (1 − ρ) makes an error of 3 % in the rate one of 20 % in the waiting. "
        "Measure the service times again beside the load, and compare.",
        "It was given too few events": "Its own interval says so, where that is it.",
    },
    right="The service became a little slower between the two measurements",
)

# %%
quiz(
    "A service is down after a short disturbance: cores at 100 %, every answer late, the load at the door "
    "four times the usual. What do you do first?",
    {
        "Double the cores": "The retries are three times the traffic, and they stay until answers are in "
        "time. Twice may not be enough, and takes minutes.",
        "Turn most of the traffic away for a moment": "Right: once the queue is empty answers are in time, "
        "and the retries end by themselves. Then add the budget.",
        "Raise the clients' timeout": "It makes the queue longer, by those who wait.",
    },
    right="Turn most of the traffic away for a moment",
)

# %%
quiz(
    "You have 96 cores in two regions, each of which can carry everything. You move to four regions. How "
    "many cores now?",
    {
        "96": "Then a third of them is not needed for anything.",
        "64": "Right: each of the three that are left carries a third of what 48 cores carry: 16 each, and "
        "four times 16. (A little more, as smaller pools wait longer.)",
        "48": "That is the load without a spare region.",
    },
    right="64",
)

# %% [markdown]
# ## Sources
#
# - [1] M. Mitzenmacher, *The Power of Two Choices in Randomized Load Balancing*, IEEE Transactions on
#   Parallel and Distributed Systems 12, 2001.
# - [2] N. Bronson, A. Aghayev, A. Charapko, T. Zhu, *Metastable Failures in Distributed Systems*,
#   HotOS 2021.
# - [3] B. Beyer et al. (ed.), *Site Reliability Engineering*, 2016, chapter *Handling Overload*:
#   retry budgets of 10 %.
# - [4] L. Kleinrock, *Queueing Systems*, volume I, 1975: waiting near saturation.
# - [5] K. W. Fendick, V. R. Saksena, W. Whitt, *Dependence in Packet Queues*, IEEE Transactions on
#   Communications 37, 1989: what clusters add to the waiting.
# - [6] Prices: `data/prices/machines.csv`, each with its day and address.
