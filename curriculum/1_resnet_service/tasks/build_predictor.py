"""Task 5: the same answer, computed faster."""

import time
from typing import Any

import torch

from lab_utils.grade.spec import Answer, Deployment, ServiceTask, Wrong
from lab_utils.measure.interval import Interval, ratio_interval

from .forms import kind_of
from .replies import draw_pictures, job_predict, judge_replies, tuned_service

PREDICTOR_BAR = 1.2
"""Measured on 2 cores, five times, quiet and busy: ONNX Runtime 2.07 to 2.26, eager again 1.01."""


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


def _callable(predict: Any) -> None:
    if not callable(predict):
        raise Wrong(
            f"build_predictor returned {kind_of(predict)}. Return the function predict itself, "
            "without calling it."
        )


BUILD_PREDICTOR = ServiceTask(
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
)
