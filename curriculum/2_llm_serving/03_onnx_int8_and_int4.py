# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # 2.3 · ONNX, INT8 and INT4
#
# A token of the 7B reads 13.5 GB of weights (lesson 2.1), and the card is full of them (2.2). The
# remedy stands in every forum: *quantise to INT4. A quarter of the bytes, so four times as fast, and
# nobody notices the difference.* That is three claims in one sentence: about size, about speed, about
# words. And it is followed, a week later, by the question that this lesson answers by
# measurement: **I quantised and it got slower, why?**
#
# Two ways lead there and both are used here: ONNX Runtime GenAI with its builder, and OpenVINO GenAI
# with NNCF.

# %% tags=["parameters"]
scale = "laptop"

# %%
from dataclasses import replace
from functools import partial

import numpy as np
import openvino as ov

from lab_utils.machine.caches import caches
from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.machine.roofline import critical_batch
from lab_utils.measure.compare import compare, interleaved
from lab_utils.measure.interval import Interval, interval
from lab_utils.models.decoder import LIGHT, bits_per_weight, quantised_speedup
from lab_utils.models.language.perplexity import losses_of, perplexity_of, perplexity_ratio, windows
from lab_utils.models.language.seeded import prompt
from lab_utils.models.language.small import WINDOW, held_out, load
from lab_utils.optimize import language_onnx, language_openvino
from lab_utils.optimize.language_forms import onnx, openvino
from lab_utils.optimize.language_onnx import OnnxDecoder
from lab_utils.optimize.language_openvino import ROW, OpenVinoDecoder, Rounding
from lab_utils.scale import at
from lab_utils.serve.llm.engine import Engine
from lab_utils.serve.llm.onnx_engine import OnnxEngine
from lab_utils.show import machine as plots
from lab_utils.show import variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, side_by_side, watching
from lab_utils.show.quiz import quiz

threads = available_cores()
print(f"{threads} compute threads; {', '.join(facts().instruction_sets) or facts().processor}")

# %% [markdown]
# ## How a weight loses its bits
#
# Take a group of weights that lie side by side in a row. The largest of them becomes the largest
# integer, and the step from one integer to the next is the *scale*, a 16-bit number that the group
# shares. Every other weight goes to the integer that is nearest. To multiply with a weight, the
# engine takes the integer times the scale.

# %%
model = load()
row = model.network.model.layers[0].mlp.up_proj.weight.detach().numpy()[0]


def rounded(weights, bits, group):
    """Weights as they are after rounding to the nearest, group by group."""
    groups = weights.reshape(-1, group)
    scales = np.abs(groups).max(1, keepdims=True) / (2 ** (bits - 1) - 1)
    return (np.round(groups / scales) * scales).reshape(weights.shape)


print("weights:", model.source)
print("six of a row:  ", *(f"{weight:7.3f}" for weight in row[:6]))
for bits, group in ((8, 256), (4, 32), (4, 128), (4, 256)):
    coarse = rounded(row, bits, group)
    error = np.linalg.norm(coarse - row) / np.linalg.norm(row)
    print(
        f"{bits} bits of {group:3}: ",
        *(f"{weight:7.3f}" for weight in coarse[:6]),
        f"  error {error:.1%}",
    )

# %% [markdown]
# Eight bits are hardly visible. Four leave fifteen different values, and the row is off by
# about a tenth. The smaller the group, the less one large weight coarsens the step of the others; but
# each group brings a scale, so 4 bits in groups of 32 are 4.5 bits a weight, and in groups of 128
# they are 4.125.
#
# ## Smaller
#
# Both converters, on a model of a real one's shape: seeded weights (lesson 2.1), 0.1 billion or so, because
# for size and time it does not matter what a model says. ONNX Runtime's builder starts from 32 bits
# and rounds in groups of 32; NNCF starts from 16 and rounds rows at 8 bits, groups of 128 at 4.

# %%
size_guess = predict(
    "The ONNX file at 32 bits: how many times the size of its INT4 file?", unit="times"
)

# %%
shape = replace(LIGHT, layers=at(scale, ci=2, laptop=4))
PRECISIONS = ("fp32", "int8", "int4")
EIGHT, FOUR = Rounding(8, ROW), Rounding(4, 128)
OPENVINO = {"16 bits": None, "int8": EIGHT, "int4": FOUR}


def forms_of(weights):
    """The six forms of a model, by name."""
    forms = {f"ONNX Runtime {name}": lambda name=name: onnx(weights, name) for name in PRECISIONS}
    forms |= {
        f"OpenVINO {name}": lambda rounding=rounding: openvino(weights, rounding)
        for name, rounding in OPENVINO.items()
    }
    return forms


def weights_bytes(folder):
    """Of a converted model on disk."""
    form = language_onnx if (folder / language_onnx.MODEL).exists() else language_openvino
    return form.size_bytes(folder)


large = {
    name: make() for name, make in progress(list(forms_of(shape).items()), "Converted, or found")
}
on_disk = {name: weights_bytes(folder) for name, folder in large.items()}
variant_plots.scoreboard(
    {"MB on disk": {name: size / 1e6 for name, size in on_disk.items()}},
    f"The same {shape.parameters / 1e6:.0f} million weights",
)
smaller = on_disk["ONNX Runtime fp32"] / on_disk["ONNX Runtime int4"]
size_guess.reveal(smaller)
table_bytes = shape.vocabulary * shape.width * 4
matrices_bytes = shape.decode_parameters * bits_per_weight(4, group=32, scale_bits=32) / 8
print(f"4 bits and 32 for each scale: {matrices_bytes / 1e6:.0f} MB; the table of tokens at 32 bits: "
      f"{table_bytes / 1e6:.0f} MB; together {(matrices_bytes + table_bytes) / 1e6:.0f} MB")  # fmt: skip
key_figure("ONNX: 32 bits ÷ INT4 on disk", smaller, "times")

# %% [markdown]
# Not eight. Two things were left out of the promise, and with them the sum above comes out at the
# size of the file. A scale for 32 weights, which this builder keeps in 32 bits, makes 4 bits 5. And
# the builder rounds what is *multiplied*: the table that turns a token into a vector is looked up,
# so it stays as it was [1]. (NNCF was told to round it, too.) In a small model the table is much of
# the whole, in a 7B it is little. Look at what a converter has left alone before you blame it.
#
# ## Faster?
#
# INT8 and INT4 run as this course sets them: with the precision f32, in which OpenVINO makes products
# of quantised weights of integers. 16 bits run in the precision that the engine itself prefers on this
# processor. That also decides what it keeps in memory: a processor without short floats gets 16-bit
# weights widened to 32.

# %%
own = ov.Core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
print(f"this engine's own precision on this processor: {own}")


def loaded(name):
    """The engine of a form."""
    if name.startswith("ONNX"):
        return OnnxEngine(large[name], threads)
    chosen = own if name == "OpenVINO 16 bits" else "f32"
    return Engine(large[name], threads, INFERENCE_PRECISION_HINT=chosen)


engines = side_by_side({name: partial(loaded, name) for name in large}, "Engines")
# A pass needs one row of the table; ONNX keeps it at 32 bits, OpenVINO as it keeps the rest.
bytes_a_token = {
    name: size - table_bytes
    if name.startswith("ONNX")
    else size * shape.decode_parameters / shape.parameters
    for name, size in on_disk.items()
}
bytes_a_token["OpenVINO 16 bits"] = shape.decode_parameters * (4 if own == "f32" else 2)
limits = ceilings(threads, watch=watching("Ceilings, unless measured already"))
fewer_guess = predict("INT4 after INT8, OpenVINO: how many times as fast is writing?", unit="times")

# %%
line = prompt(shape, 4)
ANSWER = at(scale, ci=6, laptop=12)
for engine in engines.values():
    engine.run([line], 4)
rounds = interleaved(
    {name: lambda engine=engine: engine.run([line], ANSWER) for name, engine in engines.items()},
    rounds=at(scale, ci=6, laptop=20),
    watch=watching("Rounds of all six"),
)
token_s = {name: [interval(run.token_s).median for run in runs] for name, runs in rounds.items()}


def faster(first, second):
    """How many times as fast the first writes as the second, with its interval."""
    return compare(token_s[first], token_s[second], higher_is_faster=False).speed_ratio


variant_plots.scoreboard(
    {
        "MB of weights": {name: size / 1e6 for name, size in bytes_a_token.items()},
        "ms a token": {name: interval(seconds).scaled(1e3) for name, seconds in token_s.items()},
        "% of the bandwidth": {
            name: interval([size / s / limits.bandwidth_bytes_per_s for s in token_s[name]]).scaled(
                100
            )
            for name, size in bytes_a_token.items()
        },
    },
    "One user writes: the bytes of a token, its time, and bytes a second",
)
fewer_guess.reveal(faster("OpenVINO int4", "OpenVINO int8"))
print("caches:", ", ".join(f"{name} {plots.size_text(size)}" for name, size in caches().items()))
for first, second in (
    ("OpenVINO int8", "OpenVINO 16 bits"),
    ("OpenVINO int4", "OpenVINO int8"),
    ("ONNX Runtime int8", "ONNX Runtime fp32"),
    ("ONNX Runtime int4", "ONNX Runtime int8"),
):
    print(f"{first} after {second}: {faster(first, second):.2f} times as fast; "
          f"by bytes {bytes_a_token[second] / bytes_a_token[first]:.2f}")  # fmt: skip
took_s = {name: interval(seconds).median for name, seconds in token_s.items()}
rates = {name: bytes_a_token[name] / took_s[name] for name in took_s if name.startswith("Open")}
best = max(rates, key=rates.__getitem__)
print(f"Fetched fastest: {best}, {rates[best] / 1e9:.1f} GB a second.")
if best == "OpenVINO int4":
    print("So no work of unpacking can be seen here beside the fetching.")
else:
    print(
        f"At that rate the weights of OpenVINO int4 take "
        f"{1e3 * bytes_a_token['OpenVINO int4'] / rates[best]:.1f} ms; "
        f"a token took {1e3 * took_s['OpenVINO int4']:.1f} ms."
    )
key_figure("writing, INT4 ÷ INT8, OpenVINO", faster("OpenVINO int4", "OpenVINO int8"), "times")
key_figure(
    "writing, INT4 ÷ INT8, ONNX Runtime", faster("ONNX Runtime int4", "ONNX Runtime int8"), "times"
)

# %% [markdown]
# Compare each gain with its bytes, and then look at the third column. If fetching were the limit in
# all rows, all would fetch the same bytes a second. Where the figure falls with the bits, the limit
# has moved: wherever the weights lie, those of another row came from there faster, in the same rounds.
# (Near or above 100 %, or where the last-level cache is larger than the weights, they need not have
# come from memory at all.) The last line says it in time: what INT4 takes beyond its fetching is
# not memory's doing.
#
# What it then is, is work. A matrix of 8-bit weights is multiplied nearly as it lies in memory; 4-bit weights lie
# two in a byte and must be parted and moved to the middle of their range, and that takes
# instructions for each. The bytes have halved, the instructions have not. So halving the bits
# doubles the speed only where nothing but bytes counts: with more cores for the same memory you
# come nearer to it, with fewer you are further away.
#
# Groups count, too. A group of 128 has fewer scales to fetch than one of 32. By bytes alone, from
# 16 bits:

# %%
for group in (32, 128):
    most = quantised_speedup(from_bits=16, bits=4, group=group, scale_bits=16)
    print(f"4 bits in groups of {group}: at most {most:.3f} times as fast as 16 bits")

# %% [markdown]
# The second figure is the one that a paper on an excellent GPU kernel gives as the ideal [4].
#
# ## I quantised and it got slower
#
# A user sends a page, and the first word of the answer comes later than before. Nobody had
# measured that: all benchmarks of the change had been of long answers. So here is the pass over a
# prompt, against its length, of the same two engines as before. And, where that is another thing, of
# INT4 in the engine's own precision.

# %%
PAGE = at(scale, ci=192, laptop=256)
page_guess = predict(
    f"Reading {PAGE} tokens, INT4: how many times as fast as 16 bits?", unit="times"
)

# %%
WAYS = {"16 bits": ("OpenVINO 16 bits", own), "INT4, f32": ("OpenVINO int4", "f32")}
reading = {name: engines[form] for name, (form, _) in WAYS.items()}
for engine in engines.values():
    if engine not in reading.values():
        engine.close()
if own != "f32":
    WAYS[f"INT4, {own}"] = ("OpenVINO int4", own)
    reading[f"INT4, {own}"] = Engine(large["OpenVINO int4"], threads, INFERENCE_PRECISION_HINT=own)
LENGTHS = (1, 8, 64, PAGE)
passes = {
    (name, length): lambda engine=engine, length=length: (
        engine.run([prompt(shape, length)], 1).time_to_first_token_s
    )
    for name, engine in reading.items()
    for length in LENGTHS
}
for one_pass in passes.values():
    one_pass()
timed = interleaved(passes, rounds=at(scale, ci=6, laptop=20), watch=watching("Rounds"))
by_length = {name: {n: interval(timed[name, n]) for n in LENGTHS} for name in reading}
precision = "int8" if facts().multiplies_int8 else "fp32"
operations, int4_bytes = 2 * shape.decode_parameters, bytes_a_token["OpenVINO int4"]
plots.time_by_batch(
    by_length,
    {
        n: max(
            int4_bytes / limits.bandwidth_bytes_per_s, n * operations / limits.peak_per_s(precision)
        )
        for n in LENGTHS
    },
    "One pass over so many tokens",
    critical_batch=critical_batch(
        limits.peak_per_s(precision),
        limits.bandwidth_bytes_per_s,
        int4_bytes / shape.decode_parameters,
    ),
)
against = {
    (name, n): compare(timed[name, n], timed["16 bits", n], higher_is_faster=False)
    for name in list(reading)[1:]
    for n in LENGTHS
}
page_guess.reveal(against["INT4, f32", PAGE].speed_ratio)
for (name, n), found in against.items():
    print(
        f"{name}, {n:3} tokens, against 16 bits: {found.verdict}, {found.speed_ratio:.2f} times as fast"
    )
key_figure(
    "INT4 ÷ 16 bits, one token",
    against["INT4, f32", 1].speed_ratio,
    "times as fast",
)
key_figure(
    f"INT4 ÷ 16 bits, {PAGE} tokens",
    against["INT4, f32", PAGE].speed_ratio,
    "times as fast",
)

# %% [markdown]
# At one token INT4 has fewer bytes to fetch, and that is nearly all that counts. With every
# further token of the pass the fetched weights are used once more: bytes count less, arithmetic more.
# Follow its advantage from line to line. **Where a line says "slower", the quantised model is
# the slower one**, and nobody has made a mistake. Why? The engine tells which kernel each matrix of
# a pass was multiplied by.

# %%
for name, (form, precision) in WAYS.items():
    decoder = OpenVinoDecoder(large[form], threads, INFERENCE_PRECISION_HINT=precision)
    for length in (1, PAGE):
        used = decoder.kernels(np.asarray([prompt(shape, length)]))
        told = ", ".join(f"{count} × {kernel}" for kernel, count in used.items())
        print(f"{name}, {length:3} tokens: {told}")

# %% [markdown]
# The names say which unit of the processor multiplies (`amx_bf16`: its tiles for matrices of 16-bit
# floats; `avx512`, `avx2`: its vectors), and behind them stands what the weights are kept in.
#
# - **Where the two have different units**, the pass over a page is a race between units. 16 bits
#   on tiles beat INT4 on vectors once a page is long enough, however few bytes INT4 has to fetch.
# - **Where INT4 and 16 bits have the same unit** (INT4 in the precision of the 16 bits), the
#   products cost the same, and unpacking is added. Once unpacked, a weight serves all tokens of the
#   pass; so over a page the two come close, whichever is ahead.
# - **Where a processor has no short floats**, 16-bit weights are widened to 32 bits and multiplied
#   on vectors, while INT4's products are of 8-bit integers, of which an instruction does more. There
#   it may stay ahead over a page, too.
#
# One file, one engine, one setting; where the two INT4 curves cross, each is right for one of the two
# passes. Maintainers give the same answer on GPUs: 16 bits are faster for long prompts and
# large batches, because the arithmetic is theirs and unpacking comes on top [3].
#
# ## What has become of the words
#
# The small model reads a text that it was not trained on, and at each place says how likely it finds
# what comes. *Perplexity* is the number of tokens between which it hesitates, on average. It is the
# figure in every table of every paper on the subject.

# %%
for engine in reading.values():
    engine.close()
kept = windows(model.ids(held_out()), WINDOW)[: at(scale, ci=12, laptop=None)]
small = {name: make() for name, make in progress(list(forms_of(model).items()), "Converted")}
exact = losses_of(model.logits, kept)
print(f"PyTorch, 32 bits: perplexity {perplexity_of(exact):.1f} on {kept.size:,} tokens")
interval_guess = predict("INT4 of OpenVINO: perplexity how many per cent above it?", unit="%")
pair_guess = predict("And how wide is the interval of *that* figure, in per cent?", unit="%")


def losses(folder, **settings):
    """What the converted model loses at each token of the text."""
    decoder = OnnxDecoder if (folder / language_onnx.MODEL).exists() else OpenVinoDecoder
    return losses_of(decoder(folder, threads, **settings).logits, kept)


def above(found, reference=exact):
    """By how many per cent its perplexity lies above the reference's, on the same text."""
    ratio = perplexity_ratio(found, reference)
    return Interval(
        *(round(100 * (value - 1), 4) + 0.0 for value in (ratio.median, ratio.low, ratio.high)),
        ratio.n,
    )


# %%
lost = {name: losses(folder) for name, folder in progress(list(small.items()), "Reading")}
variant_plots.scoreboard(
    {
        "MB on disk": {name: on_disk[name] / 1e6 for name in lost},
        "ms a token": {name: interval(token_s[name]).scaled(1e3) for name in lost},
        "perplexity": {name: perplexity_of(found) for name, found in lost.items()},
        "% above the original": {name: above(found) for name, found in lost.items()},
    },
    "What six conversions bring and cost",
)
for name, found in lost.items():
    print(f"{name:20} {perplexity_of(found):.2f}   {above(found):+.3f} %")
found = above(lost["OpenVINO int4"])
interval_guess.reveal(found)
pair_guess.reveal(found.high - found.low)
key_figure("INT4 in groups of 128, perplexity above the original", found, "%")

# %% [markdown]
# (Size and speed are those of the seeded weights; the words are the small model's.)
#
# The last two columns are one measurement. In *perplexity* the intervals lie over each other, as if
# six conversions had cost nothing. Their width is that of the *text*: some stretches are hard for
# every form of the model, and another choice of stretches would move all figures together. In the
# last column the same stretches are compared in pairs, and what is common cancels. Both guesses are
# answered by it: compare the width of its interval with that of the column before.
#
# It works in the other direction as well. Where an interval of the last column includes 0, there is
# **no difference that this text can show**, whatever the second digit says. The authors of
# GPTQ, asked why somebody could not reproduce their tables, ran one model on three GPUs and found
# perplexities of 36.96, 37.25 and 37.96 [8]. A difference of two per cent between two
# papers may be one between two cards.
#
# ## Rounding that looks
#
# Rounding to the nearest makes every *weight* as exact as it can be. But nobody asks for weights;
# what counts is what comes out of the matrix, for the vectors that really go in. So there are
# methods that look at them; here they are shown stretches of text that the model was trained on (8 at
# the scale `ci`, else 32).
#
# - **AWQ** [5]: some inputs are large, so the weights that meet them matter most. Such columns are
#   multiplied before rounding, and their inputs divided.
# - **Scale estimation** (NNCF's own [2]): the scale is not the largest weight's, but the one with the
#   least error in what comes out.
# - **GPTQ** [4]: weights are rounded one column after the other; what a column gets wrong is made up
#   for by those that are still to come.
#
# All have the same bits afterwards and run on the same kernels. Only the integers differ. In the GPTQ
# paper, LLaMA-7B has a perplexity of 5.68; at 4 bits, rounded to the nearest 6.29, with GPTQ 6.09 [4].
#
# (AWQ is measured at every scale of this lesson; scale estimation takes longer and is left to `laptop`.
# Not measured: GPTQ, which NNCF and ONNX Runtime have, and NNCF's SmoothQuant [6], which rounds
# activations, too. They would take the lesson beyond its time, and NNCF's two do not take the graph
# that OpenVINO GenAI makes of a GGUF file. They do take one that was converted from PyTorch.)

# %%
rescue_guess = predict(
    "AWQ in groups of 128: what share of the loss of plain rounding does it get back?", unit="%"
)

# %%
roundings = [Rounding(4, 32), FOUR, Rounding(4, ROW)]
methods = at(scale, ci=("awq",), laptop=("awq", "scale estimation"))
roundings += [Rounding(4, 128, method) for method in methods]
made = {
    rounding: lost["OpenVINO int4"]
    if rounding == FOUR
    else losses(openvino(model, rounding, texts=at(scale, ci=8, laptop=32)))
    for rounding in progress(roundings, "Rounding and reading")
}


def named(rounding):
    """Method and group, for people."""
    group = "a row" if rounding.group == ROW else f"groups of {rounding.group}"
    return f"{rounding.method}, {group}"


variant_plots.scoreboard(
    {
        "bits a weight, with scales": {
            named(rounding): rounding.bits_per_weight(model.network.config.hidden_size)
            for rounding in made
        },
        "% perplexity above": {named(r): above(found) for r, found in made.items()},
    },
    f"Four bits, {len(made)} ways",
)
for rounding, found in made.items():
    print(f"{named(rounding):32} {above(found):+.2f} %; against plain 128: "
          f"{above(found, made[FOUR]):+.2f} %")  # fmt: skip
aware = made[Rounding(4, 128, "awq")]
rescued = 100 * (1 - above(aware).median / above(made[FOUR]).median)
rescue_guess.reveal(rescued)
key_figure("AWQ against plain rounding, groups of 128", above(aware, made[FOUR]), "%")

# %% [markdown]
# Read the last column with its interval. **Where it includes 0, the method has brought nothing that
# can be told from nothing**, and the same holds between groups. These methods live on inputs that
# differ hugely in size, as they do in models of billions of weights [6]; a model of four million, trained
# for minutes, need not have them. The paper's table is right, of its model. Which of the two yours
# is like, the paired figure says, in a minute and before you have changed your tools.
#
# Nor need the order be that of the first cell, where a larger group had the larger error. Perplexity
# adds up what millions of small errors do, of both signs, and some of them happen to help on this
# text. Among several roundings that lie so near each other one comes first by luck. Choose between
# them by size and speed, or take far more text.
#
# (One more rounding is in none of these files. For a product, both engines round the vector
# that comes in to 8 bits, a group at a time. ONNX Runtime's users have found that it can change the
# chosen token where a model has huge activations [6, 7]; `accuracy_level` and
# `DYNAMIC_QUANTIZATION_GROUP_SIZE` switch it off.)
#
# ## The cache has bits, too
#
# Lesson 2.2 found that this engine keeps keys and values at 8 bits. What would 32 have been worth, and
# what would 4 cost? Here the engine itself reads the text, with each kind of cache, and then INT4
# writes after a long past.

# %%
CACHES = {"32 bits": "f32", "8 bits": "u8", "4 bits": "u4"}
PAST = at(scale, ci=512, laptop=3072)
cache_guess = predict(
    "A cache of 8 bits in place of 32: perplexity how many per cent above?", unit="%"
)
past_guess = predict(
    f"And {PAST:,} tokens of past: how many times as fast is INT4 writing?", unit="times"
)


# %%
def judged(kind):
    """What the small model loses at each token, with this cache."""
    with Engine(small["OpenVINO 16 bits"], threads, KV_CACHE_PRECISION=kind) as engine:
        return engine.losses(kept)


def with_a_past(kind):
    """An engine that has read a long prompt and keeps it."""
    engine = Engine(large["OpenVINO int4"], threads, keep_prefixes=True, KV_CACHE_PRECISION=kind)
    engine.run([prompt(shape, PAST)], 4)
    return engine


words, keeping = (
    side_by_side({name: partial(use, kind) for name, kind in CACHES.items()}, label)
    for use, label in ((judged, "Three caches judged"), (with_a_past, "Three pasts read"))
)
after_past = interleaved(
    {
        name: lambda engine=engine: interval(engine.run([prompt(shape, PAST)], 9).token_s).median
        for name, engine in keeping.items()
    },
    rounds=at(scale, ci=6, laptop=16),
    watch=watching("Rounds of three caches"),
)
for engine in keeping.values():
    engine.close()
cost = {name: above(found, words["32 bits"]) for name, found in words.items()}
variant_plots.scoreboard(
    {
        f"MB of {PAST:,} tokens": {
            name: PAST * shape.cache_bytes_per_token(int(name.split()[0]) / 8) / 1e6
            for name in CACHES
        },
        "ms a token": {name: interval(after_past[name]).scaled(1e3) for name in CACHES},
        "% perplexity above": cost,
    },
    "Three caches, one user with a past (scales not counted)",
)
cache_guess.reveal(cost["8 bits"])
cache_faster = compare(after_past["8 bits"], after_past["32 bits"], higher_is_faster=False)
past_guess.reveal(cache_faster.speed_ratio)
for name in ("8 bits", "4 bits"):
    print(f"cache of {name}: perplexity {cost[name]:+.3f} % above; against 32 bits "
          f"{compare(after_past[name], after_past['32 bits'], higher_is_faster=False)}")  # fmt: skip
wide, narrow = (
    bytes_a_token["OpenVINO int4"] + PAST * shape.cache_bytes_per_token(size) for size in (4, 1)
)
print(f"by bytes, weights and past: 8 bits {wide / narrow:.2f} times as fast as 32")
key_figure("cache of 8 bits, perplexity above 32", cost["8 bits"], "%")

# %% [markdown]
# It is the weights' story again. Eight bits cost little or nothing that the text can show, and
# four are another matter: look whether their interval leaves out 0. The memory is a quarter, and
# memory is what decides how many users fit (2.2). For one user's speed, lay the gain beside the last
# line, which counts bytes alone. The shorter the past, the smaller its part of them; and what is not kept
# in floats must be unpacked, so 4 bits need not be faster than 8.
#
# ## What to choose
#
# 1. **Ask which pass your service spends its time in** (lesson 2.1). Long answers for few users: fewer
#    bits are faster. Long prompts, or many users at a time: measure before you quantise, and measure
#    with the precision that the engine would have used without you.
# 2. **Compare with the right thing.** "Four times as fast" is against 32 bits; the service you replace
#    may have run at 16.
# 3. **Pair the texts.** Two perplexities with overlapping intervals may differ for certain; two
#    that differ in the second digit may not differ at all. Only the ratio on the same text can say.
# 4. **Judge a method on your own model**, by the paired ratio against plain rounding.
# 5. **Never calibrate on what you judge by.**
#
# ## What you have seen
#
# 1. An INT4 file is not an eighth of 32 bits: scales, and what the converter leaves alone.
# 2. Fewer bits write faster, and where it is by less than the bytes promise, the limit has moved
#    from memory to the instructions that unpack.
# 3. What fewer bits bring to one token says nothing about a page. It may turn into a loss there;
#    then look which kernel multiplies.
# 4. A perplexity without its pair says little.
# 5. Methods that look at data change the integers, not their number; whether they help is a figure.
# 6. The cache can lose bits, too: for the memory of many users rather than for the speed of one.
#
# **Next**: one user's tokens have become cheaper. *Lesson 2.4* lets many users share a pass.
#
# ## Four questions

# %%
quiz(
    "A team quantises a summariser (prompts of 3,000 tokens, answers of 40) to INT4 on a processor "
    "with AMX. The time of an answer doubles. What is the likeliest cause?",
    {
        "INT4 has no kernel on this processor": "Then written tokens would be slow, too. Compare the "
        "time between tokens first.",
        "Prompts are bound by arithmetic, and the 16-bit model had the faster arithmetic": "Right: a "
        "fetched weight is used 3,000 times, so bytes hardly count; unpacking is added, and the "
        "products may run on slower units than before.",
        "The groups are too small": "Their size changes the bytes by a tenth, and bytes are not what "
        "limits a long prompt.",
    },
    right="Prompts are bound by arithmetic, and the 16-bit model had the faster arithmetic",
)

# %%
quiz(
    "Perplexity 9.81 [9.50 to 10.13] before, 9.90 [9.59 to 10.22] after, on the same text. Paired ratio: "
    "1.009 [1.007 to 1.011]. What has happened?",
    {
        "Nothing that could be told: the intervals overlap": "Each interval says how much another text "
        "would change that figure. It would change both, and together.",
        "The model has become worse by about 0.9 %": "Right: on the same text the difference is known "
        "to 0.2 %, and it leaves out 1.",
        "The text is too short": "For either figure alone, perhaps. For the difference it is long enough.",
    },
    right="The model has become worse by about 0.9 %",
)

# %%
quiz(
    "Two INT4 files of one model: round-to-nearest and AWQ, the same groups. Which writes faster?",
    {
        "AWQ, because it is smarter": "It is smarter about which integers to store.",
        "Round-to-nearest, because it is simpler": "It is simpler to make. The engine cannot tell.",
        "Neither: the same bits, the same kernel": "Right: the method decides which integers stand in the "
        "file. Its price is paid once, when the file is made.",
    },
    right="Neither: the same bits, the same kernel",
)

# %%
quiz(
    "From INT8 to INT4 the bytes halve, and a token takes 0.75 of the time. A colleague suspects the "
    "memory. How would you find out?",
    {
        "Compare bytes a second for both": "Right: where INT4 moves fewer bytes a second than INT8 on "
        "the same machine, memory is not what it waits for. The cores unpack.",
        "Look at the processor's utilisation": "A core that waits for memory counts as busy (lesson 1.2); "
        "it reads 100 % either way.",
        "Try INT2": "Half the bytes and more unpacking: the answer would mix both causes.",
    },
    right="Compare bytes a second for both",
)

# %% [markdown]
# ## Sources
#
# - [1] ONNX Runtime GenAI, *Model Builder* and its options `block_size`, `accuracy_level`; ONNX Runtime,
#   operator `com.microsoft.MatMulNBits`.
# - [2] NNCF documentation, *Weights compression*: INT4_SYM, group size, AWQ, scale estimation, GPTQ.
# - [3] Maintainers on the question: AutoAWQ, issues 106 and 172 ("at larger batch sizes … you need to
#   dequantize weights"; "FP16 can be faster for prefilling").
# - [4] E. Frantar et al., *GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
#   Transformers*, ICLR 2023; the perplexities are of WikiText-2. E. Frantar et al., *Marlin*, 2024.
# - [5] J. Lin et al., *AWQ: Activation-aware Weight Quantization*, MLSys 2024.
# - [6] G. Xiao et al., *SmoothQuant*, ICML 2023: huge activations in large models.
# - [7] ONNX Runtime, issue 29849: `accuracy_level=4` and models with huge activations.
# - [8] IST-DASLab/gptq, issue 1: OPT-125M at 4 bits on A100, A6000 and 3090.
