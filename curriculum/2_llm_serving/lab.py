# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # Lab 2: The same words, for less
#
# The chatbot is in production. Its first version is Flask and transformers, 32 bits, one request
# at a time. It keeps its promise, two seconds for 99 of 100 answers, as long as few people ask,
# and a thousand answers cost several times what the product may spend. Your job in this lab is a
# service that **costs at most three tenths as much for each answer, keeps the promise and says
# the same words**, and the proof of each of the three.
#
# | task | what you write | points |
# |---|---|---|
# | 1 | `users_that_fit`: what the memory allows | 2 |
# | 2 | `quantise`: four bits within a perplexity | 3 |
# | 3 | `chatbot`: weights, batches, queue and priorities of the service | 5 |
# | 4 | `autoscaler`: replicas that follow the load | 3 |
# | 5 | `cost_per_1000`: the proof, from the bill | 2 |
#
# Fill in each task's cell, then run the check below it. A check runs here, in your
# notebook, on inputs drawn afresh each time: it is **advice**. The mark comes from
#
# ```
# ./lab check 2
# ```
#
# in a terminal (File → New → Terminal). Hand in this notebook, saved.

# %%
from datetime import datetime

import numpy as np

from lab_utils.grade.notebook import checks_for

check = checks_for("2_llm_serving")

# %% [markdown]
# ## Task 1: size it
#
# Before anything is bought: how many users can a machine serve at once? Their caches must fit into
# what the weights, and the activations of a pass, leave of its memory (lesson 2.2).
#
# - `shape` is a dict with `parameters` (of the whole model), `layers`, `heads`, `cached_heads` and
#   `head_width`.
# - `memory_bytes` is all there is; `activation_bytes` is what a pass needs besides.
# - Each user has `tokens` tokens of past, each number of which takes `cache_bits`.
# - A weight takes `weight_bits`, its part of the scales included.
#
# Return a whole number; 0 where the weights alone do not fit.
#
# **Why it is checked:** this figure decides which machine is bought, and each of its usual
# mistakes is a factor of 2 to 8.
#
# <details><summary>Hint</summary>
#
# `bits ÷ 8` are bytes. A token leaves a key and a value, in each layer, for each *cached* head.
# </details>


# %% task="users_that_fit"
def users_that_fit(
    shape: dict,
    memory_bytes: int,
    activation_bytes: int,
    tokens: int,
    weight_bits: float,
    cache_bits: int,
) -> int:
    """How many users fit at once."""
    ### BEGIN SOLUTION
    left = memory_bytes - activation_bytes - shape["parameters"] * weight_bits / 8
    values = 2 * shape["layers"] * shape["cached_heads"] * shape["head_width"]
    return max(int(left // (values * tokens * cache_bits / 8)), 0)
    ### END SOLUTION


# %% check="users_that_fit" points=2
check("users_that_fit", users_that_fit)

# %% [markdown]
# ## Task 2: four bits
#
# Write the rounding of lesson 2.3. `weights` is one matrix of the model, `(rows, columns)`, float32.
# Each row is cut into groups of equal size, and each group gets a scale. Return
#
# > `{"integers": …, "scales": …}`
#
# - `integers`: whole numbers from −8 to 7, of the shape of `weights` (`np.int8`);
# - `scales`: `(rows, groups)`, floats, kept in 16 bits.
#
# A weight then is *integer × scale of its group*. With its part of the scale it may take at most **4.5
# bits**. The check gives you every matrix of the course's own model, puts what you return in
# the place of the original, and lets it read text that it was not trained on: its perplexity may be
# at most 1.02 times the original's.
#
# **Why it is checked on words:** a rounding that loses twice as much as it must still looks
# like the matrix. Only the words show it.
#
# <details><summary>Hint</summary>
#
# `weights.reshape(rows, -1, group)` cuts the rows. The scale brings the group's largest *absolute* value to
# 7. A group may be all zeros.
# </details>


# %% task="quantise"
def quantise(weights: np.ndarray) -> dict:
    """Four bits a weight: {"integers": int8 (rows, columns), "scales": (rows, groups)}."""
    ### BEGIN SOLUTION
    groups = weights.reshape(len(weights), -1, 32)
    scales = (np.abs(groups).max(-1) / 7).astype(np.float16)
    scales[scales == 0] = 1
    integers = np.clip(np.round(groups / scales[..., None].astype(np.float32)), -8, 7)
    return {"integers": integers.astype(np.int8).reshape(weights.shape), "scales": scales}
    ### END SOLUTION


# %% check="quantise" points=3
check("quantise", quantise)

# %% [markdown]
# ## Task 3: the service
#
# Now the service itself. You give a plan, and the check starts it for real, on this machine:
#
# > `{"weights": "f16", "batching": "static", "batch_most": 1, "queue_most": 1000, "first": "neither"}`
#
# - `weights`: `"f16"`, `"q8_0"` or `"q4_0"`;
# - `batching`: `"static"` or `"continuous"`;
# - `batch_most`: places, 1 to 64;
# - `queue_most`: how many may wait beyond those; the next is refused at once, with 429;
# - `first`: who is taken from the queue first, `"chat"` (somebody waits for the answer),
#   `"reports"` (nobody does) or `"neither"` (in the order of arrival).
#
# The first version is started beside it, and both get the same requests in turn, a chat's recorded
# ones, shortened. (The model has the shape of a small one and seeded weights: 0.1 billion.) An hour
# of the machine costs the same whoever uses it, so what counts is answers a second: of what your
# service can do, **seven tenths** are its load, since any more would let a queue grow by chance alone.
#
# **You pass** with all points where, at that load,
#
# - an answer costs at least 70 % less than the first version's at its best;
# - 99 of 100 answers are there within 2 s of their arrival, and at most 1 % are refused;
#
# and where in a rush, at three times what your service can do, a fifth of it chats,
#
# - whoever is accepted is answered in time, a chat within 2 s and a report within 4 s, 19 of 20 of
#   them. The others are told at once;
# - a chat waits for its place at most 0.7 times as long as a report.
#
# Between 60 and 70 % there are part marks.
#
# <details><summary>Hint</summary>
#
# What does a token read (2.1)? Which place stands empty, and for how long (2.4)? How long may a queue
# be, if the last in it is to be answered within the promise, and who pays for those who go first
# (2.6)?
# </details>


# %% task="chatbot"
def chatbot() -> dict:
    """The service's plan."""
    ### BEGIN SOLUTION
    return {
        "weights": "q4_0",
        "batching": "continuous",
        "batch_most": 16,
        "queue_most": 32,
        "first": "chat",
    }
    ### END SOLUTION


# %% check="chatbot" points=5
check("chatbot", chatbot)

# %% [markdown]
# ## Task 4: the autoscaler
#
# One replica will not do at nine o'clock. Give the settings of a HorizontalPodAutoscaler (lesson
# 2.7):
#
# > `{"minReplicas": 1, "maxReplicas": 3, "metric": "cpu", "target": 80, "scaleDownWindowSeconds": 0}`
#
# - `metric`: `"cpu"` (per cent of the replicas' processors), `"queue"` (requests that wait) or
#   `"in_flight"` (those that wait and those that are computed);
# - `target`: of each replica; for `"queue"` and `"in_flight"` as `averageValue`.
#
# The check tries them, with Kubernetes' own rule, on a simulated morning of 50 minutes: half the load
# of a replica, then a rise to five replicas' within four minutes, a quarter of an hour at that, and
# quiet again. A replica has 8 places, an answer takes 4 s in one of them, and a new replica needs
# 45 s until it answers.
#
# - Half of the points are for the users: at most 5 % of the answers later than 6 s.
# - Half are for the bill: at most 2.5 times the replica-hours that are at work.
# - More than 20 % late, or more than 3.3 times paid: no points at all.
#
# <details><summary>Hint</summary>
#
# Which signal says *how much* too little there is? Which one says that there is too much? And how many
# places should be free, so that what comes in 45 s finds one?
# </details>


# %% task="autoscaler"
def autoscaler() -> dict:
    """Settings of the HorizontalPodAutoscaler."""
    ### BEGIN SOLUTION
    return {
        "minReplicas": 1,
        "maxReplicas": 10,
        "metric": "in_flight",
        "target": 5,
        "scaleDownWindowSeconds": 60,
    }
    ### END SOLUTION


# %% check="autoscaler" points=3
check("autoscaler", autoscaler)

# %% [markdown]
# ## Task 5: the proof
#
# The month's bill has come. `bill` is a list of rows in the columns of FOCUS, `queries` what Prometheus
# has counted, hour by hour:
#
# > `{"ChargePeriodStart": "2026-03-01T05:00:00+00:00", "ChargeCategory": "Usage",`
# > `"BilledCost": 2.1, "EffectiveCost": 2.1, "BillingCurrency": "USD", "Tags": {"service": "chat"}}`
# >
# > `{"hour": "2026-03-01T05:00:00+00:00", "service": "chat", "count": 4312}`
#
# Return what **1,000 queries of the service `chat`** cost, in dollars: what was spent on that service in
# the hours that were counted, reservations spread over the hours that used them (that is
# `EffectiveCost`), taxes left out, hours in which nobody asked counted in.
#
# **Why it is checked:** there are six common ways to be wrong here, and every one of them makes
# the service look better or worse than it is by a factor that somebody will act on.
#
# <details><summary>Hint</summary>
#
# `datetime.fromisoformat` reads an hour with its offset; two of them are equal where they are the same
# moment. Not every row lies in an hour that was counted.
# </details>


# %% task="cost_per_1000"
def cost_per_1000(bill: list[dict], queries: list[dict]) -> float:
    """Dollars for 1,000 queries of the chat."""
    ### BEGIN SOLUTION
    counted = {
        datetime.fromisoformat(query["hour"]): query["count"]
        for query in queries
        if query["service"] == "chat"
    }
    spent = sum(
        row["EffectiveCost"]
        for row in bill
        if row["Tags"]["service"] == "chat"
        and row["ChargeCategory"] != "Tax"
        and datetime.fromisoformat(row["ChargePeriodStart"]) in counted
    )
    return 1000 * spent / sum(counted.values())
    ### END SOLUTION


# %% check="cost_per_1000" points=2
check("cost_per_1000", cost_per_1000)

# %% [markdown]
# ## Hand in
#
# Save the notebook, then run `./lab check 2` in a terminal. It prints your points, and for each task
# that failed the reason and what to do about it.
#
# Two questions to take along:
#
# - Task 3 counts what a machine does at most. What does an answer cost at the load that you *have*, at
#   night too, with the replicas of task 4?
# - Which of the three, fewer bits, batches or replicas that leave, saved the most? Which of them would
#   save the most on a GPU?
