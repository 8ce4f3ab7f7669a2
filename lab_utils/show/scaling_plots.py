"""Plots of services whose replicas follow their load: over time, and cost against waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.show.plots import BLUE, CYCLE, INK, ORANGE, RED, figure, label_decades

MARKERS = "osD^vP"
MINUTE_S = 60.0
ROWS = ("replicas", "requests waiting", "wait (s)")


@dataclass(frozen=True)
class Followed:
    """One run. replicas, queue: (second, number) at each change. waits: (second of arrival, s)."""

    replicas: Sequence[tuple[float, int]]
    queue: Sequence[tuple[float, int]]
    arrived_s: ArrayLike
    wait_s: ArrayLike
    p99_s: float


def over_time(
    runs: Mapping[str, Followed], needed: tuple[ArrayLike, ArrayLike], title: str
) -> None:
    """A column a run: its replicas, its queue, and each request's wait with their P99.

    needed: (seconds, replicas that the load keeps busy), drawn beside the replicas. Raises LabError
    where there is no run.
    """
    if not runs:
        raise LabError("No run was given; expected at least one to draw.")
    with figure(6.2, title, columns=len(runs), rows=3, sharex=True, sharey="row") as drawn:
        grid: NDArray[np.object_] = np.asarray(drawn).reshape(3, len(runs))
        for column, (name, run) in enumerate(runs.items()):
            replicas, queue, waits = grid[:, column]
            replicas.set_title(name, fontsize=10.5)
            end_s = float(np.max(run.arrived_s))
            seconds, numbers = np.asarray(needed, dtype=float)
            replicas.plot(seconds / MINUTE_S, numbers, color=INK, linewidth=1.2,
                          linestyle=(0, (4, 3)), label="the load keeps busy")  # fmt: skip
            for axes, steps, colour, label in (
                (replicas, run.replicas, BLUE, "asked for"),
                (queue, run.queue, ORANGE, "waiting"),
            ):
                times_s, values = np.asarray(steps, dtype=float).T
                shown = times_s <= end_s
                times_s, values = times_s[shown], values[shown]
                axes.step(np.append(times_s, end_s) / MINUTE_S, np.append(values, values[-1]),
                          where="post", color=colour, linewidth=1.8, label=label)  # fmt: skip
            waits.plot(np.asarray(run.arrived_s) / MINUTE_S, run.wait_s, "o", color=BLUE,
                       markersize=2, alpha=0.35)  # fmt: skip
            waits.axhline(run.p99_s, color=RED, linewidth=1.6, label="P99")
            waits.set_xlabel("minutes")
            for axes in grid[:, column]:
                axes.grid(visible=True, axis="y")
        for axes, label in zip(grid[:, 0], ROWS, strict=True):
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        grid[0, 0].set_ylim(top=1.45 * grid[0, 0].get_ylim()[1])  # room for the key
        grid[0, 0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
        grid[0, 0].legend(loc="upper left", fontsize=9)
        grid[2, 0].legend(loc="upper left", fontsize=9)


def frontier(
    policies: Mapping[str, Mapping[str, tuple[float, float]]],
    title: str,
    *,
    xlabel: str,
    ylabel: str,
    bound: float | None = None,
) -> None:
    """Each policy a point: what it costs, and what users wait; log axes. Down and left is better.

    policies: family → name → (x, y); a family has a colour and a line, its points their names.
    bound: the wait that was promised.
    """
    if not policies or not all(policies.values()):
        raise LabError("A frontier was to be drawn of nothing; expected a point in each family.")
    with figure(4.6, title) as axes:
        for index, (family, points) in enumerate(policies.items()):
            colour, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
            xs, ys = np.array(list(points.values()), dtype=float).T
            order = np.argsort(xs)
            axes.plot(xs[order], ys[order], marker=marker, color=colour, linewidth=1.1,
                      markersize=7, label=family)  # fmt: skip
            for name, (x, y) in points.items():
                axes.annotate(name, (x, y), (6, 4), textcoords="offset points", fontsize=8.5,
                              color=INK)  # fmt: skip
        if bound is not None:
            axes.axhline(bound, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="promised")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            label_decades(axis)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid(visible=True)
        drawn = axes.get_figure()
        drawn.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4,
                     fontsize=9.5)  # fmt: skip
