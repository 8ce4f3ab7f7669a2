"""Plots of costs: fleets against their load, one bill read in several ways, a month's days."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import (
    BASE_IN,
    BLUE,
    CYCLE,
    GREEN,
    INK,
    ORANGE,
    ROW_IN,
    figure,
    label_decades,
)
from lab_utils.show.predict import number

DASHED = (0, (5, 3))


def cost_by_load(
    loads: ArrayLike,
    fleets: Mapping[str, ArrayLike],
    title: str,
    *,
    ylabel: str,
    break_even: float | None = None,
) -> None:
    """What 1,000 queries cost at each load (queries an hour), a line a fleet; both axes
    logarithmic.

    break_even: a load to mark.
    """
    with figure(4.2, title) as axes:
        for index, (name, costs) in enumerate(fleets.items()):
            axes.plot(loads, costs, color=CYCLE[index % len(CYCLE)], linewidth=2, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        if break_even is not None:
            axes.axvline(break_even, color=INK, linewidth=1.2, linestyle=DASHED)
            axes.text(break_even, 0.98, f" {number(break_even)} an hour", va="top", color=INK,
                      transform=axes.get_xaxis_transform())  # fmt: skip
        label_decades(axes.xaxis)
        label_decades(axes.yaxis)
        axes.set_xlabel("load (queries an hour)")
        axes.set_ylabel(ylabel)
        axes.grid(visible=True)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def readings(
    values: Mapping[str, float], title: str, *, xlabel: str, right: str | None = None
) -> None:
    """The same thing read in several ways: a dot each on one logarithmic axis; `right` stands out.

    Raises LabError for a value that such an axis cannot show.
    """
    if not values or min(values.values()) <= 0:
        raise LabError(f"Readings of {values} were to be drawn; expected some, all above 0.")
    with figure(BASE_IN + ROW_IN * len(values), title) as axes:
        for row, (name, value) in enumerate(values.items()):
            colour = GREEN if name == right else BLUE
            axes.plot(value, row, "o", color=colour, markersize=10)
            axes.annotate(number(value), (value, row), (10, 0), textcoords="offset points",
                          va="center", color=INK)  # fmt: skip
        if right is not None:
            axes.axvline(values[right], color=GREEN, linewidth=1, linestyle=DASHED, zorder=1)
        axes.set_yticks(range(len(values)), [textwrap.fill(name, 34) for name in values])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xscale("log")
        axes.margins(x=0.18)
        label_decades(axes.xaxis)
        axes.set_xlabel(xlabel)
        axes.grid(visible=True, axis="x")


def by_day_and_hour(
    days: Sequence[float], hours: Sequence[float], period: Interval, title: str, *, ylabel: str
) -> None:
    """1,000 queries of each day, and of each hour of the day, beside the whole period's interval;
    each panel on a scale of its own."""
    with figure(3.3, title, columns=2) as (left, right):
        for panel, values, first, xlabel in (
            (left, days, 1, "day of the period"),
            (right, hours, 0, "hour of the day (UTC)"),
        ):
            # An hour without a query has no cost of 1,000.
            drawn = np.where(np.isfinite(values), values, np.nan)
            panel.bar(first + np.arange(len(values)), drawn, color=BLUE, width=0.75)
            panel.axhspan(period.low, period.high, color=ORANGE, alpha=0.35, zorder=2)
            panel.axhline(period.median, color=ORANGE, linewidth=1.5)
            panel.set_xlabel(xlabel)
            panel.set_ylabel(ylabel)
