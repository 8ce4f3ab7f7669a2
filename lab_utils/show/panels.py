"""Dashboard panels drawn in the notebook: what Grafana would draw from the same definitions.

    draw(PANELS, lambda promql: prometheus.query_range(promql, start_s, end_s, step_s), "Overload")

A panel is defined once: `serve/llm/dashboard.py` makes a Grafana dashboard of it, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.show.plots import CYCLE, INK, RED, figure
from lab_utils.show.predict import number

SUFFIX = "suffix: "
UNITS = {"s": "seconds", "percentunit": "%", "short": ""}
"""Grafana's names of units, and ours; `suffix: tokens/s` is any other."""
COLUMNS = 3
ROW_IN = 2.1


@dataclass(frozen=True)
class Query:
    """One expression of a panel. legend: as Grafana's, `{{instance}}` stands for a label."""

    promql: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """What one panel shows. unit: Grafana's name of it. note: what to look for.

    limit: what an alert watches for, drawn as a line.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    note: str
    limit: float | None = None


class SeriesLike(Protocol):
    """A `components.prometheus.Series`."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Unix times."""

    @property
    def values(self) -> NDArray[np.float64]:
        """At these times, NaN where there is none."""


Read = Callable[[str], Sequence[SeriesLike]]


def draw(
    panels: Sequence[Panel],
    read: Read,
    title: str,
    *,
    start_s: float,
    marks: Mapping[str, float] | None = None,
) -> None:
    """All panels, three in a row; time counts in seconds from start_s.

    read: what an expression gave. marks: name → Unix time of what happened, each a thin line.
    """
    if not panels:
        raise LabError("No panel was given; expected at least one to draw.")
    rows = -(-len(panels) // COLUMNS)
    with figure(0.5 + ROW_IN * rows, title, columns=COLUMNS, rows=rows, sharex=True) as drawn:
        all_axes: list[Axes] = list(np.ravel(drawn))
        for panel, axes in zip(panels, all_axes, strict=False):
            _draw(panel, axes, read, start_s)
            for name, when_s in (marks or {}).items():
                axes.axvline(when_s - start_s, color="#999999", linewidth=1)
                if axes is all_axes[0]:
                    axes.annotate(name, (when_s - start_s, 1), (2, -9), fontsize=8,
                                  xycoords=("data", "axes fraction"),
                                  textcoords="offset points")  # fmt: skip
        for axes in all_axes[len(panels) :]:
            axes.set_visible(False)
        for axes in all_axes[max(0, len(panels) - COLUMNS) : len(panels)]:
            axes.set_xlabel("time (s)", fontsize=9)
            axes.tick_params(labelbottom=True)


def _draw(panel: Panel, axes: Axes, read: Read, start_s: float) -> None:
    factor = 100.0 if panel.unit == "percentunit" else 1.0
    colours = iter(CYCLE * 5)
    for query in panel.queries:
        for series in read(query.promql):
            values = factor * series.values
            axes.plot(
                series.times_s - start_s,
                values,
                color=next(colours, INK),
                linewidth=1.6,
                # A point between two gaps has no line.
                marker="." if np.isfinite(values).sum() < 4 else None,
                label=_legend(query.legend, series.labels),
            )
    if not any(np.isfinite(np.asarray(line.get_ydata())).any() for line in axes.lines):
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color="#777777")
    limit = factor * (panel.limit or 0)
    axes.set_ylim(0, max(1.3 * axes.get_ylim()[1], 1.2 * limit))  # room for the legend
    if panel.limit is not None:
        axes.axhline(limit, color=RED, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.annotate(f"alert: {number(limit)}", (1, limit), (0, 2), color=RED, fontsize=8,
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right")  # fmt: skip
    axes.set_title(panel.title, fontsize=9.5)
    axes.tick_params(labelsize=9)
    axes.set_ylabel(unit(panel.unit), fontsize=9)
    axes.grid(visible=True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, handlelength=1.2)


def unit(name: str) -> str:
    """How a Grafana unit is written at an axis.

    >>> unit("s"), unit("suffix: tokens/s")
    ('seconds', 'tokens/s')
    """
    if name.startswith(SUFFIX):
        return name.removeprefix(SUFFIX)
    if name not in UNITS:
        raise LabError(
            f"The unit is {name!r}; expected one of {', '.join(UNITS)}, or {SUFFIX!r} and a text."
        )
    return UNITS[name]


def _legend(legend: str, labels: Mapping[str, str]) -> str:
    """The legend with its labels filled in, as Grafana does; one that is missing is empty."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), legend)
