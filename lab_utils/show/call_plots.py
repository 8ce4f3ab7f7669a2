"""Plots of what a call costs besides the work in it.

by_operators({1: Interval(…)}, (9e-6, 5e-7), {"student": (8, Interval(…))}, "…")
"""

from __future__ import annotations

from collections.abc import Mapping

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import CYCLE, INK, figure

MARKERS = "sD^vPX"
MICRO = 1e6


def by_operators(
    chains_s: Mapping[int, Interval],
    line_s: tuple[float, float],
    scorers_s: Mapping[str, tuple[int, Interval]],
    title: str,
) -> None:
    """Microseconds of a call over its operators: chains without work, their line, and scorers.

    chains_s: seconds for each length. line_s: its start and its slope, in seconds. scorers_s: by
    name, how many operators each runs and the seconds of its call. Raises LabError without chains.
    """
    if not chains_s:
        raise LabError("A line through chains was to be drawn of none; expected at least one.")
    most = max([*chains_s, *(count for count, _ in scorers_s.values())])
    with figure(3.9, title) as axes:
        start, slope = line_s
        axes.plot([0, most], [MICRO * start, MICRO * (start + slope * most)], color=INK,
                  linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)  # fmt: skip
        series = {"operators without work": list(chains_s.items())}
        series |= {name: [point] for name, point in scorers_s.items()}
        for index, (name, points) in enumerate(series.items()):
            middle = [MICRO * value.median for _, value in points]
            below = [MICRO * max(value.median - value.low, 0) for _, value in points]
            above = [MICRO * max(value.high - value.median, 0) for _, value in points]
            axes.errorbar(
                [count for count, _ in points],
                middle,
                yerr=[below, above],
                fmt="o" if index == 0 else MARKERS[(index - 1) % len(MARKERS)],
                color=INK if index == 0 else CYCLE[(index - 1) % len(CYCLE)],
                capsize=3,
                markersize=5 if index == 0 else 8,
                label=name,
            )
        axes.set_xlim(0, 1.04 * most)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("operators in the graph")
        axes.set_ylabel("µs a call")
        axes.grid(visible=True)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
