"""Plots of where memory goes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lab_utils.errors import LabError
from lab_utils.show.plots import CYCLE, figure

MB = 1e6


def growth(
    measured: Mapping[str, Mapping[int, float]], bytes_per_token: Mapping[str, float], title: str
) -> None:
    """Resident bytes against the tokens in the cache, as points; what a formula says, as a line.

    measured: for each series tokens → bytes, in order; drawn from its first point on, and so is its
    line. bytes_per_token: the slope of each series' line. Raises LabError where the two do
    not name the same series, or one has fewer than two points.
    """
    if set(measured) != set(bytes_per_token) or any(len(s) < 2 for s in measured.values()):
        raise LabError(
            f"Growth of {list(measured)} was to be drawn with slopes of {list(bytes_per_token)}; "
            "expected the same names, and at least two points each."
        )
    with figure(3.8, title) as axes:
        for index, (name, points) in enumerate(measured.items()):
            tokens, held = (np.array(list(of), dtype=float) for of in (points, points.values()))
            colour = CYCLE[index % len(CYCLE)]
            line_mb = (tokens - tokens[0]) * bytes_per_token[name] / MB
            axes.plot(tokens, line_mb, color=colour, linewidth=1.6, label=f"{name}, by the formula")
            axes.plot(tokens, (held - held[0]) / MB, "os"[index % 2], color=colour, markersize=6,
                      label=f"{name}, measured")  # fmt: skip
        axes.set_xlabel("tokens in the cache")
        axes.set_ylabel("MB more than with the first user")
        axes.set_ylim(bottom=0)
        axes.grid(visible=True)
        axes.legend(loc="upper left")
