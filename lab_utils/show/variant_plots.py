"""Plots of variants beside each other: what their graphs hold, where their time goes, their scores.

operators({"eager": {"Conv": 53, "ReLU": 49}, "engine": {"Conv + ReLU": 53}}, mb, "Fused")
scoreboard({"times as fast": {"eager": 1.0, "engine": 1.4}, "MB": {"eager": 98, …}}, "Choices")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import (
    BASE_IN,
    BLUE,
    CYCLE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    ROW_IN,
    SKY,
    WHISKER,
    figure,
    label_decades,
)
from lab_utils.show.predict import number

COLOURS = {
    "Conv": BLUE,
    "Conv + ReLU": SKY,
    "Conv + Add + ReLU": GREEN,
    "BatchNorm": ORANGE,
    "ReLU": RED,
    "Add": PURPLE,
}
OTHERS = ("#999999", "#bbbbbb", "#dddddd", "#777777")
WIDE_ENOUGH = 0.05
"""A segment narrower than this part of the axis carries no number."""
LEGEND_LETTERS = 108
"""As many as a line of the key holds."""


def operators(
    counts: Mapping[str, Mapping[str, int]], activation_mb: Mapping[str, float], title: str
) -> None:
    """Each graph's operators as one bar, by kind, and beside it the megabytes between them.

    counts: for each graph its operators by label. activation_mb: for the same graphs, what is read
    and written between operators. Raises LabError where the two do not name the same graphs.
    """
    if not counts or list(counts) != list(activation_mb):
        raise LabError(
            f"Operators of {list(counts)} were to be drawn with megabytes of "
            f"{list(activation_mb)}; expected the same graphs, at least one."
        )
    height_in = BASE_IN + ROW_IN * len(counts) + 0.75
    with figure(height_in, title, columns=2, width_ratios=[2.3, 1], sharey=True) as (left, right):
        _stacks(left, counts, COLOURS)
        left.set_xlabel("operators for one picture")
        _values(right, list(activation_mb.values()), ORANGE)
        right.set_xlabel("MB between operators")
        right.tick_params(axis="y", length=0)
        right.grid(visible=True, axis="x")


def shares(parts: Mapping[str, Mapping[str, float]], title: str, *, xlabel: str) -> None:
    """One bar a row, cut into its named parts, with the sum at its end.

    parts: for each row its parts, all in the unit that `xlabel` names. Raises LabError where there
    is none.
    """
    if not parts or not all(parts.values()):
        raise LabError("Shares were to be drawn of nothing; expected rows with at least one part.")
    with figure(BASE_IN + ROW_IN * len(parts) + 0.5, title) as axes:
        _stacks(axes, parts, {})
        axes.set_xlabel(xlabel)


def scoreboard(
    columns: Mapping[str, Mapping[str, Interval | float]], title: str, *, mark: str | None = None
) -> None:
    """One row a variant, one column a figure, each on its own axis; `mark` names the reference.

    Raises LabError where the columns do not name the same variants.
    """
    rows = list(next(iter(columns.values()), {}))
    if not rows or any(list(column) != rows for column in columns.values()):
        raise LabError("A scoreboard needs at least one row, and the same rows in every column.")
    height_in = BASE_IN + 0.85 * ROW_IN * len(rows)
    with figure(height_in, title, columns=len(columns), sharey=True) as drawn:
        axes: Sequence[Axes] = list(np.atleast_1d(drawn))
        for index, (axis, (heading, column)) in enumerate(zip(axes, columns.items(), strict=True)):
            _values(axis, list(column.values()), CYCLE[index % len(CYCLE)])
            axis.set_title(heading, fontsize=9.5, fontweight="normal", color=INK)
            axis.set_xticks([])
            axis.spines["bottom"].set_visible(False)
            axis.tick_params(axis="y", length=0)
        _names(axes[0], [f"{row} *" if row == mark else row for row in rows])
        axes[0].grid(visible=False)


def search(tried_ms: Sequence[float | None], bars_ms: Mapping[str, float], title: str) -> None:
    """Each program that a search tried, in order, and the best so far; `bars_ms` to compare with.

    tried_ms: None for a program that failed. Logarithmic in time. Raises LabError where none ran.
    """
    ran = [(place + 1, value) for place, value in enumerate(tried_ms) if value is not None]
    if not ran:
        raise LabError("A search was to be drawn of which no program ran; expected at least one.")
    places, values = zip(*ran, strict=True)
    with figure(3.6, title) as axes:
        axes.plot(places, values, "o", color=SKY, markersize=4.5, label="a program that was tried")
        best = np.minimum.accumulate(values)
        axes.step(places, best, where="post", color=BLUE, linewidth=2, label="the best so far")
        axes.set_yscale("log")
        axes.set_xlim(0, len(tried_ms) + 1)
        for (name, value), colour in zip(bars_ms.items(), (ORANGE, GREEN, RED), strict=False):
            label = f"{name}: {number(value)} ms"
            axes.axhline(value, color=colour, linewidth=1.4, linestyle=(0, (5, 3)), label=label)
        label_decades(axes.yaxis)
        axes.set_xlabel("programs tried")
        axes.set_ylabel("milliseconds")
        axes.grid(visible=True)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)


def _stacks(axes: Any, rows: Mapping[str, Mapping[str, float]], colours: Mapping[str, str]) -> None:
    """Stacked bars with a figure in each wide segment, the sums, and a key beneath the plot."""
    labels = list(dict.fromkeys(label for row in rows.values() for label in row))
    others = cycle(OTHERS if colours else CYCLE)
    chosen = {label: colours.get(label) or next(others) for label in labels}
    widest = max(sum(row.values()) for row in rows.values())
    for index, row in enumerate(rows.values()):
        start = 0.0
        for label, value in row.items():
            axes.barh(index, value, left=start, height=0.62, color=chosen[label],
                      edgecolor="white", linewidth=0.6)  # fmt: skip
            if value >= WIDE_ENOUGH * widest:
                axes.text(start + value / 2, index, number(value), ha="center", va="center",
                          color="white", fontsize=9.5, fontweight="bold")  # fmt: skip
            start += value
        axes.text(start + 0.015 * widest, index, number(start), va="center", color=INK)
    for label in labels:
        axes.barh(0, 0, color=chosen[label], label=label)
    axes.set_xlim(0, 1.12 * widest)
    axes.grid(visible=True, axis="x")
    _names(axes, list(rows))
    fitting = LEGEND_LETTERS // (max(map(len, labels)) + 8)  # the patch and the gap take eight
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center",
                       ncols=min(5, len(labels), max(fitting, 1)))  # fmt: skip


def _values(axes: Any, values: Sequence[Interval | float], colour: str) -> None:
    """One bar a row, its figure at its end, its interval as a whisker."""
    intervals = [v if isinstance(v, Interval) else Interval(v, v, v, 1) for v in values]
    widest = max(max(v.high for v in intervals), 1e-12)
    for row, value in enumerate(intervals):
        axes.barh(row, value.median, height=0.62, color=colour, alpha=0.85)
        if value.high > value.low:
            xerr = [[max(value.median - value.low, 0)], [max(value.high - value.median, 0)]]
            axes.errorbar(value.median, row, xerr=xerr, **WHISKER)
        axes.text(value.high + 0.03 * widest, row, number(value.median), va="center", color=INK,
                  fontsize=9.5)  # fmt: skip
    axes.set_xlim(0, 1.5 * widest)


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(names) - 0.4, -0.6)
