# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.7 · Scaling on queue depth
#
# At nine in the morning the chatbot's users come to work. By five past nine answers take
# a minute. The dashboard shows what it showed at eight: processor at 95 %. Somebody makes
# the autoscaler watch the processor. Now ten replicas stand there all night, for a handful
# of users, each of them at 95 %. Somebody else makes it watch the queue. Now replicas come
# and go every few minutes, and whenever they have gone answers take a minute.
#
# Nothing is broken. This lesson asks what such a service should be scaled on. It measures
# what the signals show on a real service, and what a new replica takes to start; then it works
# through a morning of recorded traffic with the exact rule that Kubernetes applies.
#
# (A cluster is not needed, and none is used: the replicas of the second half are
# simulated, with times measured in the first. Where you have one, `./lab k8s apply` sends
# it the very manifests that are simulated here.)

# %% tags=["parameters"]
scale = "laptop"

# %%
import numpy as np

from lab_utils.components.together import Together
from lab_utils.files import ROOT
from lab_utils.machine.cores import available_cores
from lab_utils.measure.load import lengths
from lab_utils.measure.load.arrivals import poisson, recorded
from lab_utils.measure.percentile import percentile
from lab_utils.models.decoder import SMALL
from lab_utils.models.language.seeded import prompt, seeded
from lab_utils.scale import at
from lab_utils.serve.kubernetes.check import check
from lab_utils.serve.kubernetes.manifests import read, variant
from lab_utils.serve.llm.messages import Settings
from lab_utils.serve.llm.observed import start_stages, watched
from lab_utils.serve.llm.service import LLMService
from lab_utils.show import plots, scaling_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.simulate.hpa import (
    SCALE_DOWN,
    Autoscaler,
    Rules,
    Tolerance,
    pods,
    value,
)
from lab_utils.simulate.hpa_manifest import of_manifest
from lab_utils.simulate.scaling import (
    external,
    followed,
    in_flight,
    queue_depth,
    scaled,
    turns,
    utilisation,
)  # fmt: skip

threads = available_cores()
manifests = {document.kind: document for document in read(variant("hpa")) if document.name == "llm"}
pod = manifests["Deployment"].spec["template"]["spec"]["containers"][0]
settings = Settings.read(pod["args"][0])
SLOTS = settings.batch_most
print(
    f"{threads} compute threads; a pod computes {SLOTS} requests at a time, {settings.queue_most} may wait"
)

# %% [markdown]
# ## What a replica takes to start
#
# The first thing to know about a service that is to be scaled is how late help comes. The
# service of this unit starts: a model of 0.7 billion weights at 4 bits (their values are
# drawn by a seed; its size and speed are a real model's), with continuous batching, a
# bounded queue and Prometheus figures.

# %%
path = seeded(SMALL, "q4_0", watching("Tensors, unless written already"))
start_guess = predict("From nothing to a replica that is warm: how long?", unit="s")

# %%
with waiting("The service starts", about_s=10):
    services = Together(
        {
            "a replica": LLMService(
                path, threads=threads, batch_most=SLOTS, queue_most=settings.queue_most
            )
        }
    )
service = services["a replica"]
stages = start_stages(service)
start_s = sum(stages.values())
plots.waterfall(stages, "A replica starts", highlight=max(stages, key=stages.get), since="nothing")
start_guess.reveal(start_s)
key_figure("a replica's start, on a machine that has the files", start_s, "s")

# %% [markdown]
# These are the stages that the service counts itself (`llm_start_seconds`), because an
# operator needs them. And this is the *best* case: the program and the weights are on this
# machine, the weights probably still in its memory. A cluster adds what it takes to find a
# node, or to start one, and to fetch the image and the weights:

# %%
GIGABIT_BYTES_PER_S = 1e9 / 8
print(f"the weights: {path.stat().st_size / 1e6:,.0f} MB, "
      f"{path.stat().st_size / GIGABIT_BYTES_PER_S:.0f} s over a network of 1 Gbit a second")  # fmt: skip

# %% [markdown]
# ## The processor, with nobody waiting and with fifty
#
# Now users come. Each asks for a short answer, reads nothing, asks again. First a single
# one: of what the replica can do for eight users side by side, one user needs a small part.

# %%
one_guess = predict("One user. How busy are the service's cores?", unit="%")
full_guess = predict(f"{SLOTS} users: how many times as many answers a second?", unit="times")
queue_guess = predict("50 more, who wait: how busy are the cores now?", unit="%")

# %%
asked = {"prompt": list(prompt(SMALL, 16)), "new_tokens": at(scale, ci=16, laptop=32)}
crowds = {"1 user": 1, f"{SLOTS} users": SLOTS, "1 waits": SLOTS + 1, "50 wait": SLOTS + 50}
seen = {
    name: watched(service, crowds[name], asked, for_s=at(scale, ci=2.5, laptop=8))
    for name in progress(list(crowds), "Crowds")
}
variant_plots.scoreboard(
    {
        "cores busy (%)": {name: 100 * one.busy for name, one in seen.items()},
        "computed": {name: one.running for name, one in seen.items()},
        "waiting": {name: one.waiting for name, one in seen.items()},
        "answers a second": {name: one.answers_per_s for name, one in seen.items()},
    },
    "What a monitor shows",
)
alone, full, crowded = seen["1 user"], seen[f"{SLOTS} users"], seen["50 wait"]
one_guess.reveal(100 * alone.busy)
full_guess.reveal(full.answers_per_s / alone.answers_per_s)
queue_guess.reveal(100 * crowded.busy)
key_figure("cores busy, one user", 100 * alone.busy, "%")
key_figure("cores busy, 50 waiting", 100 * crowded.busy, "%")
key_figure(f"answers, {SLOTS} users ÷ 1", full.answers_per_s / alone.answers_per_s, "times")
services.stop()

# %% [markdown]
# The first column hardly moves. A pass through the network takes all cores, whether it
# writes for one user or for eight (lesson 2.1: one user's pass waits for memory with all
# cores, and that counts as busy). So processor utilisation answers one question: *is
# anybody there?* It does not know whether the replica could take seven more users, nor
# whether fifty wait. The utilisation of a GPU is the same figure: the share of time in
# which some kernel ran. (Far below 100 %? Then other programs took part of the cores.)
#
# The third column is 0 for as long as there is room, and then counts exactly those who are
# too many. It even has a price tag in seconds. With the engine full, whoever comes last waits
# for *queue ÷ answers a second* (Little's law, lesson 1.1):

# %%
rate_rps = max(full.answers_per_s, crowded.answers_per_s)
for name, one in seen.items():
    print(f"{name:8}  {one.waiting:5.1f} waiting: the last waits {one.waiting / rate_rps:5.1f} s")

# %% [markdown]
# ## The rule
#
# Every 15 seconds Kubernetes' HorizontalPodAutoscaler (HPA) works out [1]
#
# > desired = ⌈ replicas × metric ÷ target ⌉
#
# and leaves things as they are where metric ÷ target lies between 0.9 and 1.1, the
# *tolerance*. Suppose that the load has just grown to five times what one replica can do,
# and the target is four fifths of what the monitor shows when somebody is there: the usual
# 80 %, where it shows 100.

# %%
cpu_guess = predict("Five times the load: how many replicas at the first look?", unit="replicas")

# %%
busy = float(np.mean([one.busy for one in seen.values()]))
cpu_target = 0.8 * busy
first_look = value(cpu_target)(1, busy, Tolerance())
cpu_guess.reveal(first_look)
replicas = 1
for look in range(1, 7):
    replicas = value(cpu_target)(replicas, busy, Tolerance())
    print(f"look {look}: {replicas} replicas, if those before were busy by then")

# %% [markdown]
# Utilisation has a ceiling, so the ratio has one: 1.25. The rule cannot know *how much* too
# little there is, and feels its way in steps of a quarter.
#
# With a queue the metric has no ceiling. Kubernetes offers two ways to hold it against a
# target, and they are confused more often than any other setting. `AverageValue`: the total
# is shared among the replicas. `Value`: it is not.

# %%
tolerance_guess = predict(
    "3 replicas, 13 waiting, averageValue 4: how many replicas?", unit="replicas"
)
value_guess = predict(
    "4 replicas, 20 waiting, value 4 (not averageValue): how many?", unit="replicas"
)

# %% tags=["deterministic"]
from lab_utils.simulate.hpa import Tolerance, average_value, value

print("replicas  waiting  averageValue 4  value 4")
for now, queued in ((3, 12), (3, 13), (3, 14), (4, 20), (8, 20)):
    shared, whole = average_value(4), value(4)
    print(
        f"{now:8}{queued:9}{shared(now, queued, Tolerance()):16}{whole(now, queued, Tolerance()):9}"
    )

# %%
tolerance_guess.reveal(average_value(4)(3, 13, Tolerance()))
value_guess.reveal(value(4)(4, 20, Tolerance()))

# %% [markdown]
# 13 ÷ (3 × 4) = 1.08 lies within the tolerance, so 3 stay 3, although ⌈13 ÷ 4⌉ = 4. And `value`
# with a total multiplies the whole queue by the replicas there are: the more there are,
# the more it asks for, up to the maximum. For a queue that all replicas count together it
# is `AverageValue`.
#
# ## A morning
#
# Now the same rule on traffic. The arrivals are recorded ones, 1,500 users of a chat
# service [2] with their bursts and lulls, repeated and stretched to a morning: a quiet
# start, two minutes in which the load grows to what five replicas can do, a busy time that
# stays level, and quiet again. An answer has as many tokens as the median answer of those
# users, and takes what your replica took for them with all its places filled.

# %%
recording = ROOT / "data/{}/azure_llm_conversation.txt"
answer_tokens = int(np.median(lengths.recorded(str(recording).format("lengths")).new_tokens))
answer_s = answer_tokens * SLOTS / (crowded.answers_per_s * asked["new_tokens"])
capacity_rps = SLOTS / answer_s
MINUTES = np.array([0, 8, 10, 28, 30, 45])
NEEDED = np.array([0.6, 0.6, 5, 5, 0.6, 0.6])
arrivals = recorded(str(recording).format("arrivals")).following(
    60 * MINUTES, capacity_rps * NEEDED
)
busy_time = 60 * MINUTES[2], 60 * MINUTES[3]
WAIT_S = 2
print(f"an answer of {answer_tokens} tokens takes {answer_s:.1f} s in a full engine; "
      f"a replica gives {capacity_rps:.2f} a second")  # fmt: skip
print(
    f"{arrivals.due_s.size:,} requests; promised: 99 of 100 wait at most {WAIT_S} s for their turn"
)


def morning(autoscaler, seen, start_s=start_s):
    """The morning with this autoscaler and signal."""
    return scaled(
        arrivals.due_s, service_s=answer_s, slots=SLOTS, start_s=start_s,
        autoscaler=autoscaler, seen=seen,
    )  # fmt: skip


def p99_s(run):
    """Of the waits."""
    return percentile(run.wait_s, 99).median


# %% [markdown]
# Two autoscalers, from 1 to 10 replicas, each with Kubernetes' defaults (in particular: fewer
# replicas only when fewer would have done for 300 s, the *stabilisation window*). One watches
# the processor, the other the queue, with a target of 4 waiting requests for each replica.

# %%
MOST = 10
quiet_guess = predict(
    "At the quiet start 0.6 of a replica is busy. How many does the processor's ask for?",
    unit="replicas",
)
least_guess = predict(
    "In the busy time 5 are busy, without a change. The queue's: how many at the least?",
    unit="replicas",
)

# %%
by_cpu = morning(Autoscaler(1, MOST, pods(cpu_target)), utilisation(busy))
by_queue = morning(Autoscaler(1, MOST, average_value(4)), queue_depth)
scaling_plots.over_time(
    {"processor": followed(by_cpu), "queue, target 4": followed(by_queue)},
    (60 * MINUTES, NEEDED),
    "The same morning, two signals",
)


def asked_for(run, from_s, until_s):
    """The numbers of replicas between two moments, the one at the first of them included."""
    before = [n for at_s, n in run.replicas if at_s <= from_s]
    return before[-1:] + [n for at_s, n in run.replicas if from_s < at_s < until_s]


quiet_most = max(asked_for(by_cpu, 0, 60 * MINUTES[1]))
quiet_guess.reveal(quiet_most)
least_guess.reveal(min(asked_for(by_queue, *busy_time)))
for name, run in (("processor", by_cpu), ("queue", by_queue)):
    print(f"{name:10} P99 of the wait {p99_s(run):5.1f} s, {run.replica_s / 3600:.2f} replica-hours, "
          f"{turns(run, *busy_time)} turns in the busy time")  # fmt: skip
key_figure("replicas by the processor, 0.6 of one busy", quiet_most, "replicas")
key_figure("turns under a level load, by the queue alone", turns(by_queue, *busy_time), "turns")

# %% [markdown]
# On the left hardly anybody waits once it is up, and nobody should be proud of it. A replica with a
# single request is busy, so the rule adds replicas until requests are spread *one to each* and some
# replicas have none; only the maximum ends that. The places for eight at a time stand empty, and
# batching is most of what the hardware can do (lesson 2.4).
#
# On the right: quick, for the queue says how many are missing. And then a saw. The queue is
# 0 when there are just enough replicas, and it is 0 when there are twice as many: **an
# empty queue says nothing**. The rule takes 0 for "none needed". For 300 s the window holds
# it back; then replicas are stopped in the middle of a busy morning, and the queue is back.
# Engineers wrote of theirs that they "would scale up, exhaust the queue, then scale down to the
# minimum, every ten minutes" [3].
#
# Is it the target? Or the window? Many begin with a target of 1: nobody shall wait.

# %%
small_guess = predict("A target of 1 in place of 4: how many turns in the busy time?", unit="turns")
large_guess = predict("A target of 64: how many?", unit="turns")

# %%
TABLE = f"{'':13}{'turns':>6}{'least':>7}{'most':>6}{'P99 of the wait':>17}{'replica-hours':>15}"


def line(name, run):
    """Of a table: what a variant did in the busy time, and what it cost."""
    numbers = asked_for(run, *busy_time)
    return (f"{name:13}{turns(run, *busy_time):6}{min(numbers):7}{max(numbers):6}"
            f"{p99_s(run):15.1f} s{run.replica_s / 3600:15.2f}")  # fmt: skip


def queued(target, window_s=300):
    """Kubernetes' rule for a total, with another target or window."""
    return Autoscaler(1, MOST, average_value(target), down=Rules(SCALE_DOWN.policies, window_s))


by_target = {n: morning(queued(n), queue_depth) for n in (1, 4, 16, 64)}
by_window = {s: morning(queued(4, s), queue_depth) for s in (0, 60, 300, 900)}
print(TABLE)
print("\n".join(line(f"target {n}", run) for n, run in by_target.items()))
print("\n".join(line(f"window {s} s", run) for s, run in by_window.items()))
small_guess.reveal(turns(by_target[1], *busy_time))
large_guess.reveal(turns(by_target[64], *busy_time))

# %% [markdown]
# A small target asks for the maximum at every burst, and has the saw and the bill. A large
# one can end the saw, and its P99 shows how: there is then *always* a queue, up to target ×
# replicas long, and everybody stands in it. A queue is a good measure only while there is one.
# That suits work that may wait (a night's batch), and not a chat.
#
# The window decides how often the saw has a tooth. Without it, replicas come and go all the
# time, each of them with a cold start. A long one looks calm, because it keeps what the last
# burst has asked for; it is paid for all the while, and when it ends, the next tooth comes.
#
# ## What is missing
#
# The signal must fall *in proportion* when there is less to do, and rise without a ceiling
# when there is more. Little's law knows one: requests **in flight**, those that wait and those
# that are computed. With enough replicas it is the load itself (rate × time of an answer: how
# many places are taken); with too few the queue is in it. The manifest of this course asks for
# both, and the rule takes whichever wants more replicas:

# %%
for metric in manifests["HorizontalPodAutoscaler"].spec["metrics"]:
    target = metric["external"]["target"]
    print(f"{metric['external']['metric']['name']:16} {target['type']} {target['averageValue']}")
turns_guess = predict("With both: how many turns in the busy time?", unit="turns")
p99_guess = predict("And the P99 of the wait?", unit="s")

# %%
manifest = of_manifest(manifests["HorizontalPodAutoscaler"].content)
by_manifest = morning(manifest, external)
scaling_plots.over_time(
    {"queue, target 4": followed(by_queue), "hpa.yaml: queue and in flight": followed(by_manifest)},
    (60 * MINUTES, NEEDED),
    "The same morning, with requests in flight",
)
turns_guess.reveal(turns(by_manifest, *busy_time))
p99_guess.reveal(p99_s(by_manifest))
print(TABLE)
print(line("queue", by_queue))
print(line("hpa.yaml", by_manifest))
key_figure("turns under a level load, hpa.yaml", turns(by_manifest, *busy_time), "turns")
key_figure("P99 of the wait, hpa.yaml", p99_s(by_manifest), "s")

# %% [markdown]
# It holds its level, with more replicas than are busy: places are kept free, and the window
# keeps the largest number that a burst has asked for. What is left of the waiting stands where
# the load grows: the ramp. There the autoscaler looks, finds too many, asks, and waits for the
# start. How much of the P99 is the start?
#
# ## What the cold start does

# %%
tenfold_guess = predict(
    "If a replica took ten times as long to start: the P99 of the wait?", unit="s"
)

# %%
starts_s = [0.0, start_s, 3 * start_s, 10 * start_s, 30 * start_s]
waits = {}
for late_s in progress(starts_s, "Starts"):
    run = morning(of_manifest(manifests["HorizontalPodAutoscaler"].content), external, late_s)
    waits[late_s] = p99_s(run)
    print(f"start {late_s:6.1f} s: P99 of the wait {waits[late_s]:6.1f} s")
tenfold_guess.reveal(waits[10 * start_s])
key_figure("P99 of the wait, a start ten times as long", waits[10 * start_s], "s")

# %% [markdown]
# **Help is late by the look plus the start.** While it is late, all who are too many queue up:
# *(rate − capacity) × lateness* requests, and no target changes that. Free places soften it,
# until they are full. With a start of a minute or two, which is soon reached where a node has to
# be found and an image and the weights of a 7B have to be fetched, those two minutes make the P99
# of the whole morning.
#
# So there are only three ways to a better P99 in a ramp: start sooner (weights on the node, an
# image that is there, a short warm-up), keep more replicas than needed (a lower target for what
# is in flight), or know of the ramp beforehand (a schedule). Which of them is cheapest is a
# question of prices.
#
# ## What it costs
#
# Each policy is a point: what is paid for, in replica-hours over those that were at work, and
# the latency of the slowest one in a hundred. "In flight" stands there twice, with the window of
# 300 s and with one of 60 s.

# %%
lowest_guess = predict(
    "The cheapest that keeps the promise: how many times the replicas at work?", unit="times"
)

# %%
busy_hours = arrivals.due_s.size / capacity_rps / 3600


def point(run):
    """Its price, and the P99 of the whole latency: the wait, and the answer."""
    return run.replica_s / 3600 / busy_hours, percentile(run.sojourn_s, 99).median


def steady(count):
    """No autoscaler: so many all the time."""
    return Autoscaler(count, count, average_value(1))


FREE = (4, 5, 6, 7, 8)
with waiting("Policies, each for a morning", about_s=3):
    policies = {
        "fixed": {str(n): point(morning(steady(n), queue_depth)) for n in (5, 6, 7, 8)},
        "processor": {"": point(by_cpu)},
        "queue": {str(n): point(run) for n, run in by_target.items() if n < 64},
        "in flight": {str(n): point(morning(queued(n), in_flight)) for n in FREE},
        "in flight, 60 s": {str(n): point(morning(queued(n, 60), in_flight)) for n in FREE},
    }
scaling_plots.frontier(
    policies,
    "What a morning costs, and what it is like",
    xlabel="replica-hours paid ÷ replica-hours at work",
    ylabel="P99 of the latency (s)",
    bound=answer_s + WAIT_S,
)
kept = {
    f"{family} {name}": price
    for family, points in policies.items()
    for name, (price, latency_s) in points.items()
    if latency_s <= answer_s + WAIT_S
}
cheapest = min(kept, key=kept.get)
lowest_guess.reveal(kept[cheapest])
for name, price in sorted(kept.items(), key=lambda item: item[1]):
    print(f"{name:16} {price:.2f} times the replicas at work")
key_figure("the cheapest that keeps the promise, over replicas at work", kept[cheapest], "times")

# %% [markdown]
# Only what lies below the dashed line keeps the promise, and of that the leftmost is the
# cheapest. What lies where depends on the morning and on your replica's start. What does not:
#
# - **processor** pays for a replica for each request, up to its maximum.
# - **queue** alone lets people wait, whatever the target; a small one is dear as well.
# - **in flight** goes along a line: a lower target keeps more places free, costs more, and makes the
#   ramp milder. That line is the knob of such a service. A shorter window makes it cheaper and
#   moves more; how much it may move is again a question of the start.
# - **fixed** has no cold start. The shorter the quiet time and the longer the start, the harder it
#   is to beat; nobody likes to hear that.
#
# ## Down to nothing
#
# At night there is one question every ten minutes. KEDA can stop the last replica when nobody has
# come for five minutes (`cooldownPeriod`; the HPA alone cannot go below 1). It sounds like a
# saving that costs one start in the morning.

# %%
GAP_S, COOLDOWN_S = 600, 300
pay_guess = predict("What share of the night's users waits for a start?", unit="%")
saved_guess = predict("And what share of the replica-hours is saved?", unit="%")

# %%
night = poisson(1 / GAP_S, at(scale, ci=200, laptop=1000) * 3600, seed=1)
nights = {
    name: scaled(
        night.due_s, service_s=answer_s, slots=SLOTS, start_s=start_s,
        autoscaler=Autoscaler(1, MOST, average_value(6)), zero_after_s=after_s,
    )
    for name, after_s in (("one stays", None), ("down to none", COOLDOWN_S))
}  # fmt: skip
one_stays, none_stays = nights.values()
plots.ecdf(
    {name: run.wait_s for name, run in nights.items()},
    "The night's waits",
    xlabel="wait (s)",
    log=False,
)
late = none_stays.wait_s > start_s
pay_guess.reveal(100 * late.mean())
saved_guess.reveal(100 * (1 - none_stays.replica_s / one_stays.replica_s))
print(f"by the gaps alone: {np.exp(-COOLDOWN_S / GAP_S):.0%} come after more than {COOLDOWN_S} s")
print(f"those wait {np.median(none_stays.wait_s[late]):.0f} s: the next look, and the start")
key_figure("down to none: users who wait for a start", 100 * late.mean(), "%")
key_figure(
    "down to none: replica-hours saved", 100 * (1 - none_stays.replica_s / one_stays.replica_s), "%"
)

# %% [markdown]
# Not one a morning: *each* who comes after a gap longer than the cooldown pays, and of users who
# do not know of each other that is exp(−cooldown ÷ mean gap). The replica-hours saved are the same
# share, by the same formula: **what you save, in per cent, is the share of users who wait for a
# start.** Scale-to-zero is for services that nobody uses for hours, or whose users can wait. And
# it needs a queue outside of the service, or the first one finds nobody who takes the request.
#
# ## The manifests
#
# What was simulated is what would be applied: `hpa.yaml` went into the simulator as it is. It
# stands with the others (Deployment, Service, the adapter's rules, KEDA, KServe, a Dockerfile) in
# `lab_utils/serve/kubernetes`. `./lab k8s check` holds them against the schemas of their kinds,
# then against the service and each other: a schema sees a field that does not exist; it does not
# see that the metric's name in `hpa.yaml` is one that nobody gives. `./lab k8s apply` needs
# `kubectl` and a cluster, and says which of them is missing.

# %%
for name in ("hpa", "keda", "kserve"):
    print(f"{name}: {len(read(variant(name)))} objects, {len(check(variant(name)))} faults")

# %% [markdown]
# ## "Utilisation reads 90 %. What do I scale on?"
#
# Of this service it reads that with one user. So: on nothing that has *utilisation* in its name.
#
# 1. **On requests in flight for each replica** (`llm_running + llm_queue_depth`; of vLLM
#    `vllm:num_requests_running + vllm:num_requests_waiting`; "concurrency" in Knative). Target: the
#    places of a replica, less those you keep free for the time until help comes.
# 2. **On the queue** as a second metric, to be quick when it is serious. Alone it is for work
#    that may wait. Google's advice for such services has the same two: queue size where cost
#    counts most, batch size where latency does [4].
# 3. **Not on latency**, though it is what was promised: it rises late, it has no ceiling that means
#    anything, and it says nothing about how many replicas are missing. Alarm on it.
# 4. Measure the start of a replica before anything else. It decides more than the target.
#
# ## Three questions

# %%
quiz(
    "A GPU service reads 95 % utilisation with 3 replicas, all day. Its HPA (target 80 %) stands at its "
    "maximum. Finance asks for fewer replicas. What do you look at first?",
    {
        "Requests in flight for each replica, and the places it has": "Right: utilisation says only that "
        "somebody is there. If each replica has two requests in flight and places for sixteen, one "
        "replica would do, and it would read 95 % as well.",
        "The target: raise it to 95 %": "With a figure that stands near 100 % as soon as anybody is there, "
        "no target means anything. At 95 % the rule does nothing, whatever the load is.",
        "Whether a bigger GPU would read less": "It would read the same: the share of time in which a kernel "
        "runs, not how much it does.",
    },
    right="Requests in flight for each replica, and the places it has",
)

# %%
quiz(
    "An HPA on queue length (averageValue 5, defaults) goes from 2 to 12 replicas and back every few "
    "minutes, while the load is level. Which change ends it?",
    {
        "averageValue 20 in place of 5": "Either the queue still empties, and the saw goes on with "
        "other teeth, or it never does, and everybody stands in it.",
        "A stabilisation window of 15 minutes": "It keeps what the last burst asked for, for 15 minutes; "
        "then the queue has been 0 for long enough, and it begins again. It is paid for all the while.",
        "A second metric: requests in flight, target somewhat below a replica's places": "Right: with just "
        "enough replicas it stays near its target in place of falling to 0, so there is nothing to swing "
        "back from. The HPA takes the larger of both.",
    },
    right="A second metric: requests in flight, target somewhat below a replica's places",
)

# %%
quiz(
    "Replicas of a 7B start in 90 s. Each morning the load triples within two minutes, and for those "
    "minutes the P99 is 40 s. The team lowers the HPA's sync period from 15 s to 5 s. What happens?",
    {
        "The P99 falls to a third": "Help is late by the look plus the start: some 95 s in place of 105 s.",
        "Hardly anything": "Right: the start is nine tenths of the lateness. Have replicas there before "
        "the ramp (a schedule, or a lower target), or make them start sooner.",
        "Nothing, because the stabilisation window holds it back": "The window for more replicas is 0 by "
        "default; only going down is held back.",
    },
    right="Hardly anything",
)

# %% [markdown]
# ## Sources
#
# - [1] Kubernetes documentation, *Horizontal Pod Autoscaling*, "Algorithm details" and "Configurable
#   scaling behavior".
# - [2] Azure Public Dataset, *Azure LLM inference trace 2023* (conversation), CC-BY 4.0; P. Patel et
#   al., *Splitwise*, ISCA 2024.
# - [3] A maintainer in divviup/janus, issue 3871, 2025, of the queues of another service.
# - [4] Google Kubernetes Engine documentation, *Best practices for autoscaling large language model
#   (LLM) inference workloads with GPUs*: queue size, batch size, and why not GPU utilisation.
# - [5] KEDA documentation, *Scaling Deployments*: `cooldownPeriod`, `minReplicaCount`.
# - [6] Kubernetes enhancement proposal 853, *Configurable scale velocity for HPA*.
