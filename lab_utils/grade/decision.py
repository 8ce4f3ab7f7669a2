"""When enough pairs have been measured, and what they then say: one way to decide for all tasks.

The answer and the reference are measured in pairs, in random order, and each pair gives a ratio.
How many of the ratios lie above the bar is a count. If the answer were exactly as fast as the bar,
each would lie above or below as a coin falls: a disturbance meets the first or the second of a
pair, and which of them is the answer is drawn anew, in secret, each time. That holds however large
the disturbances are and however long they last, so the chance of a count is the binomial's, with
nothing assumed of their distribution (the sign test: Arbuthnott 1710; Fisher 1935, section 3).

To look after each pair and stop when the count is clear would be wrong more often than one look
is: every look is another chance for an accident (`measure/compare.py`). So a plan names the counts
of pairs after which it looks, before the first, and spends a level of error on each; the levels
add up to the most that the whole plan can be wrong (Bonferroni).

    plan = Plan((Look(9, 0.004), Look(18, 0.004)))
    stand(ratios, Curve(none_at=1.5, full_at=2.0), plan)      # None: measure on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Literal

import numpy as np

from lab_utils.errors import LabError

Side = Literal["above", "below"]


@dataclass(frozen=True)
class Look:
    """After so many pairs, see whether they decide.

    level: the chance to say "above" of what lies at the bar, or "below". margin: at 1, so many
    pairs must lie on one side that fewer than `level` of fair coins would. Above 1, *every* pair
    must lie beyond the bar so many times: for what is far from it, few pairs are enough. Then the
    level is no theorem: it assumes that at most level^(1/pairs) of the pairs are disturbed by that
    much in one direction.
    """

    pairs: int
    level: float
    margin: float = 1.0

    def __post_init__(self) -> None:
        if self.margin == 1 and needed(self.pairs, self.level) > self.pairs:
            raise LabError(
                f"{self.pairs} pairs cannot decide at a level of {self.level:g}: all on one side "
                f"happen by chance in {0.5**self.pairs:.2g} of cases. Look later."
            )

    def side(self, ratios: Sequence[float], bar: float) -> Side | None:
        """On which side of the bar the first pairs lie, None where they do not say."""
        seen = np.asarray(ratios[: self.pairs], dtype=float)
        if seen.size < self.pairs:
            return None
        enough = self.pairs if self.margin > 1 else needed(self.pairs, self.level)
        if np.count_nonzero(seen >= bar * self.margin) >= enough:
            return "above"
        if np.count_nonzero(seen < bar / self.margin) >= enough:
            return "below"
        return None


@dataclass(frozen=True)
class Plan:
    """The looks, in order; those past `usual` pairs are the longer run of what is close."""

    looks: tuple[Look, ...]
    usual: int = 0

    @property
    def longest(self) -> int:
        """The most pairs that are measured."""
        return self.looks[-1].pairs

    @property
    def error_rate(self) -> float:
        """The most that "above" is said of what lies at the bar or below, or the other way."""
        return sum(look.level for look in self.looks)

    def side(self, ratios: Sequence[float], bar: float) -> Side | None:
        """What the first look that could tell says; None where none could so far."""
        return next((side for look in self.looks if (side := look.side(ratios, bar))), None)


@dataclass(frozen=True)
class Curve:
    """What a ratio is worth: nothing below `none_at`, everything from `full_at`, linear between.

    It is read at the *median* of the ratios. Its ends are tested like a bar. In between nothing
    hangs on a hair: a per cent of speed is about a per cent of the marks, and the median is as
    often above the truth as below; a cautious end of the interval would take marks for the noise
    of the machine. Where both are the same it is a bar: all or nothing.
    """

    none_at: float
    full_at: float

    def __post_init__(self) -> None:
        if not 0 < self.none_at <= self.full_at:
            raise LabError(
                f"A curve from {self.none_at:g} to {self.full_at:g} was given; expected two ratios "
                "above 0, the first not above the second."
            )

    def share(self, ratio: float) -> float:
        """The part of the points, 0 to 1, that a ratio earns."""
        if ratio >= self.full_at:
            return 1.0
        if ratio < self.none_at:
            return 0.0
        return (ratio - self.none_at) / (self.full_at - self.none_at)


def curve_of(bar: float | Curve) -> Curve:
    """A bar as a curve."""
    return bar if isinstance(bar, Curve) else Curve(bar, bar)


@dataclass(frozen=True)
class Standing:
    """What the pairs say. share: of the points. decided: False where the tie rule had to."""

    share: float
    decided: bool


def stand(ratios: Sequence[float], curve: Curve, plan: Plan) -> Standing | None:
    """What the pairs so far are worth; None where more have to be measured.

    The tie rule: where the longest run cannot tell on which side of an end of the curve a ratio
    lies, its median decides.
    """
    full = plan.side(ratios, curve.full_at)
    none = full if curve.none_at == curve.full_at else plan.side(ratios, curve.none_at)
    if full == "above":
        return Standing(1.0, decided=True)
    if none == "below":
        return Standing(0.0, decided=True)
    if full == "below" and none == "above":
        return Standing(curve.share(float(np.median(ratios))), decided=True)
    if len(ratios) < plan.longest:
        return None
    return Standing(curve.share(float(np.median(ratios))), decided=False)


@cache
def needed(pairs: int, level: float) -> int:
    """How many of so many fair coins must fall on one side to be rarer than the level.

    More than there are where no number is rare enough.

    >>> needed(9, 0.004), needed(36, 0.0025)
    (9, 27)
    """
    # Counted out: importing SciPy's statistics takes a grader longer than many a verdict.
    least, as_many = pairs + 1, 0
    while least and (as_many := as_many + comb(pairs, least - 1)) <= level * 2**pairs:
        least -= 1
    return least
