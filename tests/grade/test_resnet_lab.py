"""Lab 1: a right answer passes in a machine's bad moment, by each way of summing up."""

import math
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest

from lab_utils.grade.spec import Wrong, load_lab

LAB = load_lab("1")
FIND = LAB["find_bottleneck"]
Stages = dict[str, Callable[[], str]]
STALL_S = 0.1


def scripted(stalled: str | None) -> Any:
    """The grader's own case: five requests of which compute is the slow part, decode the cold."""
    usual = {"decode": 0.004, "preprocess": 0.003, "compute": 0.015, "postprocess": 0.003}
    script = [dict(usual) for _ in range(6)]
    script[0]["decode"] = 0.25
    if stalled:
        script[3][stalled] += STALL_S
    module = sys.modules[f"grader_{LAB.unit}.tasks.find_bottleneck"]
    request = module.ScriptedRequest(script)
    stages = {name: request.stage(name) for name in usual}
    return {"stages": stages, "requests": 5, "scripted": request}


def timed(stages: Stages, requests: int, pause_s: float = 0.0) -> list[dict[str, float]]:
    took_s = []
    for _ in range(requests + 1):
        took_s.append({})
        for name, run in stages.items():
            start_s = time.perf_counter()
            run()
            took_s[-1][name] = time.perf_counter() - start_s
            time.sleep(pause_s)
    return took_s[1:]


def answered(stage: str, share: float) -> dict[str, Any]:
    return {"stage": stage, "share": share, "limit": 1 / (1 - share) if share < 1 else math.inf}


def by_sums(stages: Stages, requests: int) -> dict[str, Any]:
    rows = timed(stages, requests)
    sums_s = {name: sum(row[name] for row in rows) for name in stages}
    stage = max(sums_s, key=lambda name: sums_s[name])
    return answered(stage, sums_s[stage] / sum(sums_s.values()))


def by_medians(stages: Stages, requests: int) -> dict[str, Any]:
    rows = timed(stages, requests)
    medians_s = {name: median(row[name] for row in rows) for name in stages}
    stage = max(medians_s, key=lambda name: medians_s[name])
    return answered(stage, medians_s[stage] / sum(medians_s.values()))


def by_requests(stages: Stages, requests: int) -> dict[str, Any]:
    rows = timed(stages, requests)
    shares = {name: median(row[name] / sum(row.values()) for row in rows) for name in stages}
    stage = max(shares, key=lambda name: shares[name])
    return answered(stage, shares[stage])


def judged(answer: Callable[..., Any], stalled: str | None) -> None:
    case = scripted(stalled)
    FIND.judge(case, FIND.drive(answer, case))


@pytest.mark.parametrize("stalled", [None, "compute", "decode", "postprocess"])
@pytest.mark.parametrize("answer", [by_sums, by_medians, by_requests])
def test_a_right_answer_passes_whatever_stalls(answer: Any, stalled: str | None) -> None:
    judged(answer, stalled)


def test_a_pause_between_the_stages_is_nobodys_fault() -> None:
    def paused(stages: Stages, requests: int) -> dict[str, Any]:
        sums_s: dict[str, float] = dict.fromkeys(stages, 0.0)
        for row in timed(stages, requests, pause_s=0.002):
            for name, s in row.items():
                sums_s[name] += s
        return answered("compute", sums_s["compute"] / sum(sums_s.values()))

    judged(paused, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": "postprocess"}, "the stage with the largest share is 'compute'"),
        ({"stage": "decode"}, "slow in the first request only"),
        ({"share": 0.4}, "The share of compute is 0.40, but it was 0."),
        ({"share": 60}, "that is per cent"),
    ],
)
def test_a_wrong_part_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Wrong, match=message):
        judged(lambda stages, requests: by_sums(stages, requests) | change, None)
