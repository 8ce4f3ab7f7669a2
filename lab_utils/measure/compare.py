"""Is one thing faster than another? Paired, interleaved, with an interval and a verdict.

A machine is never as fast at noon as at one: its clock drifts, a neighbour wakes. So the two are
measured in turn, A B, B A, A B, …: each round meets the same minute, and no one always goes
first. The figure of a round is a ratio, in which what is common to both cancels.

    rounds = interleaved({"one worker": run_one, "two workers": run_two}, rounds=8)
    compare(rounds["two workers"], rounds["one worker"], higher_is_faster=True)

The number of rounds is fixed before the first. To look after each one and stop when the interval
is clear is to be wrong more often than the interval says: each look is another chance for an
accident.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from lab_utils.errors import LabError
from lab_utils.measure.heap import heap_set_aside
from lab_utils.measure.interval import CONFIDENCE, Interval, interval, ratio_interval

T = TypeVar("T")
Watch = Callable[[Sequence[int]], Iterable[int]]
"""Iterates a sequence and shows how far it has come (`show.progress.watching`)."""
Verdict = Literal["faster", "slower", "undecided"]

PAIRS_NEEDED = 1 + math.ceil(math.log2(1 / (1 - CONFIDENCE)))
"""With fewer pairs even "all on one side" happens by chance in more than 5 % of cases (2 · 2⁻ⁿ)."""


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
    with heap_set_aside():
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


def difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """The median of first[i] − second[i] over paired figures, with its 95 % interval."""
    if len(first) != len(second):
        raise LabError(
            f"A paired difference was asked of {len(first)} and {len(second)} samples; "
            "expected one of each a pair."
        )
    return interval([a - b for a, b in zip(first, second, strict=True)])
