"""Tests that may be looked at after every answer, and keep the error rates that they state.

    test = KnownShare(usual=0.001, worse=0.01, alpha=0.05, beta=0.1)
    test.add(bad=1, answers=200)
    test.verdict                    # "worse", "no worse", or "" while it cannot tell

Each adds up how much likelier the answers are if the new version is the worse one than if it is
no worse: a likelihood ratio, `evidence` its logarithm. A good version's ratio ever exceeds 1/α with
a chance of at most α (Ville 1939), and a bad one's ever falls under β with at most β. So the test
may be looked at as often as one likes, and ended whenever it has a verdict. (Wald's own bounds,
(1−β)/α and β/(1−α), are a little nearer and keep α and β only approximately; `canary` counts with
those.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lab_utils.errors import LabError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Verdict = Literal["worse", "no worse", ""]
VERDICTS: dict[int, Verdict] = {1: "worse", -1: "no worse", 0: ""}


class Sequential:
    """What both tests share. alpha: how often, at most, a version that is no worse is called worse;
    beta: how often a worse one is called no worse."""

    def __init__(self, alpha: float, beta: float) -> None:
        if not (0 < alpha < 1 and 0 < beta < 1 and alpha + beta < 1):
            raise LabError(
                f"alpha is {alpha:g} and beta {beta:g}; expected two chances above 0 whose sum is "
                "below 1: a test that errs more often needs no samples."
            )
        self.alpha, self.beta = alpha, beta
        self.evidence = 0.0
        """ln of the likelihood ratio: above 0 for "worse", below 0 for "no worse"."""
        self.verdict: Verdict = ""

    @property
    def cleared(self) -> float:
        """How far the way to "no worse" has been gone, 0 to 1."""
        return min(max(self.evidence / math.log(self.beta), 0.0), 1.0)

    def _gain(self, evidence: float) -> None:
        if self.verdict:  # a test that has ended has ended
            return
        self.evidence += evidence
        self.verdict = VERDICTS[
            int(self.evidence >= -math.log(self.alpha)) - int(self.evidence <= math.log(self.beta))
        ]


class KnownShare(Sequential):
    """Is the share of bad answers `usual`, or `worse`? For a promise in figures, such as an SLO.

    Raises LabError where the shares are not 0 < usual < worse < 1.
    """

    def __init__(self, usual: float, worse: float, alpha: float, beta: float) -> None:
        super().__init__(alpha, beta)
        if not 0 < usual < worse < 1:
            raise LabError(
                f"The shares are {usual:g} and {worse:g}; expected two between 0 and 1, the worse "
                "one larger."
            )
        self._of_bad = math.log(worse / usual)
        self._of_good = math.log((1 - worse) / (1 - usual))

    def add(self, bad: int, answers: int) -> None:
        """`bad` of so many answers were bad."""
        _counts(bad, answers)
        self._gain(bad * self._of_bad + (answers - bad) * self._of_good)


class SideBySide(Sequential):
    """Is the new version's share the old one's, or `ratio` times that? Both run at the same time.

    Nobody has to know the usual share, and what happens to both (a slow store, a holiday) is held
    against neither. ratio: above 1 for "more of it is worse", below 1 for "less is".

    Of all that was counted, of both versions together, which part is the new one's? If the shares
    are equal, its part w of the answers; if not, w·ratio / (w·ratio + 1 − w). For rare counts that
    is all there is to say; for common ones the test errs still less often (1 + x ≤ eˣ), and w may
    change from one look to the next, as a rollout changes it. (The binomial sequential test of
    vaccine surveillance: Kulldorff and others, *A Maximized Sequential Probability Ratio Test*,
    Sequential Analysis 30, 2011, here with a simple alternative.)
    """

    def __init__(self, ratio: float, alpha: float, beta: float) -> None:
        super().__init__(alpha, beta)
        if not (ratio > 0 and ratio != 1 and math.isfinite(ratio)):
            raise LabError(f"The ratio is {ratio:g}; expected one above 0 that is not 1.")
        self.ratio = ratio

    def add(self, new: int, new_answers: int, old: int, old_answers: int) -> None:
        """So many were counted, of so many answers of each version in the same stretch of time.

        A stretch in which one of the two has answered nothing tells nothing.
        """
        _counts(new, new_answers)
        _counts(old, old_answers)
        if new_answers and old_answers:
            part = new_answers / (new_answers + old_answers)
            either = part * self.ratio + 1 - part
            self._gain(new * math.log(self.ratio / either) - old * math.log(either))


def _counts(counted: int, answers: int) -> None:
    if not 0 <= counted <= answers:
        raise LabError(f"{counted} of {answers} answers were counted; expected 0 to all of them.")


@dataclass(frozen=True, eq=False)
class Ends:
    """How many imagined canaries ended. worse, no_worse: which; the others had no verdict.

    answers: of the new version, in each, when it ended (or at the limit).
    """

    worse: NDArray[np.bool_]
    no_worse: NDArray[np.bool_]
    answers: NDArray[np.int64]


def rehearsed(
    true: float,
    usual: float,
    worse: float,
    *,
    alpha: float,
    beta: float,
    looks: int,
    answers_a_look: int,
    canaries: int,
    seed: int = 0,
) -> Ends:
    """The test of `KnownShare` on imagined canaries, all at once: their true share is known.

    It is looked at after each `answers_a_look` answers. Deterministic for a seed.
    """
    test = KnownShare(usual, worse, alpha, beta)
    bad = np.random.default_rng(seed).binomial(answers_a_look, true, (canaries, looks))
    evidence = np.cumsum(bad * test._of_bad + (answers_a_look - bad) * test._of_good, axis=1)
    high, low = evidence >= -math.log(alpha), evidence <= math.log(beta)
    ended = high | low
    # argmax finds the first look with a verdict; where there is none, the last look counts.
    first = np.where(ended.any(axis=1), ended.argmax(axis=1), looks - 1)
    rows = np.arange(canaries)
    return Ends(high[rows, first], low[rows, first], (first + 1) * answers_a_look)


def peeked(
    usual: float, *, looks: int, answers_a_look: int, canaries: int, seed: int = 0
) -> NDArray[np.float64]:
    """What becomes of a test for one look that is looked at again and again.

    Both versions of each imagined canary are the same, `usual` their share of bad answers. Gives,
    for 1 to `looks` looks, the share of canaries for which the two-sided z test of two proportions
    at 5 % has by then *ever* said that they differ.
    """
    random = np.random.default_rng(seed)
    old, new = (
        np.cumsum(random.binomial(answers_a_look, usual, (canaries, looks)), axis=1)
        for _ in range(2)
    )
    answers = answers_a_look * np.arange(1, looks + 1)
    mean = (old + new) / (2 * answers)
    spread = np.sqrt(2 * mean * (1 - mean) / answers)
    differ = np.abs(new - old) / answers > Z_95 * spread
    share: NDArray[np.float64] = np.logical_or.accumulate(differ, axis=1).mean(axis=0)
    return share


Z_95 = 1.959963984540054
"""Φ⁻¹(0.975)."""
