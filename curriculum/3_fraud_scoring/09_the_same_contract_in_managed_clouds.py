# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 3.9 · The same contract in managed clouds
#
# *"Why do we run all this ourselves? Give the cloud a container; it starts it, watches it, replaces
# it, scales it, and we pay by the hour. It even comes with a client."*
#
# It is a fair question, and for most models the right one. The contract is short, and you will keep
# it with one small server for two clouds at once. Then you will call it with the clouds' own
# clients and ask of each part what this unit has asked of everything: what does it do to a promise
# of 50 ms, and what does it cost? The containers, the clients and the figures are real. **The front
# door between them is a stand-in on this machine**, with the cloud's addresses, documented limits
# and routing, and without the way to a cloud, which comes on top.

# %% tags=["parameters"]
scale = "laptop"

# %%
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import requests
import urllib3
from botocore.exceptions import ClientError, ReadTimeoutError

from lab_utils.components.together import Together
from lab_utils.cost.fleet import fleet_cost_per_thousand, machines_needed
from lab_utils.cost.managed import (
    billed_s,
    break_even_rate,
    cost_per_thousand_served,
    managed_offers,
)
from lab_utils.measure.compare import difference, interleaved
from lab_utils.measure.interval import interval, share
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions
from lab_utils.models.fraud.trees import train
from lab_utils.optimize.fraud_scorers import Scorer, of_trees
from lab_utils.resilience.budget import Budget
from lab_utils.scale import at
from lab_utils.serve.fraud.clouds import vertex as google
from lab_utils.serve.fraud.clouds.body import instances, scores_of
from lab_utils.serve.fraud.clouds.calling import sending
from lab_utils.serve.fraud.clouds.checks import checked
from lab_utils.serve.fraud.clouds.container import Container, deployed
from lab_utils.serve.fraud.clouds.contract import SAGEMAKER, VERTEX
from lab_utils.serve.fraud.clouds.door import FrontDoor
from lab_utils.serve.fraud.clouds.sagemaker import cause, invoke, longest_body, runtime, settings
from lab_utils.show import cost_plots, resilience_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz

DEADLINE_S, SLO, TPS = 0.050, 0.9999, 100_000
payments = simulate_transactions(customers=500, terminals=1000, days=28, seed=39)
known = features(payments)
content = of_trees(train(known, payments["fraud"]))
scorer = Scorer(content, threads=1)
rows = known.to_numpy(np.float32)[-512:]
bodies = [instances(row[None]) for row in rows]
temporary = tempfile.TemporaryDirectory()
folder = deployed(Path(temporary.name), content)

# %% [markdown]
# ## The contract
#
# A cloud starts your container with some variables, asks for its health at one address and sends
# bodies to another. This is what the two say [1, 2]:

# %% tags=["deterministic"]
from lab_utils.serve.fraud.clouds.contract import CONTRACTS

for contract in CONTRACTS.values():
    limit_s = contract.healthy_within_s
    print(f"{contract.name}")
    for variable, value in contract.environment(port=8080).items():
        print(f"  {variable} = {value}")
    print(f"  GET {contract.health_route}: 200" + (f" within {limit_s:g} s" if limit_s else ""))
    print(f"  POST {contract.predict_route}: a body of at most {contract.longest_bytes:,} bytes,")
    print(f"    an answer within {contract.answer_within_s:g} s")

# %% [markdown]
# Vertex AI wants `{"instances": […]}` in and `{"predictions": […]}` out. SageMaker hands on whatever
# bytes come. So one body serves both, and one server: it looks which variables are set. Here it is
# started twice, once as each cloud would, and every clause is tried from outside.

# %%
REPLICAS = 4
containers = {"aws": Container(SAGEMAKER, folder), "google": Container(VERTEX, folder)}
aws_urls = [containers["aws"].predict_url] * REPLICAS
doors = {
    "random": FrontDoor(SAGEMAKER, aws_urls),
    "least outstanding": FrontDoor(SAGEMAKER, aws_urls, routing="least outstanding"),
    "google": FrontDoor(VERTEX, [containers["google"].predict_url]),
}
with waiting("Two containers and three front doors start", about_s=4):
    started = Together(containers | {f"door {name}": door for name, door in doors.items()})
for container in containers.values():
    print(container.contract.name)
    for clause in checked(container, rows[:8]):
        print(f"  {clause}")

# %% [markdown]
# (Behind SageMaker's door there are four replicas. On this machine one process plays all four; the
# door tells them apart when one is to be slow.)
#
# ## What a call costs
#
# One payment, asked for in five ways: the scorer in this process; the container over plain HTTP;
# the same through the front door; and through a door with the cloud's own library: boto3 for
# SageMaker [3], google-auth for the REST form of Vertex AI [4]. Plain HTTP is by urllib3, on which
# both are built. So **what boto3 adds is the difference between two of the rows**: its own work in
# your process. The clock of the processor shows it best, since it stands still while a call waits
# for its answer.

# %%
client, session = runtime(doors["random"].url), google.session()
pool = urllib3.PoolManager(retries=False)
CALLS, ROUNDS = at(scale, ci=20, laptop=200), at(scale, ci=5, laptop=12)


def plainly(url, body):
    """POST, and the answer's body."""
    return pool.request("POST", url, body=body).data


work_s = {}  # by way of asking: each round's median, by the clock of this thread's processor


def per_call_s(name):
    """Seconds of a call: the median of so many, each for another payment."""
    took_s, worked_s = [], []
    for number in range(CALLS):
        begun_s, idle_s = time.perf_counter(), time.thread_time()
        ways[name](number % len(rows))
        took_s.append(time.perf_counter() - begun_s)
        worked_s.append(time.thread_time() - idle_s)
    work_s.setdefault(name, []).append(float(np.median(worked_s)))
    return float(np.median(took_s))


aws_door, aws_container = doors["random"].predict_url, containers["aws"].predict_url
google_door = doors["google"].predict_url
ways = {
    "the scorer alone": lambda n: scorer(rows[n][None]),
    "the container, plain HTTP": lambda n: plainly(aws_container, bodies[n]),
    "the front door, plain HTTP": lambda n: plainly(aws_door, bodies[n]),
    "the front door, boto3": lambda n: invoke(client, bodies[n]),
    "Google's door, google-auth": lambda n: google.predict(session, google_door, bodies[n]),
}
same = (
    scores_of(invoke(client, bodies[0])),
    scores_of(google.predict(session, google_door, bodies[0])),
)
print(f"one payment, both clouds: {same[0][0]:.6f} and {same[1][0]:.6f}")
scorer_us = 1e6 * per_call_s("the scorer alone")
boto_guess = predict(
    f"The scorer takes {scorer_us:.0f} µs. What does boto3 add to a call, beside plain HTTP, "
    "of your processor's time?",
    unit="ms",
)

# %%
work_s.clear()
calls_s = interleaved(
    {name: partial(per_call_s, name) for name in ways}, ROUNDS, watching("Rounds")
)
variant_plots.scoreboard(
    {
        f"{name} (ms)": {way: interval(took).scaled(1e3) for way, took in found.items()}
        for name, found in (("one payment", calls_s), ("of it, the caller's processor", work_s))
    },
    "One payment, five ways",
)
boto = difference(work_s["the front door, boto3"], work_s["the front door, plain HTTP"]).scaled(1e3)
scorer_ms = interval(work_s["the scorer alone"]).scaled(1e3).median
boto_guess.reveal(boto)
key_figure("boto3's own part of a call", boto, "ms")
key_figure(
    "boto3's own part ÷ the scorer's time",
    boto.median / scorer_ms,
    "times",
)

# %% [markdown]
# The client of the cloud takes many times what the model takes. It builds a request from a
# description of the service, signs it (a digest of the body, a chain of four keyed hashes), and
# reads the answer by the same description; google-auth signs nothing, it adds a token. It is little
# by the measure of 50 ms, and no answer is waited for: it is *processor time of the caller*, paid
# for each payment, on your machines. At 100,000 payments a second it comes to:

# %%
callers = TPS * boto.median / 1e3
print(f"{TPS:,} a second × {boto.median:.2f} ms = {callers:,.0f} cores that do nothing but call")
print(f"the scorer itself: {TPS * scorer_ms / 1e3:,.1f} cores")
key_figure("cores for boto3 at 100,000 a second", callers, "")

# %% [markdown]
# What is *not* in these figures: the way to the cloud and back, TLS, the cloud's own door. Measure
# them from where your callers are.
#
# Many payments in one body share the price of a call. How many go in?

# %%
many_guess = predict(
    f"SageMaker takes {longest_body(client):,} bytes. How many payments' features are that?",
    unit="payments",
)
long_guess = predict("And how long does one such body take?", unit="ms")

# %%
each_bytes = len(instances(rows)) / len(rows)
many, full = 0, b""
while not full or len(full) > longest_body(client):
    many = int(0.99 * many) if many else int(longest_body(client) / each_bytes)
    full = instances(np.resize(rows, (many, rows.shape[1])))
took_s = []
for _ in progress(range(2), "The longest body"):
    begun_s = time.perf_counter()
    answered = scores_of(invoke(client, full))
    took_s.append(time.perf_counter() - begun_s)
many_guess.reveal(many)
long_guess.reveal(interval(took_s).scaled(1e3))
print(f"{len(answered):,} predictions for {len(full):,} bytes, {each_bytes:.0f} for a payment")
try:
    invoke(client, full.ljust(longest_body(client) + 1))
except ClientError as error:
    print("one byte too many:", error)
key_figure("payments in the longest body of SageMaker", many, "")
key_figure("the longest body ÷ the deadline", float(np.median(took_s)) / DEADLINE_S, "times")

# %% [markdown]
# Compare with the deadline: that says how many may go in, not the size. Whoever fills a body makes
# its first payment wait for its last, and with one compute thread everybody else's. (The limit is
# checked behind the door. The client knows it, it is in its description of the service, and sends
# the bytes all the same. AWS's FAQ has 25 MB by now [1]: which of the two bites, only the cloud can
# say.)
#
# ## What the client does by itself
#
# Nobody has configured anything. What does a client do when no answer comes? It says so itself, all
# but the number of attempts, and that can be counted at the door.

# %%
usual = settings(client)
print(f"a connection may take {usual.connect_timeout_s:g} s, an answer {usual.read_timeout_s:g} s")
print(f"retries: mode {usual.mode!r}; connections kept: {usual.connections}")
silent_guess = predict(
    "All replicas stand still. After how many seconds does the caller of one payment hear of it?",
    unit="s",
)
# %%
SHORT_S, STILL_S = 0.25, 2.0


def given_up(door, call, error):
    """All replicas stand still: how many requests come to the door, and when the caller is told."""
    for replica in range(door.count):
        door.hold(replica, STILL_S)
    before, begun_s = sum(door.received()), time.perf_counter()
    try:
        call()
    except error:
        return sum(door.received()) - before, time.perf_counter() - begun_s
    finally:
        for replica in range(door.count):
            door.hold(replica, 0)


impatient = runtime(doors["random"].url, read_timeout=SHORT_S)
attempts, told_s = given_up(doors["random"], lambda: invoke(impatient, bodies[0]), ReadTimeoutError)
print(f"an answer may take {SHORT_S:g} s: {attempts} attempts, and an error after {told_s:.2f} s")
silent_guess.reveal(attempts * usual.read_timeout_s)
key_figure("attempts that boto3 makes by itself", attempts, "")
key_figure("boto3 as it comes gives up after", attempts * usual.read_timeout_s, "s")
key_figure("the same in deadlines of 50 ms", attempts * usual.read_timeout_s / DEADLINE_S, "")

# %% [markdown]
# Measured with a time limit of a quarter of a second, worked out for the client's own: *attempts ×
# limit*, minutes, where 50 ms were promised. (Between attempts it pauses a little, too. An older
# boto3 comes with another mode, `legacy`, and more attempts [3]: the same code waits another time
# after an update. Look at *your* client.) The limit is what it is because a container may take 60
# s; for one that does, the service's description advises a limit of 70 [3]. And Google's library?

# %%
asked, told_s = given_up(
    doors["google"],
    lambda: google.predict(session, google_door, bodies[0], timeout=SHORT_S),
    requests.exceptions.Timeout,
)
print(f"an answer may take {SHORT_S:g} s: {asked} attempt, and an error after {told_s:.2f} s")
print(f"where nobody says, an answer may take {google.usual_limit_s():g} s")
key_figure("google-auth as it comes gives up after", asked * google.usual_limit_s(), "s")

# %% [markdown]
# It asks once, and waits its limit. That limit is an argument of each call, `timeout=0.05`. Whoever
# does not give one has somebody else's.
#
# ## One slow replica
#
# Nothing ever stands still as a whole. One replica of four gets slow: soon after the beginning its
# answers begin to take a second. SageMaker picks a replica at random for each request, by default
# [5]. A caller with as many threads as the client keeps connections asks for payments as they come.

# %%
RATE_RPS, RUN_S, SLOW_AT_S, HOLD_S = 60, at(scale, ci=2.0, laptop=8.0), 0.3, 1.0
arrivals = poisson(RATE_RPS, RUN_S, seed=9)


sent_s = []  # what each call took, from when it was sent


def run(client, door, **more):
    """The payments through this client; the door's first replica gets slow on the way."""
    invoke(client, bodies[0])  # it opens what it needs
    sent_s.clear()

    def noted(body):
        begun_s = time.perf_counter()
        answer = invoke(client, body)
        sent_s.append(time.perf_counter() - begun_s)
        return answer

    trouble = threading.Timer(SLOW_AT_S, door.hold, (0, HOLD_S))
    trouble.start()
    try:
        threads = settings(client).connections
        caller = sending(noted, threads=threads, cause=cause, **more)
        return open_loop(caller, bodies, arrivals)
    finally:
        trouble.cancel()
        trouble.join()
        door.hold(0, 0)


def good(load):
    """Which of the payments had an answer by the deadline."""
    return np.isin(load.schedule.intended_s, load.begun_s[load.latencies_s <= DEADLINE_S])


def at_the_end(load):
    """The share of the last second's payments that were answered in time, with its interval."""
    late = load.schedule.intended_s > RUN_S - 1
    return share(int(good(load)[late].sum()), int(late.sum()))


def draw(loads, title):
    """The share in time, moment by moment, of each run."""
    resilience_plots.share_over_time(
        {name: (load.schedule.intended_s, good(load)) for name, load in loads.items()},
        title,
        ylabel=f"answered within {1e3 * DEADLINE_S:g} ms (%)",
        trouble_s=(SLOW_AT_S, RUN_S),
        bin_s=0.25,
    )


quarter_guess = predict(
    f"One of {REPLICAS} replicas is slow. What share is answered within {1e3 * DEADLINE_S:g} ms in the last second?",
    unit="%",
)

# %%
loads = {}
with waiting("As it comes", about_s=RUN_S + 2):
    loads["boto3 as it comes"] = run(client, doors["random"])
usual_load = loads["boto3 as it comes"]
draw(loads, "One slow replica of four")
quarter_guess.reveal(at_the_end(usual_load).scaled(100))
queued = np.mean(usual_load.latencies_s > HOLD_S + DEADLINE_S)
print(f"failed: {usual_load.failed} of {usual_load.requests}")
print(f"threads of the caller: {usual.connections}")
print(f"longer than even the slow replica takes: {queued:.0%} of the payments")
print(f"median of the calls, each from when it was sent:     {1e3 * np.median(sent_s):7.1f} ms")
print(f"median of the payments, each from when it was due: {1e3 * np.median(usual_load.latencies_s):9.1f} ms")  # fmt: skip
key_figure(
    "one slow replica of four, as it comes: in time", at_the_end(usual_load).scaled(100), "%"
)

# %% [markdown]
# A quarter of the requests is slow, so three quarters should be in time. In the last second hardly
# any is. **Look at the threads.** A quarter of 60 a second, a second each: by Little's law fifteen
# threads stand waiting for the slow replica, and the caller has as many as it says above. Once they
# are all there, nobody asks the three replicas that are well. It is the *as usual* of lesson 3.3,
# with a client that somebody else has configured.
#
# ## "The endpoint's latency graph is fine. Why do our callers time out?"
#
# The practitioners' question. The last two lines have the answer. No answer of the endpoint takes
# longer than its slow replica: whatever took longer was waited for *before it was sent*. The
# cloud's graph begins at its door. It shows the first of the two medians, no error, and less
# traffic than usual. **Measure at the caller, from when the payment was due.**
#
# ## Three repairs
#
# First the client. One: a limit of 50 ms and no second attempt. Two: a limit of 20 ms and one retry
# by the SDK, so that both fit into the 50. Three: as in lesson 3.3, a hedge [7] of our own, a
# second request where the first has no answer after 15 ms.

# %%
LIMIT_S, HEDGE_S = 0.020, 0.015
once = {"total_max_attempts": 1, "mode": "standard"}
twice = {"total_max_attempts": 2, "mode": "standard"}
paper = 100 * (1 - 1 / REPLICAS**2)
sdk_guess = predict(
    f"Two attempts, each of them slow with a chance of 1 in {REPLICAS}: {paper:.0f} % on paper. "
    "And by the SDK's retry, in the last second?",
    unit="%",
)
hedge_guess = predict("And with the hedge?", unit="%")

# %%
door = doors["random"]
tight = {"connect_timeout": DEADLINE_S}
hedges = Budget(0.5, most=20)
repairs = {
    "50 ms, one attempt": (runtime(door.url, read_timeout=DEADLINE_S, retries=once, **tight), {}),
    "20 ms, and the SDK's retry": (
        runtime(door.url, read_timeout=LIMIT_S, retries=twice, **tight),
        {},
    ),
    "50 ms, and a hedge after 15 ms": (
        runtime(door.url, read_timeout=DEADLINE_S, retries=once, **tight),
        {"hedge_after_s": HEDGE_S, "budget": hedges},
    ),
}
for name, (repaired, more) in progress(list(repairs.items()), "Repairs"):
    loads[name] = run(repaired, door, **more)
draw(loads, "One slow replica of four, four kinds of caller")
sdk_guess.reveal(at_the_end(loads["20 ms, and the SDK's retry"]).scaled(100))
hedge_guess.reveal(at_the_end(loads["50 ms, and a hedge after 15 ms"]).scaled(100))
after = {
    name: share(int(good(load)[late].sum()), int(late.sum()))
    for name, load in loads.items()
    for late in [load.schedule.intended_s > SLOW_AT_S]
}
for name, found in after.items():
    print(f"{name:32}{100 * found.median:5.1f} % in time since the replica is slow")
print(f"hedges: {hedges.taken} for {hedges.earned} payments, {hedges.refused} refused")
key_figure(
    "the SDK's retry: in time", at_the_end(loads["20 ms, and the SDK's retry"]).scaled(100), "%"
)
key_figure("a hedge: in time", at_the_end(loads["50 ms, and a hedge after 15 ms"]).scaled(100), "%")

# %% [markdown]
# A limit alone gives the three quarters back: the slow quarter is told after 50 ms, and has rules
# to fall back on (lesson 3.3), which is what the limit is for. The retry is worth less than it is
# on paper, since **the SDK waits before it asks again**: a random pause, up to 50 ms for the first
# one in the mode `standard`, up to a second in the older one [3]. Pauses are right for a batch job
# at night, against a service that has too much to do. They are the whole budget of a payment. The
# hedge does not wait for a failure; what is left, beside delays of this machine's own, is the one
# in sixteen where both met the slow replica: **behind a door you cannot say "another one,
# please"**. That is what a managed endpoint has taken away: there is one address, and somebody else
# chooses.
#
# So the repair belongs where the choice is made. It is one line in the endpoint's configuration
# [5]: not a random replica, but one with the fewest requests outstanding.

# %%
routing_guess = predict(
    "boto3 as it comes, the door picks the replica with the fewest outstanding: what share in time?",
    unit="%",
)
# %%
before = doors["least outstanding"].received()
with waiting("Another routing", about_s=RUN_S + 2):
    loads["as it comes, fewest outstanding"] = run(
        runtime(doors["least outstanding"].url), doors["least outstanding"]
    )
given = np.subtract(doors["least outstanding"].received(), before)
routing_guess.reveal(at_the_end(loads["as it comes, fewest outstanding"]).scaled(100))
print(f"requests by replica, the slow one first: {', '.join(map(str, given))}")
draw(
    {name: loads[name] for name in ("boto3 as it comes", "as it comes, fewest outstanding")},
    "The same caller, two routings",
)
key_figure(
    "fewest outstanding: in time",
    at_the_end(loads["as it comes, fewest outstanding"]).scaled(100),
    "%",
)

# %% [markdown]
# Who is slow has requests outstanding, so hardly anybody is sent there; nobody has to notice
# anything. (It has a blind side: a replica that *fails quickly* has nothing outstanding, and draws
# them all. And keep the limits: a door that routes well does not help when all replicas are slow.)
#
# ## From zero
#
# The cheapest endpoint is one that is not there while nobody asks. The first payment then waits for
# a container. Its own part can be measured here: a process starts, loads the model, is healthy,
# answers.

# %%
cold_guess = predict(
    "From nothing to the first answer, the process alone: how many deadlines of 50 ms?",
    unit="deadlines",
)

# %%
cold_s = []
for _ in progress(range(at(scale, ci=2, laptop=5)), "Cold starts"):
    begun_s = time.perf_counter()
    with Container(SAGEMAKER, folder) as cold:
        plainly(cold.predict_url, bodies[0])
        cold_s.append(time.perf_counter() - begun_s)
cold = interval(cold_s)
cold_guess.reveal(cold.scaled(1 / DEADLINE_S))
budget_h = cold.median / (1 - SLO) / 3600
print(f"from nothing to an answer: {cold:.2f} s, of the process alone")
print(f"who comes meanwhile is late: {SLO:.2%} allows that once in {budget_h:.1f} h")
key_figure("a cold start, the process alone", cold, "s")
key_figure("one of them uses up the error budget of", budget_h, "h")

# %% [markdown]
# A machine for it, the image and the model come before that, and are not in the figure. On
# SageMaker such a request may also be refused at once: `ModelNotReadyException`, "Wait and try your
# request again", status 429 [3]. The steady stream of a payment service keeps a serverless endpoint
# warm *on average*. But it holds as many containers as there are requests at the same time, and
# each *additional* one begins cold: the peak, the moment that matters, is when they start.
#
# ## What it costs
#
# List prices [6], each with the day on which it was seen (`data/prices/managed.csv` says where, and
# how it was read; look them up again before you decide). One process of the container on one core
# of this machine gives the rate.

# %%
with waiting("One core, kept busy", about_s=2):
    busy = [
        closed_loop(
            post(aws_container), bodies, connections=4, requests=at(scale, ci=400, laptop=2000)
        )
        for _ in range(4)
    ][1:]  # the first is the warm-up
rate = interval([load.rate_rps for load in busy])
offers = managed_offers()
hourly, by_second, vertex = (
    offers[name]
    for name in ("SageMaker ml.m5.large", "SageMaker Serverless 3 GB", "Vertex AI n1-standard-4")
)
for offer in offers.values():
    print(f"{offer.name:28}{offer.price:9.5f} {offer.currency} a {offer.unit}, {offer.region}, {offer.seen_text()}")  # fmt: skip
print(f"one core: {rate} payments a second")
print(f"billed for each: {1e3 * billed_s(1 / rate.median):.0f} ms")
cheap_guess = predict(
    "Paying by the second of work against one machine by the hour: up to how many payments a second, "
    "on average, is the first cheaper?",
    unit="a second",
)

# %%
even = break_even_rate(hourly.price, by_second.price, 1 / rate.median)
loads_per_h = np.geomspace(1e3, 3600 * TPS, 400)


def machines(price, cores):
    """1,000 payments at each load, on whole machines with a worker for each core."""
    return fleet_cost_per_thousand(loads_per_h, price, 3600 * cores * rate.median)


cost_plots.cost_by_load(
    loads_per_h,
    {
        by_second.name: np.full(
            loads_per_h.size, cost_per_thousand_served(by_second.price, 1 / rate.median)
        ),
        hourly.name: machines(hourly.price, hourly.cores),
        vertex.name: machines(vertex.price, vertex.cores),
        "the same machine alone": machines(vertex.own_price, vertex.cores),
    },
    "What 1,000 payments cost",
    ylabel=hourly.currency,
    break_even=3600 * even,
)
cheap_guess.reveal(even)
in_an_hour = {
    hourly.name: hourly.price * machines_needed(3600 * TPS, 3600 * hourly.cores * rate.median),
    by_second.name: 3600 * TPS / 1000 * cost_per_thousand_served(by_second.price, 1 / rate.median),
}
for name, cost in in_an_hour.items():
    print(f"{TPS:,} a second, by {name}: {float(cost):,.2f} {hourly.currency} an hour")
surcharge = 100 * (vertex.price / vertex.own_price - 1)
key_figure("serverless is cheaper up to", even, "payments a second")
key_figure("at 100,000 a second: serverless ÷ machines", float(in_an_hour[by_second.name] / in_an_hour[hourly.name]), "times")  # fmt: skip
key_figure("Vertex AI over the same machine alone", surcharge, "%")

# %% [markdown]
# (A core there is not a core here, a machine that is always full answers nobody in time (lesson
# 3.6), and the machines of the last two lines are in another region than the first. The order of
# the lines is the finding; do the sum with your rate.)
#
# Paying by the second costs nothing at night, and is cheaper up to the mean load that you have just
# seen. (Work is billed in whole milliseconds, so that load falls in steps where a payment takes
# longer.) Beyond it, it costs a multiple of what machines cost, and the multiple stays. The
# surcharge for having somebody else run the *same machine* is small beside that. For this service
# it is not the price of an hour that decides; it is what you have seen above.

# %%
started.stop()
pool.clear()
temporary.cleanup()

# %% [markdown]
# ## What you have given away, and what you have got
#
# | this unit's | behind a managed endpoint |
# |---|---|
# | one deadline for a payment, budgets within it (3.3) | yours to set: the client's limits are made for other work |
# | a breaker, a fallback, rules as the last tier (3.3) | all in the caller: the endpoint knows one model |
# | a hedge to *another* replica (3.3) | a second request, to whomever the door picks |
# | features read beside the scorer (3.2) | sent with each payment, or fetched from inside the container |
# | canary by weights, sequential test (3.4) | weights and alarms of its own; the test is yours |
# | regions, priority failover (3.5) | one region for an endpoint; the second region is yours |
# | an audit log before the answer (3.7) | around the call; a retry of the SDK's is scored twice |
# | its own protocol (gRPC) between its parts | what the door speaks: HTTP, and for Vertex AI's dedicated endpoints gRPC |
# | machines replaced, patched, scaled, health checks | **theirs, and that is a great deal** |
#
# ## What you have seen
#
# 1. One server keeps both contracts; what differs are variables, routes and limits.
# 2. The cloud's client costs the caller many times what the model costs.
# 3. Its limits are made for a minute: *attempts × time limit*. Read yours, set them, count the
#    attempts.
# 4. One slow replica takes all threads of a caller, and the endpoint's own graph does not show it.
# 5. Retries pause. A hedge does not, and cannot choose. Routing can.
# 6. A cold start is many deadlines long; serverless is cheap for what is seldom asked, and for
#    nothing that has to answer at once.
#
# This was the last lesson of the unit. **Next**: Lab 3, where your own fallback hierarchy is put
# under faults that you do not know.
#
# ## Four questions

# %%
quiz(
    "A service calls a managed endpoint with the SDK as it comes, from a pool of 20 threads, 100 times a second. "
    "Its replicas answer in 10 ms. One of five begins to take 2 s. What do you expect?",
    {
        "A fifth of the answers is late": "For the first second. Then the threads are gone.",
        "Soon nearly all are late, since all threads wait for the slow one": "Right: 20 a second × 2 s are 40 "
        "threads, and there are 20.",
        "The SDK notices and goes to another replica": "It sees one address. And it waits for a minute before it "
        "notices anything.",
    },
    right="Soon nearly all are late, since all threads wait for the slow one",
)

# %%
quiz(
    "You have 50 ms. You set the SDK's read time-out to 20 ms and two attempts. Why are fewer answers in time than "
    "two independent attempts should give?",
    {
        "The second attempt goes to the same replica": "The door draws again. It may be the same, and that is in the "
        "sum already.",
        "Signing the request twice takes too long": "It takes a millisecond or so.",
        "The SDK pauses for a random time before it tries again": "Right: and the pause may be as long as all that is "
        "left.",
    },
    right="The SDK pauses for a random time before it tries again",
)

# %%
quiz(
    "The endpoint's dashboard: P50 4 ms, P99 9 ms, no errors. Your callers see a P50 of 2 s. Where did the 2 s go?",
    {
        "Into the network": "Then it would be there at night as well. Possible, but look nearer first.",
        "Into a queue before the request was sent": "Right: for a thread, a connection, or a lock of the caller's. "
        "The dashboard's clock starts at the door.",
        "Into the container": "Its part is in the dashboard: it took 4 ms.",
    },
    right="Into a queue before the request was sent",
)

# %%
quiz(
    "A model is asked 200,000 times on one day at the end of each month, by a report that may take an hour, and never "
    "else. Which offer?",
    {
        "A machine by the hour, always on": "Thirty days are paid for one.",
        "Serverless": "Right: nothing is paid in between, and a cold start of seconds is nothing to a report. (A batch "
        "job would do as well.)",
        "Two machines, for availability": "Nobody waits. If it fails, the report is run again.",
    },
    right="Serverless",
)

# %% [markdown]
# ## Sources
#
# - [1] AWS, *Amazon SageMaker AI Developer Guide*, ["Custom inference code with hosting
#   services"](https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html)
#   (`/ping` within 2 s, `/invocations` within 60 s, SIGKILL 30 s after SIGTERM) and ["Deploy models
#   with Serverless
#   Inference"](https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html) (from
#   zero, cold starts, billed by the millisecond); SageMaker FAQ on model hosting (25 MB).
# - [2] Google Cloud, *Vertex AI*, ["Custom container
#   requirements"](https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements)
#   (`AIP_HTTP_PORT`, `AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE`), ["Use dedicated public
#   endpoints"](https://cloud.google.com/vertex-ai/docs/predictions/using-dedicated-endpoints) (10
#   MB, gRPC) and ["Create a public
#   endpoint"](https://cloud.google.com/vertex-ai/docs/predictions/create-public-endpoint) (10
#   minutes unless you say another limit).
# - [3] The source of botocore: `retries/standard.py` (3 attempts, pauses, a budget for retries),
#   `retryhandler.py` and `data/_retry.json` (`legacy`), `data/sagemaker-runtime` (the service's
#   description: a body of 6,291,456 bytes, a time limit of 70 s for slow models,
#   `ModelNotReadyException`).
# - [4] The source of google-auth: `transport/requests.py`, `AuthorizedSession.request` (`timeout`).
# - [5] AWS, *Amazon SageMaker API Reference*,
#   [ProductionVariantRoutingConfig](https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantRoutingConfig.html);
#   ["Minimize real-time inference latency by using Amazon SageMaker routing
#   strategies"](https://aws.amazon.com/blogs/machine-learning/minimize-real-time-inference-latency-by-using-amazon-sagemaker-routing-strategies/),
#   AWS Machine Learning Blog, 2023 ("By default, SageMaker endpoints have a random routing
#   strategy").
# - [6] Prices: `data/prices/managed.csv`, each with its day, its item and the provider's list.
#   The documentation under [1], [2] and [5] was read in November 2026.
# - [7] J. Dean and L. A. Barroso, *The Tail at Scale*, Communications of the ACM 56(2), 2013.
