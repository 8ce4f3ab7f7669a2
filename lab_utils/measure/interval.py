"""A measured figure: a median, its 95 % interval, and how many samples stand behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True)
class Interval:
    """What `./lab bench` prints for a measured figure, and what lessons draw with whiskers."""

    median: float
    low: float
    high: float
    n: int

    def __format__(self, spec: str) -> str:
        """With a specification for all three numbers; without one, each as `plain`."""
        median, low, high = (
            format(value, spec) if spec else plain(value)
            for value in (self.median, self.low, self.high)
        )
        return f"{median} [{low} to {high}]"

    def scaled(self, factor: float) -> Interval:
        """The same figure in another unit (seconds × 1,000 are milliseconds)."""
        return Interval(self.median * factor, self.low * factor, self.high * factor, self.n)

    def as_dict(self) -> dict[str, float]:
        """As it stands in a report or on the last line of a bench."""
        return asdict(self)


def plain(value: float) -> str:
    """Three digits that matter, without an exponent where a person would not write one.

    >>> plain(61.234), plain(0.8234), plain(1435), plain(999.7), plain(2.5e-07)
    ('61.2', '0.823', '1,435', '1,000', '2.5e-07')
    """
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def interval(samples: ArrayLike, statistic: Callable[..., np.ndarray] = np.median) -> Interval:
    """The statistic (default: the median) of the samples, with its bootstrap 95 % interval.

    Percentile bootstrap, 2,000 resamples, fixed seed (Efron 1979). `statistic` takes an array and
    `axis`. Raises LabError where there are no samples.
    """
    values = np.asarray(samples, dtype=float)
    if values.size == 0:
        raise LabError("An interval was asked of no samples; expected at least one.")
    random = np.random.default_rng(SEED)
    picks = random.integers(values.size, size=(RESAMPLES, values.size))
    estimates = statistic(values[picks], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    middle = float(statistic(values, axis=0))
    return Interval(middle, float(low), float(high), values.size)


def ratio_interval(first: Sequence[float], second: Sequence[float]) -> Interval:
    """The median of first[i] / second[i] over paired samples, with its bootstrap 95 % interval.

    Raises LabError where the two are not the same length.
    """
    if len(first) != len(second):
        raise LabError(
            f"A paired ratio was asked of {len(first)} and {len(second)} samples; "
            "expected one of each a pair."
        )
    return interval(np.asarray(first, dtype=float) / np.asarray(second, dtype=float))


def ratio_of_sums(above: Sequence[float], below: Sequence[float]) -> Interval:
    """The sum of the first over the sum of the second, resampled in pairs (costs and queries of
    days, say), with its bootstrap 95 % interval; its `median` is the ratio itself.

    Raises LabError where the two are not the same length, empty, or the second sums to nothing.

    >>> f"{ratio_of_sums([1, 2, 3], [2, 4, 6]):.2f}"
    '0.50 [0.50 to 0.50]'
    """
    pairs = np.array([above, below], dtype=float) if len(above) == len(below) else np.empty((2, 0))
    if not pairs.size or not pairs[1].sum() > 0:
        raise LabError(
            f"A ratio of sums was asked of {len(above)} and {len(below)} figures; expected one of "
            "each a pair, and a second sum above 0."
        )
    n = pairs.shape[1]
    picks = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))
    sums = pairs[:, picks].sum(axis=2)
    estimates = sums[0, sums[1] > 0] / sums[1, sums[1] > 0]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return Interval(float(pairs[0].sum() / pairs[1].sum()), float(low), float(high), n)


def share(successes: int, n: int) -> Interval:
    """The share (0 to 1) of n trials that succeeded, with Wilson's 95 % interval (1927).

    Its `median` is successes / n. Where all succeed the interval still says how many others there
    may be: resampling trials of one outcome would give no width at all.

    >>> f"{share(64, 64):.3f}"
    '1.000 [0.943 to 1.000]'
    """
    if not 0 <= successes <= n or n == 0:
        raise LabError(
            f"{successes} successes of {n} trials were given; expected 0 to n of at least one."
        )
    from scipy import stats  # half a second to import, which few of this module's users need

    low, high = stats.binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(successes / n, float(low), float(high), n)
