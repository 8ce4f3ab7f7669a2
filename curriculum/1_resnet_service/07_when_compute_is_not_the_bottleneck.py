# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [gunicorn, ab, k6]
# ---

# %% [markdown]
# # 1.7 · When compute is no longer the bottleneck
#
# In lesson 1.1 the network took nearly all of a request, and you were told that a
# faster JPEG decoder was the wrong place to start. Since then an engine and eight
# bits have made the network several times as fast, in a process of its own, with its
# input ready in memory. A service receives photographs, over HTTP, on several cores.
#
# This lesson carries the gain from the one to the other. On the way it is lost
# several times, each time for another reason: once to arithmetic, once to a
# photograph, once to a border of three pixels, once to a helpful default. At the end
# you know what is left, what more work on it could bring at most, and when to stop.
# Then you are ready for Lab 1.

# %% tags=["parameters"]
scale = "laptop"

# %%
import copy
import itertools
import math
import os
import time
from dataclasses import replace
from functools import partial

import numpy as np
import psutil
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from lab_utils.components.together import Together
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import compare, interleaved
from lab_utils.measure.interval import interval
from lab_utils.measure.laws import amdahl_speedup, serial_share
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import open_loop, post
from lab_utils.measure.profile.scheduler import Watch
from lab_utils.measure.stages import Timeline
from lab_utils.measure.threads import thread_gains
from lab_utils.models import pictures, resnet
from lab_utils.optimize import openvino_variants
from lab_utils.optimize.folding import folded
from lab_utils.optimize.normalisation import normalised
from lab_utils.optimize.variants import prepare
from lab_utils.scale import at
from lab_utils.serve import load, preprocessing
from lab_utils.serve.engine_app import engine_service
from lab_utils.serve.engine_request import EngineRequest
from lab_utils.serve.resnet_request import ResNetRequest
from lab_utils.show import machine, plots, profiles, variant_plots
from lab_utils.show.figures import key_figure
from lab_utils.show.maps import maps
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz

cores = available_cores()
torch.set_num_threads(1)
jpegs = [p.jpeg for p in pictures.draw(48, seed=17)]
model = resnet.load()
with waiting("The network in eight bits (made once, then kept)", about_s=30):
    artefact = prepare("OpenVINO INT8", model)
print(f"{cores} cores; weights: {model.source}")

# %% [markdown]
# ## The network is several times as fast
#
# Two requests, both in this notebook and on one core: the first version's, PyTorch in
# 32 bits, and the same four stages around the network of lesson 1.6, OpenVINO in
# eight. Photographs of 640 × 480 go to both in turn.

# %%
fp32 = ResNetRequest(model, resnet.transforms())
int8 = EngineRequest.load(artefact.folder, model.labels, threads=1)
turns = itertools.cycle(jpegs)
for request in (fp32, int8):
    request.timed(next(turns))
in_turn = interleaved(
    {"fp32": lambda: fp32.timed(next(turns)), "int8": lambda: int8.timed(next(turns))},
    rounds=at(scale, ci=12, laptop=60),
    watch=watching("Pairs of requests"),
)
before, after = Timeline(in_turn["fp32"]), Timeline(in_turn["int8"])
network = compare(
    after.durations_s("compute"), before.durations_s("compute"), higher_is_faster=False
).speed_ratio
print(f"compute alone, int8 against fp32: {network:.2f} times as fast")
whole_guess = predict("The whole request: how many times as fast?", unit="times")

# %%
whole = compare(after.totals_s, before.totals_s, higher_is_faster=False).speed_ratio
share = before.share("compute").median
in_ms = {
    name: {stage: 1e3 * value.median for stage, value in timeline.intervals_s().items()}
    for name, timeline in (("fp32, PyTorch", before), ("int8, OpenVINO", after))
}
row = in_ms["int8, OpenVINO"]
row["preprocess"] = row.pop("resize") + row.pop("normalise")
variant_plots.shares(in_ms, "The same request, one core", xlabel="milliseconds")
whole_guess.reveal(whole)
print(f"Amdahl: {share:.1%} of the time {network.median:.2f} times as fast, the rest as before:")
print(f"the whole {amdahl_speedup(share, network.median):.2f} times as fast")
rest = 1 - after.share("compute").median
print(f"all that is not compute: {1 - share:.1%} of the request before, {rest:.1%} now")
key_figure("request, int8 ÷ fp32", whole, "times")
key_figure("share of compute, int8", after.share("compute").scaled(100), "%")

# %% [markdown]
# (*preprocess* is torchvision's transform in the first row, the same steps in Pillow and
# numpy in the second, so that the service need not load PyTorch. A test holds the pixels
# equal.)
#
# A few per cent of the request were not worth a thought. They are as long as they
# were, and they have eaten a part of your gain. Where the measurement and Amdahl's law
# agree, nothing mysterious has happened: *the rest has become visible*. The faster
# the network on your machine, the more of it you see.
#
# ## A photograph from a phone
#
# Photographs of 640 × 480 are what our test sends. Phones take twelve megapixels.
# The network sees 224 × 224 of either.

# %%
compute_share = predict("4000 × 3000 pixels: what share of the int8 request is compute?", unit="%")

# %%
with waiting("Large photographs are drawn", about_s=2):
    phone = [p.jpeg for p in pictures.draw(4, seed=17, size=(4000, 3000))]


def timeline_of(request, photographs, count):
    request.timed(photographs[0])
    return Timeline(request.timed(photographs[i % len(photographs)]) for i in range(count))


from_phone = timeline_of(int8, phone, at(scale, ci=8, laptop=24))
plots.waterfall(
    from_phone.intervals_s(), "The int8 request, twelve megapixels", highlight="compute"
)
compute_share.reveal(from_phone.share("compute").scaled(100))
key_figure("share of compute, twelve megapixels", from_phone.share("compute").scaled(100), "%")

# %% [markdown]
# Now the title of this lesson is true, and no line of code has changed. A bottleneck
# belongs to a service *and its requests*; a benchmark with convenient pictures
# measures convenience. (Ours flatter even so: they are enlarged from smaller ones, hence
# smooth, and take fewer bytes than a camera's. Real ones take longer to decode.)
#
# What can be done? A JPEG holds blocks of 8 × 8 pixels as frequencies. A decoder
# that is told that a smaller picture will do can turn the low ones of each block into
# 4 × 4, 2 × 2 or one pixel and leave the others alone. Pillow calls it *draft*, and
# it is one line [1]. We ask for what the next step needs: a shorter side of at least
# 256 pixels.

# %%
draft_guess = predict(
    "Draft mode, 640 × 480 and at least 256: how many times as fast is decode?", unit="times"
)


# %%
def decoding_at_least(shorter_side):
    """The int8 request whose decoder may leave pixels out."""
    return replace(int8, decode=partial(preprocessing.decode, shorter_side=shorter_side))


drafting = decoding_at_least(256)
sizes = {"640 × 480": jpegs[:8], "4000 × 3000": phone}
drafted = {}
for size, photographs in sizes.items():
    taken = itertools.cycle(photographs)
    in_turn = interleaved(
        {
            "all pixels": lambda taken=taken: int8.timed(next(taken)),
            "draft": lambda taken=taken: drafting.timed(next(taken)),
        },
        rounds=8 if size == "4000 × 3000" else at(scale, ci=16, laptop=60),
    )
    drafted[size] = {name: Timeline(stages) for name, stages in in_turn.items()}
variant_plots.shares(
    {
        f"{size}, {name}": {s: 1e3 * v.median for s, v in timeline.intervals_s().items()}
        for size, timelines in drafted.items()
        for name, timeline in timelines.items()
    },
    "The decoder may leave pixels out",
    xlabel="milliseconds",
)
for size, timelines in drafted.items():
    each = [timelines[name] for name in ("draft", "all pixels")]
    decode, request = (
        compare(*values, higher_is_faster=False).speed_ratio
        for values in ([t.durations_s("decode") for t in each], [t.totals_s for t in each])
    )
    print(f"{size:12} decode {decode:.2f} times as fast, the request {request:.2f} times")
    if size == "640 × 480":
        draft_guess.reveal(decode)
key_figure("twelve megapixels, draft ÷ all pixels", request, "times")

# %% [markdown]
# For the phone's photographs it is the best line of this lesson. For the others it does
# nothing: the only steps are halves, half of 480 is 240, and 240 is less than 256. The
# decoder keeps its promise and decodes everything.
#
# So somebody asks for 240. "Sixteen pixels!" It works, and is faster:

# %%
some = jpegs[: at(scale, ci=32, laptop=48)]
reference = [int8.answer(jpeg) for jpeg in some]
tried = {
    "640 × 480, at least 256": (256, some, reference),
    "640 × 480, at least 240": (240, some, reference),
    "640 × 480, at least 120": (120, some, reference),
    "4000 × 3000, at least 256": (256, phone, [int8.answer(jpeg) for jpeg in phone]),
}
print(f"{'':28}{'decoded':>12}{'same label':>14}{'probability moves by':>24}")
for name, (side, photographs, expected) in tried.items():
    smaller = decoding_at_least(side)
    given = [smaller.answer(jpeg) for jpeg in photographs]
    pairs = list(zip(expected, given, strict=True))
    same = sum(right[0]["label"] == answer[0]["label"] for right, answer in pairs)
    moved = np.mean([abs(r[0]["probability"] - a[0]["probability"]) for r, a in pairs])
    size = "{} × {}".format(*preprocessing.decode(photographs[0], side).size)
    print(f"{name:28}{size:>12}{same:>8} of {len(pairs)}{moved:>20.3f}")

# %% [markdown]
# Read the column of labels first, as a test would: a little too small, and nothing or
# next to nothing happens. Then the last column. The picture is now *enlarged* to 256
# where it was shrunk before; it is blurred in a way that the network has not seen in
# training, and every probability moves. Nothing fails, and monitoring sees a healthy
# service that has become a little faster. Another filter for the resize, another
# library's resize, another order of the channels are the same mistake in other clothes.
# **A change before the network is a change of the model**: compare the answers on many
# pictures, and probabilities, not labels alone.
#
# ## Normalisation into the weights
#
# The next stage: subtract each channel's mean, divide by its deviation. That is a
# product and a sum for each channel, and a convolution's weights and bias are
# products and sums. So it can be folded into the first convolution, once, and the
# network takes plain pixels: no pass over the data, no floats, an input of a quarter
# of the size. On paper the two networks are the same.

# %%
fold_guess = predict("What share of the first layer's outputs differs after folding?", unit="%")

# %%
few = at(scale, ci=8, laptop=32)
torch.set_num_threads(cores)
pixels = preprocessing.pixels(
    *(preprocessing.resize_then_cut(preprocessing.decode(jpeg)) for jpeg in jpegs[:few])
)
usual, raw = torch.from_numpy(normalised(pixels)), torch.from_numpy(pixels).permute(0, 3, 1, 2)
first = model.network.conv1
variants = {
    "as it was": (model.network, usual),
    "folded": (copy.deepcopy(model.network), raw.float()),
    "folded, padded with the mean": (copy.deepcopy(model.network), raw.float()),
}
variants["folded"][0].conv1 = folded(first, padding="zeros")
variants["folded, padded with the mean"][0].conv1 = folded(first, padding="mean")
with torch.inference_mode():
    features = {name: net.conv1(inputs) for name, (net, inputs) in variants.items()}
    answers = {
        name: torch.softmax(torch.cat([net(one[None]) for one in inputs]), 1)
        for name, (net, inputs) in progress(list(variants.items()), "Three networks")
    }
torch.set_num_threads(1)
typical = features["as it was"].abs().mean()
off = {name: (f - features["as it was"]).abs() / typical for name, f in features.items()}
off.pop("as it was")
maps(
    {name: difference.mean((0, 1)).numpy() for name, difference in off.items()},
    "Where the first layer's outputs differ",
    label="difference ÷ typical output",
)
fold_guess.reveal(100 * (off["folded"].amax((0, 1)) > 1e-3).float().mean().item())
for name in off:
    moved = (answers[name] - answers["as it was"]).abs()
    same = (answers[name].argmax(1) == answers["as it was"].argmax(1)).sum()
    print(
        f"{name:30} same label {same} of {len(pixels)}, a probability moves by up to {moved.max():.4f}"
    )

# %% [markdown]
# A frame, some pixels wide. The convolution adds three rows and columns of zeros on
# each side. Before, the zeros were added *after* normalising, and there a zero is a
# pixel of the mean picture, a middle grey. Now they are added to raw pixels, where zero
# is black: the network sees each picture in a black frame, which was in no picture
# that it was trained on. How many labels that costs depends on the weights; yours are
# printed above. Padding with the mean (second map) makes the two networks the same
# again, to the last digits of a float.
#
# This is why an engine does it in its own order: the subtraction stays *before* the
# padding, but inside the compiled graph, on pixels of eight bits. OpenVINO's
# `PrePostProcessor` [2] adds it, and the compiler merges it with the step that quantises
# the input, so that a single pass over the pixels is left. (Graphs in ONNX can hold the
# same operators.) That is what the service below uses.
#
# ## Two changes that keep the pixels
#
# The *lean* request normalises in the graph, and it resizes only what is kept: the old
# one resized the whole picture and then cut a third of it away. Both leave the input
# as it was, up to rounding. A third idea costs a dependency: another JPEG decoder,
# here torchvision's, which would bring PyTorch back into the service.

# %%
lean = EngineRequest.load(artefact.folder, model.labels, threads=1, lean=True)
as_tensors = {jpeg: torch.frombuffer(bytearray(jpeg), dtype=torch.uint8) for jpeg in jpegs}


def as_tensor(jpeg):
    return decode_jpeg(as_tensors[jpeg])


def as_picture(jpeg):
    """What the next step takes: pixel by pixel, not channel by channel."""
    return Image.fromarray(as_tensor(jpeg).permute(1, 2, 0).contiguous().numpy())


requests = {
    "as written": int8,
    "lean": lean,
    "lean, other decoder": replace(lean, decode=as_picture),
}
for request in requests.values():
    request.timed(next(turns))
in_turn = interleaved(
    {name: lambda r=request: r.timed(next(turns)) for name, request in requests.items()},
    rounds=at(scale, ci=30, laptop=150),
    watch=watching("Rounds of all three"),
)
timelines = {name: Timeline(stages) for name, stages in in_turn.items()}
written, leaner, other = timelines.values()


def seconds(decoder, jpeg):
    started = time.perf_counter()
    decoder(jpeg)
    return time.perf_counter() - started


alone = interleaved(
    {
        "Pillow": lambda: seconds(preprocessing.decode, next(turns)),
        "torchvision": lambda: seconds(as_tensor, next(turns)),
    },
    rounds=at(scale, ci=40, laptop=150),
)
by_itself = compare(alone["torchvision"], alone["Pillow"], higher_is_faster=False).speed_ratio
decode_share = leaner.share("decode").median
print(f"decoding alone, torchvision against Pillow: {by_itself:.2f} times as fast")
print(f"decoding is {decode_share:.1%} of the lean request")
decoder_guess = predict("By how much does the whole lean request get faster with it?", unit="%")

# %%
variant_plots.shares(
    {n: {s: 1e3 * v.median for s, v in t.intervals_s().items()} for n, t in timelines.items()},
    "The int8 request, 640 × 480, one core",
    xlabel="milliseconds",
)
leaned = compare(leaner.totals_s, written.totals_s, higher_is_faster=False)
swapped = compare(other.totals_s, leaner.totals_s, higher_is_faster=False)
handed_on = compare(
    other.durations_s("decode"), leaner.durations_s("decode"), higher_is_faster=False
).speed_ratio
decoder_guess.reveal(100 * swapped.speed_ratio.median - 100)
print(f"lean against as written: {leaned}")
print(f"other decoder against lean: {swapped}")
print(
    f"    Amdahl, from decoding alone: {amdahl_speedup(decode_share, by_itself.median):.3f} times"
)
print(f"    in the request, its picture handed on, decode is {handed_on:.2f} times as fast")
print(f"    Amdahl, from that: {amdahl_speedup(decode_share, handed_on.median):.3f} times")
print(f"    were decoding free: {amdahl_speedup(decode_share, math.inf):.3f} times")
key_figure("lean ÷ as written", leaned.speed_ratio, "times")
key_figure("other decoder ÷ Pillow, whole request", swapped.speed_ratio, "times")
given = [lean.answer(jpeg)[0] for jpeg in some]
moved = [abs(a["probability"] - r[0]["probability"]) for a, r in zip(given, reference, strict=True)]
same = sum(a["label"] == r[0]["label"] for a, r in zip(given, reference, strict=True))
print(
    f"lean: same label {same} of {len(given)}, probability moves by {np.mean(moved):.3f} on average"
)

# %% [markdown]
# Two things stand between a decoder's benchmark and your service. The first is Amdahl:
# the sum was known before, from the stage's share and its own gain. The second is the
# **hand-over**. This decoder gives a tensor, channel by channel, and the next step takes
# a picture, pixel by pixel; the copy between them is a part of the price. Where it
# eats the gain, the stage *in the request* is no faster than it was, or slower.
#
# "Decoding is slow, take a faster decoder" is good advice for a phone's photographs, and
# draft mode has followed it already. If the verdict on the decoder reads *undecided*,
# that is an answer, too: the gain is smaller than the measurement can tell from nothing.
# A dependency has to be updated, audited and shipped for every platform, for as long as
# the service lives. *Do the sum first; then decide whether to try.*
#
# (A small mean movement of the lean request's probabilities is the eight bits' doing:
# where a pixel is rounded the other way, an activation may fall into the next of 256
# steps. The comparison with fp32, in lesson 1.6, is of the same kind.)
#
# ## Two cores, or more
#
# Now the service: Flask behind gunicorn as in lesson 1.1, lean, one process a core, one
# compute thread in each. It has learnt the lesson of the first peak.

# %%
workers = max(2, min(cores, 8))
one_core_rps = 1 / interval(leaner.totals_s).median
settings = {
    "processes": {"workers": workers, "threads": 1, "pinning": None},
    "processes, not pinned": {"workers": workers, "threads": 1},
    "one process": {
        "workers": 1, "threads": workers, "streams": workers, "request_threads": workers,
    },
    "one process, batches": {
        "workers": 1, "threads": workers, "request_threads": 16, "batch": 8, "wait_s": 0.02,
    },
}  # fmt: skip
with waiting("Four services start", about_s=6):
    services = Together(
        {
            name: engine_service(artefact.folder, model.labels, lean=True, **chosen)
            for name, chosen in settings.items()
        }
    )
print(f"one core, in this notebook: {one_core_rps:.0f} requests a second")
print(f"so {workers} of them: {workers * one_core_rps:.0f}, without HTTP")
served_guess = predict(
    f"{workers} processes, served: how many requests a second?", unit="requests/s"
)

# %%
as_it_comes, not_pinned, one_process, batches = services
connections = 2 * workers


def served(name, count):
    """One round: the load's result, the scheduler's counts, the company."""
    service = services[name]
    with load.company(service) as company, Watch(service.worker_pids()) as watch:
        run = load.count(service, jpegs, connections=connections, requests=count)
    return run, watch, company


for name in services:
    served(name, 4 * connections)
rounds = interleaved(
    {
        name: lambda name=name, most=most: served(name, connections * most)
        for name, most in {
            as_it_comes: at(scale, ci=5, laptop=20),
            not_pinned: at(scale, ci=8, laptop=40),
            one_process: at(scale, ci=8, laptop=40),
        }.items()
    },
    rounds=at(scale, ci=6, laptop=10),
    watch=watching("Rounds of three services"),
)
rates = {name: [run.load.rate_rps for run, _, _ in each] for name, each in rounds.items()}
in_process = workers * one_core_rps
two_bars = {
    "one core, no service": [1 / total_s for total_s in leaner.totals_s],
    f"{workers} {as_it_comes}, served": rates[as_it_comes],
}
plots.rates(
    two_bars,
    {name: interval(values) for name, values in two_bars.items()},
    "As the engine comes",
    xlabel="answers a second",
)
served_guess.reveal(interval(rates[as_it_comes]))
lost = interval(rates[as_it_comes]).scaled(1 / in_process)
print(f"served ÷ in process: {lost:.2f}")
key_figure("served ÷ in process, engine's defaults", lost, "")

# %% [markdown]
# If two bars of one length stand there, think before you read on. No thread is too many:
# there is one in each process. Nothing in the code is slow, you have just measured
# every stage of it. HTTP took a few milliseconds in lesson 1.1, and not half of the
# machine. Which tool of lesson 1.4 do you ask?
#
# (If the lower bar is far longer, your engine does not pin on this machine: read on all
# the same, others do. Where your cores are hyper-threads in pairs, expect less than the
# product above in any case: two of a pair share one set of multipliers.)

# %%
mine = sorted(os.sched_getaffinity(0))[:8]


def core_loads(name):
    loads = np.median([watch.core_loads for _, watch, _ in rounds[name]], axis=0)
    return {f"{name}: core {core}": float(loads[core]) for core in mine}


profiles.parts(
    {
        row: {"busy": busy, "idle": 1 - busy}
        for name in (as_it_comes, not_pinned)
        for row, busy in core_loads(name).items()
    },
    "Each core, while the load ran",
    xlabel="share of the time",
)
waiting_share = {
    name: np.median([watch.states.waiting_for_core for _, watch, _ in rounds[name]])
    for name in (as_it_comes, not_pinned)
}
with_whom = np.median([company.others_cores for _, _, company in rounds[not_pinned]])
print(f"others used {with_whom:.2f} cores meanwhile: these bars hold their work, too")
for name, part in waiting_share.items():
    print(f"{name:24} its workers waited for a core {part:4.0%} of the time")
asked = openvino_variants.compiled(
    artefact.folder / openvino_variants.MODEL, threads=1, batch=1, precision="f32", pinning=None
)
print(f"the engine, asked: ENABLE_CPU_PINNING is {asked.get_property('ENABLE_CPU_PINNING')}")
freed = compare(rates[not_pinned], rates[as_it_comes], higher_is_faster=True)
print(f"not pinned against as it comes: {freed}")
key_figure("not pinned ÷ engine's defaults", freed.speed_ratio, "times")
key_figure("time waiting for a core, engine's defaults", 100 * waiting_share[as_it_comes], "%")

# %% [markdown]
# One core is full, the others idle: the third release of lesson 1.4, only that nobody
# here has written a line for it. OpenVINO binds its threads to cores by default on
# Linux, a good thing for one process that has the machine, since its threads stay where
# their caches are. It counts cores from the first one on. So does the next process,
# which knows nothing of the first. However many processes there are, the machine is
# worth one core: the larger the machine, the greater the loss. The vendor's own support
# page tells of the doubled times [3], and the property is called `ENABLE_CPU_PINNING`. Other engines and OpenMP (`OMP_PROC_BIND`, `KMP_AFFINITY`)
# bind threads where they are told to, and begin with the first core, too.
#
# *Utilisation reads 50 %* is what a monitor of the whole machine shows. The mean over
# cores is the one figure that hides this fault. Look at each core.
#
# ## Threads instead of processes?
#
# Each process holds the network, the interpreter and the libraries. One process that
# answers in several threads would hold them once. "But Python has its lock: only one
# thread runs at a time" [4].

# %%
threads_guess = predict(
    f"One process, {workers} threads: how many times the rate of one thread?", unit="times"
)

# %%
several = EngineRequest.load(
    artefact.folder, model.labels, threads=workers, streams=workers, lean=True
)
picture = preprocessing.decode(jpegs[3])
inputs = several.resize(picture)
logits = several.infer(inputs)[0]
work = {
    "decode": lambda: preprocessing.decode(jpegs[3]),
    "compute": lambda: several.infer(inputs),
    "postprocess": lambda: several.postprocess(logits),
    "plain Python": lambda: sum(range(10_000)),
    "the whole request": lambda: several.answer(jpegs[3]),
}
with load.company() as around:
    gains = thread_gains(
        {name: lambda call=call: call for name, call in work.items()},
        threads=workers,
        rounds=at(scale, ci=5, laptop=8),
        duration_s=at(scale, ci=0.1, laptop=0.2),
        watch=watching("Rounds, each by one thread and by several"),
    )
machine.ratios(
    gains, f"{workers} threads of one process", xlabel="rate ÷ one thread's", reference=workers
)
whole_gain = gains["the whole request"]
threads_guess.reveal(whole_gain)
print(f"others used {around.others_cores:.2f} cores meanwhile, which several threads feel first")


def most_with(count, gain):
    serial = min(max(serial_share(gain, workers), 0), 1)
    return 1 / (serial + (1 - serial) / count)


print("by Amdahl, from the lower and the upper end of that interval:")
for count in (4, 16, 64):
    low, high = (most_with(count, gain) for gain in (whole_gain.low, whole_gain.high))
    print(f"    {count:2} threads: {low:.1f} to {high:.1f} times one")
instead = compare(rates[one_process], rates[not_pinned], higher_is_faster=True)
print(f"served, one process against {workers}: {instead}")
for name in (not_pinned, one_process):
    pids = services[name].worker_pids()
    own = sum(psutil.Process(pid).memory_full_info().uss for pid in pids)
    print(f"{name:24} {own / 1e6:4.0f} MB of memory that is not shared")
key_figure("threads in one process, whole request", gains["the whole request"], "times")
key_figure("served, one process ÷ processes", instead.speed_ratio, "times")

# %% [markdown]
# The lock is real: *plain Python* gains nothing from a second thread. *postprocess*, a few
# microseconds of numpy between lines of Python, may even lose: the threads hand the
# lock to and fro. But decoding, resizing and computing are calls into C and C++ that put
# the lock down while they work. A request needs the lock for a small part, and
# Amdahl's law knows what that means: little for two threads, a good deal for
# sixty-four. (How wide the last range is says how little a measurement with few threads
# can promise for many. And the part holds whatever else threads share, memory and
# caches, not the lock alone.)
#
# Neither rule of thumb survives, "threads are useless in Python" as little as "one
# process a core". Measure the serial part, count your cores, compare the memory.
#
# ## Batches
#
# Serving systems collect requests that arrive at nearly the same time and compute them
# together: *dynamic batching*. The weights are read once for all of them.

# %%
batch_guess = predict(
    "Eight pictures at once, all cores: how many times as many a second as one by one?",
    unit="times",
)

# %%
eight = np.concatenate([lean.prepare(jpeg) for jpeg in jpegs[:8]])
alone_and_together = {
    size: EngineRequest.load(artefact.folder, model.labels, threads=cores, batch=size, lean=True)
    for size in (1, 8)
}


def seconds_a_picture(size):
    started = time.perf_counter()
    for first in range(0, 8, size):
        alone_and_together[size].infer(eight[first : first + size])
    return (time.perf_counter() - started) / 8


for size in alone_and_together:
    seconds_a_picture(size)
by_size = interleaved(
    {f"{size}": lambda size=size: seconds_a_picture(size) for size in alone_and_together},
    rounds=at(scale, ci=8, laptop=40),
)
batched = compare(by_size["8"], by_size["1"], higher_is_faster=False)
batch_guess.reveal(batched.speed_ratio)
print(f"eight at once against one by one: {batched}")
print("pictures a second, network alone:")
for size, values in by_size.items():
    print(f"    all cores on {size} at a time          {1 / interval(values).median:6.0f}")
compute_s = interval(leaner.durations_s("compute")).median
print(f"    each core on one of its own    {cores / compute_s:6.0f}, were the cores independent")
key_figure("batch of 8 ÷ one by one, pictures a second", batched.speed_ratio, "times")

# %% [markdown]
# Ask the roofline of lesson 1.2 why. A batch saves one thing, reading the weights again.
# In a convolution each weight is used for every place of the picture, hundreds to
# thousands of times, *within one picture*. The multipliers are the limit already at
# batch 1; a batch gives them more work, not faster work. What a batch can still bring
# here are the last layers, small pictures with large weights, and fewer rounds in which
# threads meet; but one picture a core has no such rounds at all, and needs no batch
# (compare the last two lines). Where the weights are used once, in the fully connected layer and in
# nearly all of a language model, or where the multipliers are so many that one
# picture cannot keep them busy, as on a GPU, the same roofline says the opposite, and
# batches bring a multiple.
#
# What does it *cost*? The same arrivals, at random times, at 40 % of what the
# processes answer at most: once to those, once to the process that waits up to 20 ms
# for company.

# %%
latency_guess = predict("Median latency with the batcher ÷ without?", unit="times")

# %%
arrivals = poisson(0.4 * interval(rates[not_pinned]).median, at(scale, ci=2.5, laptop=12), seed=3)
waits = {}
for name in progress([not_pinned, batches], "The same arrivals to both"):
    waits[name] = open_loop(post(f"{services[name].url}/predict"), jpegs, arrivals)
plots.ecdf(
    {name: 1e3 * run.latencies_s for name, run in waits.items()},
    f"{arrivals.rate_rps:.0f} requests a second, at random times",
    xlabel="latency (ms)",
)
medians = {name: run.median_latency_s for name, run in waits.items()}
latency_guess.reveal(medians[batches].median / medians[not_pinned].median)
print(f"in 20 ms {0.02 * arrivals.rate_rps:.1f} others arrive, on average")
key_figure(
    "median latency, batches ÷ processes",
    medians[batches].median / medians[not_pinned].median,
    "times",
)

# %% [markdown]
# Each request waits for others that mostly do not come, then for those that did: its
# answer is ready when the whole batch is. (It has all cores for its computation, which
# gives some of that back.) You pay in latency at once, and are paid in throughput,
# if at all, at full load. A waiting time is right where a batch is much cheaper than
# its pictures one by one. *Which batch size?* The smallest at which the roofline stops
# naming memory as the limit. For this network on a processor that is usually the one
# picture you began with.
#
# ## What is left
#
# The service with the settings that have proved themselves, against the same requests
# in a process without a service.

# %%
served_share = interval(rates[not_pinned]).scaled(1 / in_process)
core_ms = 1e3 * np.median([run.cpu_per_answer_s for run, _, _ in rounds[not_pinned]])
stages_ms = {stage: 1e3 * value.median for stage, value in leaner.intervals_s().items()}
around_ms = max(core_ms - sum(stages_ms.values()), 0)
left = stages_ms | {"HTTP, Flask, gunicorn": around_ms}
profiles.parts(
    {"one answer": left}, "An answer's core-milliseconds", xlabel="ms of one core", whole=False
)
print(f"served ÷ in process: {served_share:.2f}; others used {with_whom:.2f} cores meanwhile")
for part, value_ms in left.items():
    at_most = amdahl_speedup(value_ms / sum(left.values()), math.inf)
    print(
        f"{part:24} {value_ms:6.2f} ms; made free, the service is at most {at_most:.2f} times as fast"
    )
services.stop()
key_figure("served ÷ in process, not pinned", served_share, "")

# %% [markdown]
# Read the last column as a shopping list. A line that reads 1.05 is worth at most five
# per cent, were it made free, and nothing is ever free. Where compute has by far the
# largest figure, there are two ways to go on. Either *compute less* again: fewer bits, a
# smaller network, an answer that is already known. Or *stop*, because the next change
# costs more than it brings:
#
# 1. Write down the goal before you begin: a rate, a p99, a cost.
# 2. For each candidate take its share, work out what making it free would bring, and
#    strike what is below the noise of your own measurement.
# 3. Make the change, measure in pairs, compare *answers*.
# 4. Measure again under production's requests, sizes included, on the machine's cores as
#    they are, each by itself.
# 5. Stop when the goal is reached, or the best remaining line of the list is not worth a
#    week. An optimisation is code that somebody must keep.
#
# ## What you have seen
#
# 1. The network's gain is not the request's: Amdahl, as computed, from two figures.
# 2. With a large photograph the decoder is the service. One line, *draft*, undoes it,
#    and brings nothing for a small one, because its only steps are halves.
# 3. "Sixteen pixels fewer" moves every probability and fails no test.
# 4. Normalisation folds into the weights, except at the border. Engines do it right.
# 5. What a faster decoder brings can be computed before it is tried, and handing its
#    result on is part of its price.
# 6. Two processes that bind themselves to the same core are one. Per-core load shows
#    it, no profile of the code does.
# 7. Python's lock is held for a small part of a request. Measure it, then apply Amdahl.
# 8. Batches save reading weights. Where weights are not the limit, they cost latency and
#    bring little.
#
# **Next**: Lab 1. The service is yours: same answers, faster, and proved.
#
# ## Four questions

# %%
quiz(
    "A request takes 30 ms: decode 3, compute 25, the rest 2. A decoder that is three times as "
    "fast needs a new C library in every image. What does it bring?",
    {
        "10 %: decoding is a tenth of the request": "That would be a decoder that takes no time at "
        "all, and even that makes 30 ms into 27.",
        "7 % more requests a second": "3 ms become 1, 30 become 28: 30 / 28 = 1.07. Known without "
        "installing anything. Whether 7 % is worth a library is for you to argue; and ask first "
        "which photographs your users really send.",
        "Three times as many requests a second": "Only if decoding were all of the request.",
        "Nothing that can be known before trying": "The stage's share and its own gain are enough: "
        "Amdahl's law. Trying then checks the sum.",
    },
    right="7 % more requests a second",
)

# %%
quiz(
    "Sixteen workers with one compute thread each, on sixteen cores. The service answers as many "
    "requests a second as a single worker did; the machine's load reads 6 %. What do you look at?",
    {
        "The load of each core": "6 % of sixteen cores is one core. If it is always the same one, the "
        "workers are bound to it: look for pinning in the engine, in OpenMP's variables, in the "
        "container's settings.",
        "A flame graph of one worker": "It shows a healthy worker at work, on convolutions. What is "
        "wrong is in none of them.",
        "The batch size": "Nothing waits for lack of work to share: fifteen cores idle while requests "
        "wait in line.",
        "Python's lock": "Each worker is a process, with a lock of its own.",
    },
    right="The load of each core",
)

# %%
quiz(
    "A colleague replaces the resize before the network by a faster one. On 50 test pictures every "
    "label is the same. Ship it?",
    {
        "Yes: 50 of 50": "None of 50 only says that fewer than about 3 / 50 = 6 % change, with 95 % "
        "confidence (lesson 1.5). One in twenty wrong answers would be a bad month.",
        "Not yet: compare probabilities, and on many more pictures": "Labels are a coarse measure: "
        "all probabilities can move before the first label falls. Probabilities that stay where "
        "they were, to the rounding, are the proof that the pixels are the same.",
        "No: the resize is part of the model and may not be touched": "It may, where the pixels stay "
        "the same: cutting while resizing was such a change.",
    },
    right="Not yet: compare probabilities, and on many more pictures",
)

# %%
quiz(
    "Dynamic batching has been switched on for a convolutional network on CPU cores. At night "
    "the latency has risen by the waiting time, at peak the throughput is as before. Why?",
    {
        "The waiting time is too short to fill batches": "At night a longer one makes it worse; at "
        "peak batches fill by themselves, and full ones brought nothing.",
        "The network was limited by arithmetic before": "Each weight is used for every place of the "
        "picture, so reading it once less saves little. Batches pay where weights are read for "
        "a single use, or where one request leaves multipliers idle.",
        "Python's lock keeps the batch from being computed in parallel": "The engine computes a "
        "batch in C++ with its own threads, without the lock.",
    },
    right="The network was limited by arithmetic before",
)

# %% [markdown]
# ## Sources
#
# - [1] Pillow documentation, *Image.draft*, and JpegImagePlugin's source: scales of 1/2,
#   1/4 and 1/8, never below the size asked for.
# - [2] OpenVINO documentation, *Optimize Preprocessing*.
# - [3] Intel support, article 000058227, *OpenVINO inference time increases when running
#   multiple processes*; OpenVINO documentation, *Performance Hints and Thread
#   Scheduling*, `ov::hint::enable_cpu_pinning`.
# - [4] Python documentation, *Glossary: global interpreter lock*; A. Karp and H. Flatt,
#   *Measuring Parallel Processor Performance*, Communications of the ACM 33(5), 1990.
# - G. Amdahl, *Validity of the single processor approach to achieving large scale computing
#   capabilities*, AFIPS 1967.
# - NVIDIA Triton documentation, *Dynamic Batcher*: preferred batch size and maximum
#   queue delay.
