"""Plots of services under load: latency over time, over percentiles, and over utilisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.histogram import LatencyHistogram
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import BLUE, CYCLE, INK, ORANGE, RED, figure, label_decades, legend_below
from lab_utils.show.predict import number

NINES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
DASHES = ((0, (5, 3)), (0, (1, 2)), (0, (7, 2, 1, 2)))


def latency_over_time(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike]], title: str, *, xlabel: str
) -> None:
    """One panel a run: each request a dot at its time (s) and latency (ms).

    runs: name → (times in s, latencies in ms).
    """
    with figure(3.3, title, columns=len(runs), sharey=True) as drawn:
        panels: list[Axes] = list(np.atleast_1d(drawn))
        for index, (name, (times_s, latencies_ms)) in enumerate(runs.items()):
            panel = panels[index]
            colour = CYCLE[index % len(CYCLE)]
            panel.plot(times_s, latencies_ms, "o", color=colour, markersize=3, alpha=0.6)
            if len(panels) > 1:
                panel.set_title(f"{name}: {np.size(latencies_ms):,} answers", fontsize=10.5)
            panel.set_xlabel(xlabel)
            panel.grid(visible=True, axis="y")
        panels[0].set_ylim(bottom=0)  # at the end: it stops the shared axis from growing
        panels[0].set_ylabel("latency (ms)")


def percentile_spectrum(
    histograms: Mapping[str, LatencyHistogram], title: str, *, dashed: Sequence[str] = ()
) -> None:
    """Latency (ms) against the percentile, each nine as wide as the last one (HdrHistogram's plot).

    A curve ends where its samples no longer support the percentile. dashed: names of curves that
    were not measured as they stand (a correction).
    """
    if not histograms:
        raise LabError("No histogram was given; expected at least one to draw.")
    with figure(3.9, title) as axes:
        furthest = 0.0
        for index, (name, histogram) in enumerate(histograms.items()):
            percentiles, latencies_s = histogram.spectrum()
            nines = -np.log10(1 - percentiles / 100)
            furthest = max(furthest, float(nines[-1]))
            axes.plot(
                nines,
                1e3 * latencies_s,
                color=CYCLE[index % len(CYCLE)],
                linewidth=2,
                linestyle=DASHES[0] if name in dashed else "-",
                label=f"{name} ({histogram.count:,})",
            )
            axes.plot(nines[-1], 1e3 * latencies_s[-1], "o", color=CYCLE[index % len(CYCLE)])
        places = {q: float(-np.log10(1 - q / 100)) for q in NINES}
        shown = {q: x for q, x in places.items() if x <= furthest + 0.05}
        axes.set_xticks(list(shown.values()), [f"p{q:g}" for q in shown])
        axes.set_xlim(0, 1.04 * furthest)
        axes.set_yscale("log")
        label_decades(axes.yaxis)
        axes.set_xlabel("percentile: each nine as wide as the last")
        axes.set_ylabel("latency (ms)")
        axes.grid(visible=True)
        legend_below(axes)


def latency_against_load(
    utilisations: Sequence[float],
    measured_ms: Mapping[str, Sequence[Interval]],
    models_ms: Mapping[str, tuple[ArrayLike, ArrayLike]],
    replayed_ms: Sequence[float],
    title: str,
    replayed: str = "the same arrivals, ideal queue",
) -> None:
    """Measured latencies with their intervals at several utilisations (0 to 1), models as lines.

    measured_ms: name → one interval a utilisation. models_ms: name → (utilisations, ms).
    replayed_ms: what a model, named `replayed`, makes of the very arrivals that were measured, one
    a utilisation.
    """
    with figure(4.2, title) as axes:
        colours = dict(zip(measured_ms, (BLUE, RED, ORANGE), strict=False))
        for index, (name, (shares, values_ms)) in enumerate(models_ms.items()):
            axes.plot(
                100 * np.asarray(shares, dtype=float),
                values_ms,
                color=INK,
                linewidth=1.3,
                linestyle=DASHES[index % len(DASHES)],
                label=name,
            )
        shares = 100 * np.asarray(utilisations, dtype=float)
        for name, intervals in measured_ms.items():
            middle = np.array([value.median for value in intervals])
            low = np.array([value.low for value in intervals])
            high = np.array([value.high for value in intervals])
            axes.errorbar(
                shares,
                middle,
                yerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
                fmt="o",
                color=colours[name],
                markersize=6,
                capsize=4,
                label=f"{name}, measured",
            )
        axes.plot(
            shares,
            replayed_ms,
            "o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=INK,
            label=replayed,
        )
        axes.set_yscale("log")
        label_decades(axes.yaxis)
        axes.set_xlabel("arrival rate as a share of the capacity (%)")
        axes.set_ylabel("latency (ms)")
        axes.grid(visible=True)
        legend_below(axes)


def closed_loop(
    connections: Sequence[int],
    rates_rps: Sequence[float],
    latencies_ms: Sequence[float],
    title: str,
) -> None:
    """Two panels over the number of connections: answers a second, and mean latency."""
    with figure(3.0, title, columns=2) as (left, right):
        places = range(len(connections))
        for panel, values, colour, label in (
            (left, rates_rps, BLUE, "answers a second"),
            (right, latencies_ms, ORANGE, "mean latency (ms)"),
        ):
            panel.bar(places, values, color=colour, width=0.6)
            for place, value in zip(places, values, strict=True):
                panel.annotate(
                    number(value), (place, value), (0, 3), textcoords="offset points", ha="center"
                )
            panel.set_xticks(list(places), [str(count) for count in connections])
            panel.tick_params(axis="x", length=0)
            panel.set_xlabel("connections")
            panel.set_ylabel(label)
            panel.margins(y=0.15)


def ladders(rows: Mapping[str, Mapping[str, float]], title: str, *, xlabel: str) -> None:
    """One row a tool: its percentiles (name → ms) as dots on one logarithmic scale."""
    marks = dict.fromkeys(mark for row in rows.values() for mark in row)
    with figure(1.5 + 0.5 * len(rows), title) as axes:
        for place, row in enumerate(rows.values()):
            values = list(row.values())
            axes.plot([min(values), max(values)], [place, place], color="#cccccc", zorder=1)
        for index, mark in enumerate(marks):
            places = [place for place, row in enumerate(rows.values()) if mark in row]
            values = [row[mark] for row in rows.values() if mark in row]
            axes.plot(
                values, places, "o", color=CYCLE[index % len(CYCLE)], markersize=8, label=mark
            )
        axes.set_yticks(range(len(rows)), list(rows))
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xscale("log")
        label_decades(axes.xaxis)
        axes.set_xlabel(xlabel)
        axes.grid(visible=True, axis="x")
        legend_below(axes)
