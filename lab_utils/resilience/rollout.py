"""A new version beside the one that runs: more traffic as the doubt gets less, none when it is bad.

    rollout = Rollout(Plan())
    while not rollout.outcome:
        set_weight(rollout.weight)                       # percent of the traffic
        rollout.observe(old=Counts(…), new=Counts(…))    # what was counted since the last look

Three sequential tests look at every answer: bad answers against the SLO, and the share of flagged
payments (those that are not simply approved), which may neither rise nor fall beyond a ratio. A
model that approves everything has a splendid SLO.

*Error rates.* A version whose bad answers are as rare as `Slo.usual`, and that flags what the old
one flags, is rolled back with a chance of at most `alpha`, over the whole rollout and however often
it is looked at: each test has a third of it. A version that is as bad as the plan says, by any one
of the three, is promoted with a chance of at most `beta`. What lies between the two may go either
way. One test runs through all steps; a step is left when each test has gone its part of the way to
"no worse", so that steps cost no second chance of an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal, Self

from lab_utils.errors import LabError
from lab_utils.measure.sequential import KnownShare, SideBySide

Outcome = Literal["promoted", "rolled back", ""]
CANARY = (1, 5, 25)
TESTS = 3


@dataclass(frozen=True)
class Slo:
    """An answer is bad that failed, came from a fallback, or took longer than `limit_s`.

    usual: the share of bad answers that is in order. worse: the share that must not be promoted.
    """

    limit_s: float = 0.050
    usual: float = 0.001
    worse: float = 0.01


@dataclass(frozen=True)
class Plan:
    """How a version is brought out: what manifests, proxy and tests must agree on.

    steps: the new version's percent of the traffic at which it is judged; promoted means 100.
    flagged: the share of flagged payments may not become this many times as large, or as small.
    alpha, beta: see above. patience: so many answers of the new version without a verdict roll it
    back, too.

    Raises LabError for steps that do not rise within 1 to 99, and for figures that make no test.
    """

    slo: Slo = Slo()
    steps: tuple[int, ...] = CANARY
    flagged: float = 2.0
    alpha: float = 0.05
    beta: float = 0.1
    patience: int = 1_000_000

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in zip(self.steps, self.steps[1:], strict=False))
        if not self.copies_only and not (
            self.steps and rising and 0 < self.steps[0] <= self.steps[-1] < 100
        ):
            raise LabError(
                f"The steps are {list(self.steps)}; expected percents that rise, from 1 to 99 (100 "
                "comes when the version is promoted)."
            )
        if not self.flagged > 1:
            raise LabError(f"flagged is {self.flagged:g}; expected a ratio above 1.")
        if self.patience < 1:
            raise LabError(f"patience is {self.patience}; expected at least one answer.")
        _tests(self)

    @property
    def copies_only(self) -> bool:
        """Whether the new version answers nobody."""
        return self.steps == (0,)

    def shadow(self) -> Self:
        """The same tests on copied traffic, whose answers nobody is given."""
        return replace(self, steps=(0,))


@dataclass(frozen=True)
class Counts:
    """What one version answered in a stretch of time: how many were bad, how many flagged."""

    answers: int
    bad: int
    flagged: int

    def __sub__(self, earlier: Counts) -> Counts:
        """What came since."""
        return Counts(
            self.answers - earlier.answers,
            self.bad - earlier.bad,
            self.flagged - earlier.flagged,
        )


@dataclass(frozen=True)
class Look:
    """One look: the weight until then, what both did in between, and the tests' evidence after it.

    judged: False where the old version, too, was bad in between: that was no fault of the new one.
    """

    weight: int
    old: Counts
    new: Counts
    judged: bool
    evidence: dict[str, float]


class Rollout:
    """The rule that says, after each look, which weight the new version has.

    weight: percent. outcome: empty until it is promoted or rolled back; `reason` says why.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outcome: Outcome = ""
        self.reason = ""
        self.looks: list[Look] = []
        self._step = 0
        self._tests = _tests(plan)

    @property
    def weight(self) -> int:
        """Percent of the traffic that the new version is to have now."""
        if self.outcome == "rolled back":
            return 0
        if self.outcome == "promoted":
            return 0 if self.plan.copies_only else 100
        return self.plan.steps[self._step]

    @property
    def bounds(self) -> tuple[float, float]:
        """Of each test's evidence: at the first it says "no worse", at the second "worse"."""
        return math.log(self.plan.beta), -math.log(self.plan.alpha / TESTS)

    @property
    def answers(self) -> int:
        """How many of the new version's answers have been looked at."""
        return sum(look.new.answers for look in self.looks)

    @property
    def payments(self) -> list[int]:
        """How many payments both versions had answered by each look."""
        return list(accumulate(look.old.answers + look.new.answers for look in self.looks))

    @property
    def weights(self) -> list[int]:
        """The new version's weight before each look."""
        return [look.weight for look in self.looks]

    @property
    def evidence(self) -> dict[str, list[float]]:
        """Of each test, after each look."""
        return {name: [look.evidence[name] for look in self.looks] for name in self._tests}

    def observe(self, old: Counts, new: Counts) -> None:
        """Look at what both versions did since the last look."""
        if self.outcome:
            raise LabError(f"The version was {self.outcome} already; nothing is left to observe.")
        weight, judged = self.weight, old.bad <= self.plan.slo.worse * old.answers
        if judged:
            slo, more, fewer = self._tests.values()
            assert isinstance(slo, KnownShare)
            assert isinstance(more, SideBySide)
            assert isinstance(fewer, SideBySide)
            slo.add(new.bad, new.answers)
            for test in (more, fewer):
                test.add(new.flagged, new.answers, old.flagged, old.answers)
        evidence = {name: test.evidence for name, test in self._tests.items()}
        self.looks.append(Look(weight, old, new, judged, evidence))
        self._decide()

    def _decide(self) -> None:
        worse = [name for name, test in self._tests.items() if test.verdict == "worse"]
        if worse:
            self.outcome, self.reason = "rolled back", " and ".join(worse)
            return
        cleared = min(test.cleared for test in self._tests.values())
        if self._step + 1 < len(self.plan.steps):
            # One step a look at most, however clear it is: no step is left out.
            self._step += cleared >= (self._step + 1) / len(self.plan.steps)
        elif all(test.verdict == "no worse" for test in self._tests.values()):
            self.outcome, self.reason = "promoted", "no worse by any test"
        if not self.outcome and self.answers >= self.plan.patience:
            self.outcome = "rolled back"
            self.reason = f"no verdict after {self.answers:,} answers"


def _tests(plan: Plan) -> dict[str, KnownShare | SideBySide]:
    alpha = plan.alpha / TESTS
    return {
        "bad answers": KnownShare(plan.slo.usual, plan.slo.worse, alpha, plan.beta),
        "more flagged": SideBySide(plan.flagged, alpha, plan.beta),
        "fewer flagged": SideBySide(1 / plan.flagged, alpha, plan.beta),
    }
