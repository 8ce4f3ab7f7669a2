"""Is one thing faster than another? Paired, interleaved, with an interval and a verdict.

A machine is never as fast at noon as at one: its clock drifts, a neighbour wakes. So the two are
measured in turn, A B, B A, A B, …: each round meets the same minute, and no one always goes
first. The figure of a round is a ratio, in which what is common to both cancels.

    rounds = interleaved({"one worker": run_one, "two workers": run_two}, rounds=8)
    compare(rounds["two workers"], rounds["one worker"], higher_is_faster=True)

How many rounds are enough is not known beforehand, and to look after each one and stop when the
interval is clear is to be wrong more often than the interval says: each look is another chance for
an accident. `compare_until_clear` stops early and pays for its looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from scipy import stats

from lab_utils.errors import LabError
from lab_utils.measure.interval import CONFIDENCE, Interval, interval, ratio_interval

T = TypeVar("T")
Watch = Callable[[Sequence[int]], Iterable[int]]
"""Iterates a sequence and shows how far it has come (`show.progress.watching`)."""
Verdict = Literal["faster", "slower", "undecided"]

PAIRS_NEEDED = 1 + math.ceil(math.log2(1 / (1 - CONFIDENCE)))
"""With fewer pairs even "all on one side" happens by chance in more than 5 % of cases (2 · 2⁻ⁿ)."""


FIRST_LOOK = 8
LOOK_GROWTH = 1.5


@dataclass(frozen=True)
class Comparison:
    """How many times as fast the first is as the second, and what may be said of it.

    speed_ratio: over 1 where the first is faster. pairs: how many rounds stand behind it.
    """

    speed_ratio: Interval
    verdict: Verdict
    reason: str

    @property
    def pairs(self) -> int:
        """Rounds measured."""
        return self.speed_ratio.n

    def __str__(self) -> str:
        return f"{self.verdict}, {self.speed_ratio:.2f} times as fast: {self.reason}"


def interleaved(
    runs: Mapping[str, Callable[[], T]], rounds: int, watch: Watch = iter
) -> dict[str, list[T]]:
    """Run each once a round, every second round in the opposite order; results by name.

    The i-th results of all names belong to one round and may be paired.
    """
    results: dict[str, list[T]] = {name: [] for name in runs}
    for number in watch(range(rounds)):
        for name in list(runs) if number % 2 == 0 else list(runs)[::-1]:
            results[name].append(runs[name]())
    return results


def compare(
    first: Sequence[float], second: Sequence[float], *, higher_is_faster: bool
) -> Comparison:
    """The verdict on paired figures: durations, or rates where `higher_is_faster`.

    `first` is "faster" or "slower" than `second` where the 95 % bootstrap interval of the median
    ratio leaves out 1 and at least six pairs stand behind it; else "undecided", and the reason
    says what is missing. Raises LabError where the two are not paired.
    """
    ratio = ratio_interval(first, second) if higher_is_faster else ratio_interval(second, first)
    if ratio.n < PAIRS_NEEDED:
        missing = PAIRS_NEEDED - ratio.n
        return Comparison(
            ratio, "undecided", f"{ratio.n} pairs, {missing} fewer than a verdict needs"
        )
    if ratio.low > 1:
        return Comparison(ratio, "faster", f"{ratio.n} pairs, interval above 1")
    if ratio.high < 1:
        return Comparison(ratio, "slower", f"{ratio.n} pairs, interval below 1")
    return Comparison(ratio, "undecided", f"{ratio.n} pairs, 1 lies in the interval")


def looks(at_most_rounds: int) -> list[int]:
    """The numbers of rounds after which `compare_until_clear` looks at the figures.

    >>> looks(40)
    [8, 12, 18, 27, 40]
    """
    if at_most_rounds < FIRST_LOOK:
        raise LabError(
            f"At most {at_most_rounds} rounds were allowed; expected at least {FIRST_LOOK}, after "
            "which the figures are first looked at."
        )
    counts = [FIRST_LOOK]
    while counts[-1] < at_most_rounds:
        counts.append(min(at_most_rounds, math.ceil(LOOK_GROWTH * counts[-1])))
    return counts


def compare_until_clear(
    runs: Mapping[str, Callable[[], float]],
    *,
    at_most_rounds: int,
    higher_is_faster: bool,
    watch: Watch = iter,
) -> tuple[Comparison, dict[str, list[float]]]:
    """Compare the first of two runs with the second, in interleaved rounds, until it is clear.

    Each run gives one figure: a duration, or a rate where `higher_is_faster`. Gives the
    comparison and the figures by name, the i-th of both from one round.

    The rule, fixed before the first round: the figures are looked at after 8 rounds, then each
    time there are half as many again, K times at most. Each look takes the interval of the median
    ratio from the order statistics (a sign test, exact for any distribution; David and Nagaraja,
    Order Statistics, 2003, section 7.1) at 1 − 5 % / K, and stops where it leaves out 1. Where
    there is no difference, all looks together are wrong in at most K · 5 % / K of cases
    (Bonferroni). The interval that comes back is the last look's, at its own, higher confidence.
    """
    if len(runs) != 2:
        raise LabError(f"{len(runs)} runs were given; expected the two that are compared.")
    first, second = runs
    schedule = looks(at_most_rounds)
    risk = (1 - CONFIDENCE) / len(schedule)
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for number in watch(range(at_most_rounds)):
        for name in list(runs) if number % 2 == 0 else list(runs)[::-1]:
            figures[name].append(runs[name]())
        if number + 1 in schedule:
            ratio = _median_ratio(figures[first], figures[second], higher_is_faster, risk)
            if not ratio.low <= 1 <= ratio.high:
                break
    look = f"look {schedule.index(ratio.n) + 1} of {len(schedule)}, each at {1 - risk:.1%}"
    if ratio.low > 1:
        return Comparison(ratio, "faster", f"{ratio.n} pairs, interval above 1 ({look})"), figures
    if ratio.high < 1:
        return Comparison(ratio, "slower", f"{ratio.n} pairs, interval below 1 ({look})"), figures
    reason = f"{ratio.n} pairs, 1 lies in the interval ({look})"
    return Comparison(ratio, "undecided", reason), figures


def _median_ratio(
    first: Sequence[float], second: Sequence[float], higher_is_faster: bool, risk: float
) -> Interval:
    """The median speed ratio and its order-statistic interval; infinite where n is too small."""
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not (np.all(one > 0) and np.all(two > 0)):
        raise LabError("A run gave a figure of 0 or less; expected durations or rates above 0.")
    ratios = np.sort(one / two if higher_is_faster else two / one)
    # The largest rank k with 2 · P(Binomial(n, 1/2) < k) ≤ risk.
    rank = int(stats.binom.ppf(risk / 2, ratios.size, 0.5))
    if 2 * stats.binom.cdf(rank - 1, ratios.size, 0.5) > risk:
        rank -= 1
    middle = float(np.median(ratios))
    if rank < 1:
        return Interval(middle, 0.0, math.inf, ratios.size)
    return Interval(middle, float(ratios[rank - 1]), float(ratios[-rank]), ratios.size)


def difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """The median of first[i] − second[i] over paired figures, with its 95 % interval."""
    if len(first) != len(second):
        raise LabError(
            f"A paired difference was asked of {len(first)} and {len(second)} samples; "
            "expected one of each a pair."
        )
    return interval([a - b for a, b in zip(first, second, strict=True)])
