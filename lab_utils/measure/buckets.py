"""A quantile read from a histogram's buckets, as Prometheus reads it, and what it can be wrong by.

Prometheus keeps how many latencies were at most 0.1 s, at most 0.25 s, …, and not where in their
bucket they lay. `histogram_quantile` supposes that they are spread evenly over it.

    reading = read_from_buckets(latencies_s, edges_s, 0.99)
    reading.read_s             # what a dashboard shows
    reading.true.median        # what it was
    reading.lowest_s, reading.highest_s     # all that the buckets can tell

96 of 100 answers under 100 ms, four between 100 and 150 ms: a p99 of 138 ms reads as 213 ms.

>>> latencies_s = [0.05] * 960 + [0.1 + 0.05 * (i + 0.5) / 40 for i in range(40)]
>>> reading = read_from_buckets(latencies_s, (0.05, 0.1, 0.25, 0.5), 0.99)
>>> f"{reading.true.median:.3f} {reading.read_s:.4f} {reading.lowest_s} {reading.highest_s}"
'0.137 0.2125 0.1 0.25'

A *native* histogram has exponential edges, each `2 ** 2 ** -schema` times the one before, so its
error has a bound. Prometheus 2.42 reads one from its binary format alone (with
`--enable-feature=native-histograms`), which its Python client (0.26) does not write: seen. What
comes near is a classic histogram with the same edges, `exponential_edges`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.measure.percentile import percentile


@dataclass(frozen=True)
class Reading:
    """One quantile from raw latencies and from buckets, in seconds.

    true: with its interval. read_s: Prometheus's. lowest_s, highest_s: the edges of the bucket
    that holds it; any latencies between them have the same counts. highest_s is inf beyond the
    last edge.
    """

    true: Interval
    read_s: float
    lowest_s: float
    highest_s: float

    @property
    def error(self) -> float:
        """How far the reading is off: 0.5 is half as much again as the truth."""
        return self.read_s / self.true.median - 1


def read_from_buckets(latencies_s: ArrayLike, edges_s: Sequence[float], q: float) -> Reading:
    """The q-quantile (0 < q < 1) of latencies and what buckets with these upper edges make of it.

    Raises LabError where the latencies cannot support it, as `measure.percentile` does, and for
    edges that do not grow.
    """
    counts = bucket_counts(latencies_s, edges_s)
    rank = q * counts[-1]
    inside = int(np.searchsorted(counts[:-1], rank))
    bounds = (0.0, *map(float, edges_s), math.inf)
    return Reading(
        percentile(latencies_s, 100 * q),
        histogram_quantile(q, edges_s, counts),
        bounds[inside],
        bounds[inside + 1],
    )


def bucket_counts(latencies_s: ArrayLike, edges_s: Sequence[float]) -> NDArray[np.int64]:
    """How many latencies are at most each edge, and last how many there are: Prometheus's `le`.

    Raises LabError where there is no edge, or one is not above the one before.
    """
    _refuse_edges(edges_s)
    values = np.sort(np.asarray(latencies_s, dtype=float).ravel())
    below = np.searchsorted(values, np.asarray(edges_s, dtype=float), side="right")
    return np.append(below, values.size)


def histogram_quantile(q: float, edges_s: Sequence[float], counts: ArrayLike) -> float:
    """Prometheus's `histogram_quantile` on classic buckets; the first begins at 0.

    counts: cumulative, one for each edge and one for all. Linear within the bucket; beyond the last
    edge it gives the last edge, however long the latencies were. NaN where nothing was counted.
    Source: bucketQuantile in promql/quantile.go of Prometheus 2.42. Raises LabError for a q outside
    0 to 1, edges that do not grow, and counts that do not fit them.
    """
    _refuse_edges(edges_s)
    cumulative = np.asarray(counts, dtype=float)
    if cumulative.shape != (len(edges_s) + 1,) or np.any(np.diff(cumulative) < 0):
        raise LabError(
            f"The counts of {len(edges_s)} edges were {cumulative.tolist()}; expected one for each "
            "and one for all, none below the one before."
        )
    if not 0 <= q <= 1:
        raise LabError(f"q is {q:g}; expected a quantile from 0 to 1, as 0.99.")
    if cumulative[-1] == 0:
        return math.nan
    rank = q * cumulative[-1]
    inside = int(np.searchsorted(cumulative[:-1], rank))
    if inside == len(edges_s):
        return float(edges_s[-1])
    start, before = (edges_s[inside - 1], cumulative[inside - 1]) if inside else (0.0, 0.0)
    within = cumulative[inside] - before
    share = (rank - before) / within if within else math.nan  # q = 0 before an empty bucket
    return float(start + (edges_s[inside] - start) * share)


def exponential_edges(schema: int, lowest_s: float, highest_s: float) -> tuple[float, ...]:
    """The edges of a native histogram of this schema from `lowest_s` until `highest_s` is covered.

    They are powers of `2 ** 2 ** -schema`; schema −4 (a factor of 65,536) to 8 (0.27 %). Raises
    LabError outside of that, and where highest_s is not above lowest_s.

    >>> exponential_edges(1, 0.5, 1)
    (0.5, 0.7071067811865476, 1.0)
    """
    if schema not in range(-4, 9) or not 0 < lowest_s < highest_s < math.inf:
        raise LabError(
            f"Edges of schema {schema} from {lowest_s:g} to {highest_s:g} s were asked; expected a "
            "schema from -4 to 8, and a highest above the lowest, which is above 0."
        )
    steps = 2.0**schema
    first = math.floor(math.log2(lowest_s) * steps + 1e-9)
    last = math.ceil(math.log2(highest_s) * steps - 1e-9)
    return tuple(2.0 ** (power / steps) for power in range(first, last + 1))


def _refuse_edges(edges_s: Sequence[float]) -> None:
    edges = np.asarray(edges_s, dtype=float)
    if not edges.size or edges[0] <= 0 or np.any(np.diff(edges) <= 0) or np.isinf(edges[-1]):
        raise LabError(
            f"The edges are {edges.tolist()}; expected growing ones above 0, the last one finite "
            "(what lies beyond is counted by itself)."
        )
