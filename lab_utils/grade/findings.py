"""What a measurement means: its part of the points, and the sentence that its author gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lab_utils.grade import plausible
from lab_utils.grade.decision import Curve, Standing, curve_of
from lab_utils.grade.services import Comparison
from lab_utils.grade.spec import ServiceTask, Task, TimedTask, Work
from lab_utils.grade.timed import Timing
from lab_utils.grade.verdict import Figure, State
from lab_utils.machine.ceilings import Ceilings, ceilings
from lab_utils.measure.interval import Interval

BY_THE_MEDIAN = "the longest run could not tell the two apart, so its median decides"
DIGITS = 2
"""Of points: nobody argues about a hundredth of one."""


@dataclass(frozen=True)
class Finding:
    """share: of the points, 0 to 1. state: follows from it where nothing else is said."""

    share: float
    message: str = ""
    kind: State | None = None

    @property
    def state(self) -> State:
        """As it stands in the verdict."""
        if self.kind is not None:
            return self.kind
        return "passed" if self.share >= 1 else "partial" if self.share > 0 else "failed"

    def points(self, task: Task) -> float:
        """Rounded to hundredths, but all of them where all are earned."""
        return task.points if self.share >= 1 else round(self.share * task.points, DIGITS)


def finding_on_timing(task: TimedTask, found: Timing) -> Finding:
    """What a timing means, by the task's bar or curve."""
    if found.standing.share and task.work is not None:
        works = [task.work(case) for case in found.cases]
        work = Work(
            sum(one.operations for one in works) / len(works),
            works[0].precision,
            sum(one.bytes for one in works) / len(works),
        )
        if doubted := doubt_of(work, _inverse(found.answer_s)):
            return doubted
    said = f"{task.function} is {found.ratio:.2f} times as fast as the reference"
    return _on_curve(task, curve_of(task.bar), found.standing, said, task.too_slow)


def finding_on(task: ServiceTask, found: Comparison) -> Finding:
    """What a comparison of services means, by the task's bar or curve and its tail."""
    work = task.work() if found.standing.share and task.work is not None else Work()
    if doubted := doubt_of(work, found.answer_rps):
        return doubted
    said = (
        f"Your service answered {found.ratio:.2f} times as many requests a second as the reference"
    )
    curve = curve_of(task.bar(found.cores))
    finding = _on_curve(task, curve, found.standing, said, task.too_slow)
    return (_worse_tail(task, found) or finding) if finding.share else finding


def doubt_of(work: Work, calls_per_s: Interval) -> Finding | None:
    """No points, and why, for a speed that this machine cannot have; None for one that it can."""
    if not work.operations and not work.bytes:
        return None
    doubted = plausible.doubt(work, calls_per_s, _ceilings())
    return Finding(0, plausible.sentence(doubted), "implausible") if doubted else None


@cache
def _ceilings() -> Ceilings:
    """Once for each process that grades: on a machine that is never quiet they are not kept."""
    return ceilings()


def figures_of_timing(found: Timing) -> dict[str, Figure]:
    """The figures of a timing, by the names they have in a report."""
    return {
        "speedup": Figure(found.ratio, "×"),
        "reference": Figure(found.reference_s.scaled(1e3), "ms"),
        "yours": Figure(found.answer_s.scaled(1e3), "ms"),
    }


def figures_of(task: ServiceTask, found: Comparison) -> dict[str, Figure]:
    """The figures of a comparison, by the names they have in a report."""
    figures = {
        "speedup": Figure(found.ratio, "×"),
        "reference": Figure(found.reference_rps, "requests/s"),
        "yours": Figure(found.answer_rps, "requests/s"),
    }
    if found.tails_s is not None:
        for whose, tail_s in zip(("reference's", "your"), found.tails_s, strict=True):
            figures[f"{whose} p{task.tail:g}"] = Figure(tail_s.scaled(1e3), "ms")
    return figures | dict(found.figures)


def _on_curve(task: Task, curve: Curve, standing: Standing, said: str, too_slow: str) -> Finding:
    share = standing.share
    across = "" if standing.decided else f" ({BY_THE_MEDIAN})"
    if share >= 1:
        reached = f"{said}; {curve.full_at:g} is asked{across}."
        return Finding(1, "" if standing.decided else reached)
    if share <= 0:
        return Finding(0, f"{said}; {_asked(curve)}{across}. {too_slow}")
    earned = Finding(share).points(task)
    return Finding(
        share,
        f"{said}; {_asked(curve)}, so its median earns {earned:g} of {task.points:g}{across}. "
        f"{too_slow}",
    )


def _asked(curve: Curve) -> str:
    if curve.none_at == curve.full_at:
        return f"{curve.full_at:g} is asked"
    return f"all points need {curve.full_at:g}, the first {curve.none_at:g}"


def _worse_tail(task: ServiceTask, found: Comparison) -> Finding | None:
    """Failed where the answer's whole interval lies above the reference's."""
    if found.tails_s is None or found.tails_s[1].low <= found.tails_s[0].high:
        return None
    reference_ms, answer_ms = (tail_s.scaled(1e3) for tail_s in found.tails_s)
    return Finding(
        0,
        f"Your service answers more requests a second, but its p{task.tail:g} is "
        f"{answer_ms:.0f} ms where the reference's is {reference_ms:.0f}. Look for work that only "
        "some requests do, and for requests that wait for each other.",
    )


def _inverse(seconds: Interval) -> Interval:
    return Interval(1 / seconds.median, 1 / seconds.high, 1 / seconds.low, seconds.n)
