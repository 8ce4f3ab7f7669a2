"""When requests are due: an open loop's schedule, drawn or recorded.

    constant(rate_rps=100, duration_s=10)           # a metronome
    poisson(rate_rps=100, duration_s=10)            # users who do not know of each other
    recorded("arrivals.txt")                        # users who came: one second a line
    recorded("arrivals.txt").at_rate(100)           # the same users, in a hurry
    recorded("arrivals.txt").following([0, 600], [1, 9])        # more and more of them

What matters for a queue is not only how many come, but how unevenly: `Arrivals.variation` is 0 for
a metronome, near 1 for independent users, and more for users who come in bursts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.load.recording import lines_of

MOST = 10_000_000
"""Arrivals that one schedule may hold: more is a mistake in a rate or a file."""


@dataclass(frozen=True)
class Arrivals:
    """When requests are due, in seconds from the start, and their mean rate."""

    due_s: NDArray[np.float64]
    rate_rps: float

    @property
    def variation(self) -> float:
        """The coefficient of variation of the gaps: their standard deviation over their mean.

        Raises LabError for fewer than three arrivals, whose two gaps are needed.
        """
        if self.due_s.size < 3:
            raise LabError(
                f"The variation of {self.due_s.size} arrivals was asked for; expected at least 3."
            )
        gaps_s = np.diff(self.due_s)
        return float(np.std(gaps_s) / np.mean(gaps_s))

    def at_rate(self, rate_rps: float) -> Arrivals:
        """The same pattern, stretched or squeezed to another mean rate."""
        _check_rate(rate_rps, 1.0)
        return Arrivals(self.due_s * (self.rate_rps / rate_rps), rate_rps)

    def following(self, times_s: ArrayLike, rates_rps: ArrayLike) -> Arrivals:
        """The same pattern at a rate that changes, repeated as often as that takes.

        times_s: growing, from 0; the end is the last of them. rates_rps: the rate at each of these
        times; between two of them it is on the straight line. A gap of the pattern is as much
        longer or shorter as the rate asks for at its place. Raises LabError for other profiles.
        """
        times, rates = np.asarray(times_s, dtype=float), np.asarray(rates_rps, dtype=float)
        ordered = times.size >= 2 and times[0] == 0 and bool(np.all(np.diff(times) > 0))
        if not ordered or rates.shape != times.shape or rates.min() < 0 or rates.max() <= 0:
            raise LabError(
                f"The profile has {times.size} times and {rates.size} rates; expected as many of "
                "both, at least two, times that grow from 0, and rates of 0 or more."
            )
        counts = np.concatenate(([0.0], np.cumsum(np.diff(times) * (rates[1:] + rates[:-1]) / 2)))
        _check_rate(float(counts[-1] / times[-1]), float(times[-1]))
        round_trip = float(self.due_s.size)  # the gap from the last arrival to the first is a mean
        pattern = self.due_s * self.rate_rps
        rounds = np.arange(math.ceil(counts[-1] / round_trip))
        due = (pattern + round_trip * rounds[:, None]).ravel()
        due = due[due < counts[-1]]
        place = np.searchsorted(counts, due, side="right") - 1
        begun, left = rates[place], due - counts[place]
        slope = (rates[place + 1] - begun) / (times[place + 1] - times[place])
        # From left = begun · t + slope · t² / 2, in the form that a slope of 0 does not upset.
        root = begun + np.sqrt(np.maximum(begun**2 + 2 * slope * left, 0))
        due_s = times[place] + np.divide(2 * left, root, out=np.zeros_like(left), where=root > 0)
        return Arrivals(due_s, float(counts[-1] / times[-1]))

    def until(self, duration_s: float) -> Arrivals:
        """Those that are due before `duration_s`."""
        _check_rate(self.rate_rps, duration_s)
        return Arrivals(self.due_s[self.due_s < duration_s], self.rate_rps)


def constant(rate_rps: float, duration_s: float) -> Arrivals:
    """One request every 1 / rate seconds."""
    _check_rate(rate_rps, duration_s)
    return Arrivals(np.arange(math.ceil(rate_rps * duration_s - 1e-9)) / rate_rps, rate_rps)


def poisson(rate_rps: float, duration_s: float, seed: int = 0) -> Arrivals:
    """Independent users: gaps are exponential with mean 1 / rate; the same for the same seed."""
    _check_rate(rate_rps, duration_s)
    random = np.random.default_rng(seed)
    expected = rate_rps * duration_s
    gaps_s = random.exponential(1 / rate_rps, size=math.ceil(expected + 10 * expected**0.5 + 10))
    due_s = np.cumsum(gaps_s)
    return Arrivals(due_s[due_s < duration_s], rate_rps)


def recorded(path: str | Path) -> Arrivals:
    """The arrivals that a file holds: one number of seconds a line, in order, from any beginning.

    Empty lines and lines that begin with # are skipped; the first arrival becomes second 0. The
    rate is that of the gaps. Raises LabError, naming the file and the line, where one is not a
    number or time runs backwards, and where fewer than two arrivals are left.
    """
    times_s: list[float] = []
    for number, text in lines_of(path, "one number of seconds a line"):
        time_s = _seconds(text)
        if time_s is None:
            raise LabError(
                f"{path}, line {number}, is {text[:40]!r}; expected one number of seconds."
            )
        if times_s and time_s < times_s[-1]:
            raise LabError(
                f"{path}, line {number}, is {time_s:g} s, before the {times_s[-1]:g} s of the one "
                "above it; expected arrivals in the order in which they came."
            )
        times_s.append(time_s)
    return of_times(times_s, str(path))


def of_times(times_s: ArrayLike, name: str = "The recording") -> Arrivals:
    """Arrivals at these times, in seconds and in order; the first becomes second 0."""
    due_s = np.asarray(times_s, dtype=float)
    if due_s.size < 2 or not due_s[-1] > due_s[0]:
        raise LabError(
            f"{name} holds {due_s.size} arrivals; expected at least two, at different times."
        )
    if not (np.all(np.isfinite(due_s)) and np.all(np.diff(due_s) >= 0)):
        raise LabError(f"{name} holds times that are not in order; expected growing seconds.")
    due_s = due_s - due_s[0]
    return Arrivals(due_s, float((due_s.size - 1) / due_s[-1]))


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_rate(rate_rps: float, duration_s: float) -> None:
    if not (rate_rps > 0 and duration_s > 0):
        raise LabError(
            f"The load is {rate_rps:g} requests a second for {duration_s:g} s; "
            "expected both above 0."
        )
    if not rate_rps * duration_s <= MOST:
        raise LabError(
            f"The load is {rate_rps:g} requests a second for {duration_s:g} s; "
            f"expected at most {MOST:,} requests in all."
        )
