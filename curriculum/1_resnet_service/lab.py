# ---
# jupyter:
#   inference_lab:
#     timing: alone
# ---

# %% [markdown]
# # Lab 1: The same answers, faster
#
# The service of lesson 1.1 is in production: Flask, gunicorn, a pre-trained
# ResNet-50. At peak it takes half a second and more for one picture. You know by
# now where that time goes. Your job in this lab is to make the service faster
# **and to prove it**: first without changing a single answer, then with eight bits
# in place of thirty-two and the same label on top.
#
# | task | what you write | points |
# |---|---|---|
# | 1 | `preprocess`: from JPEG bytes to the network's input | 2 |
# | 2 | `postprocess`: from the network's output to an answer | 2 |
# | 3 | `measure_latency`: a measurement that can be trusted | 2 |
# | 4 | `find_bottleneck`: the stage that dominates, and what it is worth | 2 |
# | 5 | `service_settings`: workers and threads for this machine | 2 |
# | 6 | `build_predictor`: the same answers from a faster network | 2 |
# | 7 | `build_int8_predictor`: eight bits, several times the rate | 4 |
#
# Fill in each task's cell, then run the check below it. A check runs here, in your
# notebook, on inputs drawn afresh each time: it is **advice**. The mark comes from
#
# ```
# ./lab check 1
# ```
#
# in a terminal (File → New → Terminal), which runs your cells in a process of their
# own, with the clock outside it, and starts your service for real. Hand in this
# notebook, saved.

# %%
import io
import time
from pathlib import Path

import onnxruntime
import torch
from PIL import Image
from torchvision.transforms import functional

from lab_utils.grade.notebook import checks_for
from lab_utils.models import pictures, resnet

check = checks_for("1_resnet_service")

# %% [markdown]
# ## Task 1: preprocess
#
# A network answers well only on inputs like those it was trained on. These steps
# are part of the model as much as its weights are:
#
# 1. decode the JPEG into red, green and blue (some pictures are grey: convert them);
# 2. resize it so that its **shorter side** is 256, keeping its proportions;
# 3. cut out the central 224 × 224;
# 4. scale the pixels to 0…1, then subtract the mean of each channel and divide by
#    its standard deviation.
#
# The result is a `torch.float32` tensor of shape (3, 224, 224).
#
# **Why it is checked:** wrong pixels do not raise an error. The service still
# answers, with high probabilities even, and is a little more often wrong. Nobody
# notices for months.
#
# <details><summary>Hint</summary>
#
# `functional.resize(picture, [256])` with *one* number sets the shorter side; with
# two it squeezes the picture into that shape. `functional.center_crop`,
# `functional.to_tensor` (it also scales to 0…1) and `functional.normalize` do the
# rest.
# </details>

# %% task="preprocess"
MEAN = [0.485, 0.456, 0.406]
STANDARD_DEVIATION = [0.229, 0.224, 0.225]


def preprocess(jpeg: bytes) -> torch.Tensor:
    """A JPEG file as the network's input: float32, shape (3, 224, 224)."""
    ### BEGIN SOLUTION
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    picture = functional.center_crop(functional.resize(picture, [256]), [224])
    return functional.normalize(functional.to_tensor(picture), MEAN, STANDARD_DEVIATION)
    ### END SOLUTION


# %% check="preprocess" points=2
check("preprocess", preprocess)

# %% [markdown]
# ## Task 2: postprocess
#
# The network gives one number for each label, its **logits**: any size, any sign.
# Softmax turns all of them together into probabilities that add up to 1:
#
# > pᵢ = exp(zᵢ) ÷ Σⱼ exp(zⱼ)
#
# Return the `k` most probable labels, the best first, each as
# `{"label": …, "probability": …}` with a plain string and a plain float.
#
# **Why it is checked:** somebody downstream compares the figure with a threshold.
# A logit of 7.3 passes every threshold there is. The check also sends logits
# around 200, of which exp(z) is infinite in 32 bits: a softmax written by hand
# gives `nan` there unless it subtracts the largest logit first.
#
# <details><summary>Hint</summary>
#
# `torch.softmax(logits, dim=0)` over *all* logits, then `.topk(k)`, which gives
# values and indices; `.tolist()` makes plain numbers of a tensor.
# </details>


# %% task="postprocess"
def postprocess(logits: torch.Tensor, labels: list[str], k: int) -> list[dict]:
    """The k most probable labels, best first: [{"label": …, "probability": …}, …]."""
    ### BEGIN SOLUTION
    probabilities, indices = torch.softmax(logits, dim=0).topk(k)
    return [
        {"label": labels[index], "probability": probability}
        for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
    ]
    ### END SOLUTION


# %% check="postprocess" points=2
check("postprocess", postprocess)

# %% [markdown]
# ## Task 3: measure latency
#
# Before you make something faster you need a measurement that would notice.
# `call()` sends one request and waits for its answer. Call it `warmup` times
# without timing it, then `n` times, each timed on its own, and return the `n`
# latencies in seconds, in the order in which they were measured.
#
# **Why it is checked:** these are the four ways to be fooled that we see most.
#
# - *No warm-up.* The first calls of a service that has just started pay for things
#   that never come back: lesson 1.1 measured them.
# - *A warm-up inside the timed region.* The first latency then holds all of it.
# - *One average instead of n latencies.* A p99 cannot be had from an average, and
#   users meet the p99.
# - *Other work between the two readings of the clock*: logging, drawing inputs.
#
# The check hands you a service that follows a script, and whose own record of each
# call is kept outside your code. No call can seem shorter to you than the record
# says, nor longer than the gap around it: that holds on any machine, however busy,
# so no check here depends on how fast yours is.
#
# <details><summary>Hint</summary>
#
# `time.perf_counter()` just before the call and just after it, in a loop of `n`. It
# never runs backwards; `time.time()` may, when the machine's clock is set.
# </details>


# %% task="measure_latency"
def measure_latency(call, n: int, warmup: int) -> list[float]:
    """The latencies of n calls in seconds, measured after `warmup` calls that are not timed."""
    ### BEGIN SOLUTION
    for _ in range(warmup):
        call()
    latencies_s = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        latencies_s.append(time.perf_counter() - start)
    return latencies_s
    ### END SOLUTION


# %% check="measure_latency" points=2
check("measure_latency", measure_latency)

# %% [markdown]
# ## Task 4: find the stage that dominates
#
# A request passes through stages. You get them as `stages`, a dict from each
# stage's name to a function that does the stage's work for one request and takes
# no arguments; they must be called in the dict's order. Run **one** whole request to
# warm up, untimed, then `requests` whole requests, each stage timed. Return
#
# - `stage`: the name of the one that takes the largest part of the time,
# - `share`: that part, from 0 to 1,
# - `limit`: how many times as fast the whole request can become at most, however
#   fast that stage is made.
#
# **Why it is checked:** the slowest thing you *saw* is not the slowest thing there
# *is*. In each of the check's requests some stage is slow once, in the first request,
# and is not the one to work on. And the limit decides whether the work is worth
# beginning: teams have rewritten a stage that held 8 % of the time.
#
# <details><summary>Hint</summary>
#
# Add up the durations of each stage, divide by the sum of all. Amdahl's law with an
# infinitely fast stage leaves 1 − share of the time: `./lab calc amdahl`.
# </details>


# %% task="find_bottleneck"
def find_bottleneck(stages: dict, requests: int) -> dict:
    """The stage with the largest share: {"stage": …, "share": …, "limit": …}."""
    ### BEGIN SOLUTION
    for run in stages.values():
        run()
    took_s = dict.fromkeys(stages, 0.0)
    for _ in range(requests):
        for name, run in stages.items():
            start = time.perf_counter()
            run()
            took_s[name] += time.perf_counter() - start
    stage = max(took_s, key=took_s.get)
    share = took_s[stage] / sum(took_s.values())
    return {"stage": stage, "share": share, "limit": 1 / (1 - share)}
    ### END SOLUTION


# %% check="find_bottleneck" points=2
check("find_bottleneck", find_bottleneck)

# %% [markdown]
# ## Task 5: the service's settings
#
# The deployed service runs one gunicorn worker for each core, and nobody thought
# of threads, so each worker starts as many compute threads as there are cores.
# Choose better: given the number of cores, say how many `workers` to run and how
# many `compute_threads` each gets.
#
# The program stays exactly as it is. A service with your settings and one with ours
# are started side by side and sent the same fresh pictures in pairs, in an order that
# is drawn each time, by two clients a core that each wait for their answer. The figure
# is the ratio of the requests per second, with its interval.
#
# **You pass** when the ratio is 0.75 or more: three quarters of what good settings
# reach on this machine. (The grader uses at most four of its cores.)
#
# **Why it is paired, and in an order by chance:** machines have bad minutes. A service
# exactly at the bar would lie above it in a pair as often as beneath, whatever
# disturbs it, as a coin falls. So pairs are counted: the grader looks after a few
# numbers of them that are fixed beforehand, and goes on while the count could be
# chance. Should the longest run not tell either, the median decides.
#
# **Why not against the deployed service?** It was tried. Its threads fight so
# badly that any other work on the machine slows it down by some random factor:
# compared with itself, on a busy two-core machine in 2026, it came out 1.22 [1.01 to
# 1.51] times as fast as it is. A yardstick must be steadier than what it measures.
#
# *Before you run the check, write down which ratio the deployed settings would get.
# Try them, too. A check takes about half a minute.*
#
# <details><summary>Hint</summary>
#
# How many threads compute at the same moment, all workers together? How many cores
# are there to run them? A worker takes one request at a time.
# </details>


# %% task="service_settings"
def service_settings(cores: int) -> dict:
    """gunicorn's workers and the compute threads of each: {"workers": …, "compute_threads": …}."""
    ### BEGIN SOLUTION
    return {"workers": cores, "compute_threads": 1}
    ### END SOLUTION


# %% check="service_settings" points=2
check("service_settings", service_settings)

# %% [markdown]
# With good settings every core is busy all the time, and no setting can do better
# than that. What is left is the work itself. Is all of it needed?
#
# ## Task 6: compute the same answer faster
#
# PyTorch ran the network layer by layer, as it was written. An inference engine
# reads the whole graph first. It folds each batch normalisation into the
# convolution before it, applies ReLU while the numbers are still in the cache, and
# picks a memory layout that suits the processor. Same mathematics, fewer trips to
# memory.
#
# `build_predictor` prepares whatever it needs, once, and returns a function
# `predict(jpeg)` that gives the five most probable labels, as `postprocess` does.
# `resnet.load()` gives the model: its `.network` and its `.labels`. Use
# `compute_threads` threads and no more.
#
# **You pass** when your predictor, behind the same Flask application, answers at
# least 1.2 times as many requests per second as the original, with both tuned as in
# task 5: one worker a core, one thread each. So the ratio is your engine's alone.
# Every answer given under load is compared with the original's to the same picture:
# each probability within 0.001, and no picture is ever sent twice.
#
# **Why every answer is checked:** a stored answer is the fastest of all, and there
# are subtler ways to be fast and wrong: fewer bits, a smaller picture, an answer
# computed before it was asked for.
#
# <details><summary>Hint 1: which engine?</summary>
#
# ONNX Runtime is the shortest way. `torch.onnx.export` writes the graph, into an
# `io.BytesIO()` for example; `onnxruntime.InferenceSession` reads its bytes and
# runs it. `dynamo=False` picks the older exporter: deprecated, but here it takes 2 s
# and the newer one 10. OpenVINO does as well, but read what it runs: on processors
# with bfloat16 instructions it takes them unasked, and its answers then differ by
# more than is allowed. `INFERENCE_PRECISION_HINT` set to `f32` keeps 32 bits.
# </details>
#
# <details><summary>Hint 2: it is no faster when served</summary>
#
# The setting of task 5 is an environment variable (`OMP_NUM_THREADS`). Engines that
# bring a thread pool of their own do not read it: ONNX Runtime wants
# `SessionOptions().intra_op_num_threads`.
# </details>


# %% task="build_predictor"
def build_predictor(compute_threads: int):
    """A function predict(jpeg) that gives the five most probable labels, as postprocess does."""
    ### BEGIN SOLUTION
    model = resnet.load()
    graph = io.BytesIO()
    torch.onnx.export(model.network, (torch.zeros(1, 3, 224, 224),), graph, dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = compute_threads
    session = onnxruntime.InferenceSession(
        graph.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    (inputs,) = session.get_inputs()

    def predict(jpeg: bytes) -> list[dict]:
        picture = preprocess(jpeg).unsqueeze(0).numpy()
        (logits,) = session.run(None, {inputs.name: picture})
        return postprocess(torch.from_numpy(logits[0]), model.labels, k=5)

    return predict
    ### END SOLUTION


# %% check="build_predictor" points=2
check("build_predictor", build_predictor)

# %% [markdown]
# Every answer is the same to three decimals, and that is what limits you now: 32
# bits for each number. The user reads the *label*.
#
# ## Task 7: serve it in eight bits
#
# Eight-bit integers take a quarter of the memory traffic, and processors with the
# right instructions multiply several times as many of them at once (`./lab doctor`
# names yours; lesson 1.2 measured the rate). Making them costs accuracy, unless the
# quantiser sees what the numbers look like: it is given *calibration* pictures and
# picks each layer's scale from the activations that they cause.
#
# `build_int8_predictor(folder, compute_threads)` returns `predict(jpeg)` as in task 6.
# It is called more than once. The **first** time `folder` is empty: quantise, and
# save the model in it. **Later** calls, one in each worker of the service, find the
# model there and only load it: a new replica must be ready in a moment (lesson 1.1),
# and should not need a quantiser at all.
#
# **You pass** when your predictor, served as in task 6,
#
# - answers at least **3 times** as many requests per second as the original with
#   good settings (1.5 times where `./lab doctor` finds neither VNNI nor AMX-INT8,
#   without which eight bits save memory traffic and little else); from five sixths
#   of that on, a part of the points is yours,
# - gives the original's top label to at least **98 %** of the pictures,
# - and has a **p99 no worse** than the original's. For a p99 to mean something 459
#   requests are sent to each, so this check of `./lab check 1` takes a minute or two.
#
# Calibrate with `pictures.draw(count, seed, half="fit")`: the halves of the
# photographs that are never sent as requests. Sixty-four are plenty; their labels do
# not matter, their pixels do.
#
# *Before you run it: tasks 5 and 6 gained what they gained. Write down what you expect
# of this one, and whether decoding and resizing the JPEG, the same as before, will
# still be a small part of the request.*
#
# <details><summary>Hint 1: which quantiser?</summary>
#
# `nncf.quantize` on a model from `openvino.convert_model`, with an `nncf.Dataset` of
# preprocessed inputs of shape (1, 3, 224, 224); `openvino.save_model` writes it. Or
# ONNX Runtime: `quantize_static` with a `CalibrationDataReader`, per channel. Import
# the quantiser only where you quantise: the service does without.
# </details>
#
# <details><summary>Hint 2: the answers suffer</summary>
#
# Calibrate on inputs that went through *your* `preprocess`. By default NNCF takes the
# *mean* of the pictures' largest activations as the end of a scale and cuts off what
# lies beyond; `RangeEstimatorParametersSet.MINMAX` takes the largest of all.
# </details>
#
# <details><summary>Hint 3: two workers are no faster than one</summary>
#
# OpenVINO pins its threads to cores, in every process to the same ones. Set
# `ENABLE_CPU_PINNING` to `False`, and `INFERENCE_NUM_THREADS` to `compute_threads`.
# </details>


# %% task="build_int8_predictor"
def build_int8_predictor(folder: str, compute_threads: int):
    """A function predict(jpeg), from the int8 model in `folder`, which is made if missing."""
    ### BEGIN SOLUTION
    import openvino

    from lab_utils.optimize.normalisation import in_openvino_graph
    from lab_utils.serve.preprocessing import cut_while_resizing, decode, pixels

    model = resnet.load()
    path = Path(folder) / "int8.xml"
    if not path.exists():
        import nncf
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        fitted = [preprocess(p.jpeg)[None].numpy() for p in pictures.draw(64, 1, half="fit")]
        shape = [1, 3, 224, 224]
        converted = openvino.convert_model(
            model.network, example_input=torch.zeros(shape), input=shape
        )
        whole_range = nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        )
        quantised = nncf.quantize(
            converted,
            nncf.Dataset(fitted),
            subset_size=len(fitted),
            advanced_parameters=whole_range,
        )
        openvino.save_model(in_openvino_graph(quantised), path)  # lean, as in lesson 1.7
    settings = {"INFERENCE_NUM_THREADS": compute_threads, "ENABLE_CPU_PINNING": False}
    settings["PERFORMANCE_HINT"] = "LATENCY"
    compiled = openvino.Core().compile_model(path, "CPU", settings)

    def predict(jpeg: bytes) -> list[dict]:
        logits = compiled(pixels(cut_while_resizing(decode(jpeg))))[0]
        return postprocess(torch.from_numpy(logits[0]), model.labels, k=5)

    return predict
    ### END SOLUTION


# %% check="build_int8_predictor" points=4
check("build_int8_predictor", build_int8_predictor)

# %% [markdown]
# ## Hand in
#
# Save the notebook, then run `./lab check 1` in a terminal. It prints your points, and
# for each task that failed the reason and what to do about it. What you gained is
# three factors, one on top of the other: the settings' (lesson 1.1 measured what the
# deployed ones cost), the engine's and the eight bits'. Their product is how many times
# as many pictures your service answers on the same machine, for the same money.
#
# Two questions to take along:
#
# - Lesson 1.1 showed which share of a request is computing. What is the largest
#   ratio that *any* engine could reach in tasks 6 and 7, were its computing free? How
#   far is yours from it, and what would you work on next?
# - Both checks counted requests per second while clients waited in line. Which
#   latency does a client see at a *given* arrival rate? Send your service an open
#   loop, as lesson 1.3 did, and find the rate up to which its p99 is one you would
#   promise.
