"""Task 4: the stage that dominates a request, and what it is worth to make it faster."""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lab_utils.grade.spec import Case, FunctionTask, Wrong
from lab_utils.measure.laws import amdahl_speedup

from .forms import is_number, kind_of

FORM = 'a dict like {"stage": "decode", "share": 0.4, "limit": 1.67}'
SHARE_TOLERANCE = 0.08
"""A call through the border adds some tenths of a millisecond to a stage of several; the mistakes
below are further off."""
LIMIT_TOLERANCE = 0.03
"""Relative: the limit is worked out from the answer's own share, so only rounding is forgiven."""
STAGES = ("decode", "preprocess", "compute", "postprocess")


class ScriptedRequest:
    """A request's stages, each of which sleeps as a script says; keeps its own record of them.

    The first request is slow in another stage than the later ones, as in a process that has just
    started. The record is kept here, outside the answer's reach.
    """

    def __init__(self, requests_s: Sequence[Mapping[str, float]]) -> None:
        self._requests_s = requests_s
        self.took_s: dict[str, list[float]] = {name: [] for name in requests_s[0]}

    def stage(self, name: str) -> Callable[[], str]:
        """The stage as a function without arguments."""

        def run() -> str:
            turn = min(len(self.took_s[name]), len(self._requests_s) - 1)
            start_s = time.perf_counter()
            time.sleep(self._requests_s[turn][name])
            self.took_s[name].append(time.perf_counter() - start_s)
            return "done"

        return run

    def shares(self, skip: int) -> dict[str, float]:
        """Each stage's part of its own request: the median over requests, without the first."""
        took_s = {name: np.asarray(durations_s)[skip:] for name, durations_s in self.took_s.items()}
        totals_s = np.sum(list(took_s.values()), axis=0)
        return {name: float(np.median(d / totals_s)) for name, d in took_s.items()}


def draw_requests(seed: int) -> list[Case]:
    """Two requests whose slow stage is slow for different reasons, and never the cold one."""
    chance = random.Random(seed)
    cases: list[Case] = []
    for requests in (chance.randint(8, 12), chance.randint(5, 7)):
        slow, cold = chance.sample(STAGES, 2)
        usual_s = {name: chance.uniform(0.003, 0.006) for name in STAGES}
        usual_s[slow] = chance.uniform(0.014, 0.022)
        script = [
            {name: s * chance.uniform(0.9, 1.1) for name, s in usual_s.items()}
            for _ in range(requests + 1)
        ]
        script[0][cold] = 0.05 * requests
        scripted = ScriptedRequest(script)
        stages = {name: scripted.stage(name) for name in STAGES}
        cases.append({"stages": stages, "requests": requests, "scripted": scripted})
    return cases


def drive_requests(answer: Callable[..., Any], case: Case) -> Any:
    return answer(stages=case["stages"], requests=case["requests"])


def judge_bottleneck(case: Case, output: Any) -> None:
    stage, share, limit = _parts(output)
    scripted: ScriptedRequest = case["scripted"]
    calls = {len(durations_s) for durations_s in scripted.took_s.values()}
    if calls == {case["requests"]}:
        raise Wrong(
            "Every request was timed, the first one, too: it pays for things that do not come "
            f"back. Run one whole request untimed, then time the {case['requests']} that count."
        )
    if calls != {case["requests"] + 1}:
        raise Wrong(
            f"The stages were called {_counts(scripted)} times for requests = {case['requests']}. "
            "Call every stage once a request: one request for warm-up, then those you time."
        )
    warm, whole = scripted.shares(skip=1), _mean_shares(scripted)
    slowest = max(warm, key=lambda name: warm[name])
    if stage != slowest:
        if stage == max(whole, key=lambda name: whole[name]):
            raise Wrong(
                f"{stage} is slow in the first request only; in the later ones {slowest} takes "
                f"{warm[slowest]:.0%} of the time. Leave the warm-up request out of the figures."
            )
        raise Wrong(
            f"You name {stage!r}; the stage with the largest share is {slowest!r}. Sum up what "
            "each stage took over all timed requests and take the largest."
        )
    if abs(share - warm[stage]) > SHARE_TOLERANCE:
        if abs(share / 100 - warm[stage]) <= SHARE_TOLERANCE:
            raise Wrong(f"The share is {share:.3g}: that is per cent. Return a part of 1.")
        raise Wrong(
            f"The share of {stage} is {share:.2f}, but it was {warm[stage]:.2f} of its requests. "
            "Divide what the stage took by what all stages of the same requests took."
        )
    _judge_limit(share, limit)


def _judge_limit(share: float, limit: float) -> None:
    right = amdahl_speedup(share, factor=math.inf)
    if abs(limit / right - 1) <= LIMIT_TOLERANCE:
        return
    if abs(limit * share - 1) <= LIMIT_TOLERANCE:
        raise Wrong(
            f"The limit is {limit:.2f} = 1 / share: that is what remains if everything *else* were "
            "free. If the stage itself took no time, the rest, 1 − share, would remain."
        )
    raise Wrong(
        f"The limit is {limit:.2f} for a share of {share:.2f}; Amdahl's law gives {right:.2f}. Use "
        "1 / (1 − share)."
    )


def _parts(output: Any) -> tuple[str, float, float]:
    if not isinstance(output, Mapping) or {*output} != {"stage", "share", "limit"}:
        raise Wrong(f"find_bottleneck returned {kind_of(output)}. Return {FORM}.")
    stage, share, limit = output["stage"], output["share"], output["limit"]
    if not isinstance(stage, str) or not is_number(share) or not is_number(limit):
        raise Wrong(
            f"find_bottleneck gave {kind_of(stage)}, {kind_of(share)} and {kind_of(limit)}. Return "
            f"a string and two plain numbers, {FORM}."
        )
    return stage, float(share), float(limit)


def _mean_shares(scripted: ScriptedRequest) -> dict[str, float]:
    """Each stage's part of everything, the first request included."""
    sums = {name: sum(durations_s) for name, durations_s in scripted.took_s.items()}
    return {name: s / sum(sums.values()) for name, s in sums.items()}


def _counts(scripted: ScriptedRequest) -> str:
    return ", ".join(str(len(durations_s)) for durations_s in scripted.took_s.values())


FIND_BOTTLENECK = FunctionTask(
    name="find_bottleneck",
    title="Find the stage that dominates",
    points=2,
    function="find_bottleneck",
    draw=draw_requests,
    judge=judge_bottleneck,
    drive=drive_requests,
)
