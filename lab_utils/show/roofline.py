"""The roofline plot: two roofs on logarithmic axes, and below them what has been measured.

roofline({"fp32": 350e9, "int8": 1400e9}, 34e9, {"Conv2d": [(45.2, 222e9), …]}, "ResNet-50")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from lab_utils.errors import LabError
from lab_utils.machine.roofline import attainable_per_s, ridge_point
from lab_utils.show.plots import CYCLE, INK, figure, label_decades
from lab_utils.show.predict import number

MARKERS = "osD^vPX*"
GIGA = 1e9
CLOSE = 1.35
"""Roofs nearer to each other than this factor would have overlapping labels."""
Points = Sequence[tuple[float, float]]
"""Arithmetic intensity (operations a byte) and rate (operations a second) of each point."""


def roofline(
    peaks_per_s: Mapping[str, float],
    bandwidth_bytes_per_s: float,
    points: Mapping[str, Points],
    title: str,
    *,
    bandwidth_label: str = "memory",
) -> None:
    """Place measured layers or models under this machine's roofs.

    peaks_per_s: flat roofs, in operations a second, by precision; the first is drawn strongest, for
    it is the points' own. points: by the name of their series, which the key beside the plot shows.
    Raises LabError where there is no roof, or a point is not positive.
    """
    if not peaks_per_s:
        raise LabError("A roofline was asked for without a peak; expected at least one.")
    everything = [point for series in points.values() for point in series]
    if any(not value > 0 for point in everything for value in point):
        raise LabError("A roofline's points need intensities and rates above 0: it is logarithmic.")
    ridges = [ridge_point(peak, bandwidth_bytes_per_s) for peak in peaks_per_s.values()]
    intensities = [intensity for intensity, _ in everything]
    left = min([*(intensity / 2 for intensity in intensities), *(ridge / 12 for ridge in ridges)])
    right = max([*intensities, *ridges]) * 6
    with figure(4.3, title) as axes:
        _roofs(axes, peaks_per_s, bandwidth_bytes_per_s, (left, right), bandwidth_label)
        for index, (name, series) in enumerate(points.items()):
            x, y = np.array(series, dtype=float).T
            axes.plot(
                x,
                y / GIGA,
                MARKERS[index % len(MARKERS)],
                color=CYCLE[index % len(CYCLE)],
                markersize=6,
                alpha=0.8,
                markeredgecolor="white",
                markeredgewidth=0.5,
                label=name,
                zorder=4,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(left, right)
        lowest = min([rate for _, rate in everything] or [left * bandwidth_bytes_per_s])
        axes.set_ylim(0.5 * min(lowest, left * bandwidth_bytes_per_s) / GIGA,
                      2 * max(peaks_per_s.values()) / GIGA)  # fmt: skip
        label_decades(axes.xaxis)
        label_decades(axes.yaxis)
        axes.grid(visible=True)
        axes.set_xlabel("arithmetic intensity (operations for each byte moved)")
        axes.set_ylabel("billion operations a second")
        if points:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _roofs(
    axes: Axes,
    peaks_per_s: Mapping[str, float],
    bandwidth_bytes_per_s: float,
    span: tuple[float, float],
    bandwidth_label: str,
) -> None:
    left, right = span
    for index, peak in enumerate(peaks_per_s.values()):
        ridge = ridge_point(peak, bandwidth_bytes_per_s)
        axes.plot(
            [ridge, right],
            [peak / GIGA] * 2,
            color=INK,
            linewidth=2 if index == 0 else 1.2,
            linestyle="-" if index == 0 else (0, (4, 2)),
        )
    highest = max(ridge_point(peak, bandwidth_bytes_per_s) for peak in peaks_per_s.values())
    slope = [attainable_per_s(x, float("inf"), bandwidth_bytes_per_s) for x in (left, highest)]
    axes.plot([left, highest], np.array(slope) / GIGA, color=INK, linewidth=2)
    for text, height in _roof_labels(peaks_per_s):
        axes.annotate(text, (right, height / GIGA), (-2, 3), textcoords="offset points",
                      ha="right", va="bottom", color=INK, fontsize=9.5)  # fmt: skip
    x = 0.75 * min(ridge_point(peak, bandwidth_bytes_per_s) for peak in peaks_per_s.values())
    y = 1.15 * x * bandwidth_bytes_per_s / GIGA
    axes.text(
        x,
        y,
        f"{bandwidth_label}: {number(bandwidth_bytes_per_s / GIGA)} GB/s",
        rotation=np.degrees(np.arctan2(y, x)),  # the direction of the slope at this point
        rotation_mode="anchor",
        transform_rotates_text=True,
        ha="right",
        va="bottom",
        color=INK,
        fontsize=9.5,
    )


def _roof_labels(peaks_per_s: Mapping[str, float]) -> list[tuple[str, float]]:
    """One text a roof and its height; roofs that nearly coincide share a text."""
    groups: list[list[tuple[str, float]]] = []
    for name, peak in sorted(peaks_per_s.items(), key=lambda item: item[1]):
        if groups and peak < CLOSE * groups[-1][-1][1]:
            groups[-1].append((name, peak))
        else:
            groups.append([(name, peak)])
    return [
        (", ".join(f"{name}: {number(peak / GIGA)}" for name, peak in group), group[-1][1])
        for group in groups
    ]
