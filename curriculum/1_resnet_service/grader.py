"""What the lab of unit 1 asks, and how each answer is judged.

Runs in the grader's process only. Every message ends with what to do.
"""

import io
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from lab_utils.grade.spec import Answer, Case, Deployment, FunctionTask, Lab, ServiceTask, Wrong
from lab_utils.measure.interval import Interval, ratio_interval
from lab_utils.models import pictures, resnet
from lab_utils.serve.resnet_request import ResNetRequest

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
JOB_APP = "lab_utils.serve.resnet_app:create_app()"
TOP = 5
Labels = list[tuple[str, float]]
"""An answer: labels and their probabilities, the best first."""

# ---------------------------------------------------------------------------------- preprocess

PIXEL_TOLERANCE = 0.05
"""Mean absolute difference from torchvision's own preprocessing, in units of one standard
deviation. Resizing a tensor instead of a PIL picture differs by under 0.01, the mistakes below by
more than 0.1."""


def draw_jpegs(seed: int) -> list[Case]:
    """Landscape, portrait, small and grey pictures."""
    drawn = [Image.open(io.BytesIO(p.jpeg)) for p in pictures.draw(5, seed)]
    random.Random(seed).shuffle(drawn)
    drawn[1] = drawn[1].transpose(Image.Transpose.ROTATE_90)
    drawn[2] = drawn[2].resize((320, 200))
    drawn[3] = drawn[3].convert("L")
    return [{"jpeg": _jpeg(picture)} for picture in drawn]


def judge_preprocess(case: Case, output: Any) -> None:
    picture = Image.open(io.BytesIO(case["jpeg"]))
    if not isinstance(output, Tensor):
        raise Wrong(
            f"preprocess returned {_a(output)}, not a tensor. Return a torch.Tensor of shape "
            "(3, 224, 224)."
        )
    if tuple(output.shape) != (3, 224, 224) or not output.is_floating_point():
        raise Wrong(
            f"preprocess returned a {output.dtype} tensor of shape {tuple(output.shape)}, for a "
            f"picture of mode {picture.mode}. Return torch.float32 of shape (3, 224, 224); grey "
            'pictures need .convert("RGB").'
        )
    picture = picture.convert("RGB")
    if _distance(output, resnet.transforms()(picture)) <= PIXEL_TOLERANCE:
        return
    for mistake, message in PREPROCESSING_MISTAKES:
        if _distance(output, mistake(picture)) <= PIXEL_TOLERANCE:
            raise Wrong(message)
    raise Wrong(
        "preprocess returned other pixels than the network was trained on. Check each step in "
        "turn: shorter side to 256, central 224 × 224, scale to 0…1, normalise; show the result "
        "with matplotlib."
    )


def _scaled(picture: Image.Image) -> Tensor:
    """The right pixels, from 0 to 1."""
    part = functional.center_crop(functional.resize(picture, [256]), [224])
    tensor: Tensor = functional.to_tensor(part)
    return tensor


def _normalised(tensor: Tensor) -> Tensor:
    normalised: Tensor = functional.normalize(tensor, list(MEAN), list(DEVIATION))
    return normalised


def _squashed(picture: Image.Image) -> Tensor:
    return _normalised(functional.to_tensor(picture.resize((224, 224))))


def _tight(picture: Image.Image) -> Tensor:
    part = functional.center_crop(functional.resize(picture, [224]), [224])
    return _normalised(functional.to_tensor(part))


PREPROCESSING_MISTAKES: list[tuple[Callable[[Image.Image], Tensor], str]] = [
    (
        _squashed,
        "The whole picture was squeezed into 224 × 224, which changes its proportions; the "
        "network never saw such pictures. Resize the shorter side to 256, then cut out the "
        "central 224 × 224.",
    ),
    (
        _tight,
        "The shorter side was resized to 224 instead of 256, so the central part shows more than "
        "the network expects. Resize the shorter side to 256 before cutting out 224 × 224.",
    ),
    (
        _scaled,
        "The pixels run from 0 to 1 but are not normalised. Subtract ImageNet's mean from each "
        "channel and divide by its standard deviation.",
    ),
    (
        lambda picture: 255 * _scaled(picture),
        "The pixels run from 0 to 255. Scale them to 0…1 first, then normalise each channel.",
    ),
    (
        lambda picture: _normalised(_scaled(picture).flip(0)),
        "The colour channels are in the order blue, green, red. Hand them over as red, green, "
        "blue.",
    ),
]


def _distance(output: Tensor, expected: Tensor) -> float:
    distance = float((output.float() - expected).abs().mean())
    return distance if math.isfinite(distance) else math.inf


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


# --------------------------------------------------------------------------------- postprocess

PROBABILITY_TOLERANCE = 1e-4


def draw_logits(seed: int) -> list[Case]:
    """Ordinary logits, few and many labels, and logits so large that a naive exp overflows."""
    generator = torch.Generator().manual_seed(seed)
    cases: list[Case] = []
    for count, k, scale, offset in ((16, 5, 2.0, 0), (1000, 5, 3.0, 0), (7, 7, 1.0, 0)):
        logits = scale * torch.randn(count, generator=generator) + offset
        cases.append({"logits": logits, "labels": _names(count), "k": k})
    large = torch.randn(16, generator=generator) + 200
    return [*cases, {"logits": large, "labels": _names(16), "k": 3}]


def judge_postprocess(case: Case, output: Any) -> None:
    logits, labels, k = case["logits"], case["labels"], case["k"]
    given = _pairs(output, k, "postprocess")
    best = logits.topk(k)
    values = torch.tensor([probability for _, probability in given], dtype=torch.float64)
    if sorted(name for name, _ in given) == sorted(labels[i] for i in best.indices.tolist()):
        for mistake, message in POSTPROCESSING_MISTAKES:
            expected = mistake(logits.double(), best.indices)
            if torch.allclose(values, expected, atol=PROBABILITY_TOLERANCE):
                raise Wrong(message)
    if [name for name, _ in given] != [labels[i] for i in best.indices.tolist()]:
        raise Wrong(
            f"postprocess named other labels than the {k} largest logits have, or in another "
            "order. Take the indices from topk and look up labels[index] for each."
        )
    right = torch.softmax(logits.double(), dim=0)[best.indices]
    if not torch.allclose(values, right, atol=PROBABILITY_TOLERANCE):
        large = " (the logits were around 200)" if float(logits.max()) > 100 else ""
        raise Wrong(
            f"postprocess gave {_short(values)} where softmax gives {_short(right)}{large}. "
            "Use torch.softmax over all logits: it subtracts the largest before it raises e to "
            "them."
        )


Mistake = Callable[[Tensor, Tensor], Tensor]
POSTPROCESSING_MISTAKES: list[tuple[Mistake, str]] = [
    (
        lambda logits, best: logits[best],
        "The figures are raw logits, not probabilities: they are not between 0 and 1 and do not "
        "add up to 1. Apply softmax over all logits before you take the largest.",
    ),
    (
        lambda logits, best: torch.log_softmax(logits, dim=0)[best],
        "The figures are logarithms of probabilities. Use torch.softmax instead of log_softmax.",
    ),
    (
        lambda logits, best: torch.sigmoid(logits)[best],
        "Each figure is a sigmoid of its own logit, so they do not add up to 1. A network that "
        "picks one label of many needs softmax over all logits.",
    ),
    (
        lambda logits, best: _unless_all(logits, best),
        "The k probabilities add up to 1, as if there were no other labels. Apply softmax over "
        "all logits first and take the k largest afterwards.",
    ),
    (
        lambda logits, best: (
            torch.softmax(logits, dim=0)[best].flip(0)
            if len(best) > 1
            else torch.full((1,), torch.nan, dtype=torch.float64)
        ),
        "The answers run from the least to the most probable. Put the most probable first.",
    ),
]


def _unless_all(logits: Tensor, best: Tensor) -> Tensor:
    """Softmax over the k largest alone; with k of k labels that is right, so it matches nothing."""
    if len(best) == len(logits):
        return torch.full((len(best),), torch.nan, dtype=torch.float64)
    return torch.softmax(logits[best], dim=0)


def _pairs(output: Any, k: int, function: str) -> Labels:
    """The answer's labels and probabilities, or Wrong where its form is another."""
    form = f'a list of {k} dicts like {{"label": "cat", "probability": 0.9}}, the best first'
    if not isinstance(output, list) or len(output) != k:
        length = f" of length {len(output)}" if isinstance(output, list) else ""
        raise Wrong(f"{function} returned {_a(output)}{length}. Return {form}.")
    for item in output:
        if not isinstance(item, Mapping) or {*item} != {"label", "probability"}:
            raise Wrong(f"{function} returned {_a(item)} in its list. Return {form}.")
        if not isinstance(item["label"], str) or not _is_number(item["probability"]):
            raise Wrong(
                f"{function} returned {_a(item['label'])} as label and {_a(item['probability'])} "
                "as probability. Return a string and a float; .item() makes a float of a tensor."
            )
    return [(item["label"], float(item["probability"])) for item in output]


def _names(count: int) -> list[str]:
    return [f"label {i}" for i in range(count)]


# ----------------------------------------------------------------------------- measure_latency

CLOCK_SLACK_S = 1e-3
"""How far two clocks of one machine may disagree about one call."""


class ScriptedService:
    """A service whose calls take what a script says, and that keeps its own record of them.

    Each call sleeps, so no processor time is needed; the first ones are slow, as in a service that
    has just started. The record is kept here, outside the answer's reach: when each call came in
    and when its result went out. A latency measured around call i is at least the time between
    the two, and at most the time from the result before it to the call after it. Both bounds hold
    on any machine, however busy.
    """

    def __init__(self, sleeps_s: Sequence[float]) -> None:
        self._sleeps_s = sleeps_s
        self.came: list[float] = []
        self.went: list[float] = []
        self.began = self.ended = math.nan

    def __call__(self) -> str:
        self.came.append(time.perf_counter())
        time.sleep(self._sleeps_s[min(len(self.went), len(self._sleeps_s) - 1)])
        self.went.append(time.perf_counter())
        return "done"

    def least_s(self, i: int) -> float:
        """The shortest that call i can have seemed to its caller."""
        return self.went[i] - self.came[i]

    def most_s(self, i: int) -> float:
        """The longest that call i can have seemed to its caller, timed on its own."""
        before = self.went[i - 1] if i else self.began
        after = self.came[i + 1] if i + 1 < len(self.came) else self.ended
        return after - before


def draw_services(seed: int) -> list[Case]:
    chance = random.Random(seed)
    cases: list[Case] = []
    for n, warmup in ((chance.randint(12, 20), chance.randint(2, 5)), (chance.randint(8, 12), 0)):
        cold = [chance.uniform(0.06, 0.09) for _ in range(warmup)]
        warm = [chance.uniform(0.004, 0.03) for _ in range(n)]
        cases.append({"call": ScriptedService(cold + warm), "n": n, "warmup": warmup})
    return cases


def drive_latency(answer: Answer, case: Case) -> Any:
    service = case["call"]
    service.began = time.perf_counter()
    output = answer(**case)
    service.ended = time.perf_counter()
    return output


def judge_latency(case: Case, output: Any) -> None:
    service, n, warmup = case["call"], case["n"], case["warmup"]
    latencies_s = _numbers(output)
    calls = len(service.came)
    if calls == n and warmup:
        raise Wrong(
            f"The service was called {n} times and every call was timed, so there was no warm-up: "
            "the first calls of a service that has just started are slow for reasons that do not "
            f"come back. Call it {warmup} times, untimed, before the {n} calls you time."
        )
    if calls != warmup + n:
        raise Wrong(
            f"The service was called {calls} times; expected {warmup} for warm-up and {n} timed. "
            "Call it exactly warmup + n times."
        )
    if warmup and len(latencies_s) == n + warmup:
        raise Wrong(
            f"There are {len(latencies_s)} latencies for n = {n}: the {warmup} warm-up calls are "
            "among them. Leave the warm-up's out of the list."
        )
    if len(latencies_s) != n:
        raise Wrong(
            f"There are {len(latencies_s)} latencies for n = {n}. Return one for each timed call."
        )
    if n > 1 and len(set(latencies_s)) == 1:
        raise Wrong(
            f"All {n} latencies are the same number, an average perhaps; an average hides the "
            "slow calls that a percentile is there to show. Time each call on its own and return "
            "every latency."
        )
    for i, latency_s in enumerate(latencies_s):
        _judge_one(service, warmup, i, latency_s)


def _judge_one(service: ScriptedService, warmup: int, i: int, latency_s: float) -> None:
    least_s, most_s = service.least_s(warmup + i), service.most_s(warmup + i)
    if least_s - CLOCK_SLACK_S <= latency_s <= most_s + CLOCK_SLACK_S:
        return
    if least_s <= latency_s / 1000 <= most_s + CLOCK_SLACK_S:
        raise Wrong(
            f"Latency {i} is {latency_s:.3g} for a call of {least_s:.3g} s: that is milliseconds. "
            "Return seconds."
        )
    if i == 0 and warmup and latency_s > service.went[warmup - 1] - service.came[0]:
        raise Wrong(
            f"The first latency, {latency_s:.3g} s, contains the {warmup} warm-up calls: the "
            "clock was already running. Start the clock after the warm-up, once for each call."
        )
    if latency_s < least_s:
        raise Wrong(
            f"Latency {i} is {latency_s:.3g} s, but the service took {least_s:.3g} s for that "
            "call. Read the clock just before the call and just after it has returned."
        )
    raise Wrong(
        f"Latency {i} is {latency_s:.3g} s, but from the call before it to the call after it only "
        f"{most_s:.3g} s went by. Start the clock anew for each call, just before it."
    )


def _numbers(output: Any) -> list[float]:
    values = output.tolist() if hasattr(output, "tolist") else output
    if not isinstance(values, list) or not all(_is_number(value) for value in values):
        raise Wrong(
            f"measure_latency returned {_a(output)}. Return a list of n latencies in seconds."
        )
    return [float(value) for value in values]


# ------------------------------------------------------------------- the service and its answers

ANSWER_TOLERANCE = 1e-3
"""The largest difference from the job's service in any probability. Another order of the same
fp32 additions gives about 1e-6, bfloat16 2e-3 and more."""

SETTINGS_BAR = 0.75
"""Of the rate that one worker a core with one thread each reaches. Measured on 2 cores that had
other work, too: the same settings again 0.96 and 1.07, the deployed ones 0.10 and 0.12. The deployed
service itself is no yardstick, since other work slows it down by any factor: compared with itself
it came out at 1.22 [1.01 to 1.51]."""

PREDICTOR_BAR = 1.2
"""Measured on 2 cores, five times, quiet and busy: ONNX Runtime 2.07 to 2.26, eager again 1.01."""


def draw_pictures(seed: int, count: int) -> list[bytes]:
    return [picture.jpeg for picture in pictures.draw(count, seed)]


def tuned_service(cores: int) -> Deployment:
    """The job's program with one worker a core and one compute thread each."""
    return Deployment(JOB_APP, workers=cores, compute_threads=1)


def examine_settings(answer: Answer, cores: int, seed: int) -> Deployment:
    settings = answer(cores=cores)
    form = 'a dict like {"workers": 3, "compute_threads": 2}'
    if not isinstance(settings, Mapping) or {*settings} != {"workers", "compute_threads"}:
        raise Wrong(f"service_settings returned {_a(settings)}. Return {form}.")
    workers, threads = settings["workers"], settings["compute_threads"]
    if not _is_count(workers) or not (threads is None or _is_count(threads)):
        raise Wrong(
            f"service_settings gave workers = {workers!r} and compute_threads = {threads!r}. "
            "Use whole numbers of at least 1; None leaves compute_threads at the default."
        )
    if workers > 4 * cores:
        raise Wrong(
            f"{workers} workers on {cores} cores: each holds its own copy of the network. Use at "
            "most four a core."
        )
    if threads is not None and workers * threads < cores:
        raise Wrong(
            f"workers × compute_threads is {workers * threads}, so {cores - workers * threads} of "
            f"{cores} cores would never compute. Let the product be at least the number of cores."
        )
    return Deployment(JOB_APP, workers, threads)


def examine_predictor(answer: Answer, cores: int, seed: int) -> Deployment:
    """A few answers before anything is started; the timed ones are judged all the same."""
    predict = answer(compute_threads=1)
    _callable(predict)
    jpegs = draw_pictures(seed, 4)
    given = [{"top5": predict(jpeg)} for jpeg in jpegs]
    judge_replies([{"top5": job_predict(jpeg)} for jpeg in jpegs], given)
    return Deployment(None, workers=cores, compute_threads=1)


def rehearse_predictor(answer: Answer, seed: int) -> Interval:
    """The predictor against the job's own, in this process, one thread each, call by call."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        predict = answer(compute_threads=1)
        _callable(predict)
        jpegs = draw_pictures(seed, 12)
        durations_s: dict[Answer, list[float]] = {job_predict: [], predict: []}
        replies: dict[Answer, list[Any]] = {job_predict: [], predict: []}
        for i, jpeg in enumerate(jpegs):
            for function in (predict, job_predict) if i % 2 else (job_predict, predict):
                start = time.perf_counter()
                reply = function(jpeg)
                durations_s[function].append(time.perf_counter() - start)
                replies[function].append({"top5": reply})
    finally:
        torch.set_num_threads(threads)
    judge_replies(replies[job_predict], replies[predict])
    return ratio_interval(durations_s[job_predict][2:], durations_s[predict][2:])


def judge_replies(expected: Sequence[Any], given: Sequence[Any]) -> None:
    """Same answers: see ANSWER_TOLERANCE; labels whose probabilities are closer may swap."""
    wanted = [_pairs(reply["top5"], TOP, "the reference") for reply in expected]
    answers = []
    for reply in given:
        if not isinstance(reply, Mapping) or "top5" not in reply:
            raise Wrong(f"The service answered {_a(reply)}. Return a list of {TOP} from predict.")
        answers.append(_pairs(reply["top5"], TOP, "predict"))
    for i, (right, answer) in enumerate(zip(wanted, answers, strict=True)):
        if _same(right, answer):
            continue
        if any(_same(earlier, answer) for j, earlier in enumerate(wanted) if j != i) or (
            i and answer in answers[:i]
        ):
            raise Wrong(
                f"The answer to one picture was the answer to another one ({answer[0][0]} instead "
                f"of {right[0][0]}): a stored answer is fast, and wrong. Compute every picture."
            )
        raise Wrong(_otherwise(wanted, answers))


def _otherwise(wanted: Sequence[Labels], answers: Sequence[Labels]) -> str:
    """How computed answers differ: a little in every figure, or in what they say."""
    pairs = list(zip(wanted, answers, strict=True))
    others = [(right, answer) for right, answer in pairs if right[0][0] != answer[0][0]]
    if len(others) > len(pairs) / 2:
        right, answer = others[0]
        return (
            f"{len(others)} of {len(pairs)} pictures got another label ({answer[0][0]} instead of "
            f"{right[0][0]}). Check preprocess and postprocess first, then compare your network's "
            "logits with the original's."
        )
    largest = max(abs(right[0][1] - answer[0][1]) for right, answer in pairs)
    return (
        f"The answers are like the original's but not the same: the best label's probability "
        f"differs by up to {largest:.4f}; {ANSWER_TOLERANCE} is allowed. Keep 32-bit floats, the "
        "whole picture, and the preprocessing and softmax of tasks 1 and 2."
    )


def _same(right: Labels, answer: Labels) -> bool:
    wanted = dict(right)
    if len({label for label, _ in answer}) < len(answer):
        return False
    for label, probability in answer:
        # A label that the reference left out is at most as probable as its last one.
        if label not in wanted and probability > right[-1][1] + ANSWER_TOLERANCE:
            return False
        if label in wanted and abs(wanted[label] - probability) > ANSWER_TOLERANCE:
            return False
    given = [probability for _, probability in answer]
    ranks = zip(right, given, strict=True)
    return all(abs(wanted_p - p) <= ANSWER_TOLERANCE for (_, wanted_p), p in ranks)


@cache
def _job() -> ResNetRequest:
    return ResNetRequest.load()


def job_predict(jpeg: bytes) -> list[dict[str, Any]]:
    """What the job's service computes for one picture."""
    return _job().answer(jpeg)


def _callable(predict: Any) -> None:
    if not callable(predict):
        raise Wrong(
            f"build_predictor returned {_a(predict)}. Return the function predict itself, without "
            "calling it."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _a(value: Any) -> str:
    return "nothing (None)" if value is None else f"a {type(value).__name__}"


def _short(values: Tensor) -> str:
    return ", ".join(f"{value:.3g}" for value in values[:3].tolist())


LAB = Lab(
    "1_resnet_service",
    (
        FunctionTask(
            name="preprocess",
            title="Preprocess a picture",
            points=2,
            function="preprocess",
            draw=draw_jpegs,
            judge=judge_preprocess,
        ),
        FunctionTask(
            name="postprocess",
            title="Turn logits into an answer",
            points=2,
            function="postprocess",
            draw=draw_logits,
            judge=judge_postprocess,
        ),
        FunctionTask(
            name="measure_latency",
            title="Measure latency",
            points=2,
            function="measure_latency",
            draw=draw_services,
            judge=judge_latency,
            drive=drive_latency,
        ),
        ServiceTask(
            name="service_settings",
            title="Choose the service's settings",
            points=2,
            function="service_settings",
            examine=examine_settings,
            reference=tuned_service,
            draw=draw_pictures,
            path="/predict",
            judge=judge_replies,
            bar=lambda cores: SETTINGS_BAR,
            too_slow="Count the threads that compute at the same time, all workers together, and "
            "start no more of them than there are cores.",
        ),
        ServiceTask(
            name="build_predictor",
            title="Compute the same answer faster",
            points=2,
            function="build_predictor",
            examine=examine_predictor,
            reference=tuned_service,
            draw=draw_pictures,
            path="/predict",
            judge=judge_replies,
            limit_s=180,
            bar=lambda cores: PREDICTOR_BAR,
            rehearse=rehearse_predictor,
            too_slow="Run the network in an engine that merges its layers (ONNX Runtime, "
            "OpenVINO), and give that engine compute_threads threads: it does not read "
            "OMP_NUM_THREADS.",
        ),
    ),
)
