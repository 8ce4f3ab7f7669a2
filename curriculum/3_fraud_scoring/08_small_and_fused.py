# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [g++]
# ---

# %% [markdown]
# # 3.8 · Small and fused
#
# A colleague has distilled the fraud network. The student has a twentieth of its teacher's
# arithmetic and catches nearly as many frauds. It goes into the gateway, and the latency stays where
# it was. The question then asked is the same in every team: **why is the student that is so many
# times smaller not faster?**
#
# It has two halves. What is lost when a network is made small, and which of it would a figure such
# as "frauds caught" not show? And what is the time of a small model made of, if not of its
# arithmetic?

# %% tags=["parameters"]
scale = "laptop"

# %%
import copy
from functools import partial

import numpy as np
import torch

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.measure.calls import timed
from lab_utils.measure.compare import interleaved
from lab_utils.measure.interval import interval, ratio_interval
from lab_utils.models.fraud import trees
from lab_utils.models.fraud.agreement import agreement, copied
from lab_utils.models.fraud.calibration import calibration_error, reliability
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.metrics import at_alert_rate
from lab_utils.models.fraud.network import (
    BATCH,
    STUDENT,
    TEACHER,
    PaymentNetwork,
    fit,
    probabilities,
)
from lab_utils.models.fraud.split import by_time
from lab_utils.models.fraud.transactions import simulate_transactions
from lab_utils.models.onnx_file import onnx_file
from lab_utils.optimize.folded_network import as_module, folded, multiply_adds
from lab_utils.optimize.fraud_scorers import Scorer, of_network, of_trees
from lab_utils.optimize.one_loop import OneLoop
from lab_utils.optimize.onnx_levels import operators
from lab_utils.optimize.operator_price import LENGTHS, chain, price_of
from lab_utils.optimize.torch_scorers import Compiled, Eager
from lab_utils.optimize.trees_one_by_one import OneByOne
from lab_utils.optimize.triton_scorer import TritonScorer, interpreted
from lab_utils.scale import at
from lab_utils.show import call_plots, fraud_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz

DAYS, WEEK = at(scale, ci=60, laptop=90), 7 * at(scale, ci=1, laptop=2)
BUDGET = 0.01
with waiting("Payments and their features", about_s=at(scale, ci=4, laptop=6)):
    payments = simulate_transactions(customers=5_000, terminals=10_000, days=DAYS, seed=8)
    known = features(payments)
train, test = by_time(payments, DAYS - WEEK, train_days=WEEK, test_days=WEEK)
judged, fraud = payments[test], payments["fraud"]
print(f"{train.sum():,} payments to learn from, {test.sum():,} to be judged on; "
      f"{BUDGET:.0%} of them may raise an alert")  # fmt: skip

# %% [markdown]
# ## A teacher, a student, and a control
#
# All three as in lesson 3.1. The **teacher** has two hidden layers of 64 and learns from labels. The
# **student** has one of 16 and has never seen a label: it learns the teacher's *probabilities* [1],
# also of the payments of the last week, whose labels nobody has yet. The **control** is as small as
# the student and learns from the labels; without it nobody could say what the distillation has
# added.

# %%
seen = (known.index >= known.index[train][0]) & (known.index < known.index[test][0])
teacher = fit(
    PaymentNetwork(TEACHER), known[train], fraud[train], watch=watching("Teacher, epochs")
)
student = fit(
    PaymentNetwork(STUDENT),
    known[seen],
    probabilities(teacher, known[seen]),
    watch=watching("Student, epochs"),
)
control = fit(
    PaymentNetwork(STUDENT), known[train], fraud[train], watch=watching("Control, epochs")
)
networks = {"teacher": teacher, "student": student, "control": control}
layers = {name: folded(network) for name, network in networks.items()}
work = {name: multiply_adds(of) for name, of in layers.items()}
smaller = work["teacher"] / work["student"]
print(f"a payment takes the teacher {work['teacher']:,} multiplications, the student "
      f"{work['student']:,}: {smaller:.0f} times fewer")  # fmt: skip
copied_guess = predict(
    "Of the teacher's false alarms, which share does its student raise as well?", unit="%"
)

# %%
scores = {name: probabilities(network, known[test]) for name, network in networks.items()}
alerts = {name: at_alert_rate(judged, values, BUDGET) for name, values in scores.items()}
false_alarms = {
    name: copied(judged, scores["teacher"], scores[name], BUDGET).scaled(100)
    for name in ("student", "control")
}
who = {
    part.replace("the first", "the teacher").replace("the second", "the student"): counts
    for part, counts in agreement(judged, scores["teacher"], scores["student"], BUDGET).items()
}
variant_plots.shares(
    who,
    "Who raises which alerts, and what these payments were",
    xlabel="alerts",
)
copied_guess.reveal(false_alarms["student"])
for name, found in alerts.items():
    more = interval(found.of_frauds - alerts["teacher"].of_frauds, np.mean).scaled(100)
    print(f"{name:8} catches {found.caught:5.1%} of the frauds; "
          f"against the teacher {more:+.1f} points")  # fmt: skip
differ = [counts for part, counts in who.items() if part.endswith("alone")]
print(f"teacher and student differ on {sum(sum(counts.values()) for counts in differ)} payments, "
      f"{sum(counts['honest'] for counts in differ)} of them honest; "
      f"of the teacher's false alarms the control raises {false_alarms['control']:.0f} %")  # fmt: skip
key_figure("student: the teacher's false alarms it repeats", false_alarms["student"], "%")
key_figure("control: the teacher's false alarms it repeats", false_alarms["control"], "%")

# %% [markdown]
# "Catches nearly as many" says nothing about *whom* the two stop. The lower two bars are payments
# whose answer changes on the day on which the student takes over. Most of them are honest: what is
# plainly a fraud is one to both networks, and near the threshold, where a small difference of scores
# decides, most payments are honest. The frauds caught stay, and other customers call.
#
# The student has no other truth than its teacher's: where the teacher is wrong and sure, the student
# was told so in training. How much of a mistake is inherited, and how much any network of this size
# would make as well, the control tells; compare the two shares. (What every network finds
# suspicious, the control finds suspicious, too.)
#
# So a student is no second opinion. As the fallback of its own teacher (lesson 3.3) it covers a
# machine that fails, and not a model that is wrong.
#
# ## What the labels do not tell
#
# A label is yes or no, and about one payment in a hundred says yes. A probability says *how* honest a
# payment looks, and every payment has one. The same small network learns from more and more
# payments, once from their labels and once from what the teacher says of them.

# %%
SOME = at(scale, ci=(500, 2_000, 8_000, 32_000), laptop=(500, 1_000, 2_000, 8_000, 32_000, 64_000))
STEPS = at(scale, ci=700, laptop=2_000)
learn_from = known[train]
targets = {
    "from labels": fraud[train].to_numpy(np.float32),
    "from the teacher's probabilities": probabilities(teacher, learn_from),
}
order = np.random.default_rng(9).permutation(len(learn_from))
soft_guess = predict(
    "From 2,000 payments: how many times as many frauds does the one catch that learns the "
    "teacher's probabilities, compared with the one that learns the labels?",
    unit="times",
)

# %%
caught = {name: {} for name in targets}
for count in progress(SOME, "Payments to learn from"):
    rows_of = order[:count]
    for name, target in targets.items():
        small = fit(
            PaymentNetwork(STUDENT),
            learn_from.iloc[rows_of],
            target[rows_of],
            epochs=-(-STEPS * BATCH // count),  # as many steps for few payments as for many
        )
        found = at_alert_rate(judged, probabilities(small, known[test]), BUDGET)
        caught[name][count] = interval(found.of_frauds, np.mean)
print("frauds among them: "
      + ", ".join(f"{fraud[train].iloc[order[:count]].sum()} of {count:,}" for count in SOME))  # fmt: skip
fraud_plots.learned(
    caught,
    "The same small network, the same payments, two kinds of target",
    level=("the teacher", alerts["teacher"].caught),
)
from_labels, from_teacher = (by_count[2_000].median for by_count in caught.values())
soft_guess.reveal(from_teacher / max(from_labels, 1 / judged["fraud"].sum()))
key_figure(
    "2,000 payments: caught by the teacher's probabilities ÷ by labels",
    from_teacher / max(from_labels, 1 / judged["fraud"].sum()),
    "times",
)

# %% [markdown]
# Look at the left half, and at how few frauds its points have learned from. A network that sees a
# handful of frauds again and again learns *these* by heart. The teacher's numbers for the same
# payments contain some of what it knows from all its labels: how suspicious each of the honest ones
# looks, too. To the right the two lines come together: with enough labels the labels say it all.
# (Each point is one draw of payments, and few payments make a line jump. Compare the two lines above
# one point, where both have learned from the same ones.)
#
# It is no magic. What the student knows the teacher had to learn, from labels. But payments without
# labels are free, and there are many: they are what a student is fed with.
#
# ## Does 0.3 mean 0.3?
#
# For ranking it does not matter what a score *means*. It does where money is multiplied with it, or
# where a threshold stays in the configuration while the model behind it changes. The payments with
# the highest scores, in groups of equal size:

# %%
HIGHEST, GROUPS = round(2.5 * BUDGET * test.sum()), 10
groups = {}
for name, values in scores.items():
    top = np.argsort(-values, kind="stable")[:HIGHEST]
    groups[name] = reliability(judged["fraud"].to_numpy()[top], values[top], GROUPS)
threshold_guess = predict(
    f"The teacher's threshold raises {1000 * BUDGET:g} alerts in 1,000 payments. The student takes "
    "its place and the threshold stays. How many alerts in 1,000?",
    unit="alerts",
)

# %%
fraud_plots.reliability(
    {name: [(group.said, group.seen) for group in of] for name, of in groups.items()},
    f"What the {HIGHEST:,} highest scores say, and what is seen",
)
threshold = alerts["teacher"].threshold
raised = {name: 1000 * float(np.mean(values >= threshold)) for name, values in scores.items()}
threshold_guess.reveal(raised["student"])
for name, of in groups.items():
    print(f"{name:8} {raised[name]:5.2f} alerts in 1,000 at the teacher's threshold; scores and "
          f"frauds are {100 * calibration_error(of):.2f} points apart")  # fmt: skip
key_figure(
    "student: alerts at the teacher's threshold ÷ the teacher's",
    raised["student"] / raised["teacher"],
    "times",
)

# %% [markdown]
# The student was asked for the teacher's numbers, not only for its order. Its 16 units follow them as
# closely as 16 units can, and most of the payments that it learned from lie far below the threshold.
# The control has a scale of its own. Two models may rank equally well, and dots may lie near the
# diagonal, while another number of payments stands above one fixed score: there, few payments
# decide. Whether more alerts come or fewer differs from training to training, and somebody has to
# look at them. **Carry over the alert rate, not the threshold**, and set the threshold anew from
# scores of the same days. (The canary of lesson 3.4 looks for such a drift.)
#
# ## A twentieth of the work
#
# Now the time. Both networks in ONNX Runtime, on one thread, preparation included.

# %%
torch.set_num_threads(1)
rows = np.array(known[test], np.float32, order="C")
files = {name: of_network(networks[name]) for name in ("teacher", "student")}
in_onnx = {name: Scorer(content) for name, content in files.items()}
ROUNDS, MANY = at(scale, ci=7, laptop=15), 10_000
one_guess = predict(
    "One payment in a call: how many times as fast is the student as the teacher?", unit="times"
)
many_guess = predict(f"And with {MANY:,} payments in a call?", unit="times")

# %%
sizes = interleaved(
    {
        (name, batch): timed(partial(run, rows[:batch]))
        for name, run in in_onnx.items()
        for batch in (1, MANY)
    },
    rounds=ROUNDS,
    watch=watching("Rounds of both networks"),
)
one_payment = ratio_interval(sizes["teacher", 1], sizes["student", 1])
one_guess.reveal(one_payment)
many_guess.reveal(ratio_interval(sizes["teacher", MANY], sizes["student", MANY]))
for name in in_onnx:
    alone, shared = interval(sizes[name, 1]), interval(sizes[name, MANY]).scaled(1 / MANY)
    print(f"{name:8} {1e6 * alone.median:6.2f} µs for one payment, "
          f"{1e6 * shared.median:6.3f} µs a payment among {MANY:,}")  # fmt: skip
key_figure("student, one payment in a call", one_payment, "times as fast")

# %% [markdown]
# Among ten thousand a payment takes a fraction of what it takes alone, in the same engine, with the
# same arithmetic. So the arithmetic is that fraction, and the rest is something else. Lesson 3.1 has
# called it the price of asking. Here it is taken apart.
#
# ## What an operator costs that does nothing
#
# A graph with one operator that changes the sign of 15 numbers; then with 5 of them, one after the
# other, 10, 20, 40. Fifteen signs are nothing to a processor. Whatever each further operator adds to
# the time is the engine's own: find the next operator, get room for its result, call it. Both networks
# are measured again in the same rounds, so that a slow minute meets all of them.

# %%
in_turn = interleaved(
    {
        length: timed(partial(Scorer(chain(length, rows.shape[1]), level="none"), rows[:1]))
        for length in LENGTHS
    }
    | {name: timed(partial(run, rows[:1])) for name, run in in_onnx.items()},
    rounds=2 * ROUNDS,
    watch=watching("Rounds of all chains"),
)
chains = {length: in_turn[length] for length in LENGTHS}
price = price_of(chains)
count_of = {name: sum(operators(files[name]).values()) for name in in_onnx}
call_plots.by_operators(
    {length: interval(values) for length, values in chains.items()},
    (price.call_s.median, price.operator_s.median),
    {name: (count_of[name], interval(in_turn[name])) for name in in_onnx},
    "The time of a call over the operators in it",
)
parts = {}
for name in in_onnx:
    whole_s, sum_s = interval(in_turn[name]).median, interval(sizes[name, MANY]).median / MANY
    named = {
        "the call": price.call_s.median,
        "its operators, empty": count_of[name] * max(price.operator_s.median, 0),
        "arithmetic": sum_s,
    }
    named["not explained"] = max(whole_s - sum(named.values()), 0)
    parts[name] = {part: 1e6 * seconds for part, seconds in named.items()}
variant_plots.shares(parts, "What one payment's time is made of", xlabel="µs a call")
print(f"a call {1e6 * price.call_s.median:.2f} µs, each operator in it "
      f"{1e9 * price.operator_s.median:.0f} ns")  # fmt: skip
arithmetic_share = 100 * parts["teacher"]["arithmetic"] / sum(parts["teacher"].values())
key_figure("an operator without work", price.operator_s.scaled(1e9), "ns")
key_figure("teacher, one payment: arithmetic", arithmetic_share, "%")

# %% [markdown]
# **That is why.** The student has fewer and smaller matrices, but nearly as many *operators* as its
# teacher, and exactly as many *calls*: one. What was made twenty times smaller is the part called
# arithmetic. The others do not know how large a matrix is. (What is not explained by the three: a
# real operator does more besides its sums than one that changes signs, and a single row uses the
# processor's vectors badly.)
#
# A rule for the back of an envelope: count the operators, multiply, and compare with the arithmetic
# at this machine's rate. Only where the arithmetic is the larger one does a smaller model pay.
#
# ## Fewer operators
#
# If operators cost, take them away. An engine does so by **fusion**: it replaces neighbours by one
# operator that does the work of both. Ways to run the student:
#
# - **PyTorch**, which calls an operator at a time, from Python;
# - **torch.compile**, whose code generator (Inductor [2]) writes C++ for what it can put together;
# - **ONNX Runtime** with its rewriting [3] turned off ("none") and turned on ("all"), and once more
#   with mean and deviation multiplied into the first matrix beforehand ("folded"): a subtraction and
#   a division less, which its rewriting leaves where they are;
# - **one loop**: the whole network, folded, as one function that Numba compiles. Nothing is called
#   from it but the logarithm and the exponential.

# %%
eager = Eager(student)
ways = {"PyTorch": eager}
counted = {"PyTorch": sum(eager.calls.values())}
if CATALOGUE["g++"].present():
    with waiting("torch.compile writes C++ and compiles it", about_s=15):
        ways["torch.compile"] = compiled = Compiled(student)
    counted["torch.compile"] = sum(compiled.calls.values())
    print(f"torch.compile calls: {compiled.calls}")
else:
    print(f"torch.compile is left out: g++ is missing; to get it: {CATALOGUE['g++'].get}.")
NONE, ALL, FOLDED = (f"ONNX Runtime, {how}" for how in ("none", "all", "folded"))
folded_file = onnx_file(as_module(layers["student"]), torch.zeros(2, rows.shape[1]))
for name, file, level in (
    (NONE, files["student"], "none"),
    (ALL, files["student"], "all"),
    (FOLDED, folded_file, "all"),
):
    ways[name] = Scorer(file, level=level)
    inside = operators(file, level)
    counted[name] = sum(inside.values())
    print(f"{name}: {inside}")
with waiting("Numba compiles the loop", about_s=4):
    loops = {name: OneLoop(networks[name]) for name in in_onnx}
ways["one loop"], counted["one loop"] = loops["student"], 1
fused_guess = predict(
    "ONNX Runtime's rewriting, on against off: how much of a call's time does it save?", unit="%"
)
compiled_guess = predict("torch.compile: how many times as fast as PyTorch?", unit="times")
loop_guess = predict("One loop: how many times as fast as ONNX Runtime at its best?", unit="times")

# %%
for name, run in ways.items():
    apart = np.abs(run(rows[:1]) - scores["student"][:1]).max()
    assert apart < 1e-5, f"{name} gives another score"
fused = interleaved(
    {name: timed(partial(run, rows[:1])) for name, run in ways.items()},
    rounds=2 * ROUNDS,
    watch=watching("Rounds of all ways"),
)
saved = ratio_interval(fused[ALL], fused[NONE])
fused_guess.reveal(interval(100 * (1 - np.divide(fused[ALL], fused[NONE]))))
fewer_s = (counted[NONE] - counted[ALL]) * price.operator_s.median
print(f"{counted[NONE] - counted[ALL]} operators fewer, at the price of empty ones: "
      f"{100 * fewer_s / interval(fused[NONE]).median:.1f} % of the call")  # fmt: skip
if "torch.compile" in fused:
    compiled_guess.reveal(ratio_interval(fused["PyTorch"], fused["torch.compile"]))
loop_gain = ratio_interval(fused[FOLDED], fused["one loop"])
loop_guess.reveal(loop_gain)
variant_plots.scoreboard(
    {
        "operators or kernels called": {name: float(counted[name]) for name in ways},
        "µs for one payment": {name: interval(fused[name]).scaled(1e6) for name in ways},
    },
    "The student, one payment in a call",
)
key_figure("ONNX Runtime, rewriting on ÷ off", saved, "of the time")
key_figure("one loop ÷ ONNX Runtime, folded", loop_gain, "times as fast")

# %% [markdown]
# Look at the first two rows (the second is there if there is a compiler). `torch.compile` has few
# kernels left to call, and its time does not fall in proportion. It has fused what lies *behind* the
# call. In front of it stands Python: before each call checks run ("is this still the network, the
# shape, the setting that I was compiled for?"), and where a call takes microseconds these are a large
# part of it.
#
# ONNX Runtime saves what fusion takes away: a few operators, each at about the price that was
# measured above. The call stays. That is so little that the interval may well contain nothing at
# all; then this machine says that the rewriting does not matter here. (Fold all the same: the scores
# stay, up to rounding, and it costs nothing.)
#
# The one loop calls no operator, and there is little before it. Fusion is worth what it takes out of
# the *whole way* from the caller to the number, and most of that way was never in the graph. And now
# ask the colleague's question once more.

# %%
smaller_guess = predict(
    f"In one loop: how many times as fast is the student as the teacher ({smaller:.0f} times less "
    "arithmetic)?",
    unit="times",
)

# %%
BATCHES = (1, 10, 100, 1_000, MANY)
scorers = {f"{name}, ONNX Runtime": run for name, run in in_onnx.items()} | {
    f"{name}, one loop": run for name, run in loops.items()
}
batched = interleaved(
    {
        (name, batch): timed(partial(run, rows[:batch]))
        for name, run in scorers.items()
        for batch in BATCHES
    },
    rounds=ROUNDS,
    watch=watching("Rounds of all scorers and batches"),
)
in_loops = ratio_interval(batched["teacher, one loop", 1], batched["student, one loop", 1])
smaller_guess.reveal(in_loops)
fraud_plots.time_by_batch(
    {
        name: {batch: interval(batched[name, batch]).scaled(1 / batch) for batch in BATCHES}
        for name in scorers
    },
    "What a payment takes, by how many share a call",
)
key_figure("student ÷ teacher, one payment, in one loop", in_loops, "times as fast")
key_figure("student ÷ teacher, one payment, ONNX Runtime", one_payment, "times as fast")

# %% [markdown]
# Being small begins to pay: compare the last two figures. Less stands around the arithmetic, and the
# loop's own arithmetic weighs more than a library's. It still does not pay in full, since fifteen
# logarithms and Python's own call are the same for both.
#
# The plot has the other way out, too: **share the call**. To the right each engine comes down to its
# arithmetic. There look at the teacher's two lines: a library's matrix products keep many payments in
# the processor's registers at once, and a loop that takes one payment after the other cannot. Small
# and fused is for the left edge, large products are for the right one.
#
# But somebody must wait until the batch is full. Say that 1,000 payments a second come to this core:

# %%
RATE = 1_000
ENGINE = "student, ONNX Runtime"
for batch in (1, 10, 100):
    each_s = interval(batched[ENGINE, batch]).median / batch
    print(f"{batch:4} in a call: {1e6 * each_s:6.2f} µs a payment, {100 * RATE * each_s:5.2f} % of "
          f"the core; the first waits {1000 * (batch - 1) / RATE:5.1f} ms")  # fmt: skip
wait_for_ten_s = 9 / RATE
saved_s = (interval(batched[ENGINE, 1]).median - interval(batched[ENGINE, 10]).median / 10) * 10
key_figure("ten in a call: waited ÷ saved", wait_for_ten_s / saved_s, "times")

# %% [markdown]
# The first payment of ten waits milliseconds so that the ten together save the microseconds of nine
# calls. Below a full core that is a bad bargain within 50 ms; near a full one it is what keeps the
# queue from growing, and the batch fills by itself from those who wait anyhow (lesson 2.4).
#
# ## Trees, asked another way
#
# The same holds for the trees of lesson 3.1. LightGBM's `predict` takes tables. For one row at a
# time its C library has another pair of functions [4]: one that settles all arguments, once, and one
# that scores. Python's package does not call them; `optimize/trees_one_by_one.py` does, in the same
# process, with the same library and the same hundred trees.

# %%
booster = trees.train(known[train], fraud[train])
prepared = OneByOne(booster)
trees_guess = predict(
    "The same hundred trees in the same library, prepared for one row: how many times as fast as "
    "`predict`?",
    unit="times",
)

# %%
asked = {
    "LightGBM, predict": partial(booster.predict, num_threads=1),
    "ONNX Runtime": Scorer(of_trees(booster)),
    "LightGBM, prepared": prepared,
}
for name, run in asked.items():
    apart = np.abs(run(rows[:1]) - booster.predict(rows[:1], num_threads=1)).max()
    assert apart < 1e-6, f"{name} gives another score"
by_asking = interleaved(
    {name: timed(partial(run, rows[:1])) for name, run in asked.items()},
    rounds=ROUNDS,
    watch=watching("Rounds of the trees"),
)
variant_plots.scoreboard(
    {"µs for one payment": {name: interval(of).scaled(1e6) for name, of in by_asking.items()}},
    "A hundred trees, asked in three ways",
)
prepared_gain = ratio_interval(by_asking["LightGBM, predict"], by_asking["LightGBM, prepared"])
trees_guess.reveal(prepared_gain)
key_figure("LightGBM prepared ÷ predict, one payment", prepared_gain, "times as fast")

# %% [markdown]
# Not one comparison in a tree has been made faster. There are compilers that turn trees into machine
# code (lleaves, TL2cgen); the last releases of both date from 2024 [5], so the course does not build
# on them, and before you do, look at how much of your time is trees at all.
#
# ## One kernel on a GPU
#
# On a GPU the same bill is larger: each operator is a kernel that the processor launches, and each
# result goes to the GPU's memory and comes back. For a network whose layers fit into registers one
# kernel can do it all. `optimize/payment_kernel.py` is one, in the Triton language [6] (no relation of
# lesson 2.5's server): it reads like NumPy, and each of its *programs* takes a block of payments.
#
# Whether it computes what it should can be seen without a GPU: Triton interprets a kernel in NumPy
# if it is told to (`TRITON_INTERPRET=1`), slowly, with the same sums.

# %%
with waiting("Triton's interpreter, in a process of its own", about_s=8):
    by_kernel = interpreted(layers["teacher"], rows[:200])
apart = np.abs(by_kernel - scores["teacher"][:200]).max()
assert apart < 1e-5, "the kernel gives other scores"
print(f"200 payments: largest difference of a score from PyTorch's "
      f"{apart:.1e}")  # fmt: skip
if not torch.cuda.is_available():
    print("There is no GPU here, so its speed is not measured, and no other machine's is shown.")
else:
    on_gpu = copy.deepcopy(teacher).cuda()
    gpu_scorers = {
        "PyTorch, a kernel an operator": torch.inference_mode()(on_gpu.forward),
        "one Triton kernel": TritonScorer(layers["teacher"], "cuda"),
    }

    def until_done(call, some):
        """A GPU returns at once; the time is that until it has finished."""
        call(some)
        torch.cuda.synchronize()

    gpu_rows = {n: torch.rand(n, rows.shape[1], device="cuda") for n in (1, 100, MANY, 1_000_000)}
    gpu_calls = {}
    for name, call in gpu_scorers.items():
        for n, some in gpu_rows.items():
            until_done(call, some)  # compiles, and chooses
            gpu_calls[name, n] = timed(partial(until_done, call, some))
    on_device = interleaved(gpu_calls, rounds=ROUNDS, watch=watching("Rounds on the GPU"))
    print(torch.cuda.get_device_name())
    fraud_plots.time_by_batch(
        {
            name: {n: interval(on_device[name, n]).scaled(1 / n) for n in gpu_rows}
            for name in gpu_scorers
        },
        "The teacher on the GPU: what a payment takes",
    )
    key_figure(
        "one Triton kernel ÷ PyTorch on the GPU, one payment",
        ratio_interval(on_device["PyTorch, a kernel an operator", 1],
                       on_device["one Triton kernel", 1]),
        "times as fast",
    )  # fmt: skip

# %% [markdown]
# Read it against the processor's figures above before you ask for a GPU: for one payment a launch
# and the wait for it are paid in any case. The kernel changes how many launches, and how often the
# memory is crossed. It does not change that a payment has a few thousand multiplications.
#
# ## What you have seen
#
# 1. A student repeats its teacher, mistakes and scale included. It is no second opinion.
# 2. What it learns that labels do not tell is how honest each payment looks, also the ones without
#    a label. It shows most where labels are few.
# 3. The time of a small model is calls and operators. Distillation removes arithmetic.
# 4. Fusion pays for what it removes from the whole way, checks and calls included.
# 5. Sharing a call is the other way to pay less for it, and somebody waits.
# 6. Before you change the model, ask the library in another way.
#
# **Next**: the same scorer in somebody else's cloud, and what its contract takes away.
#
# ## Four questions

# %%
quiz(
    "A network is distilled to a tenth of its multiplications. Each request scores one row; the latency "
    "falls by 5 %. The team wants a student ten times smaller again. What do you expect?",
    {
        "Again about 5 %": "The first tenth has removed nine tenths of the arithmetic. What can be removed "
        "is what is left of it, a tenth of what there was.",
        "Half a per cent or less, and fewer frauds caught": "Right: if nine tenths of the arithmetic were "
        "5 % of the time, the rest of it is about half a per cent. The calls stay.",
        "A tenth of the latency, since it now fits into the cache": "It fitted before: some thousand "
        "numbers. And arithmetic was not what the time was made of.",
    },
    right="Half a per cent or less, and fewer frauds caught",
)

# %%
quiz(
    "torch.compile has turned ten operators into one kernel; a call for one row takes longer than through "
    "ONNX Runtime with nine operators. How?",
    {
        "The C++ it writes is slow": "For some hundred multiplications no C++ could be that slow. Measure "
        "with ten thousand rows, where the code decides.",
        "The checks before each call cost more than the operators that were saved": "Right: what stands "
        "before the kernel is Python's, and it is the same for a small kernel and a large one.",
        "ONNX Runtime computes in lower precision": "It does not unless it is asked to; and the scores "
        "agree.",
    },
    right="The checks before each call cost more than the operators that were saved",
)

# %%
quiz(
    "The teacher flags honest customers of one small bank again and again. You distil it, with millions of "
    "payments that have no labels. What becomes of these customers?",
    {
        "More data averages the mistake out": "Noise is averaged out. This is no noise: the teacher says it "
        "of each of these payments.",
        "They are flagged by the student as well": "Right: to the student the teacher's word is the truth. "
        "Correct it with labels of such customers, in the teacher or beside its probabilities.",
        "The student is too small to learn such a thing": "It may be, and you cannot count on it: a share "
        "of the false alarms is passed on, as you have measured.",
    },
    right="They are flagged by the student as well",
)

# %%
quiz(
    "At 100 payments a second on a core, somebody proposes to collect 50 payments for each call, since "
    "batches are cheaper. The promise is 50 ms. What do you say?",
    {
        "Good: a payment takes a fraction of the time": "Of some microseconds, on a core that is hardly "
        "used. And the first of 50 waits half a second.",
        "The batch would take half a second to fill": "Right: 49 ÷ 100 s. Batches pay where the core is "
        "full, and then they fill by themselves.",
        "Good, with a GPU": "The GPU has nothing to do with the wait: it is for the payments to come.",
    },
    right="The batch would take half a second to fill",
)

# %% [markdown]
# ## Sources
#
# - [1] G. Hinton, O. Vinyals, J. Dean, *Distilling the Knowledge in a Neural Network*, 2015.
# - [2] J. Ansel and others, *PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode
#   Transformation and Graph Compilation*, ASPLOS 2024: the code generator, and the guards before each
#   call.
# - [3] ONNX Runtime documentation, *Graph Optimizations in ONNX Runtime*: the levels.
# - [4] LightGBM documentation, *C API*: `LGBM_BoosterPredictForMatSingleRowFastInit` and
#   `LGBM_BoosterPredictForMatSingleRowFast`.
# - [5] Python Package Index: TL2cgen 1.0.0 of March 2024, lleaves 1.3.0 of December 2024 (looked up in
#   November 2026).
# - [6] P. Tillet, H. T. Kung, D. Cox, *Triton: An Intermediate Language and Compiler for Tiled Neural
#   Network Computations*, MAPL 2019.
# - M. P. Naeini, G. Cooper, M. Hauskrecht, *Obtaining Well Calibrated Probabilities Using Bayesian
#   Binning*, AAAI 2015.
