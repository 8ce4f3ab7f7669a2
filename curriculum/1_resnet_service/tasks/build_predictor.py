"""Task 6: the same answer, computed faster."""

from lab_utils.grade.spec import Answer, Deployment, ServiceTask, Work
from lab_utils.measure.interval import Interval

from .forms import need_function
from .replies import draw_pictures, in_turn, job_predict, judge_replies, operations, tuned_service

PREDICTOR_BAR = 1.2
"""Measured on 2 cores, five times, quiet and busy: ONNX Runtime 2.07 to 2.26, eager again 1.01."""


def examine_predictor(answer: Answer, cores: int, seed: int, folder: str) -> Deployment:
    """A few answers before anything is started; the timed ones are judged all the same."""
    predict = answer(compute_threads=1)
    need_function(predict, "build_predictor")
    jpegs = draw_pictures(seed, 4)
    given = [{"top5": predict(jpeg)} for jpeg in jpegs]
    judge_replies([{"top5": job_predict(jpeg)} for jpeg in jpegs], given)
    return Deployment(None, cores, compute_threads=1, arguments={"compute_threads": 1})


def rehearse_predictor(answer: Answer, seed: int) -> Interval:
    """The predictor against the job's own, in this process."""
    predict = answer(compute_threads=1)
    need_function(predict, "build_predictor")
    tried = in_turn(predict, draw_pictures(seed, 12))
    judge_replies(tried.expected, tried.given)
    return tried.speedup


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
    work=lambda: Work(operations(), "fp32"),
    rehearse=rehearse_predictor,
    too_slow="Run the network in an engine that merges its layers (ONNX Runtime, "
    "OpenVINO), and give that engine compute_threads threads: it does not read "
    "OMP_NUM_THREADS.",
)
