"""Task 4: the stage that dominates a request, and what it is worth to make it faster."""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lab_utils.grade.spec import Case, FunctionTask, Wrong
from lab_utils.measure.laws import amdahl_speedup

from .forms import is_number, kind_of
from .scripted import Call, CallRecord

FORM = 'a dict like {"stage": "decode", "share": 0.4, "limit": 1.67}'
SHARE_TOLERANCE = 0.02
"""Beside what the record leaves open: for a share that was rounded, and for two clocks."""
LIMIT_TOLERANCE = 0.03
"""Relative: the limit is worked out from the answer's own share, so only rounding is forgiven."""
STAGES = ("decode", "preprocess", "compute", "postprocess")


Array = npt.NDArray[np.float64]


def of_sums(stage_s: Array, others_s: Array) -> float:
    """What the stage took by what all took: (n,) and (n, others) seconds; a part of 1."""
    return float(stage_s.sum() / (stage_s.sum() + others_s.sum()))


def of_medians(stage_s: Array, others_s: Array) -> float:
    """The same from each stage's median."""
    usual_s = float(np.median(stage_s))
    return usual_s / (usual_s + float(np.median(others_s, axis=0).sum()))


def of_requests(stage_s: Array, others_s: Array) -> float:
    """The median of each request's own share."""
    return float(np.median(stage_s / (stage_s + others_s.sum(axis=1))))


SUMMARIES = (of_sums, of_medians, of_requests)
"""All are right. One that stalls for a moment parts them, so each may be the answer's."""


class ScriptedRequest(CallRecord):
    """A request's stages, each of which sleeps as a script says.

    The first request is slow in another stage than the later ones, as in a process that has just
    started.
    """

    def __init__(self, requests_s: Sequence[Mapping[str, float]]) -> None:
        super().__init__()
        self._requests_s = requests_s
        self.places: dict[str, list[int]] = {name: [] for name in requests_s[0]}

    def stage(self, name: str) -> Call:
        """The stage as a function without arguments."""

        def run() -> str:
            turn = min(len(self.places[name]), len(self._requests_s) - 1)
            self.places[name].append(self.sleep(self._requests_s[turn][name]))
            return "done"

        return run

    def shares(self, name: str, skip: int) -> list[tuple[float, float]]:
        """The stage's least and greatest share, by each summary, without the first ``skip``."""
        least_s, most_s = (
            {
                stage: np.array([bound(i) for i in places[skip:]])
                for stage, places in self.places.items()
            }
            for bound in (self.least_s, self.most_s)
        )
        others_least_s, others_most_s = (
            np.stack([seconds for stage, seconds in bound.items() if stage != name], axis=1)
            for bound in (least_s, most_s)
        )
        return [
            (summary(least_s[name], others_most_s), summary(most_s[name], others_least_s))
            for summary in SUMMARIES
        ]

    def largest(self, skip: int) -> list[str]:
        """The stages that may have been the largest, the likeliest first."""
        shares = {name: self.shares(name, skip) for name in self.places}
        may = {
            name
            for by in range(len(SUMMARIES))
            for name, bounds in shares.items()
            if bounds[by][1] >= max(other[by][0] for other in shares.values())
        }
        return sorted(may, key=lambda name: -shares[name][-1][0])


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
    scripted: ScriptedRequest = case["scripted"]
    return scripted.drive(answer, stages=case["stages"], requests=case["requests"])


def judge_bottleneck(case: Case, output: Any) -> None:
    stage, share, limit = _parts(output)
    scripted: ScriptedRequest = case["scripted"]
    calls = {len(places) for places in scripted.places.values()}
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
    largest = scripted.largest(skip=1)
    usual = scripted.shares(largest[0], skip=1)[-1][0]
    if stage not in largest:
        if stage in scripted.largest(skip=0):
            raise Wrong(
                f"{stage} is slow in the first request only; in the later ones {largest[0]} takes "
                f"{usual:.0%} of the time. Leave the warm-up request out of the figures."
            )
        raise Wrong(
            f"You name {stage!r}; the stage with the largest share is {largest[0]!r}. Sum up what "
            "each stage took over all timed requests and take the largest."
        )
    bounds = scripted.shares(stage, skip=1)
    if not _within(share, bounds):
        if _within(share / 100, bounds):
            raise Wrong(f"The share is {share:.3g}: that is per cent. Return a part of 1.")
        raise Wrong(
            f"The share of {stage} is {share:.2f}, but it was {bounds[0][0]:.2f} of its requests. "
            "Divide what the stage took by what all stages of the same requests took."
        )
    _judge_limit(share, limit)


def _within(share: float, bounds: Iterable[tuple[float, float]]) -> bool:
    return any(least - SHARE_TOLERANCE <= share <= most + SHARE_TOLERANCE for least, most in bounds)


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


def _counts(scripted: ScriptedRequest) -> str:
    return ", ".join(str(len(places)) for places in scripted.places.values())


FIND_BOTTLENECK = FunctionTask(
    name="find_bottleneck",
    title="Find the stage that dominates",
    points=2,
    function="find_bottleneck",
    draw=draw_requests,
    judge=judge_bottleneck,
    drive=drive_requests,
)
