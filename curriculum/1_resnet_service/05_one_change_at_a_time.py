# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [g++, tensorrt, tvm]
#     saved_models: [floating]
# ---

# %% [markdown]
# # 1.5 · One change at a time
#
# The profilers of lesson 1.4 agree: nearly all of a request is the network, and
# most of the network is convolutions. You have been told how to make that faster.
# Everybody has: *channels-last. Half precision. torch.compile. Export it to ONNX.
# Use OpenVINO.* The advice comes without a machine, without a model and without a
# price.
#
# Here each piece of advice becomes one change to the same network, measured on
# your machine: **what does it bring, why, and what does it cost?** Most guesses
# fail, each for a reason of its own. Keep the reasons rather than the winner: the
# winner changes with the machine, the reasons do not.

# %% tags=["parameters"]
scale = "laptop"

# %%
from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.measure.interval import ratio_interval
from lab_utils.models import pictures, resnet
from lab_utils.optimize import conv_layer, kept_search, onednn
from lab_utils.optimize.comparison import (
    answer_in_turn,
    largest_difference,
    speed,
    top1_accuracy,
    top1_agreement,
)
from lab_utils.optimize.graph import eager_graph, onnxruntime_graph, openvino_graph
from lab_utils.optimize.inductor import compiler_checks
from lab_utils.optimize.inputs import preprocessed
from lab_utils.optimize.making import made_together
from lab_utils.optimize.saved_models import recipes
from lab_utils.optimize.variants import FLOATING, REFERENCE, VARIANTS
from lab_utils.optimize.worker import Running
from lab_utils.scale import at
from lab_utils.show import variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import waiting, watching
from lab_utils.show.quiz import quiz

threads = available_cores()
print(f"{threads} compute threads; {', '.join(facts().instruction_sets) or facts().processor}")

# %% [markdown]
# ## The same network, many times
#
# Each variant is converted or compiled once and saved, several at a time, by processes
# that share the cores. (The first time this takes a minute, mostly the C++ compiler's;
# afterwards the files are found.)

# %%
model = resnet.load()
print("weights:", model.source)
floating = recipes("floating")
able = [name for name in FLOATING if name in floating]
compiled = [name for name in ("torch.compile", "AOTInductor") if name in able]
for name in FLOATING:
    if name not in able:
        print(f"{name} is left out. {VARIANTS[name].lacks()}")
saved = made_together(floating, model.network, len(model.labels), watch=watching("Saved models"))

# %% [markdown]
# Then each is loaded from its files in **a process of its own**, as a service would
# do it. Engines that share a process disturb each other, because each keeps its
# helper threads spinning a while after its last picture, and their memory cannot
# be told apart. Here a process sleeps until it is asked. Where an engine says with how
# many threads, on what and in which precision it *runs*, that is printed, not what it
# was asked for: ONNX Runtime, asked for a GPU that is not there, takes the processor
# without a word.

# %%
running = Running()
at_once = at(scale, ci=2, laptop=1)
with waiting(f"{len(able)} processes start", about_s=20):
    running.start({name: saved[name] for name in able}, threads, at_once)
if at_once > 1:
    print(f"{at_once} were started at a time, to save time: their starts take longer than alone.")
for name, worker in running.items():
    print(f"{name:14} {worker.threads} threads  {worker.precision:5} {worker.engine}")

# %% [markdown]
# Now guess: one change against `eager`, one picture at a time, all cores. "1" means
# that it brings nothing.

# %%
QUESTION = "{}: how many times as fast as eager?"
layout_guess = predict(QUESTION.format("channels-last"), unit="times")
bf16_guess = predict(QUESTION.format("bf16 autocast"), unit="times")
engine_guess = predict(QUESTION.format("ONNX Runtime, still fp32"), unit="times")

# %%
per_round = at(scale, ci=2, laptop=3)
drawn = pictures.draw(per_round * at(scale, ci=6, laptop=32), seed=15)
inputs = preprocessed(drawn)
outcomes = answer_in_turn(running, inputs, per_round, watch=watching("Rounds of all variants"))
gains = {name: speed(outcomes, name) for name in outcomes if name != REFERENCE}
latency_ms = {name: outcome.latency_s.scaled(1e3) for name, outcome in outcomes.items()}

# %% [markdown]
# Every round brought new pictures, of the half of each photograph on which nothing
# was fitted, and every variant answered them in turn. So the same rounds give the
# speed *and* the answers. All is measured; it is opened piece by piece.
#
# ## The layout that everybody recommends
#
# A picture in memory is a row of numbers. By default PyTorch keeps one colour after
# the other; *channels-last* keeps the values of one pixel together. A convolution
# reads all channels of a pixel at once, so the second suits it, and the tutorials
# promise a gain [1].

# %%
layout_guess.reveal(gains["channels-last"].speed_ratio)
print("channels-last against eager:", gains["channels-last"])
key_figure("channels-last, times as fast as eager", gains["channels-last"].speed_ratio, "times")

# %% [markdown]
# If you expected a convolution that finds its data in a better order to run much
# faster, look into it. oneDNN, PyTorch's library for x86 processors, can report
# every primitive that it executes, with its time.

# %%
told = {
    name: running[name].primitives(inputs[:per_round])
    for name in (REFERENCE, "channels-last", "bf16 autocast", *compiled)
}
parts = {}
for name, done in told.items():
    inside_ms = {
        label: 1e3 * onednn.total_s(done, kind) / per_round
        for label, kind in (("convolutions", "convolution"), ("reorders", "reorder"))
    }
    rest_ms = max(latency_ms[name].median - sum(inside_ms.values()), 0)
    parts[name] = inside_ms | {"everything else": rest_ms}

eager_ones = (REFERENCE, "channels-last", "bf16 autocast")
for name in eager_ones:
    for kind in ("reorder", "convolution"):
        each = {k: n // per_round for k, n in onednn.implementations(told[name], kind).items()}
        print(f"{name}: {kind}s for one picture {each}")
variant_plots.shares(
    {name: parts[name] for name in eager_ones},
    "Where one picture's time goes",
    xlabel="milliseconds a picture",
)

# %% [markdown]
# (If there is nothing but *everything else*, your PyTorch uses another library,
# which does not tell. The two numbers of reorders are then 0.)
#
# Compare the *convolutions* of the first two bars. Where they are nearly the same
# length, the layout has **not** made a convolution faster. oneDNN does not compute
# in either order. It knows a third, in blocks as wide as the processor's vector
# registers, and *reorders* what it is given, on the way in and on the way out.
# Channels-last saves some of these reorders: read the two counts. It brings more
# where the library cannot hide the order: on GPUs, whose tensor cores want
# channels-last, and in graphs that are compiled as a whole.
#
# And one thing should disturb you. With channels-last, fifty-three reorders remain
# on such a machine, one for each convolution. They are the **weights**. They are
# the same in every request, and eager mode brings them into the library's order in
# *every request*, because nobody has told it that they will not change.
#
# ## Half the bits, twice the speed?
#
# bf16 has the range of fp32 and 8 bits of precision in place of 24. Half the bytes
# move, and the data sheets promise twice the arithmetic, or more.

# %%
bf16_guess.reveal(gains["bf16 autocast"].speed_ratio)
print("bf16 autocast against eager:", gains["bf16 autocast"])
key_figure("bf16 autocast, times as fast as eager", gains["bf16 autocast"].speed_ratio, "times")

# %% [markdown]
# Before the explanation, one more guess. In lesson 1.2 you measured how fast this
# machine multiplies matrices, in each precision. Had you looked there first, what
# would you have predicted for a convolution in bf16?

# %%
limits = ceilings(threads, watch=watching("Ceilings, unless measured already"))
convolutions_ms = {name: part["convolutions"] for name, part in parts.items()}
if "bf16" in limits.matrix:
    ratio = limits.peak_per_s("bf16") / limits.peak_per_s("fp32")
    print(f"matrix products, bf16 ÷ fp32, from the ceilings: {ratio:.2f} times as fast")
    key_figure("matrix rate, bf16 ÷ fp32", ratio, "times")
if convolutions_ms["bf16 autocast"] > 0:
    ratio = convolutions_ms[REFERENCE] / convolutions_ms["bf16 autocast"]
    print(f"convolutions, bf16 ÷ fp32, from oneDNN's report: {ratio:.2f} times as fast")

# %% [markdown]
# The two should be close: the ceiling knew. (Where they are not, something disturbed
# one of them. `ceilings(threads, anew=True)` measures the ceilings again.) Three kinds of
# processor give three answers to "is bf16 faster?", and the names of the kernels above
# say which one yours is:
#
# - the name contains **amx**: the processor has a unit that multiplies whole tiles of
#   bf16 in one instruction [2]. The convolutions gain several times.
# - **avx512_core_bf16**: one vector instruction that multiplies pairs of bf16. On
#   some processors it runs at twice the rate of fp32, on others at half the rate of
#   its fp32 sibling, so the gain is gone, or it is a loss. Only a measurement tells.
# - neither: every value is widened to fp32, computed, and rounded again. A loss.
#
# *Autocast* has a price besides. The weights stay in fp32, and each request makes
# bf16 copies of them: compare the reorders and the *everything else* of the third
# bar with those of the first.
#
# "It was twice as fast in the article" is the commonest form of the question *why
# do my numbers differ from yours?* The answer was one line of the processor's
# flags, and it was known before the experiment.
#
# ## The engine that changes no arithmetic
#
# ONNX Runtime and OpenVINO read the exported graph and run it in fp32, with the
# same multiplications as eager. Nothing is saved in arithmetic.

# %%
engine_guess.reveal(gains["ONNX Runtime"].speed_ratio)
for name in ("TorchScript", "ONNX Runtime", "OpenVINO fp32", *compiled):
    print(f"{name:14} {gains[name]}")
key_figure("ONNX Runtime, times as fast as eager", gains["ONNX Runtime"].speed_ratio, "times")

# %% [markdown]
# Where the same arithmetic takes less time, something else has been saved. Both
# engines report the graph that they *execute*, after their own rewriting.

# %%
before = eager_graph(model.network)
after = onnxruntime_graph(saved["ONNX Runtime"], threads)
graphs = [before, after, openvino_graph(saved["OpenVINO fp32"], threads, "f32")]
variant_plots.operators(
    {graph.name: graph.counts() for graph in graphs},
    {graph.name: graph.activation_bytes / 1e6 for graph in graphs},
    "What is executed for one picture",
)

# %% [markdown]
# Three rewritings are in this picture:
#
# - **Batch norm is gone.** In inference it is a multiplication and an addition with
#   constants for each channel, and so is the end of a convolution. The constants
#   are multiplied into the convolution's weights once, when the file is made.
# - **ReLU is gone.** It is applied to each result while it is still in a register,
#   before it is written.
# - **So is the addition** that ends each residual block.
#
# An operator by itself reads its whole input from memory or cache and writes its
# whole output there. The right-hand bars count these trips. Fusion saves no
# arithmetic worth mentioning; it saves trips.
#
# So the roofline of lesson 1.2 should tell what they cost: bytes saved ÷ bandwidth.

# %%
explained_guess = predict("What share of the saved time do the saved trips explain?", unit="%")

# %%
saved_ms = latency_ms[REFERENCE].median - latency_ms["ONNX Runtime"].median
trips_ms = 1e3 * (before.moved_bytes - after.moved_bytes) / limits.bandwidth_bytes_per_s
reorders_ms = parts[REFERENCE]["reorders"]
left_ms = saved_ms - trips_ms - reorders_ms
print(f"saved, measured                            {saved_ms:6.1f} ms")
print(
    f"  trips: {(before.moved_bytes - after.moved_bytes) / 1e6:4.0f} MB at "
    f"{limits.bandwidth_bytes_per_s / 1e9:3.0f} GB/s            {trips_ms:6.1f} ms at most"
)
print(f"  reorders, which an engine does once      {reorders_ms:6.1f} ms")
print(f"  the rest                                 {left_ms:6.1f} ms")
if saved_ms > 0:
    explained_guess.reveal(100 * trips_ms / saved_ms)
    key_figure(
        "part of ONNX Runtime's gain that saved trips explain", 100 * trips_ms / saved_ms, "%"
    )

# %% [markdown]
# "Fusion saves memory traffic" is the textbook's whole explanation, and it is a part
# of the truth. (It is an upper bound even: activations of this size are partly
# found in a cache, which is faster than memory.) A second part are the reorders
# from above: an engine knows that weights are constant, and arranges them once,
# when it loads. The rest has no line in a roofline: for each operator Python is
# asked what to do next, memory for its output is taken and given back, its threads
# are woken and meet again. Over a hundred operators fewer means over a hundred
# such rounds fewer.
#
# Compare two figures: what eager spends in its convolutions alone, and the engine's
# whole time for a picture.

# %%
engine_ms = latency_ms["ONNX Runtime"].median
print(f"eager's convolutions: {parts[REFERENCE]['convolutions']:.1f} ms")
print(f"ONNX Runtime, all of it: {engine_ms:.1f} ms")

# %% [markdown]
# Where they are close, the engine has no better convolution. It has removed the rest,
# and Amdahl's law says that there is little more to remove: from here on only the
# convolutions themselves are left, and they get cheaper with fewer bits (lesson 1.6).
#
# ## When has a compiler paid for itself?
#
# `torch.compile` and AOTInductor write C++ for everything between the convolutions
# and fuse it, as the engines do. They differ in two things: the first compiles when a
# process starts, the second once, into a file; and the first takes the weights for
# numbers that may change from one call to the next, as in training, while the second
# was told here that they are constants (`freezing` [5]).

# %%
if compiled:
    variant_plots.shares(
        {name: parts[name] for name in (REFERENCE, *compiled)},
        "The same, for generated code",
        xlabel="milliseconds a picture",
    )
else:
    print(VARIANTS["torch.compile"].lacks())

# %% [markdown]
# Look at the reorders. Where those of `torch.compile` are as long as eager's, it moves
# the weights in every request, as eager does; constants are arranged once. If its bar
# is no shorter than eager's, the advice "just compile it" has failed on your machine,
# and the reason is in the bar. (On a GPU, where starting each operator is what costs,
# the same call often brings the most of all.)
#
# Code compiled into a file also trusts what it is given. A picture whose values lie in
# another order in memory than the one it was compiled with makes `torch.compile`
# compile again; the saved package answers with wrong numbers, without a word. This
# course's runner brings every input into one order first, and a test holds it.
#
# (Little is enough to be compiled again. `picture[None]` adds an axis of length 1, to which
# NumPy gives the stride 0; a copy has another stride there. The values lie in the same
# order, and the compiler begins anew, at the first request, when the waiting was thought to
# be over. `TORCH_LOGS=recompiles` tells; nothing else does.)
#
# Where a compiler does save time, it is paid before the first request. Do the sum
# yourself: *requests until break-even = time spent before the first request ÷ time saved
# a request.*

# %%
for name in compiled:
    print(
        f"{name:14} made in {saved[name].prepare_s:3.0f} s, loads in "
        f"{running[name].startup.durations_s['load']:4.1f} s, {latency_ms[name]:.1f} ms a picture"
    )
eager_load_s = running[REFERENCE].startup.durations_s["load"]
print(
    f"{REFERENCE:14} nothing to make, loads in {eager_load_s:4.1f} s, {latency_ms[REFERENCE]:.1f} ms"
)
paid_guess = predict("AOTInductor: requests until its making has paid?", unit="requests")

# %%
for name in compiled:
    saving_s = (latency_ms[REFERENCE].median - latency_ms[name].median) / 1e3
    later_s = max(running[name].startup.durations_s["load"] - eager_load_s, 0)
    if saving_s <= 0:
        print(f"{name}: saves nothing here, so it never pays.")
        continue
    print(
        f"{name}: {saved[name].prepare_s / saving_s:,.0f} requests, once, and "
        f"{later_s / saving_s:,.0f} more in each new process"
    )
    if name == "AOTInductor":
        paid_guess.reveal(saved[name].prepare_s / saving_s)
        key_figure("AOTInductor pays after", saved[name].prepare_s / saving_s, "requests")

# %% [markdown]
# A notebook that compiles for half a minute and answers ten pictures has lost. A
# process that serves for a week has won, if it lives for a week: an autoscaler that
# starts a replica because the load is high gets it when the compiler has finished.
# The process of `torch.compile` was given the cache that its first compilation left.
# What remains of *load* is tracing the network and finding its way through that cache.
#
# And a third bill hides in nobody's benchmark. Before it writes *or loads* generated
# code, PyTorch asks the C++ compiler which vector instructions it knows, by compiling
# small programs. It keeps them in a cache folder. A container that starts with an empty
# one pays this at every start, even to load a finished package, and no line of a log
# says so; the course found it with the profiler of lesson 1.4, in a load that "took"
# many times what it does. Here it was paid once, and kept:

# %%
if compiled:
    checks = compiler_checks()
    load_s = running["AOTInductor"].startup.durations_s["load"]
    print(
        f"{checks.programs} programs were compiled to ask the compiler: {checks.duration_s:.1f} s"
    )
    print("(counted above in the making of whichever was made first)")
    print(f"loading the package, once they are there:  {load_s:.1f} s")

# %% [markdown]
# ## A compiler that writes the convolution itself
#
# The compilers above leave the convolutions to oneDNN. *Apache TVM* does not [6]. It is
# told *what* a layer computes, as plain loops, and searches for *how*: it cuts the loops
# into tiles, changes their order, hands them to threads and vector instructions, and
# stores the weights to suit. It compiles and times each program that it tries, and a
# model learns from the times what to try next [7].
#
# That takes seconds a program, so what was found is kept in a database; from there the
# best program is compiled in a moment. The course carries such databases for one layer,
# a 3×3 convolution of the third stage with its batch norm and ReLU.

# %%
layer = conv_layer.of(model.network, inputs[:1])
search = kept_search.load()
print(
    f"{layer.name}: {2 * layer.multiply_adds / 1e6:.0f} million operations a picture, "
    f"{layer.alike} times in the network"
)
print(
    f"{search.trials} programs for {search.needs} were tried in {search.duration_s:.0f} s, "
    f"on {search.machine}"
)

# %%
plain_guess = predict(
    "The plain loops, compiled with full optimisation: how many times as long as eager?",
    unit="times",
)
searched_guess = predict(
    f"The best of {search.trials} programs: how many times as fast as oneDNN?", unit="times"
)
pair_guess = predict(
    "The same database, two pictures at once: how many times as long as one?", unit="times"
)

# %%
timed = conv_layer.timed(
    layer, search, threads, at(scale, ci=6, laptop=12), waiting, watching("Rounds of the layer")
)
print(timed.where)
layer_ms = {name: latency_s.scaled(1e3) for name, latency_s in timed.latency_s.items()}
plain, searched, pair = (layer_ms[f"TVM, {n}"] for n in ("untuned", "tuned", "two pictures"))
if timed.differences is not None:
    print(f"largest difference from eager's values: {max(timed.differences.values()):.1g}")

# %% [markdown]
# ### The plain loops

# %%
plain_guess.reveal(plain.median / layer_ms[REFERENCE].median)
for name in ("TVM, untuned", "TVM, tuned"):
    shape = " × ".join(map(str, timed.built[name]["weight_shape"]))
    print(f"{name:13} {timed.loops(name)}\n{'':13} weights: {shape}")

# %% [markdown]
# The first line is the layer as a textbook writes it: row, column and channel of the output,
# then row, column and channel of the sum. LLVM's optimisation was on, and it left these
# loops as they are: one thread, one number at a time, each addition waiting for the one
# before, weights fetched from far apart. **"Compiled" is not "fast".** The machine's rate is
# a promise about the *best* order of the same operations.
#
# The tuned program does exactly as many multiply-adds (multiply the numbers of its line).
# *Parallel* is cut into pieces for threads. *Vectorized* are channels that are computed side
# by side. The numbers between are tiles, small enough that what they touch stays in registers
# and in the nearest cache until it is used up. And the weights have more dimensions: blocks
# of channels, in the order in which they are read. You have met that order above. It
# is oneDNN's third one, found again by trial.
#
# ### The searched program

# %%
searched_guess.reveal(layer_ms["oneDNN"].median / searched.median)
rate_per_s = limits.peak_per_s("fp32") if timed.differences is not None else None
columns = {"milliseconds": {n: ms for n, ms in layer_ms.items() if ms.median < plain.median / 3}}
if rate_per_s is not None:
    columns["% of the fp32 matrix rate"] = {
        name: 2e5 * layer.multiply_adds / rate_per_s / layer_ms[name].median
        for name in columns["milliseconds"]
    }
variant_plots.scoreboard(columns, "One layer, one picture", mark=REFERENCE)
key_figure(
    "TVM's best program against oneDNN, one layer",
    layer_ms["oneDNN"].median / searched.median,
    "times",
)

# %% [markdown]
# `oneDNN` is the library that eager calls, told once that the weights are constant and given
# batch norm and ReLU in the same call, as a graph engine does. Against *eager* the searched
# program looks good: but part of that gain is the reorders and the three trips from above,
# which need no search. **The rival of a new technique is the old one used well.** (The
# matrix rate is lesson 1.2's, a measurement of the best matrix product, so another kernel
# may come out a little above 100 %.)
#
# Near 1 in the guess's answer, a search of minutes has caught up with experts of years, on
# a layer and a processor that they care about most. Below 1 they are ahead. Either
# way it is no reason to search here. It is one where no expert has been: an operator of
# your own, an odd shape, a new processor, a chain that no library offers as one.

# %%
variant_plots.search(
    search.origin["trials_ms"],
    {name: 1e3 * search.recorded_s[name] for name in (REFERENCE, "oneDNN")},
    f"What was tried ({search.machine}, {search.date})",
)
saving_s = layer.alike * (layer_ms["oneDNN"].low - searched.high) / 1e3
if saving_s > 0:
    print(f"against oneDNN the search pays after {search.duration_s / saving_s:,.0f} pictures")
else:
    print("against oneDNN the search saves nothing that can be told from 0, so it never pays")

# %% [markdown]
# ### What is a kept database worth elsewhere?
#
# Now the third guess. Twice the pictures, twice the work: about 2?

# %%
pair_guess.reveal(pair.median / searched.median)
for name, built in timed.built.items():
    print(f"{name:20} found in a database: {'yes' if built['from_database'] else 'no'}")

# %% [markdown]
# A record is found by the exact shapes of its layer. For two pictures there is none, so TVM
# takes the plain loops, **without a word**. The same happens with another picture size or
# channel count, and after an update that writes the loops differently (hence the pinned
# version). Someone tunes for a batch of 1, someone else turns batching on, and the service
# stands still. Ask, for each layer, whether it was found.
#
# On another *machine* every record is found, and every answer is right. Only the reasons for the
# choice stay behind: the number of pieces suited the cores of the search, the tiles its
# caches, the vectors its registers.

# %%
pieces = timed.turns("TVM, tuned", "parallel")
cores = search.origin["machine"]["cores"]
print(f"cut into {pieces} pieces for threads; sought on {cores} cores, this machine has {threads}")
for name in timed.built:
    if name.startswith("TVM, sought for"):
        print(
            f"{name}, compiled for {search.needs}: {layer_ms[name].median / searched.median:.2f} "
            "times as long as the program that was sought for it"
        )

# %% [markdown]
# The last line, where there is one, is a database from a search for older processors, compiled
# for yours. It keeps nearly all of the hundredfold; the remaining tens of percent are decided
# by what was sought for, and as much by the luck of a short search: below 1, the other search
# was the luckier one. (Both were made on one machine; other caches and other numbers of cores
# would cost more.) So a database carries the name of the machine that it was made on, and a
# comparison carries both searches' lengths. To search on yours, with nothing else running:
# `.venv/bin/python -m lab_utils.optimize.tune`. This lesson then uses what you found.
#
# ## Where did my memory go?
#
# The weights are a hundred megabytes, of 25 million numbers with four bytes each.

# %%
memory_guess = predict("Eager: how much memory does the process keep?", unit="MB")

# %%
memory_mb = {}
for name, worker in running.items():
    imported, loaded = (worker.resident[stage] / 1e6 for stage in ("import", "load"))
    total = worker.resident_bytes() / 1e6
    memory_mb[name] = {
        "imports": imported,
        "loading and a first picture": max(loaded - imported, 0),
        "more pictures": max(total - loaded, 0),
    }
variant_plots.shares(memory_mb, "Where the memory went", xlabel="MB resident")
memory_guess.reveal(sum(memory_mb[REFERENCE].values()))

# %% [markdown]
# It is not the weights. In PyTorch's processes most of it is PyTorch, above all in the
# build that carries the GPU libraries, which is the usual one. The engines' processes
# never import it: that is why they are small, and why they are *ready* so much
# earlier, the finding of lesson 1.1. (Resident memory counts pages that several
# processes share once in each, so four workers need less than four times as much.)
#
# ## Two changes at once
#
# The engine and the precision are two changes. Each alone has been measured against
# eager. If they have nothing to do with each other, their gains multiply.

# %%
apart = {name: gains[name].speed_ratio.median for name in ("OpenVINO fp32", "bf16 autocast")}
product = apart["OpenVINO fp32"] * apart["bf16 autocast"]
print(f"{apart['OpenVINO fp32']:.2f} × {apart['bf16 autocast']:.2f} = {product:.2f}")
both_guess = predict("OpenVINO in bf16: how many times as fast as eager?", unit="times")

# %%
both_guess.reveal(gains["OpenVINO bf16"].speed_ratio)
print("OpenVINO bf16 against eager:        ", gains["OpenVINO bf16"])
print("OpenVINO bf16 against OpenVINO fp32:", speed(outcomes, "OpenVINO bf16", "OpenVINO fp32"))
kernels = openvino_graph(saved["OpenVINO bf16"], threads, "bf16")
print(
    "its convolutions compute in",
    kernels.precisions("Conv"),
    "through",
    sorted({o.through for o in kernels.operators if o.kind == "Conv"}),
)
key_figure(
    "OpenVINO bf16 ÷ the product of its parts",
    gains["OpenVINO bf16"].speed_ratio.scaled(1 / product),
    "",
)

# %% [markdown]
# A figure near 1 in the last line: the gains multiply. Above 1, the two help each
# other: in the engine the weights are *stored* in bf16, so the copies that autocast
# makes in each request are gone. Below 1, both have saved the same thing, and it can
# be saved only once: bytes that fusion does not move need not be halved.
#
# Speed-ups in articles are measured alone. Multiply them only where you know that they
# act on different parts.
#
# ## What do the answers say?
#
# A variant that is faster and wrong is not a variant.

# %%
reference = outcomes[REFERENCE].logits
agreement = {n: 100 * top1_agreement(o.logits, reference) for n, o in outcomes.items()}
print(
    f"{'':14} same label as eager   largest logit difference (logits reach "
    f"{abs(reference).max():.3g})"
)
for name, outcome in outcomes.items():
    same = round(agreement[name] / 100 * len(drawn))
    print(
        f"{name:14} {same:6} of {len(drawn)}        {largest_difference(outcome.logits, reference):12.2g}"
    )
if model.is_stand_in:
    truths = [picture.index for picture in drawn]
    accuracy = {n: 100 * top1_accuracy(o.logits, truths) for n, o in outcomes.items()}
    print("right labels:", {n: f"{a:.1f} %" for n, a in accuracy.items()})

# %% [markdown]
# fp32 variants differ in the sixth digit: the same sums in another order. bf16 differs
# in the third, and a picture near the border between two labels may cross it, in either
# direction.
#
# Beware of "all the same". If none of n pictures changed its label, the true share that
# would change is below 3/n with 95 % confidence (the rule of three [3]); no more can be
# said.

# %%
print(f"none of {len(drawn)}: fewer than {3 / len(drawn):.1%} of all pictures")
print(f"to promise 99 %, show {3 / 0.01:.0f} pictures without a change")

# %% [markdown]
# ## The choice
#
# Speed, answers, start, memory, disk: all from this run. `*` marks the reference.

# %%
columns = {
    "times as fast": {
        n: gains[n].speed_ratio
        if n in gains
        else ratio_interval(outcomes[n].round_s, outcomes[n].round_s)
        for n in outcomes
    },
    "same label (%)": agreement,
    "ready after (s)": {n: running[n].startup.total_s for n in outcomes},
    "made in (s)": {n: saved[n].prepare_s for n in outcomes},
    "memory (MB)": {n: sum(memory_mb[n].values()) for n in outcomes},
    "on disk (MB)": {n: saved[n].size_bytes / 1e6 for n in outcomes},
}
variant_plots.scoreboard(columns, "The same network, run in different ways", mark=REFERENCE)
best = max(gains, key=lambda name: gains[name].speed_ratio.low)
key_figure(f"fastest here: {best}", gains[best].speed_ratio, "times")

# %%
running.stop()

# %% [markdown]
# A rule that has nothing to do with this year's versions:
#
# 1. **Ask the ceiling first.** A precision can bring what the machine's matrix rate
#    says, and no more. That is a measurement of seconds; a conversion is days.
# 2. **A graph engine is the first change** for a network of fixed shape: no answer
#    changes beyond rounding, and it usually wins on speed, start *and* memory.
# 3. **Compile in PyTorch** where the code around the model must stay Python, and count
#    break-even in requests for each process.
# 4. **Change what the answers depend on last** (bf16, INT8), with enough pictures to
#    promise something.
# 5. Then **serve it** and measure again: a gain in one process is a promise, not yet a
#    rate. Lesson 1.7 keeps it.
#
# ## What you have seen
#
# 1. Channels-last does not make this library's convolution faster. It saves reorders.
# 2. Eager mode rearranges the same weights in every request.
# 3. bf16 is worth what the instruction set makes of it, and the ceilings knew.
# 4. An engine fuses batch norm, ReLU and additions into convolutions. Saved trips to
#    memory explain a part of its gain, the roofline says which; the rest is work that
#    is not arithmetic.
# 5. A compiler pays after a number of requests that you can compute.
# 6. Loops that are compiled as they stand are a hundred times slower than a library; a search
#    of minutes wins most of that back, for exactly the shapes that it was given.
# 7. A process's memory is mostly what it imports.
# 8. Gains multiply only where they act on different parts.
#
# **Next**: nearly all that is left is convolution. Lesson 1.6 computes it with 8 bits,
# and answers "I quantised and it got slower, why?".
#
# ## Four questions

# %%
quiz(
    "You export a network to ONNX Runtime and it is 1.6 times as fast, still in fp32. A colleague "
    'says: "its convolutions must be better". Which measurement decides?',
    {
        "The time of the convolutions alone, in both": "If they take the same time, the gain lies in "
        "what is around them: batch norm, ReLU and additions that are fused, weights that are "
        "arranged once. The bars above show it for your machine.",
        "The number of multiplications, in both": "It is the same in both; that is what makes the "
        "gain surprising, and it explains nothing.",
        "The processor's load, in both": "Both keep the cores busy. A busy core may convolve, copy, "
        "or wait for its siblings; load does not tell them apart.",
    },
    right="The time of the convolutions alone, in both",
)

# %%
quiz(
    "A replica lives for ten minutes and answers 5 requests a second. torch.compile delays its start "
    "by 60 s and saves 20 ms a request. Is it worth it, counted in time?",
    {
        "Yes: 20 ms of 50 ms is 40 %": "A share of each request says nothing about how many there "
        "are. 60 s ÷ 0.02 s = 3,000 requests until break-even.",
        "No: it ends just as it has broken even": "60 s ÷ 0.02 s = 3,000 requests, and 5 × 600 = "
        "3,000 is all it ever answers. A package that is compiled once and loaded, or an engine, "
        "does not pay this at each start.",
        "Yes, after 300 requests": "60 ÷ 0.2 would be 300, but 20 ms are 0.02 s.",
    },
    right="No: it ends just as it has broken even",
)

# %%
quiz(
    "On a new machine, matrix products in bf16 run at 2.0 times the rate of fp32. Convolutions take "
    "half of eager's time for a picture. What does bf16 bring in eager mode, at most about?",
    {
        "2.0 times": "Only for the half that is convolutions. The other half runs as before.",
        "1.33 times": "Amdahl: 1 / (0.5 + 0.5 / 2) = 1.33. After an engine has removed most of the "
        "other half, the same bf16 brings nearly its 2.0: the order in which you make two changes "
        "does not matter, what they leave for each other does.",
        "1.0 times": "Half of the time becomes half as long, so something is gained.",
    },
    right="1.33 times",
)

# %%
quiz(
    "A team spends a night tuning every layer of its network with TVM, for one picture at a time, "
    "and is content. Weeks later the server begins to batch up to 8 requests, and a batch takes a "
    "thousand times as long as a picture did. Where do you look first?",
    {
        "Whether the layers are found in the database": "Records are found by exact shapes. For a "
        "batch of 8 there are none, and the plain loops are compiled without a word. Tune for the "
        "batches that you serve.",
        "Whether eight pictures still fit into the caches": "They may not, but memory is perhaps "
        "ten times slower than a cache; with eight times the work that does not explain a thousand.",
        "Whether the search was too short": "It was long enough for one picture: that speed was "
        "measured. Another shape is another search.",
    },
    right="Whether the layers are found in the database",
)

# %% [markdown]
# ## Sources
#
# - [1] PyTorch tutorials, *Channels Last Memory Format in PyTorch*.
# - [2] Intel, *Intrinsics Guide* and *Optimization Reference Manual*, Intel AMX: a tile
#   instruction multiplies 16 × 32 by 32 × 16 bf16 values.
# - [3] J. Hanley and A. Lippman-Hand, *If nothing goes wrong, is everything all right?*,
#   JAMA 249(13), 1983.
# - [4] oneDNN Developer Guide, *Verbose Mode*: the report of primitives.
# - [5] PyTorch documentation, *torch.compile*, *torch.export* and *AOTInductor*.
#   TorchScript works and announces that it is deprecated.
# - [6] T. Chen et al., *TVM: An Automated End-to-End Optimizing Compiler for Deep Learning*,
#   OSDI 2018.
# - [7] J. Shao et al., *Tensor Program Optimization with Probabilistic Programs*, NeurIPS
#   2022: MetaSchedule, the search that is used here.
