"""A histogram of latencies that keeps every tail: HdrHistogram, with this lab's refusals.

A list of latencies grows with the run; a histogram does not. HdrHistogram (Gil Tene) keeps counts
in buckets whose width grows with the value, so that each value is known to three significant
figures from a microsecond to an hour, in a few hundred kilobytes. Histograms of several runs or
processes are added up, which percentiles never can be.

    histogram = LatencyHistogram.of(result.latencies_s)
    histogram.merge(other)
    histogram.percentile_s(99)      # refused where the counts cannot support it
    histogram.spectrum()            # for show.latency.percentile_spectrum

`LatencyHistogram.of(latencies_s, interval_s)` repairs coordinated omission as HdrHistogram does. It
measures nothing: for each latency longer than the interval it *adds* the requests that should have
been sent meanwhile, with the latencies they would have had if the service had caught up at once.
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.percentile import SUPPORT, refuse_unsupported

UNIT_S = 1e-6
LONGEST_S = 3600.0
FIGURES = 3
"""Significant figures that every recorded value keeps."""
STEPS = 20
"""Points of a spectrum for each halving of what is left above."""


class LatencyHistogram:
    """Counts of latencies from 1 µs to 1 h, each known to three significant figures."""

    def __init__(self) -> None:
        self._counts = HdrHistogram(1, round(LONGEST_S / UNIT_S), FIGURES)

    @classmethod
    def of(cls, latencies_s: ArrayLike, interval_s: float | None = None) -> Self:
        """A histogram of these latencies, in seconds; `interval_s` as in `record`."""
        histogram = cls()
        for latency_s in np.asarray(latencies_s, dtype=float).ravel():
            histogram.record(float(latency_s), interval_s)
        return histogram

    def record(self, latency_s: float, interval_s: float | None = None) -> None:
        """Count a latency. Under 1 µs it counts as 1 µs.

        interval_s: correct for coordinated omission, supposing that the client meant to send at
        this interval: L − interval, L − 2 · interval, … down to the interval are counted, too.
        Raises LabError for a negative latency, one over an hour, and what is not a number.
        """
        if not 0 <= latency_s <= LONGEST_S:
            raise LabError(
                f"The latency is {latency_s:g} s; expected one from 0 to {LONGEST_S:g} s."
            )
        value = max(1, round(latency_s / UNIT_S))
        if interval_s is None:
            self._counts.record_value(value)
            return
        if not interval_s >= UNIT_S:
            raise LabError(
                f"The expected interval is {interval_s:g} s; expected 1 µs or more, the time "
                "between two requests of one client."
            )
        # The Python library's own record_corrected_value goes on below the interval, to zero.
        interval = round(interval_s / UNIT_S)
        for counted in (value, *range(value - interval, interval - 1, -interval)):
            self._counts.record_value(counted)

    def merge(self, other: LatencyHistogram) -> None:
        """Add the other's counts to these."""
        self._counts.add(other._counts)

    @property
    def count(self) -> int:
        """Latencies recorded."""
        return int(self._counts.get_total_count())

    @property
    def worst_s(self) -> float:
        """The longest one, to three significant figures."""
        self._refuse_empty()
        return float(self._counts.get_max_value()) * UNIT_S

    def percentile_s(self, q: float) -> float:
        """The q-th percentile (0 < q < 100) in seconds, to three significant figures.

        Raises LabError, saying how many are missing, where fewer than `samples_needed(q)` were
        recorded: the same rule as `measure.percentile`.
        """
        refuse_unsupported(q, self.count)
        return float(self._counts.get_value_at_percentile(q)) * UNIT_S

    def spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Percentiles from 0 up to the highest that the counts support, and their latencies (s).

        Twenty for each halving of what lies above, as HdrHistogram's own plots have them. Raises
        LabError where not even the median is supported.
        """
        refuse_unsupported(50, self.count)
        highest = (1 - SUPPORT) ** (1 / self.count)  # samples_needed, solved for the percentile
        steps = math.ceil(-math.log2(1 - highest) * STEPS)
        percentiles = 100 * (1 - np.geomspace(1, 1 - highest, steps + 1))
        values = [self._counts.get_value_at_percentile(q) for q in percentiles]
        return percentiles, np.array(values, dtype=float) * UNIT_S

    def _refuse_empty(self) -> None:
        if self.count == 0:
            raise LabError("The histogram is empty; record at least one latency first.")
