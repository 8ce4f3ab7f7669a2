# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [gunicorn, py-spy, tensorboard, nsys]
# ---

# %% [markdown]
# # 1.4 · Finding the bottleneck
#
# Since lesson 1.1 the team has been busy. There have been three releases, each
# with a small addition, each reviewed, and after each the service was slower than
# anybody had expected. Every time somebody ran a profiler, looked at the top row,
# worked on it for a week, and gained nothing.
#
# The profiler had not lied. It had answered **another question** than the one
# that was asked. A profiler tells where *the time that it counts* went: some count
# seconds on the wall, some only seconds at work, some only one thread, some only
# their own operators. What it does not count, it does not show, and nothing on
# its page says that something is missing.
#
# You will look at one request with five profilers, measure what each costs, and
# then hunt three bottlenecks. The first is not where the tool points. The second is
# invisible to the tool. The third is in no line of code at all.

# %% tags=["parameters"]
scale = "laptop"

# %%
import os

import torch

from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import compare, interleaved
from lab_utils.measure.interval import interval
from lab_utils.measure.laws import amdahl_speedup
from lab_utils.measure.profile import cprofile, onnx, pyspy, pytorch
from lab_utils.measure.profile.prices import nothing, tight_loop, under_pyspy, under_pytorch
from lab_utils.models import pictures
from lab_utils.models.onnx_file import onnx_file
from lab_utils.scale import at
from lab_utils.serve import annotated_request, tensorboard
from lab_utils.serve.glossary import Glossary
from lab_utils.serve.memory import memory_steps
from lab_utils.serve.observe import observe
from lab_utils.serve.resnet_release import ReleasedRequest
from lab_utils.serve.resnet_request import ResNetRequest
from lab_utils.serve.web import WebService
from lab_utils.show import plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.profiles import flame_graph, parts, top_table
from lab_utils.show.progress import waiting, watching
from lab_utils.show.quiz import quiz

torch.set_num_threads(1)
cores = available_cores()
jpegs = [p.jpeg for p in pictures.draw(16, seed=11)]
service = ResNetRequest.load()
for jpeg in jpegs[:4]:
    service.answer(jpeg)
print(f"{cores} cores; this notebook and every worker below compute with one thread")

# %% [markdown]
# One compute thread everywhere, as lesson 1.1 left the workers. Then one second
# of a request is one second of one thread, and the tools' sums can be compared
# with the clock on the wall.
#
# ## One request, five witnesses
#
# **cProfile** comes with Python. It is called at every call and every return, and
# reads the clock on the wall.

# %%
calls = predict("How many Python function calls does one request make?", unit="calls")


# %%
def four_requests():
    for jpeg in jpegs[:4]:
        service.answer(jpeg)


seen_by_cprofile = cprofile.profile(four_requests)
top_table(seen_by_cprofile, 6)
calls.reveal(sum(row.calls for row in seen_by_cprofile.rows) / 4)
key_figure(
    "share of cProfile's top row", 100 * seen_by_cprofile.share(seen_by_cprofile.rows[0]), "%"
)

# %% [markdown]
# Thousands of calls, and most of the time in one row that says `torch.conv2d`. For cProfile a call into C is a black box: fifty-three different
# convolutions are one row, and nothing tells which of them is slow or why.
#
# **PyTorch Profiler** sits inside the box. It knows the operators that a call
# ends in, and, asked for stacks, the Python lines that led there. It also knows
# what each operator allocates (column *memory*: what it took less what it gave
# back during its own time).

# %%
request = jpegs[0]
traces = tensorboard.folder()
trace = pytorch.tensorboard_trace(traces, "one-request")
seen_by_pytorch = pytorch.profile(lambda: service.answer(request), trace=trace)
top_table(seen_by_pytorch.grouped(pytorch.operator), 6)
flame_graph(
    seen_by_pytorch,
    "One request, from the caller down to the operator",
    highlight=["aten::"],
    since="answer (",
    hide=["_call_impl", "_wrapped_call_impl", "nn.Module: ", "<lambda>", "(built-in)"],
)

# %% [markdown]
# How to read a flame graph (this one hangs downwards, as an *icicle*): each box
# lies beneath its caller, and its width is its share of the time. **Width is all
# that counts**; left and right mean nothing here. Look for wide boxes with nothing
# beneath them: there the time is spent. Orange boxes are PyTorch's operators.
#
# If you find two different operators for convolutions, you see something that
# no Python profiler can: PyTorch hands some layers to oneDNN (`mkldnn`, its older
# name) and computes others with a kernel of its own (`_slow_conv2d`). The one row of
# cProfile was two.
#
# **ONNX Runtime** keeps a profile of its own, by node of its graph. Here is the
# same network, exported, on the same picture.

# %%
graph = onnx_file(service.model.network, torch.zeros(1, 3, 224, 224))
inputs = service.preprocess(service.decode(request))
seen_by_onnx = onnx.profile(graph, {"input": inputs.numpy()}, compute_threads=1)
top_table(seen_by_onnx, 3)
top_table(seen_by_onnx.grouped(onnx.operator), 4)
print(
    f"operators in the profile: {len(seen_by_onnx.grouped(onnx.operator).rows)}, "
    f"nodes: {len(seen_by_onnx.rows)}; per run {1e3 * seen_by_onnx.elapsed_s / 5:.0f} ms"
)

# %% [markdown]
# There is no batch norm and hardly a ReLU left in it: before the first run ONNX
# Runtime has *fused* them into the convolutions, and the names of its nodes are
# those of what a node ends in. A profile by node names the slow layer; it says
# nothing of decoding, of Python, of anything outside the session.
#
# The other two witnesses work from outside: **py-spy** looks into a running
# process many times a second and notes which function each thread is in;
# **Nsight Systems** records a timeline of ranges that the program names, and
# of what the operating system was asked for. Both get their chance in the hunt.
#
# ## What looking costs
#
# A profiler that slows the program changes what it measures. How much? Guess for
# cProfile, in two cases: the request, and a loop in plain Python that calls a
# tiny function 100,000 times.

# %%
price_of_request = predict("cProfile: how many times as long does the request take?", unit="times")
price_of_loop = predict("cProfile: how many times as long does the tight loop take?", unit="times")


# %%
def one_request():
    service.answer(request)


pyspy.let_profilers_in()
watched = {
    "no profiler": lambda: nothing(one_request),
    "cProfile": lambda: cprofile.profile(one_request).elapsed_s,
    "py-spy, from outside": lambda: under_pyspy(one_request),
    "PyTorch, operators": lambda: under_pytorch(one_request, stacks=False),
    "PyTorch, with stacks": lambda: under_pytorch(one_request, stacks=True),
}
loops = {
    "no profiler": lambda: nothing(tight_loop),
    "cProfile, tight loop": lambda: cprofile.profile(tight_loop).elapsed_s,
}
try:
    under_pyspy(one_request)
except LabError as refusal:
    print(refusal)
    del watched["py-spy, from outside"]

rounds = at(scale, ci=4, laptop=24)
requests_s = interleaved(watched, rounds=rounds, watch=watching("Rounds of all"))
loops_s = interleaved(loops, rounds=rounds)

# %%
times = {}
for took_s in (requests_s, loops_s):
    plain_s = took_s.pop("no profiler")
    for name, watched_s in took_s.items():
        times[name] = [a / b for a, b in zip(watched_s, plain_s, strict=True)]
plots.rates(
    times,
    {name: interval(ratios) for name, ratios in times.items()},
    "The price of looking",
    xlabel="times as long as without a profiler (pairs in the same round)",
)
price_of_request.reveal(interval(times["cProfile"]))
price_of_loop.reveal(interval(times["cProfile, tight loop"]))
key_figure("cProfile on the request", interval(times["cProfile"]), "times")
key_figure("cProfile on a tight loop", interval(times["cProfile, tight loop"]), "times")

# %% [markdown]
# The same tool, two prices. cProfile asks a fixed toll **for each call**. The
# request makes some thousands of calls in many milliseconds, and the toll is lost
# in the noise. The loop does nothing but call. So "cProfile costs so many per
# cent" is not a property of cProfile; it is a property of *your program*, and,
# what is worse, of each *part* of your program. (Where a whisker crosses 1, the
# price was too small for this many rounds.)
#
# py-spy asks nothing for a call. It pauses the process for a moment at each sample, a
# hundred times a second, whatever the process is doing. On a request like this one that
# may well cost *more* than cProfile does. But it falls on all functions alike, and so
# leaves their order as it is. A profiler need not be cheap to be right about shares;
# its price must be spread evenly.
#
# ## The first release: the tool that blames the wrong function
#
# The first release recognises duplicates: a fingerprint of each picture, pixel by
# pixel, written by somebody who likes small functions. Requests got slower.
# cProfile is asked who did it.

# %%
released = ReleasedRequest(service, fingerprint=True)


def two_released():
    for jpeg in jpegs[:2]:
        released.answer(jpeg)


blamed_by_cprofile = cprofile.profile(two_released)
blame = blamed_by_cprofile.share_of("fingerprint (")
top_table(blamed_by_cprofile, 6)
print(
    f"cProfile, callees included: fingerprint {blame:.0%}, "
    f"compute {blamed_by_cprofile.share_of('compute ('):.0%} of the request"
)

# %% [markdown]
# Amdahl's law from lesson 1.1 turns a share into a promise: take a part with the
# share *s* away, and the rest is 1 / (1 − *s*) times as fast.

# %%
promise = 1 / (1 - blame)
print(f"cProfile's promise: without the fingerprint {promise:.2f} times as fast")
kept = predict("Take the fingerprint out. How many times as fast is the request?", unit="times")

# %%
requests = iter(jpegs * 100)
pairs_s = interleaved(
    {
        "with": lambda: nothing(lambda: released.answer(next(requests))),
        "without": lambda: nothing(lambda: service.answer(next(requests))),
    },
    rounds=at(scale, ci=6, laptop=40),
    watch=watching("Pairs of requests"),
)
gain = compare(pairs_s["without"], pairs_s["with"], higher_is_faster=False)
kept.reveal(gain.speed_ratio)
print(gain)
key_figure("gain without the fingerprint", gain.speed_ratio, "times")
key_figure("gain that cProfile promised", promise, "times")

# %%
true_share = 1 - 1 / gain.speed_ratio.median
witnesses = {"cProfile": blame, "the clock, with and without": true_share}
try:
    with pyspy.Recording(os.getpid()) as recording:
        for jpeg in jpegs[:10] * at(scale, ci=1, laptop=6):
            released.answer(jpeg)
    witnesses["py-spy"] = recording.profile.share_of("fingerprint (")
except LabError as refusal:
    print(refusal)
parts(
    {name: {"fingerprint": share, "the rest": 1 - share} for name, share in witnesses.items()},
    "How much of the request is the fingerprint?",
    xlabel="share of the request",
)

# %% [markdown]
# The fingerprint makes hundreds of thousands of calls, and each paid the toll.
# cProfile measured *a fingerprint under cProfile*, correctly, and that is several
# times slower than a fingerprint. Not only the size is wrong: compare the *order*
# of fingerprint and compute in its table with the one that the clock gives.
#
# So: **a profile is a hypothesis, and the paired measurement is the test.** Before
# anybody spends a week on a top row, take the part away (return a constant!) and
# measure with and without. It is the cheapest experiment there is, and it bounds
# what any optimisation of that part can ever give.
#
# For Python code that calls a lot, ask a sampler. For shares of a percent, a
# sampler needs many samples: with *n* of them a share *p* is uncertain by
# √(p (1 − p) / n).

# %% tags=["deterministic"]
for n in (100, 1000, 10_000):
    print(
        f"{n:6} samples: a share of 30 % is known to ± {100 * 2 * (0.3 * 0.7 / n) ** 0.5:.1f} points"
    )

# %% [markdown]
# (Twice the standard error. A hundred samples are one second of py-spy.)
#
# ## The second release: the profiler says compute
#
# The fingerprint is gone again. The second release explains each of the five
# labels: it asks another team's service, the *glossary*, what they mean. Since
# then clients wait longer. The service is real, behind gunicorn, with one worker.

# %%
MODULE = "lab_utils.serve.resnet_release"


def variant(arguments="", workers=1):
    app = f"{MODULE}:create_app({arguments})"
    return WebService(app, workers=workers, compute_threads=1, preload=[MODULE])


with waiting("Four services start", about_s=12):
    glossary = Glossary(delay_s=0.015).__enter__()
    services = Together(
        {
            "before": variant(),
            "second release": variant(f"glossary={glossary.url!r}"),
            "third release": variant("core=True", workers=2),
            "two workers": variant(workers=2),
        }
    )
for web in services.values():
    observe(web, jpegs, requests=2 * web.workers, clients=web.workers)

# %%
names = ("before", "second release")
runs = interleaved(
    {name: lambda name=name: observe(services[name], jpegs, requests=3) for name in names},
    rounds=at(scale, ci=4, laptop=12),
    watch=watching("Rounds of both"),
)
waited_ms = {name: [1e3 * s for run in runs[name] for s in run.waited_s] for name in names}
staged_ms = {name: [1e3 * s for run in runs[name] for s in run.staged_s] for name in names}
bars = {
    "before: stages": staged_ms["before"],
    "before: the client waits": waited_ms["before"],
    "second release: stages": staged_ms["second release"],
    "second release: the client waits": waited_ms["second release"],
}
plots.rates(
    bars,
    {name: interval(values) for name, values in bars.items()},
    "What the service says, and what its client waits",
    xlabel="milliseconds",
)

# %% [markdown]
# The service's own stages say that nothing has changed, and its client disagrees.
# (Nobody has added the new step to the stages. Somebody always forgets; whatever a
# service reports about itself, lay it beside what a client waits.)
#
# So: a profiler, on the live worker, from outside. py-spy needs the worker's
# process number and nothing else; the service neither restarts nor notices.

# %%
count = at(scale, ci=12, laptop=80)
at_work = observe(services["second release"], jpegs, requests=count, sampler="at work")
if at_work.profile is None:
    print(at_work.refusal)
else:
    flame_graph(
        at_work.profile,
        "The worker, as py-spy sees it",
        highlight=["compute ("],
        since="answer (",
        hide=["_call_impl", "_wrapped_call_impl"],
        levels=9,
    )
    print(
        f"share of compute: {at_work.profile.share_of('compute ('):.0%} of {at_work.profile.total_s:.2f} s"
    )

# %% [markdown]
# By far the most samples are in `compute`. The conclusion seems plain:
# the network is the bottleneck, get a faster network. Before you agree:

# %%
asleep = predict("What share of the time was the worker waiting, doing nothing at all?", unit="%")

# %%
asleep.reveal(100 * at_work.states.asleep)
parts(
    {
        name: watched_run.states.as_dict()
        for name, watched_run in (("before", runs["before"][-1]), ("second release", at_work))
    },
    "The worker's time, as the scheduler counts it",
    xlabel="share of the wall-clock time",
)
key_figure("time asleep, second release", 100 * at_work.states.asleep, "%")
if at_work.profile is not None:
    print(
        f"py-spy accounted for {at_work.profile.total_s:.2f} s "
        f"of the {at_work.profile.elapsed_s:.2f} s that passed"
    )

# %% [markdown]
# The operating system keeps the books: for each thread it counts the time on a
# core and the time for which it *would have run but had no core*
# (`/proc/PID/task/TID/schedstat` [1]). The rest it was asleep: waiting for a
# network, a lock, a disk, a timer.
#
# py-spy leaves sleeping threads out unless told otherwise [2]. There is a good
# reason: a server has dozens of threads that sleep for good, and they would bury
# everything. So it counted, truthfully, the time *at work*, and of that compute
# has nearly all. The share was right. **What it was a share of** was the mistake.
# The one line to read first in any profile is the last one above: accounted for,
# and passed. If they differ, the answer may be in the difference.
#
# Time on a core is called *on-CPU* time, the rest *off-CPU*. A service whose
# clients wait needs both [3]. Ask py-spy again, with idle threads:

# %%
idle_too = observe(services["second release"], jpegs, requests=count, sampler="idle, too")
if idle_too.profile is None:
    print(idle_too.refusal)
else:
    flame_graph(
        idle_too.profile,
        "The same worker, waits included",
        highlight=["ask (", "readinto"],
        since="answer (",
        hide=["_call_impl", "_wrapped_call_impl"],
        levels=9,
    )
    print(f"share of the glossary: {idle_too.profile.share_of('_meaning ('):.0%}")

# %% [markdown]
# There it is, a box about as wide as the network: `ask`, beneath `_meaning`, waiting for bytes to
# come (`readinto`). The code makes five calls, one after the other, for five labels.
#
# cProfile would have shown it too, as a large row named after a *socket* method: it
# counts waiting as if it were work, and does not say which of the two it is. And
# **Nsight Systems** shows it by design: inside each range that the program names,
# the calls that wait stand by name.

# %%
seen_by_nsight, source = annotated_request.profile(
    glossary.url, requests=at(scale, ci=6, laptop=20)
)
print(source)
flame_graph(
    seen_by_nsight,
    "Named ranges, and the operating system's calls inside them",
    highlight=["(operating system)"],
)

# %% [markdown]
# (`poll` is Python's socket, waiting with a time limit.) Ranges are named in the
# program, `torch.cuda.nvtx.range("decode")`, and no GPU is needed for that. On a
# GPU machine the same timeline shows when each kernel ran and when the GPU idled.
# That is what the tool is for: *several processors, one time axis*.
#
# Labels do not change. The mend asks for all of them once, before the first
# request.

# %%
mend = predict("Ask once, keep the sentences: how many times as fast?", unit="times")

# %%
asking = ReleasedRequest(service, glossary=glossary.url)
remembering = asking.remembering()
pairs_s = interleaved(
    {
        "asking": lambda: nothing(lambda: asking.answer(next(requests))),
        "remembering": lambda: nothing(lambda: remembering.answer(next(requests))),
    },
    rounds=at(scale, ci=6, laptop=24),
    watch=watching("Pairs of requests"),
)
mended = compare(pairs_s["remembering"], pairs_s["asking"], higher_is_faster=False)
mend.reveal(mended.speed_ratio)
print(mended)
at_most = amdahl_speedup(share=at_work.states.on_core, factor=2)
print(f"had everything that ran on a core been made twice as fast instead: {at_most:.2f} times")
key_figure("second release, mended ÷ as it was", mended.speed_ratio, "times")

# %% [markdown]
# Not one operator got faster. The last line is Amdahl's law for the other plan, the
# one that the first flame graph suggested: weeks of work on the network, and what they
# would have given had they doubled its speed.
#
# ## The third release: nothing in the code is slow
#
# The third release runs two workers, and somebody has read that a process should
# be *bound to a core*, for its caches. Two clients, each waiting for its answer.

# %%
second_core = predict(
    "Two bound workers against one worker: how many times the rate?", unit="times"
)

# %%
names = ("before", "third release", "two workers")
runs = interleaved(
    {
        name: lambda name=name: observe(
            services[name],
            jpegs,
            requests=at(scale, ci=2, laptop=3) * services[name].workers,
            clients=services[name].workers,
        )
        for name in names
    },
    rounds=at(scale, ci=6, laptop=12),
    watch=watching("Rounds of all three"),
)
rates = {name: [run.rate_rps for run in runs[name]] for name in names}
third = compare(rates["third release"], rates["before"], higher_is_faster=True)
second_core.reveal(third.speed_ratio)
print(third)
for name in names:
    exchanges = [exchange for run in runs[name] for exchange in run.exchanges]
    compute_ms = interval([1e3 * exchange.stages.durations_s["compute"] for exchange in exchanges])
    print(f"{name:14} the stage compute: {compute_ms:.0f} ms")

# %% [markdown]
# Ask every tool you know. The service's own stages say that *compute* has become
# slower. So, the network again? py-spy, on one of the two:

# %%
bound = observe(services["third release"], jpegs, requests=count, clients=2, sampler="at work")
if bound.profile is None:
    print(bound.refusal)
else:
    top_table(bound.profile, 3)

# %% [markdown]
# It accounts for nearly all of the time that passed: the worker was at work, and
# at work on convolutions. Line by line it is the profile of a healthy worker.
# Nothing in the code is slow, yet the service is. **What now?** Leave the code, and ask
# the machine: who had which core, when?

# %%
parts(
    {name: run.states.as_dict() for name, run in (
        ("before", runs["before"][-1]), ("third release", bound), ("two workers", runs["two workers"][-1]),
    )},
    "The workers' time, as the scheduler counts it",
    xlabel="share of the wall-clock time of all workers",
)  # fmt: skip
waiting_share = bound.states.waiting_for_core
key_figure("time waiting for a core, third release", 100 * waiting_share, "%")
mine = sorted(os.sched_getaffinity(0))[:8]
parts(
    {
        f"core {core}": {"busy": bound.core_loads[core], "idle": 1 - bound.core_loads[core]}
        for core in mine
    },
    "The machine's cores during the third release",
    xlabel="share of the time",
)

# %% [markdown]
# *Waiting for a core*: the third state, which no profiler of a process can tell
# from working. To py-spy a thread that is ready to run counts as running; to
# cProfile and to a service's own stages the clock on the wall goes on while
# somebody else has the core. That is why compute "became slower".
#
# Both workers chose the same core. If the second plot shows one core full and another
# one idle (apart from what your notebook and your browser do), you have seen it. The
# profile of either worker alone could not show it, because what is wrong is not in
# either of them. (OpenVINO does the same by default when two processes use it;
# you will meet it in lesson 1.7.)

# %%
freed = compare(rates["two workers"], rates["third release"], higher_is_faster=True)
plots.rates(
    rates,
    {name: interval(values) for name, values in rates.items()},
    "Two workers, bound to one core and not bound",
    xlabel="answers a second",
)
print(f"not bound against bound: {freed}")
key_figure("not bound ÷ bound", freed.speed_ratio, "times")

# %% [markdown]
# Two clients and two workers keep two cores busy, and what sends the requests needs
# a core, too: on two cores expect less than twice the rate. With one core only, the
# three bars are alike, and waiting for a core is nobody's mistake. And where *two workers*
# gained little on several cores, look at its bar in the plot of the scheduler's states: if
# it waited for a core, too, something else had one while you measured. The state says that
# a core was missing; who held it, the list of processes says.
#
# ## Where did my memory go?
#
# Another question that never goes away. The worker takes many hundred megabytes;
# the file with the weights has about a hundred.

# %%
weights_share = predict("What share of a warm worker's resident memory is its weights?", unit="%")

# %%
with waiting("A fresh process imports, loads and answers", about_s=6):
    steps = memory_steps(jpegs[: at(scale, ci=6, laptop=16)])
services.stop()
glossary.__exit__(None, None, None)
parts(
    {
        step.name: {
            "weights": step.tensors_bytes / 1e6,
            "its own, otherwise": (step.private_bytes - step.tensors_bytes) / 1e6,
            "files mapped, shared with others": step.mapped_bytes / 1e6,
        }
        for step in steps
    },
    "Resident memory after each step",
    xlabel="MB",
    whole=False,
)
share = 100 * steps[-1].tensors_bytes / steps[-1].resident_bytes
weights_share.reveal(share)
key_figure("weights in a worker's resident memory", share, "%")
allocated = sum(max(row.memory_bytes or 0, 0) for row in seen_by_pytorch.rows)
grown = steps[-1].resident_bytes - steps[-3].resident_bytes
print(f"PyTorch Profiler: operators took {allocated / 1e6:.0f} MB during one request;")
print(f"the process grew by {grown / 1e6:.0f} MB over all its requests")

# %% [markdown]
# Look at the step *libraries*. Importing PyTorch costs several times the memory of
# this model: code in mapped files, and on the heap thousands of Python modules
# and the tables of every operator for every device. It does not depend on the
# model, and no change of the model saves any of it.
#
# - **Mapped files are shared.** Ten workers map the same libraries once. And what a
#   parent process has imported before it forks its workers (`--preload` in
#   gunicorn) stays shared until somebody writes to it. Adding up the resident
#   memory of ten workers counts the same pages ten times.
# - **Activations come and go.** A request takes memory over and over, and the
#   process hardly grows: the allocator gives the same pages to the next layer. The
#   profiler counts what was *asked for*, the operating system what is *there*.
# - **"Weights" is what tensors hold.** The compute library may keep a second copy in
#   its own order; it then hides in "its own, otherwise" after the first request.
#
# For ResNet-50, quantised weights save tens of megabytes in a process of hundreds;
# for a model of 14 GB (unit 2) the picture turns around.
#
# ## For a closer look: a timeline
#
# Tables add up; a timeline keeps the order. PyTorch Profiler has already written
# one, in the format that Chrome introduced and Perfetto (ui.perfetto.dev) opens
# by drag and drop. TensorBoard reads the same file.

# %%
print(f"trace file, kept until this kernel ends: {trace} ({trace.stat().st_size / 1e3:.0f} kB)")
board = tensorboard.show(traces)

# %% [markdown]
# In JupyterLab on your own machine TensorBoard has opened above, and ends with the
# kernel. (Its tables and its trace view work without the internet; its pie
# charts load a script from there.) Where JupyterLab runs on *another* machine, the
# page cannot reach that machine's loopback; `%tensorboard --logdir FOLDER` behind
# jupyter-server-proxy can.
#
# ## Three questions

# %%
quiz(
    "A profile by a sampler: 95 % of the samples in the network. The service's clients "
    "complain. What do you look at first?",
    {
        "How many of the seconds that passed the sampler accounted for": "Right: a share says "
        "nothing until you know of what. If half of the seconds are missing, half of the wait is "
        "somewhere else.",
        "Which layer of the network is the slowest": "That is the second step. If the worker was "
        "asleep for half of the time, no layer can give you more than the other half.",
        "The same profile with a higher sampling rate": "More samples make the shares of the time "
        "at work more exact. The time that is left out stays left out.",
    },
    right="How many of the seconds that passed the sampler accounted for",
)
quiz(
    "cProfile gives a small helper function, called 200,000 times a request, 60 % of the time. "
    "What do you do before rewriting it?",
    {
        "Take it out and measure with and without": "Right: cProfile's toll falls on each call. "
        "The paired measurement says what the helper costs without a profiler, and bounds the gain.",
        "Rewrite it in C: 60 % is 60 %": "It is 60 % of the time under cProfile. Under no "
        "profiler it may be 20 %, and the rewrite gives at most 1.25 times.",
        "Run cProfile again, for longer": "The toll for each call stays; a longer run only makes "
        "the wrong share more exact.",
    },
    right="Take it out and measure with and without",
)
quiz(
    "Four workers, each at work all the time by py-spy, and one core of four is busy. Which "
    "tool names the cause?",
    {
        "The scheduler's counts, and the load of each core": "Right: the workers wait for a core, "
        "which only the scheduler can tell from working.",
        "PyTorch Profiler, with stacks": "It reads the clock on the wall: each operator looks "
        "slower, all alike, and none is the cause.",
        "py-spy with idle threads": "The workers are not asleep: they are ready to run, and py-spy "
        "counts that as running.",
    },
    right="The scheduler's counts, and the load of each core",
)

# %% [markdown]
# ## Which tool first?
#
# | the question | look first at | and know that it is blind to |
# |---|---|---|
# | Is it the service at all? | what a client waits, beside the service's own stages | why |
# | At work, asleep, or waiting for a core? | the scheduler's counts, the load of each core | which line of code |
# | Which function is it, on the live service? | py-spy; with `--idle` when time is missing | the inside of C calls; how often |
# | How often is something called, and by whom? | cProfile | its own toll; other threads; work against waiting |
# | Which operator, which layer, how much memory? | PyTorch Profiler | what is outside PyTorch and Python |
# | Which node, after fusion? | ONNX Runtime's profile | what is outside the session |
# | Who waits for whom, across threads, processes, GPU? | Nsight Systems | what has no named range |
# | Is it worth mending? | the paired measurement, with and without | nothing that matters |
#
# ## What you have seen
#
# - Each profiler counts some seconds and not others. *Accounted for* against
#   *passed* is the first line to read.
# - cProfile's price is a toll for each call: nearly nothing for the request,
#   a multiple for a tight loop. It can reverse the order of two functions.
# - A sampler's "it is compute" was true of the time at work, and the worker was asleep
#   for much of the time that passed.
# - Waiting for a core looks like working, to every profiler of a process.
# - Most of a worker's memory is neither weights nor activations.
# - A profile is a hypothesis; the paired measurement is the test.
#
# Next: **1.5, One change at a time**. You know where the time goes now; it is compute,
# once the three releases are mended. Time to make it cheaper.
#
# ## Sources
#
# 1. Linux kernel documentation, *Scheduler statistics* (scheduler/sched-stats):
#    /proc/PID/schedstat, time on the processor and time waiting on a run queue.
# 2. py-spy 0.4, `py-spy record --help`: `--idle`, "include stack traces for idle threads";
#    its README on how it decides that a thread is idle.
# 3. B. Gregg, *Off-CPU Analysis* and *The Flame Graph*, Communications of the ACM
#    59(6), 2016.
