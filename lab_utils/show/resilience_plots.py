"""Plots of services in trouble: what share of the requests got what they came for, over time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.show.plots import CYCLE, figure


def share_over_time(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike]],
    title: str,
    *,
    ylabel: str,
    trouble_s: tuple[float, float],
    bin_s: float,
) -> None:
    """A panel a run, under each other: the share (%) of the requests of each moment that were good.

    runs: name → (when each request was due, in seconds; whether it was good). trouble_s: from when
    to when something was wrong, shaded. Raises LabError where there is no run or no request.
    """
    if not runs or any(np.size(due_s) == 0 for due_s, _ in runs.values()):
        raise LabError("A share over time was to be drawn of nothing; expected runs with requests.")
    inches = 1.0 + 1.15 * max(2, len(runs))  # one panel has to be as high as its label is long
    with figure(inches, title, rows=len(runs), sharex=True, sharey=True) as drawn:
        panels: list[Axes] = list(np.atleast_1d(drawn))
        for index, (name, (due_s, good)) in enumerate(runs.items()):
            panel, when_s = panels[index], np.asarray(due_s, dtype=float)
            edges = np.arange(0, when_s.max() + bin_s, bin_s)
            came = np.histogram(when_s, edges)[0]
            kept = np.histogram(when_s, edges, weights=np.asarray(good, dtype=float))[0]
            share = np.divide(100 * kept, came, out=np.full(came.shape, np.nan), where=came > 0)
            colour = CYCLE[index % len(CYCLE)]
            panel.axvspan(*trouble_s, color="#eeeeee", zorder=0)
            panel.stairs(share, edges, fill=True, color=colour, alpha=0.85)
            panel.set_title(name, fontsize=10.5, fontweight="normal", pad=4)
            panel.set_ylim(0, 105)
            panel.set_yticks([0, 50, 100])
        panels[-1].set_xlabel("when the request was due (s); shaded: the trouble")
        panels[len(panels) // 2].set_ylabel(ylabel)
