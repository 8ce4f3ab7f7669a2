"""Task 5: how many workers, and how many compute threads in each."""

from collections.abc import Mapping

from lab_utils.grade.spec import Answer, Deployment, ServiceTask, Wrong

from .forms import is_count, kind_of
from .replies import JOB_APP, draw_pictures, judge_replies, tuned_service

SETTINGS_BAR = 0.75
"""Of the rate that one worker a core with one thread each reaches. Measured on 2 cores that had
other work, too: the same settings again 0.96 and 1.07, the deployed ones 0.10 and 0.12. The deployed
service itself is no yardstick, since other work slows it down by any factor: compared with itself
it came out at 1.22 [1.01 to 1.51]."""


def examine_settings(answer: Answer, cores: int, seed: int, folder: str) -> Deployment:
    settings = answer(cores=cores)
    form = 'a dict like {"workers": 3, "compute_threads": 2}'
    if not isinstance(settings, Mapping) or {*settings} != {"workers", "compute_threads"}:
        raise Wrong(f"service_settings returned {kind_of(settings)}. Return {form}.")
    workers, threads = settings["workers"], settings["compute_threads"]
    if not is_count(workers) or not (threads is None or is_count(threads)):
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


SERVICE_SETTINGS = ServiceTask(
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
)
