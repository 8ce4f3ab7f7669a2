# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [redis-server, mlflow, envoy]
# ---

# %% [markdown]
# # 3.4 · Shipping a model safely
#
# Three people hand in a new model on the same morning. Each has trained it on the newest weeks,
# each shows a slide on which it is as good as the present one. One of the three is safe. What you
# know about the others you learn before your customers do, or from them.
#
# The usual net is this: keep versions in a **registry**; let the new one answer copies of real
# payments (a **shadow**); then give it one per cent of them (a **canary**), look at errors and
# latency, and give it more. In this lesson two of the three models break without a single error and
# without a late answer. And you will see a canary's own statistics roll back good models.

# %% tags=["parameters"]
scale = "laptop"

# %%
import itertools
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

from lab_utils.components.model_registry import ModelRegistry
from lab_utils.components.ports import lasting_port
from lab_utils.components.redis_server import RedisServer
from lab_utils.components.together import Together
from lab_utils.features.payment import payments
from lab_utils.features.redis_store import RedisStore
from lab_utils.features.windows import TERMINAL_KEPT_S
from lab_utils.measure.canary import two_proportions
from lab_utils.measure.interval import share
from lab_utils.measure.load.generator import closed_loop, post
from lab_utils.measure.sequential import peeked, rehearsed
from lab_utils.models.fraud import rules, trees
from lab_utils.models.fraud.feature_names import AT_HAND, DAY_S, FEATURES, LABEL_DELAY_S
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.metrics import at_alert_rate, quality
from lab_utils.models.fraud.network import TEACHER, PaymentNetwork, fit
from lab_utils.models.fraud.split import by_time
from lab_utils.models.fraud.transactions import simulate_transactions
from lab_utils.optimize.fraud_scorers import Scorer, of_network, of_trees
from lab_utils.resilience.rollout import Plan, Slo
from lab_utils.scale import at
from lab_utils.serve.fraud import shipping
from lab_utils.serve.fraud.paying import paying
from lab_utils.serve.fraud.policy import Policy
from lab_utils.serve.fraud.service import FraudService
from lab_utils.serve.kubernetes import rollout as cluster
from lab_utils.show import rollout_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting
from lab_utils.show.quiz import quiz

DAYS, LIVE_DAY, WEEKS = 60, 46, 14
customers = at(scale, ci=1_000, laptop=3_000)
with waiting("Payments and their features", about_s=at(scale, ci=2, laptop=4)):
    paid = simulate_transactions(customers, 2 * customers, DAYS, seed=11)
    known = features(paid)
newest, live = by_time(paid, LIVE_DAY, train_days=WEEKS, test_days=WEEKS)
older, _ = by_time(paid, LIVE_DAY - 7, train_days=WEEKS, test_days=WEEKS)
fraud = paid["fraud"]

# %% [markdown]
# ## Three candidates, all good on paper
#
# The **champion**, trees that were trained a week earlier, serves today. The candidates:
#
# - **retrained**: the same trees, trained on the newest weeks.
# - **network**: the neural network of lesson 3.1. Its author exports what the training uses, and
#   that is the logits; the sigmoid was in the loss.
# - **balanced**: trees again. Frauds are rare, so each stands in the training set as many times as
#   makes both classes equally large, as many a tutorial has it.
#
# Each author measures on the same two weeks.


# %%
class Logits(PaymentNetwork):
    """The network without its last step: not a probability, but what one is made of."""

    forward = PaymentNetwork.logits


copies = np.where(fraud[newest], round(1 / fraud[newest].mean()), 1)
as_many = known[newest].index.repeat(copies)
with waiting("Four models", about_s=5):
    network = fit(Logits(TEACHER), known[newest], fraud[newest])
    files = {
        "champion": of_trees(trees.train(known[older], fraud[older])),
        "retrained": of_trees(trees.train(known[newest], fraud[newest], seed=1)),
        "network": of_network(network),
        "balanced": of_trees(trees.train(known.loc[as_many], fraud[as_many])),
    }
rows = known[live].to_numpy(np.float32)
offline = {name: Scorer(content)(rows) for name, content in files.items()}
variant_plots.scoreboard(
    {
        "AUC ROC": {name: quality(paid[live], s).auc_roc for name, s in offline.items()},
        "frauds caught with 5 alerts in 1,000 (%)": {
            name: 100 * at_alert_rate(paid[live], s, 0.005).caught for name, s in offline.items()
        },
    },
    "Four models on the same two weeks",
    mark="champion",
)

# %% [markdown]
# Nothing on this slide is wrong. AUC and alerts are made of the *order* of the scores. A logit orders
# payments as its probability does, and so does a model for which every second payment is a fraud.
#
# All four go into a registry: MLflow's [1], on sqlite. A version is a file that does not change, with
# its digest, its inputs by name and what was measured; an **alias** says which one serves. The
# service asks for `champion`, and a rollback moves the alias back.

# %%
servers = Together()
with waiting("Redis and MLflow start", about_s=at(scale, ci=10, laptop=10)):
    servers.add({"registry": ModelRegistry(waiting=waiting), "redis": RedisServer()})
registry = servers["registry"]
versions = {
    name: registry.register(
        "fraud",
        content,
        columns=FEATURES,
        metrics={"auc_roc": quality(paid[live], offline[name]).auc_roc},
        tags={"author": name},
    )
    for name, content in progress(list(files.items()), "Versions registered")
}
registry.alias("fraud", "champion", versions["champion"].number)
for version in registry.versions("fraud"):
    print(f"version {version.number}  {version.tags['author']:10}AUC {version.metrics['auc_roc']:.3f}"
          f"  SHA-256 {version.sha256[:8]}…  {', '.join(version.aliases)}")  # fmt: skip

# %% [markdown]
# Now each version runs: the gateway of this unit, with its features from a real Redis that holds
# the weeks before, its chain of tiers, and its rules for when a model fails. A payment is *flagged*
# where it is not simply approved but, say, asked for a second factor; the thresholds are such that
# the champion flags about one in five. The time limits are generous, so that no verdict of this
# lesson hangs on how busy your machine is.

# %%
FLAGGED = 0.2
first_live_s = LIVE_DAY * DAY_S
from_s = first_live_s - TERMINAL_KEPT_S  # nothing older is looked at
until = (paid["time_s"] >= from_s) & (paid["time_s"] < first_live_s)
with waiting("The weeks before go into Redis", about_s=at(scale, ci=5, laptop=15)):
    store = RedisStore(servers["redis"].socket, deadline_s=60)
    store.begin(from_s)
    reported = until & fraud & (paid["time_s"] < first_live_s - LABEL_DELAY_S)
    store.add(payments(paid[until]), payments(paid[reported]))
    store.close()
before = offline["champion"]
policy = Policy(
    decline_from=float(np.quantile(before, 0.999)),
    review_from=float(np.quantile(before, 1 - FLAGGED)),
    review_amount=1000,
    deadline_s=4,
    features_s=1,
    model_s=2,
)
ruler = rules.learn(known[newest][list(AT_HAND)], fraud[newest])
folder = tempfile.TemporaryDirectory(prefix="shipping-")


ports = {name: lasting_port() for name in files}


def gateway(name, model=None):
    """A version as a service of its own, with an address and an audit log of its own."""
    version = versions[model or name]
    return FraudService(
        {"model": version.file()},
        ruler,
        policy,
        audit=Path(folder.name) / f"{name}.sqlite",
        redis=servers["redis"].socket,
        model=str(version.number),
        port=ports[name],
    )


with waiting("Four gateways start", about_s=6):
    servers.add({name: gateway(name) for name in files})
failing_guess = predict(
    "network gives logits in place of probabilities. What share of its gateway's answers are errors, "
    "or late?",
    unit="%",
)
flag_guess = predict(
    "balanced has an AUC like the champion's, and the same thresholds. What share does it flag "
    f"(champion: about {FLAGGED:.0%})?",
    unit="%",
)

# %%
stream = (json.dumps(asdict(payment)).encode() for payment in payments(paid[live]))
HAND = at(scale, ci=200, laptop=1000)
by_hand = list(itertools.islice(stream, HAND))
seen = {}
for name in progress(list(files), "Each version is asked the same"):
    answers = []
    load = closed_loop(
        post(f"{servers[name].url}/score", answers=answers), by_hand, connections=4, requests=HAND
    )
    said = [json.loads(answer) for answer in answers if answer is not None]
    late = int((load.latencies_s > policy.deadline_s).sum())
    seen[name] = {
        "errors, or late (%)": 100 * (load.failed + late) / HAND,
        "from the rules (%)": 100 * np.mean([answer["degraded"] for answer in said]),
        "flagged (%)": 100 * np.mean([answer["decision"] != "approve" for answer in said]),
    }
variant_plots.scoreboard(
    {what: {name: seen[name][what] for name in seen} for what in seen["champion"]},
    f"The same {HAND} payments, live",
    mark="champion",
)
failing_guess.reveal(seen["network"]["errors, or late (%)"])
flag_guess.reveal(seen["balanced"]["flagged (%)"])
key_figure("network: errors, or late", seen["network"]["errors, or late (%)"], "%")
key_figure("network: answers from the rules", seen["network"]["from the rules (%)"], "%")
key_figure("balanced: flagged", seen["balanced"]["flagged (%)"], "%")

# %% [markdown]
# Errors and latency, the two lines on every dashboard, are flat. For **network** that is lesson
# 3.3's doing: a score outside 0 to 1 counts as the model's failure, a breaker opens, and the rules
# answer, quickly and correctly formed. *The fallback that protects the customers hides the model's
# death from whoever looks at answers alone.* So an answer from a fallback counts as a **bad**
# answer. (What the rules flag is another matter: their scores are coarse, and the thresholds were
# made for the champion's.)
#
# **balanced** does not even fall back. Its scores are probabilities, only those of another world,
# in which every second payment is a fraud. No SLO will ever see that. What gives it away is what it
# *does*: the share that it flags. (Nobody can look at its accuracy here: whether a payment was a
# fraud is known in a week.) So the flagged share is watched beside the champion's, and may neither
# rise nor fall beyond a ratio: a model that approves everything has the best latency of all.
#
# ## How often may one look?
#
# Asked by hand, a few hundred payments were enough, since both are completely broken. A model that
# is a little worse needs more, and somebody who looks at the numbers while they come. Suppose the
# new version is **exactly as good** as the old one, both have 1 % bad answers, and after every
# 1,000 answers of each somebody runs the textbook test at 5 %: do they differ? If yes, it is rolled
# back.

# %%
LOOKS, A_LOOK, CANARIES = 100, 1_000, at(scale, ci=2_000, laptop=10_000)
peek_guess = predict(
    f"Looked at {LOOKS} times: what share of good versions has been rolled back by the end?",
    unit="%",
)

# %%
USUAL, WORSE, ALPHA, BETA = 0.01, 0.015, 0.05, 0.1
by_look = peeked(USUAL, looks=LOOKS, answers_a_look=A_LOOK, canaries=CANARIES)
good, bad = (
    rehearsed(
        true, USUAL, WORSE, alpha=ALPHA, beta=BETA, looks=LOOKS, answers_a_look=A_LOOK,
        canaries=CANARIES,
    )
    for true in (USUAL, WORSE)
)  # fmt: skip
looks = np.arange(1, LOOKS + 1)
ended = np.array([(good.worse & (good.answers <= look * A_LOOK)).mean() for look in looks])
rollout_plots.false_alarms(
    {"a test for one look, at 5 %": (looks, by_look), "a sequential test, at 5 %": (looks, ended)},
    ALPHA,
    "Good versions, rolled back by looking",
)
peek_guess.reveal(share(round(by_look[-1] * CANARIES), CANARIES).scaled(100))
missed = share(int(bad.no_worse.sum()), CANARIES).scaled(100)
print(
    f"sequential: {100 * ended[-1]:.1f} % of the good ones rolled back (stated: at most {ALPHA:.0%});"
)
print(f"{missed} % of those with {WORSE:.1%} let through (stated: at most {BETA:.0%})")
key_figure("good versions rolled back, the test for one look, looked at 100 times",
           100 * by_look[-1], "%")  # fmt: skip
key_figure("good versions rolled back, the sequential test", 100 * ended[-1], "%")

# %% [markdown]
# 5 % is what the textbook's test errs by at *one* look. Each further look is another chance to err,
# and who stops at the first alarm collects them all. (Armitage, McPherson and Rowe gave the table
# in 1969: 14 % after five looks, 25 % after twenty, 37 % after a hundred [2].) "The canary turned
# red, but it was nothing" is how teams learn to overrule their canary.
#
# The other line is Wald's **sequential test** [3]. It keeps one number: how many times likelier the
# answers are if the version is worse than if it is not. For a good version that number ever reaches
# 1/α with a chance of at most α, *however often one looks* [4]; for a bad one it ever falls under β
# with at most β. Two error rates, stated beforehand, and no look costs anything.
#
# ## How many answers
#
# The usual share of bad answers is 0.1 %. It doubles.

# %%
SMALL = 0.001
needed_guess = predict(
    f"{SMALL:.1%} bad answers become {2 * SMALL:.1%}. How many answers must the new version give until "
    "one can tell?",
    unit="answers",
)

# %%
ratios = (1.5, 2, 3, 5, 10)
once = [two_proportions(SMALL, SMALL * ratio, ALPHA, 1 - BETA) for ratio in ratios]
walked = []
for ratio, most in progress(list(zip(ratios, once, strict=True)), "Imagined canaries"):
    ends = rehearsed(
        SMALL * ratio, SMALL, SMALL * ratio, alpha=ALPHA, beta=BETA, looks=400,
        answers_a_look=max(1, round(most / 100)), canaries=400,
    )  # fmt: skip
    walked.append(float(ends.answers.mean()))
rollout_plots.answers_needed(
    {"one look, at the end": (ratios, once), "sequential, on average": (ratios, walked)},
    "Answers until a worse version is known for one",
    xlabel=f"times as many bad answers as the usual {SMALL:.1%}",
)
needed_guess.reveal(once[1])
for percent, rate_rps in ((1, 50), (1, 100_000), (100, 50)):
    hours = walked[1] / (rate_rps * percent / 100) / 3600
    print(f"{percent:3} % of {rate_rps:7,} payments a second: "
          + (f"{hours:.0f} hours" if hours > 1 else f"{3600 * hours:.0f} s"))  # fmt: skip
key_figure("answers until 0.1 % is told from 0.2 %, one look", once[1], "")
key_figure("the same, sequential, on average", walked[1], "")

# %% [markdown]
# Tens of thousands, and they must come from the *canary*. What counts is not the per cent and not
# the minutes, it is the number of answers of the new version, and of bad ones among them: "an hour
# at 1 %" is a great deal for the whole world's card payments and nothing for a small shop. (`./lab
# calc canary-samples` and `canary-sequential`.) The sequential test takes a part of it when the
# version is bad, and much less when it is very bad: it has not agreed to wait.
#
# Read the figure from its left edge, too: go from the number of answers that your canary has to a
# line, and down to the ratio that it can see. A lesser one it cannot see, whatever the dashboard
# shows.
#
# ## The rollout, live
#
# The plan: 1 → 5 → 25 → 100 %. Three sequential tests run through all steps: bad answers against
# the SLO, more flagged than the champion, fewer flagged. A step is left when each test has gone a
# third, two thirds, the whole of its way to "no worse"; the first that says "worse" ends it. Envoy
# [5] in front splits the payments by weight. What is bad is set coarsely here (10 % bad answers,
# three times as many flagged), so that it ends while you watch; a good version is rolled back at
# most once in a thousand times. Two honest trainings do not flag alike, either. How far apart these
# two lie is printed below, from their scores on recorded payments; the ratio of a plan must leave
# room for that, or every retraining is rolled back.

# %%
plan = Plan(
    Slo(limit_s=1, usual=0.01, worse=0.1), steps=(1, 5, 25), flagged=3, alpha=0.001, beta=0.1
)
stretches = [slice(first, first + 1_000) for first in range(0, len(before) - 999, 1_000)]
moved = [
    (offline["retrained"][some] >= policy.review_from).mean()
    / (before[some] >= policy.review_from).mean()
    for some in stretches
]
print("flagged by retrained ÷ by champion, in stretches of 1,000 payments: "
      f"{min(moved):.2f} to {max(moved):.2f}")  # fmt: skip
A_SEND = at(scale, ci=100, laptop=400)
canary_guess = predict(
    "balanced goes straight to the canary at 1 %. How many customers does it answer before it is rolled "
    "back?",
    unit="customers",
)


# %%
def sending_to(envoy, at_once):
    """Sends the next payments through the front, and waits for their answers."""
    url = f"{envoy.url(shipping.ROUTE)}/score"

    def send():
        some = list(itertools.islice(stream, at_once))
        closed_loop(post(url), some, connections=8, requests=len(some))

    return send


with waiting("Envoys start", about_s=2):
    fronts = Together(
        {
            name: shipping.front(servers["champion"], servers[name], waiting=waiting)
            for name in ("network", "balanced", "retrained")
        }
    )
canaries = {}
for name in progress(list(fronts), "Rollouts"):
    envoy = fronts[name]
    canaries[name] = shipping.ship(
        envoy, servers["champion"], servers[name], plan, sending_to(envoy, A_SEND)
    )
rollout_plots.courses(
    {
        f"{name}: {run.outcome} ({run.reason})": rollout_plots.Course(
            run.payments, run.weights, run.evidence, run.bounds
        )
        for name, run in canaries.items()
    },
    "Three rollouts",
)
canary_guess.reveal(canaries["balanced"].answers)
for name, run in canaries.items():
    print(
        f"{name:10}{run.outcome:12} after {run.payments[-1]:,} payments; it answered {run.answers:,}"
    )
key_figure("balanced: customers it answered", canaries["balanced"].answers, "")
key_figure("network: customers it answered", canaries["network"].answers, "")

# %% [markdown]
# One bad answer in a hundred thousand is nothing; all answers bad is known after a few. That is
# what a canary is for: the worst models meet the fewest people, and the promise is kept by
# arithmetic and not by somebody's attention at the dashboard. A doubtful one stays at its weight,
# since the doubt decides when it rises, not a timer.
#
# One rule is easily forgotten: where the *old* version is bad in the same stretch of time (a slow
# store, a network that fails), the plan's tests do not count it. And the flagged share is compared
# with the champion's in the same seconds, never with last week's: on a holiday both flag more.
#
# ## First the shadow
#
# Envoy can also send a *copy* of each payment to the new version and throw its answer away.

# %%
shadow_guess = predict(
    "balanced as a shadow, on copies of all payments: after how many payments is it known?",
    unit="payments",
)

# %%
shadows = {}
for name in progress(["network", "balanced"], "Shadows"):
    envoy = fronts[name]
    shadows[name] = shipping.shadow(
        envoy, servers["champion"], servers[name], plan, sending_to(envoy, 10)
    )
variant_plots.scoreboard(
    {
        "payments until it is known": {
            f"{name}, {kind}": float(run[name].payments[-1] - extra * run[name].answers)
            for name in shadows
            for kind, run, extra in (("canary", canaries, 0), ("shadow", shadows, 1))
        },
        "customers it answered": {
            f"{name}, {kind}": float(run[name].answers * (kind == "canary"))
            for name in shadows
            for kind, run in (("canary", canaries), ("shadow", shadows))
        },
    },
    "The two broken ones, twice",
)
alone = shadows["balanced"].payments[-1] - shadows["balanced"].answers
shadow_guess.reveal(alone)
key_figure("balanced: payments until its shadow is known", alone, "")

# %% [markdown]
# A shadow sees a hundred times as many payments as a canary at 1 %, and harms nobody. So it goes
# first. Then what is the canary still for?
#
# - **A shadow's answers have no consequences.** Whether a client understands them, whether a customer
#   who is asked for a second factor comes back, whether a decline makes them try five times: only an
#   answer that is given can show it.
# - **It doubles the load** on everything that both need: the store, the network, the database. Size
#   the test for that, or the shadow is the outage.
# - **It must not write.** Here both gateways record each payment in the same Redis, and it is
#   harmless only because an event is a member of a set, not a counter: the same `transaction_id`
#   twice is once (lesson 3.2). With `INCR` the shadow would have doubled every customer's payments,
#   and the *champion* would have begun to flag them. A shadow has an audit log of its own for the
#   same reason.
#
# ## Promoted
#
# The alias moves when the weights have.

# %%
champion = registry.of("fraud", "champion")
if canaries["retrained"].outcome == "promoted":
    registry.alias("fraud", "previous", champion.number)
    registry.alias("fraud", "champion", versions["retrained"].number)
for version in registry.versions("fraud"):
    print(f"version {version.number}  {version.tags['author']:10}{', '.join(version.aliases)}")

# %% [markdown]
# The champion's gateway still has the old file in its memory. It can be **restarted** with the new
# one. Or it **switches** while it answers: it opens the new model beside the old one, tries it on
# made-up rows, sends it the next payments, and closes the old one when that has answered those it
# had.

# %%
PAYMENTS_RPS = 50
begun_s = time.perf_counter()
Scorer(versions["retrained"].file().read_bytes())
print(f"the new file alone: loaded in {1e3 * (time.perf_counter() - begun_s):.0f} ms")
restart_guess = predict(
    f"{PAYMENTS_RPS} payments a second, while the gateway restarts with it: how many get no score from a "
    "model?",
    unit="payments",
)
switch_guess = predict("And while it switches?", unit="payments")


# %%
def switch():
    new = versions["retrained"]
    servers["champion"].switch("model", new.file(), str(new.number))


def restart():
    servers["champion"].stop()
    servers.add({"champion": gateway("champion", "retrained")})


lost, pauses_s = {}, {}
for name, change in progress([("switched", switch), ("restarted", restart)], "Under load"):
    with paying(servers["champion"].url, stream, PAYMENTS_RPS) as paid:
        time.sleep(0.5)
        change()
    came_s = np.sort([at_s for at_s, _ in paid.answers])
    lost[name], pauses_s[name] = float(paid.failed), float(np.diff(came_s).max())
    print(f"{name:10}{paid.payments} payments; {dict(paid.failures) or 'none lost'}; "
          f"answers by version {', '.join(sorted(paid.versions))}")  # fmt: skip
variant_plots.scoreboard(
    {"payments without a model's score": lost, "longest time without one (s)": pauses_s},
    "The same new model, under load",
)
restart_guess.reveal(lost["restarted"])
switch_guess.reveal(lost["switched"])
key_figure("lost while the gateway restarts", lost["restarted"], "payments")
key_figure("lost while it switches", lost["switched"], "payments")

# %% [markdown]
# Loading the file is the small part of a restart. The rest is a process that starts, with its
# libraries and its connections, and until it listens again each payment is refused. So replicas are
# restarted one after the other, each out of the balancer first. The switch has another price: for a
# moment both models are in memory. (`./lab bench fraud/switching` does it a hundred times, on a
# real MLServer.)
#
# And what would have stopped the other two at the door, before any payment? Payments whose truth is
# known. A probability lies between 0 and 1, and over many payments its mean is about the share of
# frauds.

# %%
truth = float(fraud[live].mean())
print("           names  range  mean ÷ share of frauds")
for name, version in versions.items():
    given = Scorer(version.file().read_bytes())(rows)
    names = "same" if version.columns == champion.columns else "OTHER"
    within = "0 to 1" if ((given >= 0) & (given <= 1)).all() else "BEYOND"
    print(f"{name:11}{names:7}{within:8}{given.mean() / truth:10,.2f}")

# %% [markdown]
# Three looks in the job that registers a model. (The first is for the table whose columns somebody
# has sorted by name: same number, same types, and the registry knows the names.) The faults that
# you have met are stopped by one each; the canary is for what nobody has thought of. Both belong
# there, and the cheap one comes first.
#
# ## The same plan on a cluster
#
# Nobody sets weights by hand. The plan is data, and the manifests of each step are made of it: for
# Istio, for KServe, for Seldon Core. Each is checked against the fields of its kind and for what no
# schema can see: weights that sum to 100, subsets and models that exist, the step's own weight.

# %%
for system in cluster.SYSTEMS:
    held = [
        not cluster.faults(system, cluster.EXAMPLE, percent, made)
        for percent in cluster.steps(plan)
        for made in [cluster.manifests(system, cluster.EXAMPLE, percent)]
    ]
    print(f"{system:8}{sum(held)} of {len(held)} steps hold")
made = cluster.manifests("istio", cluster.EXAMPLE, 5)
print(yaml.safe_dump(made[1]["spec"]["http"], sort_keys=False))
made[1]["spec"]["http"][0]["route"][0]["weight"] = 99
print("\n".join(cluster.faults("istio", cluster.EXAMPLE, 5, made)))

# %% [markdown]
# The last line is a fault that a person makes, and it passes every schema: 99 and 5. A proxy takes
# them for shares of 104 and says nothing. They differ in what they can say at all: KServe splits
# between its last two revisions and has no shadow; in its mode without revisions it ignores the
# percentage without a word. Print them with `./lab k8s rollout istio 5`.
#
# ## "Shadow green, canary green, and a week later the losses rise"
#
# Neither has seen a single label. Whether a payment was a fraud is known after a week; a canary of
# an hour judges errors, time and behaviour. A model that flags *as many* payments as the champion,
# but the wrong ones, passes all three tests. That can be measured, and not quickly: leave the old
# version 1 % of the traffic for a fortnight after the promotion (a **holdback**), and compare what
# each has caught when the labels are there. Promotion is not the end of the comparison.

# %%
fronts.stop()
servers.stop()
folder.cleanup()

# %% [markdown]
# ## What you have seen
#
# 1. Two models that are broken, with good AUC, no error and no late answer. A fallback hides the
#    one; the other gives probabilities of another world. Count answers from fallbacks as bad, and
#    watch what the model does.
# 2. A test for one look, looked at often, rolls back good versions. A sequential one states both its
#    error rates and may be looked at always.
# 3. A canary is measured in answers of the new version, not in per cent or minutes.
# 4. Shadow first: many payments, no harm, twice the load, no writes. Then the canary, since only a
#    given answer has consequences.
# 5. A few lines at the door (names of the inputs, range and mean of the scores on known payments)
#    stop what the canary stops at the customer.
# 6. Under load a new model is opened beside the old one and then put in its place; a restart turns
#    payments away for as long as a process takes to start.
#
# **Next**: the service in several regions, and one of them goes.
#
# ## Four questions

# %%
quiz(
    "A service has 20 payments a second and 0.1 % errors. The canary had 1 % for an hour: no error, so it "
    "was promoted. What does the hour say?",
    {
        "That the new version is no worse": "It gave some 720 answers. One with twice the errors, too, would "
        "have had none among them in a quarter of such hours: 0.998⁷²⁰ is 24 %.",
        "That it is not many times worse, and no more": "Right: with five times as many errors such an hour "
        "has a chance of 3 %, with twice as many one of 24 %.",
        "Nothing: a canary needs a day": "What counts is answers, not hours. At 100,000 payments a second the "
        "same hour would have been millions.",
    },
    right="That it is not many times worse, and no more",
)

# %%
quiz(
    "Somebody looks at the canary's dashboard every minute and rolls back when the difference is "
    "significant at 1 % in place of 5 %. Is that enough?",
    {
        "Yes: 1 % is strict": "At one look. Each further look adds chances, only from a lower start; over a "
        "day of minutes it is a multiple of 1 %.",
        "No: it still grows with each look; a test that is made for it states its rate": "Right. The level "
        "moves the line down; a bound that holds for all looks together is another thing.",
        "Yes, if it lasts for two minutes": "Two minutes share most of their answers: they err together.",
    },
    right="No: it still grows with each look; a test that is made for it states its rate",
)

# %%
quiz(
    "A canary's error rate is 0, its p99 a third of the champion's. What do you look at first?",
    {
        "Nothing, it is better in both": "A model that fails and is replaced by rules at once is fast and "
        "without error, too.",
        "Which tier gave its answers, and what share it flags": "Right: fast and clean is how a fallback looks, "
        "or a model that approves everything.",
        "Whether the load was lower": "Worth a look: who has 1 % of the traffic to itself is quicker. But it does "
        "not say who answered.",
    },
    right="Which tier gave its answers, and what share it flags",
)

# %%
quiz(
    "A shadow runs for a day and is green. On the same day the champion flags twice as many payments as the "
    "day before. What may the shadow have to do with it?",
    {
        "Nothing: its answers are thrown away": "Its answers are. Not what it writes: both may count each "
        "payment into the same aggregates.",
        "It counts each payment a second time in the store that both read": "Right: customers seem to pay twice as "
        "often. A shadow must not write, or what it writes must be harmless when it is written twice.",
        "It has taken a half of the payments": "It gets copies; the champion still answers all of them.",
    },
    right="It counts each payment a second time in the store that both read",
)

# %% [markdown]
# ## Sources
#
# - [1] MLflow, *Model Registry*: versions, signatures, aliases.
# - [2] P. Armitage, C. K. McPherson and B. C. Rowe, *Repeated Significance Tests on Accumulating
#   Data*, Journal of the Royal Statistical Society A 132, 1969.
# - [3] A. Wald, *Sequential Tests of Statistical Hypotheses*, Annals of Mathematical Statistics 16,
#   1945.
# - [4] J. Ville, *Étude critique de la notion de collectif*, 1939. For experiments on websites: R.
#   Johari, P. Koomen, L. Pekelis and D. Walsh, *Always Valid Inference*, Operations Research 70,
#   2022.
# - [5] Envoy, *Traffic shifting and splitting* and *Request mirroring*.
# - [6] B. Beyer and others, *The Site Reliability Workbook*, 2018, chapter 16, *Canarying Releases*.
# - [7] Two proportions at one look: J. Fleiss, B. Levin and M. Paik, *Statistical Methods for Rates
#   and Proportions*, 3rd edition 2003.
