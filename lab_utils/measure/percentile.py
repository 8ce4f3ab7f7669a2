"""Percentiles that the samples can support, and a refusal where they cannot.

The p99 of nine samples is their maximum by another name. Whether a percentile may be printed is a
question about counts alone, whatever the distribution: each sample is over the true p99 with
probability 1 %, so the number over it is binomial (David and Nagaraja, Order Statistics, 2003,
section 7.1; MLPerf LoadGen stops early by the same rule).

>>> samples_needed(99)
459
>>> percentile([0.1] * 9, 99)
Traceback (most recent call last):
...
lab_utils.errors.LabError: A p99 was asked of 9 samples; 459 are needed before one is over it \
with 99 % confidence, so 450 are missing. Measure longer, or ask for at most the p50.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError
from lab_utils.measure.interval import CONFIDENCE, Interval

SUPPORT = 0.99
"""How sure the samples must make us that one of them lies beyond the percentile."""
USUAL = (50, 90, 95, 99, 99.9)


def samples_needed(q: float, *, confidence: float = SUPPORT, over: int = 0) -> int:
    """Samples that support the q-th percentile (0 < q < 100) with so many of them over it.

    The smallest n with P(Binomial(n, 1 − q/100) ≤ over) ≤ 1 − confidence: if the true percentile
    lay above all but `over` of the samples, so few over it would be that unlikely. Below the
    median the same holds from the other side. With none over it, n = ln(1 − confidence) / ln(q).

    >>> samples_needed(99, over=1), samples_needed(90, over=1)
    (662, 64)
    """
    from scipy import stats  # half a second to import; LoadGen's process does without

    beyond = 1 - _quantile(q) if q >= 50 else _quantile(q)
    n = over + 1
    step = 1 << math.ceil(math.log2(max(2.0, (over + 10) / beyond)))
    while step:  # the smallest n, by halving steps
        if stats.binom.cdf(over, n + step - 1, beyond) > 1 - confidence:
            n += step
        else:
            step //= 2
    return n


def percentile(samples: ArrayLike, q: float) -> Interval:
    """The q-th percentile (0 < q < 100) with its 95 % interval, free of any distribution.

    The interval's ends are the order statistics whose ranks bracket the percentile with 95 %
    confidence by the binomial distribution. Raises LabError, saying how many samples are missing,
    where fewer than `samples_needed(q)` stand behind it.
    """
    from scipy import stats

    values = np.sort(np.asarray(samples, dtype=float).ravel())
    refuse_unsupported(q, values.size)
    share = _quantile(q)
    tail = (1 - CONFIDENCE) / 2
    low = int(stats.binom.ppf(tail, values.size, share))
    high = int(stats.binom.ppf(1 - tail, values.size, share))
    middle = float(np.quantile(values, share))
    return Interval(
        middle,
        float(min(values[max(low - 1, 0)], middle)),
        float(max(values[min(high, values.size - 1)], middle)),
        values.size,
    )


def refuse_unsupported(q: float, count: int) -> None:
    """Raise LabError, saying how many are missing, where so few samples cannot support it."""
    need = samples_needed(q)
    if count < need:
        raise LabError(_refusal(q, count, need))


def highest_supported(count: int) -> float | None:
    """The highest of p50, p90, p95, p99 and p99.9 that so many samples support; None for none."""
    supported = [q for q in USUAL if samples_needed(q) <= count]
    return supported[-1] if supported else None


def _percentile_samples(percentile: float, confidence: float) -> float:
    if not 0 < confidence < 1:
        raise LabError(f"confidence is {confidence:g}; expected a share between 0 and 1.")
    return samples_needed(percentile, confidence=confidence)


def _quantile(q: float) -> float:
    if not 0 < q < 100:
        raise LabError(f"The percentile is {q:g}; expected a number between 0 and 100.")
    return q / 100


def _refusal(q: float, count: int, need: int) -> str:
    best = highest_supported(count)
    instead = f", or ask for at most the p{best:g}" if best is not None else ""
    samples = "no samples" if count == 0 else "1 sample" if count == 1 else f"{count} samples"
    return (
        f"A p{q:g} was asked of {samples}; {need} are needed before one is over it with "
        f"{SUPPORT:.0%} confidence, so {need - count} are missing. Measure longer{instead}."
    ).replace("99%", "99 %")


PERCENTILE_SAMPLES = Calculation(
    name="percentile-samples",
    formula="samples = ln(1 − confidence) / ln(percentile / 100), rounded up (from p50 on)",
    inputs={
        "percentile": "which one, above 0 and below 100",
        "confidence": "that one sample lies beyond it, 0 to 1",
    },
    result="samples needed, if none of them may be over it",
    source="David and Nagaraja, Order Statistics (2003), 7.1; MLPerf LoadGen, early stopping",
    compute=_percentile_samples,
)
