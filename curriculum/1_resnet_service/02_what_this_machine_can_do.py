# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [cc, valgrind]
# ---

# %% [markdown]
# # 1.2 · What this machine can do
#
# Lesson 1.1 ended with a processor that is full and a service that wastes
# nothing on fighting over cores. "Full" is what a monitor shows. It does not say
# whether the cores *compute* all that time, or wait. Before you make anything
# faster, two questions need figures: **how fast could this machine run this
# network at best**, and **what is it that holds each part back**?
#
# The answer is one picture, the *roofline*, and in this lesson you measure every
# line and every point of it yourself. At the end you can say which layers would
# gain from fewer bits, which from a bigger batch, which from neither, and why
# "utilisation reads 90 %" answers no question at all.

# %% tags=["parameters"]
scale = "laptop"

# %%
import time

import torch
from torchvision.models import resnet50

from lab_utils.components.cachegrind import MEMORY_ACCESS, cache_misses, compiled, seconds
from lab_utils.errors import LabError
from lab_utils.machine.caches import LINE_BYTES, caches
from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.machine.roofline import critical_batch, ridge_point
from lab_utils.machine.staircase import read_bandwidth_by_size
from lab_utils.measure.busy import keep_busy
from lab_utils.measure.compare import compare, interleaved
from lab_utils.measure.interval import interval
from lab_utils.models.dense import dense_times
from lab_utils.models.layers import by_kind, layer_costs, layer_times_s
from lab_utils.scale import at
from lab_utils.show import machine as plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import watching
from lab_utils.show.quiz import quiz
from lab_utils.show.roofline import roofline

cores = available_cores()
torch.set_num_threads(cores)
print(f"{facts().processor}, {cores} cores, {', '.join(facts().instruction_sets)}")

# %% [markdown]
# ## Two ceilings
#
# A processor does two things for a network: it *moves* numbers between memory
# and its cores, and it *multiplies and adds* them. Each has a highest rate. Both
# are measured here with the calls that your models really end in: PyTorch reads
# arrays much larger than any cache, and multiplies square matrices. (One
# multiply-add counts as two operations everywhere in this course.)
#
# Everything is measured twice, with one core and with all of them.

# %%
more_arithmetic = predict(
    f"{cores} cores in place of 1: how many times the matrix rate, in fp32?", unit="times"
)
more_bandwidth = predict(
    f"{cores} cores in place of 1: how many times the read bandwidth?", unit="times"
)

# %%
one_core = ceilings(threads=1, anew=True, watch=watching("Rounds with one core"))
all_cores = ceilings(anew=True, watch=watching("Rounds with all cores"))

rates = {"read": all_cores.read, "copy": all_cores.copy} | dict(all_cores.matrix)
rates_of_one = {"read": one_core.read, "copy": one_core.copy} | dict(one_core.matrix)
print(f"billions a second   {'one core':24}{'all cores':24}through")
for name, rate in rates.items():
    what = "bytes" if name in ("read", "copy") else "operations"
    one, every = (f"{r.per_s.scaled(1e-9):.0f}" for r in (rates_of_one[name], rate))
    print(f"{name:5} {what:14}{one:24}{every:24}{rate.through}")
if (taken := max(one_core.disturbed_cores, all_cores.disturbed_cores)) > 0.1:
    print(f"Other processes took up to {taken:.1f} of the cores meanwhile, so these are not this")
    print("machine's ceilings. Close what else is at work, and run the lesson again.")
arrays = all_cores.array_bytes
print(
    f"arrays of {plots.size_text(arrays)}; measuring took {one_core.took_s + all_cores.took_s:.0f} s"
)

# %%
plots.ratios(
    {name: rate.over(rates_of_one[name]) for name, rate in rates.items()},
    "What more cores bring",
    xlabel=f"rate with {cores} cores ÷ rate with one",
    reference=cores,
)
more_arithmetic.reveal(all_cores.matrix["fp32"].over(one_core.matrix["fp32"]))
more_bandwidth.reveal(all_cores.read.over(one_core.read))
key_figure("read bandwidth", all_cores.read.per_s.scaled(1e-9), "GB/s")
key_figure("fp32 matrix rate", all_cores.matrix["fp32"].per_s.scaled(1e-9), "GFLOP/s")
key_figure("read bandwidth, all cores ÷ one", all_cores.read.over(one_core.read), "times")

# %% [markdown]
# The matrix rate belongs to the cores: each brings its own multipliers, so it
# should grow with their number. (Where it falls short: cores that share one set
# of multipliers, as two hyper-threads do, or a clock that sinks when all work.)
#
# The bandwidth is different, and "memory is shared, so a second core brings
# nothing" is what most people expect. Look at the two upper bars. If they come
# near the dashed line, *one core was not limited by memory at all*. By what,
# then?
#
# ## What one core waits for
#
# One line of a cache, 64 bytes, takes a while to arrive. A core does not wait
# for each before it asks for the next; it keeps a number of requests in flight.
# You know the law for that from lesson 1.1: **in flight = rate × latency**. It
# holds for a memory as it does for a web service.
#
# To measure the latency, follow a chain in which each line says where the next
# one lies. Now nothing can be asked for ahead.

# %%
in_flight = predict("How many cache lines does one core keep in flight while it reads?")

# %%
try:
    program = compiled(MEMORY_ACCESS)
except LabError as missing:
    program = None
    print(missing, "The latency is not measured here.")
if program:
    chain_bytes, steps = 2**29, at(scale, ci=2**20, laptop=2**21)
    latency_s = interval(seconds(program, "chase", chain_bytes, steps, 5))
    lines = one_core.read.per_s.scaled(latency_s.median / LINE_BYTES)
    print(f"{latency_s.scaled(1e9):.0f} ns for a line from memory")
    in_flight.reveal(lines)
    key_figure("memory latency", latency_s.scaled(1e9), "ns")
    key_figure("cache lines in flight, one core", lines, "")

# %% [markdown]
# A core has a fixed number of places in which to note what it has asked for (on
# today's server processors some dozens). Places × 64 bytes ÷ latency is the most
# it can read, however fast the memory. So a machine with a long way to its
# memory, as large servers have, needs *several* cores to use its bandwidth; a
# laptop with a short way fills it with one or two, and the rest bring nothing.
# Your two bars say which kind yours is.
#
# This is the first answer to "how many threads?": a stage that only moves bytes
# stops gaining when the bandwidth is full, which may be long before the cores are.
#
# ## Fewer bits
#
# A register of 512 bits holds 16 numbers of 32 bits, 32 of 16, or 64 of 8. So
# bf16 should be twice as fast as fp32, and int8 four times.

# %%
int8_gain = predict("The int8 matrix rate: how many times the fp32 rate?", unit="times")
bf16_gain = predict("The bf16 matrix rate: how many times the fp32 rate?", unit="times")

# %%
gains = {p: rate.over(all_cores.matrix["fp32"]) for p, rate in all_cores.matrix.items()}
plots.ratios(gains, "What fewer bits bring to a matrix product", xlabel="rate ÷ fp32 rate",
             reference=1)  # fmt: skip
for guess, precision in ((int8_gain, "int8"), (bf16_gain, "bf16")):
    if precision in gains:
        guess.reveal(gains[precision])
        key_figure(f"{precision} ÷ fp32 matrix rate", gains[precision], "times")
    else:
        print(f"No library here multiplies in {precision}.")

# %% [markdown]
# What decides is not the width but whether an *instruction* exists, how often a
# core can start it, and whether the library uses it. Compare with the first
# printed line of this page.
#
# - **int8 near four times**: the processor has VNNI, which multiplies four pairs of
#   8-bit numbers and adds them to a 32-bit sum in one instruction [1]. *More than
#   four*: it has AMX, a unit for whole tiles [1]. *Two or less*: it has neither,
#   and the work takes several instructions.
# - **bf16 above one**: AMX-BF16, or an AVX512-BF16 that starts as often as an fp32
#   instruction does. *Below one*: the type is known, and it halves the bytes, but
#   the arithmetic is slower than fp32's, either because the instruction starts
#   less often or because each number is first widened to 32 bits.
#
# A model in bf16 on such a processor is *slower*. This is the first of several
# answers to "I quantised and it got slower, why?", and the reason to measure
# this bar before converting anything. A data sheet would not have told you.
#
# ## The roofline
#
# Two ceilings, and every piece of code is under both. Which one counts for it is
# decided by a single property of the code, its **arithmetic intensity**: how
# many operations it does for each byte that it moves. Then [2]
#
# > attainable rate = min(peak, intensity × bandwidth)
#
# On logarithmic axes that is a slope with a flat roof. They meet at the *ridge
# point*, peak ÷ bandwidth. Left of it memory is the limit, right of it
# arithmetic. (`./lab calc roofline` works it out for any three figures.)

# %%
ridge = ridge_point(all_cores.peak_per_s("fp32"), all_cores.bandwidth_bytes_per_s)
print(f"Each byte read must serve {ridge:.1f} operations, or the multipliers wait for memory.")
key_figure("ridge point, fp32", ridge, "operations a byte")

# %% [markdown]
# Now the network. For each layer of ResNet-50 the arithmetic and the bytes
# follow from its shapes: weights and inputs are read once, outputs are written
# once. The time is measured, layer by layer, warm, at batch 1. (The weights are
# random numbers: time does not depend on them.)

# %%
network = resnet50(weights=None).eval()
picture = torch.randn(1, 3, 224, 224)
costs = layer_costs(network, picture)
multiply_adds = sum(cost.multiply_adds for cost in costs.values())
weights = sum(p.numel() for p in network.parameters())
print(
    f"{len(costs)} layers, {multiply_adds / 1e9:.2f} G multiply-adds, {weights / 1e6:.1f} M weights"
)
print("torchvision's documentation says: 4.09 G, 25.6 M [3]")

# %%
other_share = predict(
    "Batch norm, ReLU, additions and pooling do under 1 % of the arithmetic. What share of the time?",
    unit="%",
)

# %%
runs = at(scale, ci=25, laptop=100)
times_s = layer_times_s(network, picture, runs=runs, watch=watching("Runs, layer by layer"))
PARTS = {
    "convolution": ("Conv2d",),
    "batch norm": ("BatchNorm2d",),
    "ReLU, addition": ("ReLU", "add"),
    "pooling": ("MaxPool2d", "AdaptiveAvgPool2d"),
    "fully connected": ("Linear",),
}
kinds = by_kind(costs)
parts = {part: [c for k in names for c in kinds[k]] for part, names in PARTS.items()}
time_s = {part: sum(times_s[c.name].median for c in layers) for part, layers in parts.items()}
plots.shares(
    {
        "operations": {p: sum(c.operations for c in layers) for p, layers in parts.items()},
        "bytes moved": {p: sum(c.moved_bytes for c in layers) for p, layers in parts.items()},
        "time": time_s,
    },
    "Three ways to cut ResNet-50 into parts",
)
total_s = sum(time_s.values())
others_s = total_s - time_s["convolution"] - time_s["fully connected"]
other_share.reveal(100 * others_s / total_s)
key_figure("time in layers without a matrix product", 100 * others_s / total_s, "%")

# %% [markdown]
# Counting operations is counting the wrong thing: batch norm does two for each
# number, ReLU one, and both must move that number in and out. In a profile sorted
# by operations these layers do not exist. (This is why compilers fold batch norm
# into the convolution before it and apply ReLU before a result leaves the
# register: the arithmetic stays, the *trips to memory* disappear. Lesson 1.5 shows
# the graph before and after.)
#
# Now every layer in its place, under this machine's roofs.

# %%
points = {
    part: [(c.intensity, c.operations / times_s[c.name].median) for c in layers]
    for part, layers in parts.items()
}
peaks = {precision: rate.per_s.median for precision, rate in all_cores.matrix.items()}
bandwidth = all_cores.bandwidth_bytes_per_s
roofline(peaks, bandwidth, points, "Every layer of ResNet-50, fp32, batch 1")
least_s = {
    part: sum(c.least_time_s(peaks["fp32"], bandwidth) for c in layers)
    for part, layers in parts.items()
}
for part in parts:
    print(
        f"{part:16} {1e3 * time_s[part]:6.2f} ms measured, {1e3 * least_s[part]:6.2f} ms by the "
        f"roofline: {100 * least_s[part] / time_s[part]:4.0f} % of what is attainable"
    )
reached = 100 * sum(least_s.values()) / total_s
key_figure("eager fp32, share of the roofline", reached, "%")

# %% [markdown]
# Read it from right to left.
#
# **Convolutions** lie far right of the ridge: compute bound. Each weight serves
# every place of the picture, so their intensity is tens to hundreds. Those that
# reach little of the roof are the ones with few operations to share among the
# cores, or with large weights for a small picture (the last stage, 7 × 7).
#
# **The fully connected layer** stands alone at one operation for every two bytes.
# It reads eight megabytes of weights and uses each weight *once*. On the slope,
# and exactly where language models live (unit 2).
#
# **Everything else** is left of the ridge, and memory is its only limit. But some
# points lie *above* the slope, which should be impossible, and one kind lies far
# under both roofs. Both need an explanation.
#
# ## Above the roof: caches
#
# The slope was measured on arrays beyond every cache. A ReLU that follows a
# convolution finds its input where the convolution has just left it. How fast is
# that?

# %%
marks = {
    "ResNet-50's weights": 4 * weights,
    "its last layer": 4 * 2048 * 1000,
    "its largest activation": costs["conv1"].output_bytes,
}
cache_gain = predict(
    "Reading 256 KiB again and again: how many times as fast as reading 1 GiB?", unit="times"
)

# %%
curve = read_bandwidth_by_size(watch=watching("Rounds over all sizes"))
plots.bandwidth_by_size(curve, caches(), "The same sum over arrays of growing size", marks=marks)
small, large = curve[2**18], curve[2**30]
cache_gain.reveal(small.scaled(1 / large.median))
key_figure("bandwidth at 256 KiB ÷ at 1 GiB, one core", small.median / large.median, "times")

# %% [markdown]
# Every step down is a cache that has become too small. (The steps need not stand
# exactly at the dashed sizes: in a virtual machine the last level is shared with
# strangers, and what is left for you depends on them. That is one of the answers
# to *"why do my numbers differ from yours?"*)
#
# The three marks say what this means for the service. Where the weights lie right
# of the last step, each request fetches all of them from memory, whatever was
# done a moment ago. Where they lie left of it, a benchmark that repeats one
# request flatters: it finds its weights in a cache that a server with many models
# would have lost meanwhile. An activation of a few megabytes is the size that a
# cache decides about.
#
# ## Under both roofs: the order of access
#
# Max pooling looks at nine numbers and keeps the largest. It moves few bytes,
# and does little arithmetic; it should take as long as reading its input. Look at
# its point again.
#
# What differs from the layers around it is *order*. PyTorch's default layout,
# NCHW, keeps a channel's whole picture together. In **channels-last**, NHWC, the
# channels of one pixel lie side by side. Same numbers, same shape, same result.

# %%
pooling_gain = predict(
    "Max pooling on a channels-last tensor: how many times as fast?", unit="times"
)

# %%
pool = network.maxpool
rows = torch.randn(1, 64, 112, 112)
pixels = rows.contiguous(memory_format=torch.channels_last)


def timed(call, repeats=4):
    start_s = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start_s) / repeats


with torch.inference_mode():
    pooled = interleaved(
        {"NCHW": lambda: timed(lambda: pool(rows)), "NHWC": lambda: timed(lambda: pool(pixels))},
        rounds=at(scale, ci=20, laptop=60),
    )
layout = compare(pooled["NHWC"], pooled["NCHW"], higher_is_faster=False)
pooling_gain.reveal(layout.speed_ratio)
print(f"channels-last max pooling: {layout}")
key_figure("max pooling, channels-last ÷ NCHW", layout.speed_ratio, "times")

# %% [markdown]
# Where channels-last wins by far, it is because of the *registers*: with the
# channels side by side, one instruction compares eight or sixteen numbers with as
# many others. In NCHW the neighbours in memory are neighbours in the picture,
# windows overlap, and PyTorch's code goes number by number [4]. Nothing is wrong
# with the memory or with the multipliers. **A point far under both roofs says that
# the code does not suit the shape**: better code lifts it, on the same machine, with
# the same numbers.
#
# Order also decides how well a *cache* is used, and that can be counted. The
# program here, in C, works out the same weighted sum over 256 channels of
# 56 × 56 pixels, a 1 × 1 convolution with one output, in three orders:
#
# | | numbers lie | the program goes |
# |---|---|---|
# | `nchw` | channel by channel | pixel by pixel |
# | `nhwc` | pixel by pixel | pixel by pixel |
# | `planes` | channel by channel | channel by channel |
#
# cachegrind [5] runs it on a simulated processor with this one's caches and counts
# the reads that miss the first level. (It needs no hardware counters, which virtual
# machines hide.)

# %%
ORDERS, PIXELS = ("nchw", "nhwc", "planes"), 56 * 56


def misses_a_number(order, channels):
    """Reads that miss the first level, for each number of the tensor."""
    run_once, only_prepare = (cache_misses(program, order, channels, PIXELS, n) for n in (1, 0))
    return (run_once - only_prepare).first_level / (channels * PIXELS)


more_misses = None
if program:
    try:
        for channels in (256, 96):
            misses = {order: misses_a_number(order, channels) for order in ORDERS}
            listed = ", ".join(f"{order} {each:.3f}" for order, each in misses.items())
            print(f"{channels:3} channels, misses for each number: {listed}")
            more_misses = more_misses or misses["nchw"] / misses["nhwc"]
        key_figure("misses, nchw ÷ nhwc, pixel by pixel", more_misses, "times")
    except LabError as missing:
        print(missing, "The misses are not counted here, only their time is measured.")
else:
    print("Without a C compiler this program does not run; the pooling above carries the argument.")

# %% [markdown]
# A line of 64 bytes brings 16 numbers of 32 bits. In `nhwc` the next 15 steps use
# them: 1 ÷ 16 = 0.0625 misses a number. In `nchw` the next step is 12.5 kB away, and
# the other 15 numbers are wanted only when the next pixel's turn comes, 256 lines
# later. 256 lines are 16 KiB. *They would fit into any first-level cache. Why are they
# gone?*
#
# Because a line may not lie just anywhere. Its address decides its *set*, one of 64
# in most first-level caches, and a set has few places, 8 or 12. The channels of
# one pixel are 196 lines apart, and counting by 196 one meets only every fourth set:
# 16 sets × 12 places = 192 for 256 lines. With 96 channels they fit, and the second
# row shows it: the same code, the same stride, hardly a miss more than `nhwc`. (If
# your two rows look alike, your cache has other sets; divide and count.) "It fits
# into the cache" is a question of addresses, too, and sizes that are round or
# nearly so are the bad ones.
#
# The last column is the lesson for your own code: the layout of `nchw`, and the
# misses of `nhwc`. The layout was never wrong; the order of the loops was, *for*
# that layout.

# %%
counted = f"{more_misses:.0f} times the misses of" if more_misses else "more misses than"
more_time = predict(
    f"256 channels, pixel by pixel: nchw has {counted} nhwc. How many times as long does it take?",
    unit="times",
)

# %%
if program:
    order_s = interleaved(
        {o: lambda o=o: interval(seconds(program, o, 256, PIXELS, 15)).median for o in ORDERS},
        rounds=8,
    )
    for order, values in order_s.items():
        print(f"{order:7} {interval(values).scaled(1e3):.2f} ms")
    slower = compare(order_s["nchw"], order_s["nhwc"], higher_is_faster=True).speed_ratio
    more_time.reveal(slower)
    key_figure("time, nchw ÷ nhwc, pixel by pixel", slower, "times")

# %% [markdown]
# The time grows much less than the misses do. What the first level misses is found
# in the second, some nanoseconds away, and a core keeps dozens of requests in
# flight, as you saw. *A count of misses is not a time*: a profile that only counts
# misses misleads as much as one that only counts operations.
#
# ## What would bf16 or int8 bring, and to which part?
#
# The roofline answers before anything is converted. For each part take the
# longer of two times: operations ÷ that precision's peak, bytes ÷ bandwidth, with
# half the bytes in bf16 and a quarter in int8.

# %%
FACTORS = {"fp32": 1.0, "bf16": 0.5, "int8": 0.25}
bound_s = {
    precision: {
        part: sum(c.least_time_s(peaks[precision], bandwidth, FACTORS[precision]) for c in layers)
        for part, layers in parts.items()
    }
    for precision in FACTORS
    if precision in peaks
}
print(f"{'least time, ms':18}" + "".join(f"{precision:>9}" for precision in bound_s))
for part in parts:
    print(f"{part:18}" + "".join(f"{1e3 * bound_s[p][part]:9.2f}" for p in bound_s))
sums = {precision: sum(of.values()) for precision, of in bound_s.items()}
print(f"{'all together':18}" + "".join(f"{1e3 * s:9.2f}" for s in sums.values()))
print(f"{'fp32 ÷ this':18}" + "".join(f"{sums['fp32'] / s:9.2f}" for s in sums.values()))
least = min(sums, key=lambda precision: sums[precision])
print(f"fp32 as measured takes {total_s / sums[least]:.1f} times the least time of {least}")
key_figure(f"fp32 measured ÷ least time in {least}", total_s / sums[least], "times")

# %% [markdown]
# Convolutions follow the *peak*: what they gain is your bar of "what fewer bits
# bring", whether that is above one or below. All others follow the *bytes*: they
# gain two and four on any machine, without a single special instruction. Most of
# the time is the convolutions', so the sum follows them. The last line is what there
# is to win in all: fewer bits, and code that comes as near to the roof as a large
# matrix product does. (Fusion can win more: it removes whole rows of the table.)
#
# The bound for bf16 can be checked at once.

# %%
whole_bf16 = predict(
    f"ResNet-50 in bf16, eager. The roofline says {sums['fp32'] / sums['bf16']:.2f} times as fast. "
    "Measured?",
    unit="times",
)

# %%
narrow = resnet50(weights=None).eval().bfloat16()
narrow_picture = picture.bfloat16()
last = resnet50(weights=None).eval().to(memory_format=torch.channels_last)
last_picture = picture.contiguous(memory_format=torch.channels_last)
with torch.inference_mode():
    variants = {
        "fp32": lambda: timed(lambda: network(picture), 2),
        "fp32, channels-last": lambda: timed(lambda: last(last_picture), 2),
        "bf16": lambda: timed(lambda: narrow(narrow_picture), 2),
    }
    for run in variants.values():
        run()
    whole_s = interleaved(variants, rounds=at(scale, ci=10, laptop=30), watch=watching("Rounds"))

intensity = sum(c.operations for c in costs.values()) / sum(c.moved_bytes for c in costs.values())
operations = sum(c.operations for c in costs.values())
roofline(
    peaks,
    bandwidth,
    {
        name: [((2 if name == "bf16" else 1) * intensity, operations / interval(values).median)]
        for name, values in whole_s.items()
    },
    "ResNet-50 as a whole, batch 1",
)
bf16 = compare(whole_s["bf16"], whole_s["fp32"], higher_is_faster=False)
whole_bf16.reveal(bf16.speed_ratio)
print(f"bf16 against fp32: {bf16}")
print(
    f"channels-last against NCHW: {compare(whole_s['fp32, channels-last'], whole_s['fp32'], higher_is_faster=False)}"
)
key_figure("bf16 ÷ fp32, whole network", bf16.speed_ratio, "times")

# %% [markdown]
# If the two agree in *direction*, the roofline has done its work: it told you
# whether to convert, before you did. It is a bound, not a forecast; real code
# reaches a part of it, and not the same part in each precision. What int8 brings
# in practice is lesson 1.6.
#
# ## Which batch size?
#
# The fully connected layer sits on the slope because each weight is used once.
# With a batch of 16 it is used 16 times, and read once. *So the other 15 come
# free?* Here is the layer alone, at growing batch, in two ways: one layer again
# and again, and one of so many that the caches have lost it before its next turn,
# as in a network whose weights do not fit.

# %%
batch_16 = predict(
    "Weights from memory: a batch of 16 takes how many times as long as a batch of 1?",
    unit="times",
)

# %%
batches = (1, 2, 4, 8, 16, 32, 64, 128, 256)
dense = dense_times(batches, rounds=at(scale, ci=7, laptop=20), watch=watching("Rounds"))
turning = critical_batch(peaks["fp32"], bandwidth, bytes_per_weight=4)
least = {
    b: max(dense.weight_bytes / bandwidth, dense.weight_bytes / 2 * b / peaks["fp32"])
    for b in batches
}
plots.time_by_batch(
    {
        "one layer, its weights in a cache": dense.cached_s,
        f"one of {dense.layers}, weights from memory": dense.from_memory_s,
    },
    least,
    "A fully connected layer, 2048 × 1000, fp32",
    critical_batch=turning,
)
sixteen = dense.from_memory_s[16].median / dense.from_memory_s[1].median
batch_16.reveal(sixteen)
key_figure("batch 16 ÷ batch 1, fully connected", sixteen, "times")
key_figure("critical batch, fp32", turning, "inputs")

# %% [markdown]
# The black line is flat up to the **critical batch**: until then memory sets the
# time, and another input costs nothing but arithmetic that was idle. Beyond it the
# time grows with the batch, and batching brings no more throughput, only latency.
# That is the answer to *"which batch size?"*: near the critical batch if the layer
# is on the slope, and one is enough if it is not. For convolutions, far right of
# the ridge at batch 1, a batch brings little on this processor; for a language
# model's layers it brings nearly everything.
#
# Where the measured points leave the line, the library does: a batch of a few is
# an awkward shape, for which it has neither the code of a matrix-vector product
# nor the blocks of a large product. And compare the two series on the left: the
# first is the figure that a careless benchmark reports.
#
# The critical batch depends on the machine only. A TPU v5e with 197 TFLOP/s in
# bf16 and 820 GB/s turns at 240 [6]; `./lab calc critical-batch` gives it for yours.
#
# ## "Utilisation reads 90 %, what do I scale on?"
#
# Three loads, each on all cores: matrix products; the sum of a large array; and
# looking up rows of 64 bytes at random places of a table of the same size, as
# every embedding layer does.

# %%
lookup_busy = predict(
    "Random lookups wait for memory nearly all the time. How busy are the cores?", unit="%"
)

# %%
array = torch.ones(all_cores.array_bytes // 4)
rows_of_64 = array.view(-1, 16)
places = torch.randint(len(rows_of_64), (2**19,))
bags = torch.arange(0, len(places), 32)
square = torch.randn(1024, 1024)
loads = {  # call, operations, bytes read
    "matrix products": (lambda: square @ square, 2 * 1024**3, 3 * square.nbytes),
    "sum of a large array": (array.sum, array.numel(), array.nbytes),
    "lookups at random": (
        lambda: torch.nn.functional.embedding_bag(places, rows_of_64, bags, mode="sum"),
        16 * len(places),
        LINE_BYTES * len(places),
    ),
}
print(f"{'':22}{'cores busy':>11}{'of the matrix rate':>20}{'of the bandwidth':>18}")
seen = {}
for name, (call, done, moved) in loads.items():
    load = keep_busy(call, cores, duration_s=at(scale, ci=0.25, laptop=1.0))
    seen[name] = load
    per_s = load.calls_per_s.median
    arithmetic = 100 * per_s * done / peaks["fp32"]
    memory = 100 * per_s * moved / bandwidth
    print(f"{name:22}{100 * load.busy.median:9.0f} %{arithmetic:18.1f} %{memory:16.0f} %")
lookup_busy.reveal(seen["lookups at random"].busy.scaled(100))
key_figure("cores busy during random lookups", seen["lookups at random"].busy.scaled(100), "%")

# %% [markdown]
# A monitor shows much the same for all three. (Where a row is far below the others,
# something else wanted the cores.) A core that waits for a line from memory
# is *busy*: the operating system has given it to a thread, and that is all that
# "utilisation" counts. In lesson 1.1 it even counted threads that spun while they
# waited for each other. So:
#
# - **Do not scale on utilisation alone.** It says that a core was given away, not
#   that work got done. Scale on what the user sees and the queue shows: requests
#   waiting, latency, answers a second for each core (unit 2 does it on queue depth).
# - **What to buy depends on the roof.** The first load wants more or wider
#   multipliers, or fewer operations. The second wants bandwidth: more memory
#   channels, fewer bytes (int8, fusion); more cores bring it only what the two
#   upper bars of the first plot say. The third wants neither: it waits for single
#   lines, and gains from more lookups in flight, or a table that fits a cache.
# - **90 % is late.** Waiting grows long before a machine is full (lesson 1.3).
#
# ## And a GPU?
#
# The same two ceilings, the same picture, other figures.

# %%
if torch.cuda.is_available():
    gpu = ceilings(device="cuda", anew=True)
    print(f"{gpu.device}, measured {gpu.measured}")
    for name, rate in ({"read": gpu.read} | dict(gpu.matrix)).items():
        times = f", {rate.over(rates[name]):.0f} times the processor's" if name in rates else ""
        print(f"{name:5} {rate.per_s.scaled(1e-12):.2f} T/s{times}")
    gpu_network, gpu_picture = resnet50(weights=None).cuda(), picture.cuda()
    gpu_times_s = layer_times_s(gpu_network, gpu_picture, runs=runs)
    roofline(
        {precision: gpu.peak_per_s(precision) for precision in gpu.matrix},
        gpu.bandwidth_bytes_per_s,
        {
            part: [(c.intensity, c.operations / gpu_times_s[c.name].median) for c in layers]
            for part, layers in parts.items()
        },
        f"Every layer of ResNet-50, fp32, batch 1, {gpu.device}",
    )
    key_figure("GPU read bandwidth ÷ processor's", gpu.read.over(all_cores.read), "times")
else:
    h100_ridge = ridge_point(989.5e12, 3.35e12)
    print("PyTorch sees no GPU on this machine, so nothing is measured on one here.")
    print(f"By its data sheet [7] an H100 SXM has {3.35e12 / bandwidth:.0f} times this machine's")
    print(f"bandwidth, and its ridge point in bf16 is {h100_ridge:.0f} operations a byte.")

# %% [markdown]
# On a data-centre GPU the matrix rate has grown more than the bandwidth, so its ridge
# lies *further right*: the H100's data sheet gives 989 TFLOP/s in bf16 without
# sparsity and 3.35 TB/s. Most of ResNet-50's convolutions at batch 1, compute bound
# on a processor, lie *left* of such a ridge, even with half the bytes. They need a
# batch before the multipliers are of any use. Such a GPU at batch 1 is an expensive
# way to wait.

# %% [markdown]
# ## What you have seen
#
# 1. Two ceilings, bandwidth and matrix rate, bound everything, and they scale with
#    cores for different reasons.
# 2. One core's bandwidth is what it has in flight over the latency: Little's law.
# 3. Fewer bits are faster only where an instruction makes them so. int8 and bf16
#    need not agree.
# 4. Layers with under 1 % of the arithmetic take far more than 1 % of the time:
#    they move bytes.
# 5. Above the slope: a cache. Far under both roofs: code that does not suit its
#    layout. Whether something fits a cache depends on its addresses, too; and misses
#    are not time.
# 6. The critical batch says where batching stops paying; it belongs to the machine.
# 7. Utilisation counts waiting as work.
#
# ## Three questions

# %%
quiz(
    "A layer has an arithmetic intensity of 2 operations a byte, on a machine with a ridge point "
    "of 10. You may have one of these. Which helps most?",
    {
        "Twice the matrix rate": "The multipliers already wait four fifths of the time. Left of "
        "the ridge, the flat roof does not matter.",
        "Half the bytes for each number": "Right: on the slope the time is bytes ÷ bandwidth, so "
        "half the bytes is twice the speed, whatever the instructions.",
        "Twice as many cores of the same kind": "Only where one core cannot use the bandwidth "
        "alone. Look at your first plot; with all cores in use it is usually full.",
    },
    right="Half the bytes for each number",
)
quiz(
    "A max-pooling layer runs at 4 % of the bandwidth and 0.2 % of the matrix rate. What do you do?",
    {
        "Buy more bandwidth": "It uses 4 % of what is there.",
        "Quantise it to int8": "That divides the bytes by four, and bytes are not what it waits "
        "for.",
        "Look for a layout or an implementation that suits its shape": "Right: far under both "
        "roofs only the code itself can be the cause.",
    },
    right="Look for a layout or an implementation that suits its shape",
)
quiz(
    "Your dashboard shows all cores at 95 %. Latency is fine and the queue is empty. A colleague "
    "wants to add machines. What do you say?",
    {
        "Yes: 95 % is too much": "Of what? It counts cores given away, waiting and spinning "
        "included. What would the users notice?",
        "Look at answers a second for each core, and at which roof the load is under": "Right: if "
        "the work is memory bound, other code or fewer bytes may do more than machines; if it "
        "spins, one setting may (lesson 1.1). And the queue says whether anybody waits.",
        "No: only latency matters": "Latency is fine *now*. With no room left, the next rise of the "
        "load shows in it at once; know what the machine could still do.",
    },
    right="Look at answers a second for each core, and at which roof the load is under",
)

# %% [markdown]
# **Next**: all of this was measured in one process, with nobody waiting. In
# *1.3 Under load without fooling yourself* requests arrive when they like, and the
# way you generate them decides what you see.
#
# ## Sources
#
# [1] Intel, *64 and IA-32 Architectures Software Developer's Manual*, volume 2:
# VPDPBUSD (VNNI), VDPBF16PS (AVX512-BF16), TDPBSSD and TDPBF16PS (AMX).
# [2] S. Williams, A. Waterman, D. Patterson, *Roofline: an insightful visual
# performance model for multicore architectures*, Communications of the ACM 52(4), 2009.
# [3] torchvision documentation, `ResNet50_Weights`: GFLOPS 4.09 (which are
# multiply-adds), num_params 25557032.
# [4] PyTorch source, `aten/src/ATen/native/cpu/MaxPoolKernel.cpp`.
# [5] Valgrind User Manual, *Cachegrind: a high-precision tracing profiler*.
# [6] J. Austin et al., *How To Scale Your Model*, 2025, *All About Transformer
# Inference*.
# [7] NVIDIA, *H100 Tensor Core GPU* data sheet: H100 SXM, 1,979 TFLOP/s in bf16 with
# sparsity (half without), 3.35 TB/s.
