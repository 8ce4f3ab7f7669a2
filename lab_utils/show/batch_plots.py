"""Plots of batches: what a size gains, and what waiting for one costs.

gain_by_batch({"8 tokens": {1: …, 2: …}, "128 tokens": {…}}, "Eight in one call")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import CYCLE, INK, figure, label_decades

MARKERS = "osD^v"


def gain_by_batch(series: Mapping[str, Mapping[int, Interval]], title: str, *, ylabel: str) -> None:
    """Rates of each batch size as times that of one, on logarithmic axes, with the ideal.

    Raises LabError where there is no series, or one without a point.
    """
    if not series or not all(series.values()):
        raise LabError("Gains were to be drawn of nothing; expected a series with batch sizes.")
    batches = sorted({batch for gains in series.values() for batch in gains})
    with figure(3.6, title) as axes:
        axes.plot(batches, batches, color=INK, linewidth=1, linestyle=(0, (4, 3)),
                  label="each for nothing")  # fmt: skip
        axes.axhline(1, color=INK, linewidth=1, zorder=0)
        for index, (name, gains) in enumerate(series.items()):
            axes.errorbar(
                list(gains),
                [gain.median for gain in gains.values()],
                yerr=_spread(list(gains.values())),
                fmt=MARKERS[index % len(MARKERS)] + "-",
                color=CYCLE[index % len(CYCLE)],
                capsize=3,
                markersize=5,
                label=name,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.minorticks_off()
        label_decades(axes.yaxis)
        axes.grid(visible=True, axis="y")
        axes.set_xlabel("batch")
        axes.set_ylabel(ylabel)
        axes.legend(loc="upper left")


def by_rate(
    rates: Sequence[float],
    latency_ms: Mapping[str, Sequence[Interval]],
    batch: Mapping[str, Sequence[float]],
    title: str,
    *,
    xlabel: str,
) -> None:
    """Two panels over the arrival rate: latency with its interval, and the mean batch.

    latency_ms, batch: for the same names one value a rate. Raises LabError where they differ.
    """
    rows = [*latency_ms.values(), *batch.values()]
    if list(latency_ms) != list(batch) or any(len(row) != len(rates) for row in rows):
        raise LabError(
            f"Latencies of {list(latency_ms)} were to be drawn with batches of {list(batch)} at "
            f"{len(rates)} rates; expected the same names, and a value at each rate."
        )
    with figure(3.3, title, columns=2) as (left, right):
        for index, name in enumerate(latency_ms):
            style = {"color": CYCLE[index % len(CYCLE)], "markersize": 5}
            marker = MARKERS[index % len(MARKERS)] + "-"
            medians = [value.median for value in latency_ms[name]]
            left.errorbar(rates, medians, yerr=_spread(latency_ms[name]), fmt=marker, capsize=3,
                          label=name, **style)  # fmt: skip
            right.plot(rates, batch[name], marker, **style)
        left.set_ylabel("median latency (ms)")
        right.set_ylabel("requests an execution")
        left.set_ylim(bottom=0)
        right.set_ylim(bottom=0)
        for panel in (left, right):
            panel.set_xlabel(xlabel)
            panel.grid(visible=True, axis="y")
        left.figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3,
                           fontsize=9.5)  # fmt: skip


def _spread(values: Sequence[Interval]) -> list[list[float]]:
    return [
        [max(value.median - value.low, 0) for value in values],
        [max(value.high - value.median, 0) for value in values],
    ]
