# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [gunicorn, wrk, ab, k6]
# ---

# %% [markdown]
# # 1.1 · The life of a request
#
# A team has put a pre-trained ResNet-50 behind Flask. A photograph goes in, five
# labels come out. On a developer's desk it answers in a moment. At peak it
# answers in half a second, and nobody has changed a line.
#
# You are asked two things: **where does the time go**, and **what is the first
# thing to change**. By the end of this lesson you will have reproduced the slow
# peak on your own machine, explained it, and removed a good part of it without
# touching the model.
#
# The rule of the course: *guess before you measure*. A guess that fails is worth
# more than a figure that was merely read. Every figure below is measured now, on
# the machine that runs this page; your figures will differ from your
# neighbour's, and the explanations say what to look for in yours.
#
# Run the cells one by one with Shift-Enter. The next two set the size of the
# measurements and import the course's tools; there is nothing to learn in them.

# %% tags=["parameters"]
scale = "laptop"

# %%
import itertools

import torch
from IPython.display import display

from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import compare, difference, interleaved
from lab_utils.measure.interval import interval
from lab_utils.measure.percentile import percentile
from lab_utils.measure.stages import Timeline
from lab_utils.models import pictures
from lab_utils.scale import at
from lab_utils.serve import load
from lab_utils.serve.client import Client
from lab_utils.serve.cold_start import cold_start
from lab_utils.serve.resnet_request import ResNetRequest
from lab_utils.serve.web import WebService
from lab_utils.show import plots
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting, watching
from lab_utils.show.quiz import quiz
from lab_utils.show.surface import Note

cores = available_cores()
torch.set_num_threads(cores)
print(f"{cores} cores, PyTorch {torch.__version__}")

# %% [markdown]
# ## What comes in, what goes out
#
# The photographs come with Python libraries (scikit-image, scikit-learn); each
# request is a random part of one, 640 × 480, as a JPEG file.

# %%
requests = [p.jpeg for p in pictures.draw(32, seed=11)]
samples = pictures.draw(6, seed=11)
plots.pictures(
    [p.jpeg for p in samples],
    [f"{p.label}, {len(p.jpeg) / 1e3:.0f} kB" for p in samples],
    "Six requests",
)

# %%
service = ResNetRequest.load()
print("weights:", service.model.source)
for guess in service.answer(samples[2].jpeg)[:3]:
    print(f"{guess['probability']:7.1%}  {guess['label']}")

# %% [markdown]
# Read the line that begins with *weights*. If it says `hub`, these are the
# ImageNet weights that the job uses. If it says `stand-in`, the hub did not
# answer on this machine: the network is ResNet-50 to the last layer, with the
# same arithmetic and the same memory traffic, but its labels are the sixteen
# photographs. Every *time* in this lesson means the same with either.
#
# ## The very first answer
#
# A new version has been deployed. The old process is gone, the new one has just
# been started, and a request is already waiting. (It computes with one thread,
# so that whatever else runs on your machine disturbs the picture little.)

# %%
first_answer = predict("How long from starting the process to its first answer?", unit="s")

# %%
with waiting("A new process: its first answers, cold and warm", about_s=12):
    cold = cold_start(requests[: at(scale, ci=8, laptop=16)], compute_threads=1)

stages = cold.cold_stages.durations_s
plots.waterfall(
    stages,
    "From nothing to the first answer",
    highlight=max(stages, key=stages.get),
    since="the process was started",
)
first_answer.reveal(cold.first_answer_s)
key_figure("start to first answer", cold.first_answer_s, "s")

# %% [markdown]
# Most people guess the model: a hundred megabytes of weights have to be read.
# Look for the longest bar. Where it is *import*, the time went into Python
# loading PyTorch, thousands of files and some gigabytes of libraries, before
# anybody mentioned a model. The weights are read from memory if any process has
# read them lately (the operating system keeps them), and from the disk if not.
#
# This matters whenever processes come and go: a deployment, a crash, an
# autoscaler that answers to load. A new replica is of no use before this whole
# waterfall is over. It is why a service announces itself as *ready* only
# afterwards, and why this course keeps its services running between
# measurements.
#
# ## The second answer, and the third
#
# In the last rows above, the *first* request computed for some time. Now the
# process is warm.

# %%
times_slower = predict("How many times slower is the first compute than a warm one?", unit="times")

# %%
warm_compute = interval(cold.warm.durations_s("compute")).scaled(1e3)
groups = {
    "the process's first requests": cold.first,
    "a second network": cold.new_network,
    "another picture size": cold.new_size,
}
compute_ms = {
    name: [1e3 * r.stages.durations_s["compute"] for r in group] for name, group in groups.items()
}
plots.cold_and_warm(compute_ms, "What is slow once, and what is slow again", warm_compute)
ratio = compute_ms["the process's first requests"][0] / warm_compute.median
times_slower.reveal(ratio)
key_figure("first compute ÷ warm compute", ratio, "times")

# %% [markdown]
# "The first one is always slow" is an observation, not an explanation. To
# explain it, repeat *one part* of being first, and see whether the slowness comes
# back:
#
# - **a second network**: the same weights, loaded again into new memory of the
#   same, warm process. If its first request is nearly as fast as the dashed line,
#   then being new to *this network* costs little.
# - **another picture size**: the old, warm network, pictures of 256 × 256 in
#   place of 224 × 224. (They stay slower than the dashed line: 256² is 31 % more
#   pixels than 224². Compare the orange bar with the blue ones beside it.) If
#   its first request is slow again, part of being cold belongs to the *shape* of
#   the input.
#
# Two causes can be counted, request by request.

# %%
print(f"{'':30}{'page faults':>12}{'kernels built':>15}{'building them':>15}")
for name, group in groups.items():
    for number in (0, 1, len(group) - 1):
        r = group[number]
        label = f"{name}, {number + 1}"
        built = f"{1e3 * r.building_s:.1f} ms"
        print(f"{label:32}{r.page_faults:>10,}{r.kernels_built:>15}{built:>15}")

# %% [markdown]
# **Kernels built.** PyTorch hands convolutions on x86 processors to oneDNN,
# which writes machine code for each shape of convolution when it first meets it
# and keeps the result [1]. A second network asks for the same shapes and builds
# nothing; another picture size builds anew. (Zeros everywhere? This processor
# uses another library, which does not tell.)
#
# **Page faults.** Memory that a program asks for is only promised. The kernel
# finds a real page when it is first touched: some microseconds each, thousands
# of times. Activations need their memory with the first request; later ones find
# it where it was.
#
# What the two do not explain goes to helper threads that are started, code paged
# in from disk, and caches that are empty. What follows from all of it is one
# rule, and it is the first rule of measuring: **warm up with the shapes that will
# come, then measure.** Your factor says what it would cost to forget it: a mean of
# ten requests, one of them cold, is too high by a tenth of what the factor has
# above 1. With a factor of 3 that is 20 %, more than many an optimisation gains.
#
# ## A warm request
#
# From now on everything is warm. Four stages remain: *decode* the JPEG,
# *preprocess* (resize, cut the middle, normalise), *compute* the network,
# *postprocess* (softmax, top five).

# %%
compute_share = predict("What share of a warm request is compute?", unit="%")

# %%
for jpeg in requests[:3]:
    service.answer(jpeg)

timeline = Timeline()
for i in progress(range(at(scale, ci=24, laptop=150)), "Warm requests"):
    timeline.add(service.timed(requests[i % len(requests)]))

plots.waterfall(timeline.intervals_s(), "A warm request", highlight="compute")
share = timeline.share("compute")
compute_share.reveal(share.scaled(100))
key_figure("warm request", interval(timeline.totals_s).scaled(1e3), "ms")
key_figure("share of compute", share.scaled(100), "%")

# %% [markdown]
# Each bar is the median of many requests; the whisker is its 95 % interval. The
# true median is the one that endlessly many requests would show on this machine;
# of a hundred such whiskers, about ninety-five hold it. A wide whisker says that
# something else was using the processor.
#
# Now the sentence that saves the most work in this trade, Amdahl's law [2]: *a
# stage that takes the share s of the time can never give more than 1 / (1 − s)*,
# however fast you make it.

# %%
rest = 1 - share.median
print(f"everything except compute made free: at most {1 / share.median:.2f} times as fast")
print(f"compute made free:                   at most {1 / rest:.0f} times as fast")

# %% [markdown]
# A faster JPEG decoder is therefore the wrong place to start, and will become
# the right one in lesson 1.7, when compute has shrunk.
#
# ## The same request over HTTP
#
# Now the real service: Flask behind gunicorn. Three variants start here and stay
# for the rest of the lesson. They differ in two numbers only: worker processes,
# and the threads with which PyTorch computes *in each worker*. "Default" means
# that nobody has said anything, so PyTorch takes one thread a core.

# %%
MODULE = "lab_utils.serve.resnet_app"
workers = max(2, min(cores, 8))
variants = {"1 worker, default threads": (1, None)}
variants[f"{workers} workers, default threads"] = (workers, None)
variants[f"{workers} workers, 1 thread each"] = (workers, 1)
one_worker, as_deployed, pinned = variants

with waiting("Three services start", about_s=15):
    services = Together(
        {
            name: WebService(
                f"{MODULE}:create_app()", workers=w, compute_threads=t, preload=[MODULE]
            )
            for name, (w, t) in variants.items()
        }
    )

# %% [markdown]
# One client, one request at a time, to the first variant. The service writes its
# own stages into a `Server-Timing` header [3], so each answer tells both what the
# client waited and what the service worked.

# %%
wire = predict("How much does HTTP add to a request, from the client's side?", unit="ms")

# %%
client = Client(services[one_worker].url)
for jpeg in requests[:4]:
    client.predict(jpeg)

turns = itertools.cycle(requests)
paired = interleaved(
    {
        "here": lambda: service.timed(next(turns)).total_s,
        "http": lambda: client.predict(next(turns)),
    },
    rounds=at(scale, ci=16, laptop=80),
    watch=watching("Pairs of requests"),
)
waited_s = [exchange.waited_s for exchange in paired["http"]]
worked_s = [exchange.stages.total_s for exchange in paired["http"]]
added = difference(waited_s, worked_s).scaled(1e3)
plots.ecdf(
    {
        "in this notebook": [1e3 * s for s in paired["here"]],
        "the service's own stages": [1e3 * s for s in worked_s],
        "what the client waited": [1e3 * s for s in waited_s],
    },
    "The same requests, three clocks",
    xlabel="milliseconds",
)
wire.reveal(added)
key_figure("added by HTTP, Flask and gunicorn", added, "ms")

# %% [markdown]
# Read the plot upwards: at height 0.5 each curve passes its median. The gap
# between the two *service* curves is what everything around the model costs: the
# client's library, two passes through the kernel's loopback network, gunicorn,
# Flask, the body's tens of kilobytes, JSON. For a model of this size it is
# usually a few per cent, and rewriting the web server in a faster language buys
# at most that. (For a model that answers in a millisecond the same few
# milliseconds are everything. Unit 3 is about such a model.)
#
# The first curve is the same code in this notebook. Requests were sent in turn,
# A B, B A, A B, so that a busy moment of the machine strikes both. If it lies
# apart from the second, look for what differs between two processes that run the
# same code: other threads, other memory, another core.
#
# So far: nothing that would explain half a second.
#
# ## At peak
#
# Now several clients at once. Each keeps a connection busy: it sends, waits for
# its answer, sends again. That is a *closed loop*, and it is what the classical
# tools do.

# %%
connections = max(4, 2 * workers)
print(load.generators())
print(f"{connections} connections to each of: {' | '.join(variants)}")

# %% [markdown]
# The team's first idea was everybody's first idea: one worker answers one request
# at a time, so start one worker for each core. (gunicorn's own guide recommends
# even more, 2 × cores + 1 [4].)

# %%
more_workers = predict(
    f"{workers} workers in place of 1, on {cores} cores: how many times as many answers a second?",
    unit="times",
)

# %%
for name in variants:
    load.count(services[name], requests, connections=connections, requests=connections)

runs = interleaved(
    {
        name: lambda name=name: load.count(
            services[name],
            requests,
            connections=connections,
            requests=connections * at(scale, ci=2, laptop=5),
        )
        for name in variants
    },
    rounds=at(scale, ci=6, laptop=8),
    watch=watching("Rounds of all three"),
)
rates = {name: [run.load.rate_rps for run in runs[name]] for name in variants}

first_two = {name: rates[name] for name in (one_worker, as_deployed)}
plots.rates(
    first_two,
    {name: interval(values) for name, values in first_two.items()},
    "More workers",
    xlabel=f"answers a second, {connections} connections",
)
gain = compare(rates[as_deployed], rates[one_worker], higher_is_faster=True)
more_workers.reveal(gain.speed_ratio)
print(f"{as_deployed}: {gain}")
key_figure("as deployed ÷ one worker", gain.speed_ratio, "times")

# %% [markdown]
# And what does a user wait, in the variant as it was deployed?

# %%
latencies_ms = {
    name: [1e3 * s for run in runs[name] for s in run.load.latencies_s] for name in variants
}
alone_ms = interval([1e3 * s for s in waited_s])
deployed_ms = interval(latencies_ms[as_deployed])
print(f"alone, one client: {alone_ms:.0f} ms      at peak: {deployed_ms:.0f} ms")
key_figure("median latency as deployed, at peak", deployed_ms, "ms")

# %% [markdown]
# There is the complaint: what was quick on the desk takes a multiple at peak, with
# the same code. (Half a second on the team's machine; the line above says what it
# is on yours.) Waiting in line for others explains part of it. But if your rate
# has *fallen* with more workers, or has not risen, something else is wrong: the
# same processor now does less work a second.
#
# ## Where did the processor's time go?
#
# The operating system counts how long each process has kept a core busy. Divide
# by the answers given.

# %%
cost = {name: [run.cpu_per_answer_s for run in runs[name]] for name in variants}
plots.rates(
    {name: cost[name] for name in (one_worker, as_deployed)},
    {name: interval(cost[name]) for name in (one_worker, as_deployed)},
    "What one answer costs",
    xlabel="core-seconds an answer",
)
dearer = compare(cost[as_deployed], cost[one_worker], higher_is_faster=True).speed_ratio
busy = interval([run.cpu_s / run.load.duration_s for run in runs[as_deployed]])
print(f"as deployed, an answer costs {dearer:.2f} times the core-seconds of one worker")
print(f"and the service keeps {busy:.2f} of {cores} cores busy")

# %% [markdown]
# The same pictures, the same arithmetic. If an answer costs *more* core-seconds
# with more workers, then the difference was not spent on arithmetic.
#
# Each worker starts as many compute threads as there are cores [5]. With one
# worker that is right. With N workers on N cores it makes N² threads for N
# cores. A layer of the network is cut into pieces, one a thread, and the next
# layer cannot begin before the last piece is done. When a thread that holds a
# piece is put aside because another worker's thread wants the core, all its
# siblings wait for it, *spinning*: they ask again and again whether the piece is
# there, which keeps their cores busy, so that the thread they wait for does not
# get one. ResNet-50 has over fifty such meeting points in each request.
#
# A monitor shows a machine at full load. It is; it is waiting at full load. This
# is called **oversubscription**, and it is the answer to a question that
# practitioners ask again and again: *I added a worker and it got slower, why?*
#
# If on your machine the cost did not rise, look at the number of cores printed
# at the top. With one core there is nothing to oversubscribe: each worker has
# one thread. With many cores the limit may lie elsewhere first, in memory
# bandwidth (lesson 1.2).
#
# ## One thing to change
#
# Tell each worker to compute with one thread: `OMP_NUM_THREADS=1` in its
# environment. N workers, N threads, N cores.

# %%
one_thread = predict(
    f"{pinned}: how many times the rate of {as_deployed}?",
    unit="times",
)

# %% [markdown]
# (It has been measured already, in the same rounds as the other two, so that all
# three met the same minutes. Guess before you run the next cell.)

# %%
plots.rates(
    rates,
    {name: interval(values) for name, values in rates.items()},
    "One thread each",
    xlabel=f"answers a second, {connections} connections",
)
mended = compare(rates[pinned], rates[as_deployed], higher_is_faster=True)
beyond = compare(rates[pinned], rates[one_worker], higher_is_faster=True)
one_thread.reveal(mended.speed_ratio)
print(f"against {as_deployed}:\n    {mended}")
print(f"against {one_worker}:\n    {beyond}")
print("core-seconds an answer:")
for name in variants:
    print(f"    {interval(cost[name]).median:.2f}  {name}")
key_figure("one thread each ÷ as deployed", mended.speed_ratio, "times")

# %%
plots.ecdf(latencies_ms, "What a client waits at peak", xlabel="latency (ms)")
pinned_ms = interval(latencies_ms[pinned])
print(f"median latency: {deployed_ms:.0f} ms as deployed, {pinned_ms:.0f} ms with one thread each")

# %% [markdown]
# No model was converted, no line of Python was changed. Now compare the two
# verdicts. Against the service *as deployed* the gain may be large; against *one
# worker* it is what remains when the damage is not counted. One worker with a
# thread a core has nearly filled the processor already.
#
# What remains has a reason, too: it is cheaper to give each core a whole request
# than a piece of each layer. Whole requests meet nowhere; pieces meet after every
# layer, and while one thread decodes the JPEG its helpers have nothing to do.
# Compare the core-seconds an answer above: the third figure is the smallest, on
# most machines.
# (The price is paid by a lonely client: its request is now computed on one core.)
#
# The processor is full, and nothing is wasted. To go further the arithmetic has
# to become cheaper, and how much there is to gain is a question for the machine's
# own limits: lesson 1.2.
#
# ## A law for the waiting
#
# Suppose you know only two numbers, the connections kept busy and the answers a
# second. Little's law [6] gives the third: **in flight = rate × latency**,
# whatever the distribution, the order, the number of workers.

# %%
rate = interval(rates[pinned])
little = predict(
    f"{connections} in flight, {rate.median:.3g} answers a second ({pinned}): mean latency?",
    unit="ms",
)

# %%
again = load.for_a_time(
    services[pinned],
    requests,
    connections=connections,
    duration_s=at(scale, ci=3, laptop=15),
    rate_rps=rate.median,
).load
little.reveal(1e3 * again.mean_latency_s)
print(again)
print(f"rate × mean latency = {again.in_flight:.2f} in flight, of {connections} connections")
key_figure("rate × mean latency ÷ connections", again.in_flight / connections, "")

# %% [markdown]
# (The product falls short of the connections by what was still unanswered when the
# time was up, which wrk does not count: the shorter the run, the more. And if the
# rate has changed since the rounds above, so has the latency. The law holds for
# *this* run's rate.)
#
# In a closed loop the load adapts to the service: a slower service is asked less
# often. The latency you measure is then a statement about your *number of
# connections* as much as about the service. Double them and the median doubles,
# the rate stays. Real users do not wait for each other; lesson 1.3 sends
# requests as they do, and the tail looks different.
#
# ## And the p99?
#
# A service's promise is usually written as a percentile: 99 of 100 requests
# faster than so much. It would be easy to print one here.

# %%
waits_ms = latencies_ms[as_deployed]
try:
    key_figure("p99 as deployed", percentile(waits_ms, 99), "ms")
except LabError as refusal:
    display(Note(str(refusal), label="Refused"))

# %% tags=["deterministic"]
from lab_utils.measure.percentile import samples_needed

{f"p{q:g}": samples_needed(q) for q in (50, 90, 95, 99, 99.9)}

# %% [markdown]
# With too few requests this course refuses. Among n of them, none may be slower
# than the true p99, and that happens with probability 0.99ⁿ; only from 459
# requests on is it less than one in a hundred (MLPerf's load generator applies the
# same rule [7]). The p99 of a few dozen requests is a stately name for the slowest
# of them. A median needs only a few requests; that is why this lesson spoke of
# medians.

# %%
services.stop()
client.close()

# %% [markdown]
# ## What you have seen
#
# 1. A process's first answer is dominated by what happens *before* the model.
# 2. The first request pays once for memory and for machine code; another input
#    shape pays again. Warm up, then measure.
# 3. Warm, nearly everything is compute. Amdahl tells you where not to work.
# 4. HTTP costs milliseconds, not hundreds of them.
# 5. The long wait at peak is queueing, made worse by workers that fight over
#    cores. One environment variable undoes the fight.
# 6. Connections, rate and latency hang together by a law; two of them give the
#    third.
#
# **Next**: lesson 1.2 asks how fast this machine could be at all. At the end of
# the unit, in the lab, you get this service and its answers, and make it faster
# while the answers stay the same.
#
# ## Three questions
#
# Run each folded cell, then choose; after a wrong choice, choose again.

# %%
quiz(
    'A colleague reports: "mean of 10 requests, 250 ms; after my change, mean of 10 requests, '
    '150 ms." The service was restarted before the first series only. What did the change do?',
    {
        "It saves 100 ms a request": "Only if both series are alike, and they are not: the first "
        "one begins with a cold request.",
        "Nothing is known yet: the first series has a cold request in it": "One request of "
        "1,150 ms among nine of 150 ms has a mean of 250 ms, with no change at all; a mean does not "
        "show whether that is what happened. Measure both versions warm, in turn, A B B A, and "
        "give the interval of the ratio.",
        "Nothing is known yet: ten requests are too few": "A thousand would dilute the fault, not "
        "remove it. Ten may be enough for a median whose interval is given, once all ten are alike.",
    },
    right="Nothing is known yet: the first series has a cold request in it",
)

# %%
quiz(
    "A machine with 16 cores runs 16 workers with default threads. All cores are busy, the load "
    "average is far above 16, and answers are late. What do you try first?",
    {
        "A machine with more cores": "With 32 cores the 16 workers would start 32 threads each, "
        "512 in all. First find out what one answer costs in core-seconds.",
        "More workers": "There are 16 × 16 = 256 compute threads for 16 cores already, and each "
        "new worker brings 16 more.",
        "One compute thread for each worker": "16 × 16 = 256 threads become 16 on 16 cores. "
        "Core-seconds an answer, compared with one worker's, show what the fight has cost.",
        "Nothing: busy cores are well used": "A thread that spins while it waits keeps its core as "
        "busy as one that computes. Core-seconds an answer tell them apart.",
    },
    right="One compute thread for each worker",
)

# %%
quiz(
    "Eight connections in a closed loop, a mean latency of 400 ms. You make the service twice as "
    "fast and keep the eight connections. What do you measure, before and after?",
    {
        "20, then 40 answers a second; then 200 ms": "8 / 0.4 s = 20 a second; twice as fast gives "
        "40, and the same eight in flight then take 8 / 40 = 0.2 s. That is not so with users who "
        "come when they like: lesson 1.3.",
        "20, then 40 answers a second; still 400 ms": "Then rate × latency would be 16 in flight, "
        "but there are eight connections.",
        "20 answers a second both times; then 200 ms": "Then rate × latency would be 4 in flight, "
        "but each of the eight connections sends again as soon as it has its answer.",
    },
    right="20, then 40 answers a second; then 200 ms",
)

# %% [markdown]
# ## Sources
#
# - [1] oneDNN Developer Guide, *Primitive Cache* and *Verbose Mode*
#   (`ONEDNN_VERBOSE=profile_create` prints each kernel that is built).
# - [2] G. Amdahl, *Validity of the single processor approach to achieving large
#   scale computing capabilities*, AFIPS 1967.
# - [3] W3C, *Server Timing*.
# - [4] gunicorn documentation, *Design*, "How Many Workers?".
# - [5] PyTorch documentation, *CPU threading and TorchScript inference*: the
#   default number of intra-op threads, and oversubscription.
# - [6] J. Little, *A Proof for the Queuing Formula L = λW*, Operations Research
#   9(3), 1961.
# - [7] MLPerf Inference, LoadGen, *early stopping*.
