"""The job's service as the service tasks know it: its requests, and how replies are judged."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from lab_utils.grade.spec import Answer, Deployment, Wrong
from lab_utils.measure.interval import Interval, ratio_interval
from lab_utils.models import pictures
from lab_utils.models.layers import layer_costs
from lab_utils.serve.resnet_request import TOP, ResNetRequest

from .forms import Labels, kind_of, labels_of

JOB_APP = "lab_utils.serve.resnet_app:create_app()"
ANSWER_TOLERANCE = 1e-3
"""The largest difference from the job's service in any probability. Another order of the same
fp32 additions gives about 1e-6, bfloat16 2e-3 and more."""


WARMUP = 2


@dataclass(frozen=True)
class Rehearsal:
    """What can be tried in one process: how many times as fast, and both predictors' replies."""

    speedup: Interval
    expected: Sequence[Any]
    given: Sequence[Any]


def draw_pictures(seed: int, count: int) -> list[bytes]:
    return [picture.jpeg for picture in pictures.draw(count, seed)]


def tuned_service(cores: int) -> Deployment:
    """The job's program with one worker a core and one compute thread each."""
    return Deployment(JOB_APP, workers=cores, compute_threads=1)


@cache
def operations() -> float:
    """Multiplications and additions in the network's layers for one picture."""
    costs = layer_costs(_job().model.network, torch.zeros(1, 3, 224, 224))
    return float(sum(2 * cost.multiply_adds for cost in costs.values()))


@cache
def _job() -> ResNetRequest:
    return ResNetRequest.load()


def job_predict(jpeg: bytes) -> list[dict[str, Any]]:
    """What the job's service computes for one picture."""
    return _job().answer(jpeg)


def in_turn(predict: Answer, jpegs: Sequence[bytes]) -> Rehearsal:
    """The job's predictor and another one in this process, call by call, with one thread each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    durations_s: dict[Answer, list[float]] = {job_predict: [], predict: []}
    replies: dict[Answer, list[Any]] = {job_predict: [], predict: []}
    try:
        for i, jpeg in enumerate(jpegs):
            for function in (predict, job_predict) if i % 2 else (job_predict, predict):
                start_s = time.perf_counter()
                reply = function(jpeg)
                durations_s[function].append(time.perf_counter() - start_s)
                replies[function].append({"top5": reply})
    finally:
        torch.set_num_threads(threads)
    speedup = ratio_interval(durations_s[job_predict][WARMUP:], durations_s[predict][WARMUP:])
    return Rehearsal(speedup, replies[job_predict], replies[predict])


def read_replies(
    expected: Sequence[Any], given: Sequence[Any]
) -> tuple[list[Labels], list[Labels]]:
    """The labels in the reference's replies and in the answer's. Raises Wrong for another form."""
    wanted = [labels_of(reply["top5"], TOP, "the reference") for reply in expected]
    answers = []
    for reply in given:
        if not isinstance(reply, Mapping) or "top5" not in reply:
            raise Wrong(
                f"The service answered {kind_of(reply)}. Return a list of {TOP} from predict."
            )
        answers.append(labels_of(reply["top5"], TOP, "predict"))
    return wanted, answers


def judge_replies(expected: Sequence[Any], given: Sequence[Any]) -> None:
    """Same answers: see ANSWER_TOLERANCE; labels whose probabilities are closer may swap."""
    wanted, answers = read_replies(expected, given)
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
