"""Plots of plans: latency over utilisation for several layouts, and a fleet's bad minute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.show.plots import CYCLE, INK, RED, figure, label_decades

DASHED = (0, (5, 3))


def by_utilisation(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    title: str,
    *,
    ylabel: str,
    limit: float | None = None,
) -> None:
    """A line a layout: (utilisations from 0 to 1, latencies); `limit` is drawn across."""
    if not curves:
        raise LabError("No layout was given; expected at least one to draw.")
    with figure(4.0, title) as axes:
        for index, (name, (shares, values)) in enumerate(curves.items()):
            axes.plot(100 * np.asarray(shares, dtype=float), values, "o-", markersize=4,
                      color=CYCLE[index % len(CYCLE)], linewidth=1.8, label=name)  # fmt: skip
        if limit is not None:
            axes.axhline(limit, color=RED, linewidth=1.2, linestyle=DASHED)
            axes.annotate("the promise", (0.01, limit), (0, 4), textcoords="offset points",
                          xycoords=("axes fraction", "data"), color=RED)  # fmt: skip
        axes.set_yscale("log")
        label_decades(axes.yaxis)
        axes.set_xlabel("utilisation (%)")
        axes.set_ylabel(ylabel)
        axes.grid(visible=True)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3)


def bad_minute(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]], trouble: tuple[float, float], title: str
) -> None:
    """The share answered in time (0 to 1) over time (s), a line a run; the trouble is shaded."""
    if not curves:
        raise LabError("No run was given; expected at least one to draw.")
    with figure(3.6, title) as axes:
        axes.axvspan(*trouble, color="#eeeeee")
        axes.annotate("the trouble", (sum(trouble) / 2, 1.0), (0, 4), ha="center", color=INK,
                      textcoords="offset points")  # fmt: skip
        for index, (name, (times_s, shares)) in enumerate(curves.items()):
            axes.plot(times_s, 100 * np.asarray(shares, dtype=float), linewidth=2,
                      color=CYCLE[index % len(CYCLE)], label=name)  # fmt: skip
        axes.set_ylim(0, 108)
        axes.set_xlabel("when the request came (s)")
        axes.set_ylabel("answered in time (%)")
        axes.grid(visible=True, axis="y")
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=3)
