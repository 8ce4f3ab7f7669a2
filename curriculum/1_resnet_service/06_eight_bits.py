# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     saved_models: [int8]
# ---

# %% [markdown]
# # 1.6 · Eight bits
#
# Lesson 1.5 ended with an engine that has removed everything but the convolutions.
# They get cheaper with fewer bits, and the advice is everywhere: *quantise to INT8, it
# is one line.* So people write the line, and then they ask the question that this
# lesson answers by measurement: **I quantised and it got slower, why?**
#
# Then the second question, which is asked less often and later: **what has become of
# the answers**, and how would you know?

# %% tags=["parameters"]
scale = "laptop"

# %%
import torch

from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.measure.interval import Interval
from lab_utils.measure.profile import onnx as onnx_profile
from lab_utils.models import pictures, resnet
from lab_utils.models.layers import layer_costs
from lab_utils.optimize import calibration
from lab_utils.optimize.comparison import (
    agreement,
    answer_in_turn,
    answers,
    lead,
    logit_error,
    speed,
    top1_accuracy,
)
from lab_utils.optimize.graph import onnxruntime_graph
from lab_utils.optimize.inputs import preprocessed
from lab_utils.optimize.layer_errors import layer_errors
from lab_utils.optimize.making import made_together
from lab_utils.optimize.onnx_layers import layer_times_s, onnx_layers
from lab_utils.optimize.saved_models import recipes
from lab_utils.optimize.worker import Running, VariantProcess
from lab_utils.scale import at
from lab_utils.serve import load
from lab_utils.show import layer_plots, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.show.roofline import roofline

threads = available_cores()
print(f"{threads} compute threads; {', '.join(facts().instruction_sets) or facts().processor}")

# %% [markdown]
# ## What the machine promises
#
# *Ask the ceiling first*, said lesson 1.5. How fast does this machine multiply
# matrices of 8-bit integers, against fp32?

# %%
limits = ceilings(threads, watch=watching("Ceilings, unless measured already"))
promised = limits.matrix["int8"].over(limits.matrix["fp32"])
print(f"matrix products, int8 ÷ fp32: {promised} times as fast")
if facts().multiplies_int8:
    print("This processor multiplies 8-bit integers and adds them up in one instruction.")
else:
    print("This processor has neither VNNI nor AMX-INT8. Expect little from the speed of this")
    print("lesson, and the same from its answers.")

# %% [markdown]
# A network of convolutions should come near that, less what is not convolution. Three
# files are made of the same fp32 export:
#
# - **dynamic**: the one line, `quantize_dynamic`. It needs no data: weights become
#   8-bit integers now, and the range of each activation is found in every request.
# - **dynamic, unsigned**: the same line with `weight_type=QuantType.QUInt8`. The weights
#   run from 0 to 255 in place of −128 to 127. The same bits, the same size of file.
# - **static**: the network is shown 64 pictures beforehand, and the range of each
#   activation is fixed (*calibration*). It needs data and takes longer.
#
# All three run in the engine that the fp32 file runs in, so one thing changes. (The files
# for the rest of the lesson are made at the same time, as they need the same export.)

# %%
model = resnet.load()
print("weights:", model.source)


def made(recipes, label):
    """The files that the recipes make of this network, made side by side."""
    return made_together(recipes, model.network, len(model.labels), watch=watching(label))


INT8, OTHER = "ONNX Runtime INT8", "OpenVINO INT8"
FIRST = ("fp32", "dynamic", "dynamic, unsigned", "static")
every_file = made(recipes("int8"), "Saved models")
files = {name: every_file[name] for name in FIRST}
for name, artefact in files.items():
    print(f"{name:18} {artefact.size_bytes / 1e6:5.1f} MB, made in {artefact.prepare_s:4.1f} s")

# %%
QUESTION = "{}: how many times as fast as fp32?"
dynamic_guess = predict(QUESTION.format("dynamic"), unit="times")
unsigned_guess = predict("dynamic, unsigned: how many times as fast as dynamic?", unit="times")
static_guess = predict(QUESTION.format("static"), unit="times")

# %%
running = Running()
VARIANT = {"fp32": "ONNX Runtime", "dynamic": "ONNX Runtime INT8 dynamic"}
with waiting("Four processes start", about_s=6):
    running.add({n: VariantProcess(VARIANT.get(n, INT8), files[n], threads) for n in files})

per_round = at(scale, ci=2, laptop=3)
drawn = pictures.draw(at(scale, ci=32, laptop=256), seed=16)
inputs = preprocessed(drawn)
timed = inputs[: per_round * at(scale, ci=7, laptop=24)]
outcomes = answer_in_turn(running, timed, per_round, watch=watching("Rounds of all four"))
gains = {name: speed(outcomes, name, "fp32") for name in files if name != "fp32"}

# %% [markdown]
# ## I quantised and it got slower

# %%
dynamic_guess.reveal(gains["dynamic"].speed_ratio)
print("dynamic against fp32:", gains["dynamic"])
key_figure("dynamic INT8, times as fast as fp32", gains["dynamic"].speed_ratio, "times")

# %% [markdown]
# A quarter of the bits, and far from four times as fast. The usual explanation: in each
# request every activation must be searched for its least and largest value and
# rounded, before anything can be multiplied. ONNX Runtime's own profiler (lesson 1.4)
# knows what that costs: the operator is called DynamicQuantizeLinear.

# %%
ranges_guess = predict(
    "What share of the dynamic model's time do all DynamicQuantizeLinear take?", unit="%"
)

# %%
with load.company() as company:
    profiles = {
        name: onnx_profile.profile(
            files[name].folder / "model.onnx",
            {"pictures": inputs[:1]},
            runs=at(scale, ci=3, laptop=20),
            compute_threads=threads,
        )
        for name in progress(list(files), "Profiles")
    }
AROUND = "scaling back, adding, ReLU"
PARTS = {
    "Conv": "convolution in fp32",
    "ConvInteger": "convolution in int8",
    "QLinearConv": "convolution in int8",
    "DynamicQuantizeLinear": "finding ranges, rounding",
} | dict.fromkeys(("Cast", "Mul", "Add", "Relu", "ReLU", "QLinearAdd"), AROUND)


def in_parts(amounts):
    """Adds up what belongs to one part; (operator, amount) pairs."""
    sums = dict.fromkeys((*PARTS.values(), "everything else"), 0)
    for kind, amount in amounts:
        sums[PARTS.get(kind, "everything else")] += amount
    return sums


parts_ms = {}
for name, profile in profiles.items():
    runs = profile.rows[0].calls
    parts_ms[name] = in_parts(
        (onnx_profile.operator(row.name), 1e3 * row.self_s / runs) for row in profile.rows
    )
variant_plots.shares(parts_ms, "Where one picture's time goes", xlabel="milliseconds a picture")
ranges_share = 100 * profiles["dynamic"].grouped(onnx_profile.operator).share_of(
    "DynamicQuantizeLinear"
)
ranges_guess.reveal(ranges_share)
print(f"others used {company.others_cores:.2f} cores meanwhile")
key_figure("dynamic INT8: share of finding ranges", ranges_share, "%")

# %% [markdown]
# (Profiles are taken one after the other, not in pairs: where others used much of the
# cores, trust the ratios of this lesson more than the lengths of these bars.)
#
# The passes are there, and they cost something. But compare the convolutions alone with
# fp32's. Where theirs is the longer bar, the operator that does the work is what is
# slow, not the work around it. Now for the other file, whose weights have the same eight
# bits without a sign.

# %%
than_dynamic = speed(outcomes, "dynamic, unsigned", "dynamic")
unsigned_guess.reveal(than_dynamic.speed_ratio)
print("dynamic, unsigned against dynamic:", than_dynamic)
print("dynamic, unsigned against fp32:   ", gains["dynamic, unsigned"])
key_figure("dynamic, unsigned ÷ signed weights", than_dynamic.speed_ratio, "times")

# %% [markdown]
# One word, and no bit less to compute. Where the figure is well above 1, this is why.
# The instruction that made the ceiling (VNNI's `VPDPBUSD` [1]) multiplies an *unsigned*
# number by a *signed* one, in this order. ONNX Runtime's ConvInteger takes the weights
# as the first factor and the activations as the second. With signed weights that is
# the pair the wrong way round; for it the library has only plain C++ that runs on any
# machine [2]. For unsigned weights it has a kernel.
#
# So the first answer to "I quantised and it got slower, why?" is: **somebody must have
# written the kernel**, for your operator, your types, your processor. Nothing in the
# file says whether they have. A profile by operator does, in a minute.
#
# The second answer is in the bar of *dynamic, unsigned*. It has a kernel, and is not
# several times as fast as fp32 either:
#
# - its convolution is a general one. It copies each patch of the picture into a matrix,
#   and arranges the weights anew, in every request; fp32's was arranged at loading.
# - it writes 32-bit sums. Nobody knows yet what they are worth, because the scale was
#   found a moment ago; so three more passes bring them back to floats, where the fp32
#   engine adds and applies ReLU in a register. Count the steps:

# %%
graphs = {name: onnxruntime_graph(files[name], threads) for name in ("fp32", "dynamic", "static")}
variant_plots.shares(
    {name: in_parts((o.kind, 1) for o in graph.operators) for name, graph in graphs.items()},
    "What is executed for one picture",
    xlabel="operators",
)
for name, graph in graphs.items():
    print(f"{name:8} {graph.activation_bytes / 1e6:4.0f} MB read and written between operators")

# %% [markdown]
# Dynamic INT8 moves *more* bytes than fp32. It was made for another kind of network:
# where a layer reads a large matrix of weights for one short vector (language models,
# unit 2), the weights are nearly all that moves, and a quarter of them is a gain.
#
# ## Static: the scales are known
#
# If the ranges are fixed beforehand, the engine can fold everything into one operator,
# QLinearConv: 8-bit integers in, products summed in 32 bits, scaled, ReLU, 8-bit integers
# out. Nothing else touches memory. (In the file there is a pair Quantize, Dequantize
# around every operator, hence the name QDQ; the engine recognises the pattern.)

# %%
static_guess.reveal(gains["static"].speed_ratio)
print("static against fp32:", gains["static"])
print(f"promised for matrix products: {promised} times")
key_figure("static INT8, times as fast as fp32", gains["static"].speed_ratio, "times")

# %% [markdown]
# What is missing to the promise, or exceeds it? Each layer's time is in the two
# profiles, its operations and bytes follow from its shape. Every layer twice, under the
# two roofs:

# %%
layers = onnx_layers(files["fp32"].folder / "model.onnx")
costs = layer_costs(model.network, torch.zeros(1, 3, 224, 224))
cost = {name: costs[name.replace(".", "_")] for name in layers}
layer_s = {name: layer_times_s(profiles[name], layers) for name in ("fp32", "static")}
both = [name for name in layers if all(name in times for times in layer_s.values())]
roofline(
    {precision: limits.peak_per_s(precision) for precision in ("int8", "fp32")},
    limits.bandwidth_bytes_per_s,
    {
        label: [
            (bytes_less * cost[n].intensity, cost[n].operations / layer_s[name][n]) for n in both
        ]
        for label, name, bytes_less in (("int8, static", "static", 4), ("fp32", "fp32", 1))
    },
    "Every convolution of ResNet-50, twice",
)


# %%
def kernel(name):
    if name == "fc":
        return "fully connected"
    module = model.network.get_submodule(name)
    return f"{module.kernel_size[0]} × {module.kernel_size[0]}, stride {module.stride[0]}"


print(f"{'':20}layers  fp32 ms  int8 ms  times as fast")
for kind in sorted({kernel(n) for n in both}):
    of_kind = [n for n in both if kernel(n) == kind]
    fp32_ms, int8_ms = (1e3 * sum(times[n] for n in of_kind) for times in layer_s.values())
    print(f"{kind:20}{len(of_kind):6}{fp32_ms:9.2f}{int8_ms:9.2f}{fp32_ms / int8_ms:11.1f}")

# %% [markdown]
# A layer far right gains what the *multipliers* gain, if its kernel is as good as
# fp32's. A layer near the slope gains bytes: a quarter of the weights and activations
# move, which needs no instruction at all. And there are layers under both roofs in both
# colours, whose shape neither kernel likes; eight bits do not mend that. The average of
# these is your factor, so it is seldom the ceiling's.
#
# **On a processor without VNNI or AMX** (this page says so above) one instruction becomes
# three: multiply 8-bit pairs and add two products into *16* bits, widen, add. Eight bits
# then gain bytes and little arithmetic. They can even give wrong answers:

# %% tags=["deterministic"]
largest = 255 * 127 + 255 * 127
print(f"two products of 8 bits: up to {largest:,}; a signed 16-bit number: up to {2**15 - 1:,}")
print(f"with weights of 7 bits: up to {255 * 63 + 255 * 63:,}")

# %% [markdown]
# The sum *saturates*: it stays at the largest 16-bit number, without a word. The remedy
# is called `reduce_range`: weights of 7 bits. This course sets it where
# the processor needs it, so its answers are sound on both kinds of machine.
#
# ## What calibration needs
#
# The scale of each activation came from 64 pictures. Data is what makes static
# quantisation troublesome, so people ask: how many, and which? Five more files, made
# from
#
# - 1, 4 and 16 of the same photographs;
# - 16 pictures of **noise**: normal numbers, no photograph at all;
# - 16 of the photographs with **one step forgotten**: their pixels are scaled to 0…1, but
#   the mean is not subtracted, nor divided by the deviation.
#
# How to judge them? By labels, on pictures of the halves of the photographs that nothing
# was fitted or calibrated on. And, since labels are coarse, by the relative error of the
# logits: ‖difference from fp32‖ ÷ ‖fp32‖.

# %%
one_guess = predict("1 photograph: on how many pictures is the label still fp32's?", unit="%")
noise_guess = predict("16 of noise: on how many pictures?", unit="%")
pixels_guess = predict("16 photographs, one step forgotten: on how many?", unit="%")

# %%
reference = answers("ONNX Runtime", files["fp32"], inputs, threads)
calibrated = {"64 photographs": files["static"]} | {
    name: artefact for name, artefact in every_file.items() if name not in (*FIRST, OTHER)
}
logits = {}
for name in progress(list(calibrated), "Answers of each file"):
    logits[name] = answers(INT8, calibrated[name], inputs, threads)

# %%
SURE = 0.25
same = {n: agreement(answered, reference).scaled(100) for n, answered in logits.items()}
error = {n: logit_error(answered, reference).scaled(100) for n, answered in logits.items()}
columns = {
    "same label as fp32 (%)": same,
    "where fp32 is sure (%)": {
        n: agreement(answered, reference, SURE).scaled(100) for n, answered in logits.items()
    },
    "error of the logits (%)": error,
}
variant_plots.scoreboard(columns, f"What was shown, judged on {len(inputs)} other pictures")
one_guess.reveal(same["1 photograph"])
noise_guess.reveal(same["noise"])
pixels_guess.reveal(same["step forgotten"])
key_figure("same label, calibrated on one photograph", same["1 photograph"], "%")
key_figure("same label, calibrated on noise", same["noise"], "%")
key_figure("same label, one step of preprocessing forgotten", same["step forgotten"], "%")

# %% [markdown]
# Calibration looks for two numbers an activation, the ends of its range, and an end can be
# wrong in two ways. **Too wide** makes the 256 steps coarser: every value is a little less
# exact. **Too narrow** cuts off what lies beyond, and that is what a network lives on, its
# strongest activations. So look at the bars in pairs.
#
# - *One photograph and noise.* A photograph brings thousands of values for each range, but
#   of one scene; what another scene excites more is cut off. Noise excites everything a
#   bit, so its ranges are wide enough. Where its bar is the better one, sixteen inputs
#   that show nothing have beaten a real one. (This is the course's stand-in, whose
#   features were never trained. A trained network may answer noise with *weaker*
#   activations than pictures. With the hub's weights, the bar says so.)
# - *The forgotten step and all others.* Real photographs, and the network is destroyed:
#   their values lie between 0 and 1, so in service whatever is darker than the mean is
#   cut off at 0. No error is raised, the file loads, it is as fast as the good one.
# - *16 and 64.* The ends are nearly found after a dozen inputs. More are cheap, but they
#   are not what a failing model lacks.
# - *One scale a layer*, for all weights of a layer rather than for each output channel. It
#   costs precision where channels differ much in size. Per channel is free at run time.
#
# **Take calibration inputs from the service's own preprocessing**, never from a copy of
# it. And when labels change, ask the logits which of the two ways it was:

# %%
leads = lead(reference)
truths = [picture.index for picture in drawn]
print(
    f"fp32 is sure (leads by {SURE:.0%} or more) of {sum(leads >= SURE)} of {len(inputs)} pictures"
)
print(f"{'':24}{'labels changed':>15}{'of sure ones':>14}{'largest logit':>15}{'right':>9}")
for name, found in {"fp32": reference, **logits}.items():
    moved = found.argmax(1) != reference.argmax(1)
    right = f"{100 * top1_accuracy(found, truths):7.1f} %" if model.is_stand_in else ""
    print(f"{name:24}{sum(moved):15}{sum(moved & (leads >= SURE)):14}{found.max():15.1f}{right:>9}")

# %% [markdown]
# *Rounding* moves every logit a little. It changes a label where two were nearly level, and
# there the original's answer was a toss of a coin, so a change may even be a correction.
# Where labels change of which the original was *sure*, something has been *cut off*: the
# largest logits are then smaller than fp32's. So ask three questions of a quantised model,
# in this order, which is that of the pictures they need: how large is the error of the
# logits; do the labels *that were sure* stay; is the accuracy the same within its interval?
#
# ## Which layer is to blame?
#
# When the answers suffer, the advice is to find the worst layer and to leave it in fp32.
# For each layer three errors: of its weights alone; of the rounding of its output alone;
# and of its output against fp32's, with everything that came before.

# %%
base = made({"ranges": calibration.RANGES["photographs"]}, "The fp32 file that was quantised")
errors = layer_errors(
    base["ranges"].folder / calibration.CLEANED, files["static"].folder / "model.onnx", inputs[:2]
)
worst = max(errors, key=lambda name: errors[name].output)
layer_plots.by_layer(
    {
        "all so far": {n: 100 * e.so_far for n, e in errors.items()},
        "its output alone": {n: 100 * e.output for n, e in errors.items()},
        "its weights alone": {n: 100 * e.weights for n, e in errors.items()},
    },
    "Error of each layer, static INT8",
    ylabel="% of the fp32 values",
    mark={worst: "its output alone"},
)
share = 100 * cost[worst].multiply_adds / sum(c.multiply_adds for c in cost.values())
print(f"The worst by itself: {worst}, with {share:.3g} % of all multiply-adds.")
worst_guess = predict(
    f"The error of the logits is {error['64 photographs'].median:.2g} %. "
    f"With {worst} alone left in fp32?",
    unit="%",
)

# %%
spared = f"static, {worst} in fp32"
files |= made({spared: calibration.static(floating=(worst,))}, "One more")
logits[spared] = answers(INT8, files[spared], inputs, threads)
error[spared] = logit_error(logits[spared], reference).scaled(100)
worst_guess.reveal(error[spared])
for name, found in (
    ("static", logits["64 photographs"]),
    (spared, logits[spared]),
    ("fp32", reference),
):
    print(f"{name:32} logits from {found.min():.3g} to {found.max():.3g}")
key_figure(f"error of the logits, {worst} in fp32 ÷ all int8",
           error[spared].median / error["64 photographs"].median, "")  # fmt: skip

# %% [markdown]
# Read the plot from left to right. The lowest line is level: weights have a scale for
# each channel, and are the smaller error. The middle line has its teeth at the last
# convolution of each block. Its output is added to the shortcut before any ReLU, so it has
# two signs, and the 256 steps must cover both; and after a ReLU about half of the values are
# zeros, which are exact. But its neighbours' teeth are much like it. The upper line
# *climbs*: each layer adds its per cents to what it was given. Fifty errors, and nobody to
# blame. Where no point stands out, to leave the worst layer in fp32 changes next to nothing.
# (At the end the line falls, because the mean over all places of a picture averages errors
# out.)
#
# Where a point does stand out, ten times above its neighbours, look for the reason before
# you spare it: most often its range cuts something off. Compare the logits' limits that are
# printed above: where fp32's go far beyond the static model's, it is the last layer, and as
# it has almost none of the arithmetic, it may as well stay in fp32.
#
# (A spared layer between two of int8 is quantised again by ONNX Runtime when it loads the
# file, without a word, unless its optimizer `WeightBiasQuantization` is switched off, as
# this course does. What a file says and what an engine executes are two things.)
#
# ## Precision against speed
#
# To choose, put both on one picture. One more candidate is another engine's: OpenVINO,
# with the network quantised by NNCF from the same 64 photographs.

# %%
files[OTHER] = every_file[OTHER]
with waiting("Two more processes start", about_s=4):
    running.add(
        {n: VariantProcess(v, files[n], threads) for n, v in ((spared, INT8), (OTHER, OTHER))}
    )
rivals = {name: running[name] for name in ("fp32", "static", spared, OTHER)}
timed = inputs[: per_round * at(scale, ci=9, laptop=24)]
final = answer_in_turn(rivals, timed, per_round, watch=watching("Rounds of four"))
times = {name: speed(final, name, "fp32").speed_ratio for name in rivals if name != "fp32"}
times["dynamic, unsigned"] = gains["dynamic, unsigned"].speed_ratio
logits["static"] = logits["64 photographs"]
for name in (OTHER, "dynamic, unsigned"):
    logits[name] = running[name].answer(inputs).logits
running.stop()

# %%
wrong = {name: logit_error(logits[name], reference).scaled(100) for name in times}
points = {"fp32": (Interval(1, 1, 1, per_round), Interval(0, 0, 0, len(inputs)))}
points |= {name: (times[name], wrong[name]) for name in times}
layer_plots.trade_off(
    points,
    f"What eight bits bring and cost, on {len(inputs)} pictures",
    xlabel="times as fast as fp32 in ONNX Runtime",
    ylabel="error of the logits (%)",
)
for name in times:
    kept = format(agreement(logits[name], reference).scaled(100))
    print(f"{name:32} same label on {kept} %")
best = max(times, key=lambda name: times[name].low)
key_figure(f"fastest here: {best}", times[best], "times")

# %% [markdown]
# To the right is faster, downwards more exact. The labels are printed beneath because they
# hardly tell the candidates apart: so many pictures cannot show less than the width of
# their interval (the rule of three in lesson 1.5), and the error of the logits can.
#
# - *static*, with and without a spared layer, are neighbours: a layer costs about its share
#   of the arithmetic, and brings what the plot by layer has said.
# - *dynamic, unsigned* has ranges that fit each picture, and by this tool's default one
#   scale a layer for its weights. Compare its error with that bar of the calibrations: the
#   difference is what better ranges are worth. They are paid for with all the speed.
# - *OpenVINO INT8* is another engine with kernels of its own, and another quantiser. NNCF
#   takes the *mean* of the pictures' largest values as the end of a range [6], which cuts
#   off the strongest for a finer scale of the rest; ONNX Runtime's takes the largest of
#   all. Neither is right always. It is one setting in both.
#
# A rule to take along:
#
# 1. **Ask the ceiling** what 8 bits can bring on this processor. Without VNNI or AMX: bytes.
# 2. **Static for convolutions, dynamic for large matrices with short inputs.** Profile
#    by operator once, to see that the integer operators are there and fast.
# 3. **Calibrate with the service's own preprocessing**, on a few dozen inputs that differ.
#    That they are scaled as in service matters more than what they show.
# 4. **Judge by the logits' error first, by sure labels next, by accuracy last**: the first
#    needs the fewest pictures.
# 5. **Plot the error by layer.** Spare a layer that stands out; where none does, sparing
#    the worst one is of no use.
#
# ## What you have seen
#
# 1. A quarter of the bits can be several times slower: an operator without a kernel for
#    its types. One word (unsigned) changed that, and no bit of the result's size.
# 2. Finding ranges in each request is not what makes dynamic INT8 slow. What surrounds it
#    is: 32-bit results, passes that cannot be fused, weights arranged again and again.
# 3. With known ranges all of it becomes one operator, and the gain comes near the ceiling's.
# 4. Calibration is about ranges. Noise of the right scale may do better than one
#    photograph; photographs of the wrong scale destroy the network without an error message.
# 5. Rounding changes labels that were level. A sure label that changes was cut off.
# 6. Error grows layer by layer, and the worst layer need not be to blame.
#
# **Next**: the network now takes a fraction of the time that it took. *Lesson 1.7* asks what
# a request consists of after that.
#
# ## Four questions

# %%
quiz(
    "You quantise a network dynamically and it is three times slower than fp32. A profile by "
    "operator shows 90 % of the time in ConvInteger. What do you try first?",
    {
        "A smaller calibration set": "Dynamic quantisation has no calibration set; ranges are found "
        "in each request, and the profile says that this is not where the time goes.",
        "Unsigned weights, then static quantisation": "Right: the operator itself is slow, so it "
        "runs on a kernel that does not suit its types. Unsigned weights are one word; static "
        "quantisation replaces the operator by one that is fused.",
        "More threads": "They divide a slow kernel's time, and fp32's just as well. The factor stays.",
    },
    right="Unsigned weights, then static quantisation",
)

# %%
quiz(
    "The INT8 model is fast, loads without a warning, and gives nonsense. The fp32 model on the same "
    "service is fine. What is the most likely cause?",
    {
        "Calibration inputs that were not preprocessed as the service does it": "Right: ranges that "
        "are too narrow cut off most of what comes in. Noise of the right scale would have been "
        "better than pictures of the wrong one.",
        "16 calibration pictures in place of 64": "The ends of the ranges are nearly found after a "
        "dozen. It costs a little precision. (A single one is another matter.)",
        "8 bits are not enough for this network": "Possible, but rounding changes first the labels "
        "that were level, and sure ones stay. Nonsense points at a range.",
    },
    right="Calibration inputs that were not preprocessed as the service does it",
)

# %%
quiz(
    'A colleague compares fp32 and INT8 on 50 pictures: all labels agree. "INT8 costs no '
    'accuracy", she says. What do you answer?',
    {
        "Fewer than 6 % of labels change, with 95 % confidence; the logits can tell more": "Right: "
        "3 ÷ 50. The relative error of the logits is a figure for every picture, so 50 are plenty "
        "for it, and it tells candidates apart that agree on all labels.",
        "Right, 50 of 50 is 100 %": "Of these 50. One label in twenty could change, and 50 "
        "pictures would show none of it in one case out of thirteen.",
        "Repeat it with the pictures used for calibration": "On those the ranges fit by construction. "
        "They are the one set that must not be used.",
    },
    right="Fewer than 6 % of labels change, with 95 % confidence; the logits can tell more",
)

# %%
quiz(
    "Service A runs on a processor with VNNI, service B on one with AVX2 only. The same static INT8 "
    "file is 3 times as fast as fp32 on A. What do you expect on B?",
    {
        "3 times, the file is the same": "The file says what to compute. Which instruction does it, "
        "and whether there is one, is the processor's affair.",
        "Slower than fp32 on every layer": "Some layers wait for memory, and they move a quarter of "
        "the bytes on B, too.",
        "Less, and other answers if its weights use all 8 bits": "Right: three instructions in place "
        "of one, with a 16-bit sum between them that can saturate. `reduce_range` keeps the weights "
        "to 7 bits for this reason.",
    },
    right="Less, and other answers if its weights use all 8 bits",
)

# %% [markdown]
# ## Sources
#
# - [1] Intel, *64 and IA-32 Architectures Software Developer's Manual*, volume 2:
#   VPDPBUSD ("multiply and add unsigned and signed bytes"), and VPMADDUBSW, whose sums of
#   two products saturate at 16 bits.
# - [2] ONNX Runtime source, `core/providers/cpu/quantization/conv_integer.cc` and
#   `core/mlas/lib/qgemm.h`: which kernel multiplies which signs. Processors with AVX-VNNI-INT8
#   have instructions for more pairs.
# - [3] ONNX Runtime documentation, *Quantize ONNX models*: dynamic and static, QDQ,
#   `reduce_range`, and when each is advised.
# - [4] B. Jacob et al., *Quantization and Training of Neural Networks for Efficient
#   Integer-Arithmetic-Only Inference*, CVPR 2018: scales, zero points, 32-bit sums.
# - [5] H. Wu et al., *Integer Quantization for Deep Learning Inference: Principles and
#   Empirical Evaluation*, 2020: calibration methods, per-channel weights, sensitive layers.
# - [6] NNCF documentation, *Post-training quantization*: range estimators.
