"""Plots of what a machine can do, and of what a network asks of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import FuncFormatter

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import (
    BASE_IN,
    BLUE,
    CYCLE,
    INK,
    ORANGE,
    ROW_IN,
    WHISKER,
    figure,
    label_decades,
)
from lab_utils.show.predict import number

LEAST_LABELLED = 0.06
"""A narrower part of a bar holds no text."""
CLEAR = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def ratios(values: Mapping[str, Interval], title: str, *, xlabel: str, reference: float) -> None:
    """One bar a ratio, with its interval; the reference (1, or the number of cores) is marked."""
    with figure(BASE_IN + ROW_IN * len(values), title) as axes:
        widest = max(reference, *(value.high for value in values.values()))
        for row, value in enumerate(values.values()):
            axes.barh(row, value.median, color=CYCLE[row % len(CYCLE)], height=0.6)
            spread = [[value.median - value.low], [value.high - value.median]]
            axes.errorbar(value.median, row, xerr=spread, **WHISKER)
            axes.text(value.high + 0.02 * widest, row, number(value.median), va="center", color=INK)
        axes.axvline(reference, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.set_yticks(range(len(values)), list(values))
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.12 * widest)
        axes.set_xlabel(xlabel)


def bandwidth_by_size(
    curve: Mapping[int, Interval],
    caches: Mapping[str, int],
    title: str,
    *,
    marks: Mapping[str, int] | None = None,
) -> None:
    """Bytes a second against the bytes read, on logarithmic axes.

    caches: their sizes, drawn as lines. marks: sizes of other things, named below the curve.
    """
    sizes = np.array(list(curve), dtype=float)
    with figure(3.9, title) as axes:
        medians = [value.median / 1e9 for value in curve.values()]
        low = [value.low / 1e9 for value in curve.values()]
        high = [value.high / 1e9 for value in curve.values()]
        axes.fill_between(sizes, low, high, color=BLUE, alpha=0.25, linewidth=0)
        axes.plot(sizes, medians, "o-", color=BLUE, linewidth=2, markersize=4)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        bottom, top = 0.42 * min(low), 2.4 * max(high)
        axes.set_ylim(bottom, top)
        for name, size in caches.items():
            axes.axvline(size, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
            axes.text(size, top, f" {name}\n {size_text(size)}", ha="left", va="top", fontsize=9,
                      color=INK)  # fmt: skip
        for row, (name, size) in enumerate((marks or {}).items()):
            height = bottom * 1.12 * 1.22**row
            axes.plot(size, height, "^", color=ORANGE, markersize=7, clip_on=False)
            right = size > np.sqrt(sizes[0] * sizes[-1])
            axes.annotate(f"{name}: {size_text(size)}", (size, height), (-8 if right else 8, 0),
                          textcoords="offset points", ha="right" if right else "left",
                          va="center", fontsize=9, color=INK, bbox=CLEAR)  # fmt: skip
        axes.set_xticks([s for s in sizes if np.log2(s) % 2 == 0])
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: size_text(size)))
        label_decades(axes.yaxis)
        axes.grid(visible=True, axis="y")
        axes.set_xlabel("size of what is read again and again")
        axes.set_ylabel("GB/s, one core")


def shares(rows: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Bars of equal length, each cut into the parts of one whole, in the same order.

    rows: for each bar (arithmetic, bytes, time) its parts by name, in any unit.
    """
    if not rows or any(not sum(parts.values()) > 0 for parts in rows.values()):
        raise LabError("Shares were asked of nothing; expected parts above 0 in every row.")
    names = list(next(iter(rows.values())))
    with figure(BASE_IN + 1.15 * ROW_IN * len(rows) + 0.35, title) as axes:
        for row, parts in enumerate(rows.values()):
            whole, left = sum(parts.values()), 0.0
            for index, name in enumerate(names):
                share = parts[name] / whole
                axes.barh(row, share, left=left, height=0.62, color=CYCLE[index % len(CYCLE)],
                          edgecolor="white", label=name if row == 0 else None)  # fmt: skip
                if share >= LEAST_LABELLED:
                    axes.text(left + share / 2, row, f"{100 * share:.0f} %", ha="center",
                              va="center", color="white" if index == 0 else INK,
                              fontsize=9.5)  # fmt: skip
                left += share
        axes.set_yticks(range(len(rows)), list(rows))
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_visible(False)
        axes.spines[:].set_visible(False)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=len(names),
                    columnspacing=1.4, handlelength=1)  # fmt: skip


def time_by_batch(
    series: Mapping[str, Mapping[int, Interval]],
    least_s: Mapping[int, float],
    title: str,
    *,
    critical_batch: float,
) -> None:
    """Milliseconds against the batch, on logarithmic axes, over the roofline's least time.

    critical_batch: where the least time turns from memory's to arithmetic's; marked.
    """
    with figure(3.8, title) as axes:
        batches = list(least_s)
        axes.plot(batches, [1e3 * s for s in least_s.values()], color=INK, linewidth=2,
                  label="the roofline's least time")  # fmt: skip
        for index, (name, values) in enumerate(series.items()):
            medians = np.array([1e3 * value.median for value in values.values()])
            spread = [
                medians - [1e3 * value.low for value in values.values()],
                [1e3 * value.high for value in values.values()] - medians,
            ]
            axes.errorbar(list(values), medians, yerr=spread, fmt="os"[index % 2] + "-", capsize=3,
                          color=CYCLE[index % len(CYCLE)], label=name, markersize=5)  # fmt: skip
        axes.axvline(critical_batch, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.text(critical_batch, 0.98, f" critical batch {number(critical_batch)}",
                  transform=axes.get_xaxis_transform(), ha="left", va="top",
                  color=INK)  # fmt: skip
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.minorticks_off()
        label_decades(axes.yaxis)
        axes.grid(visible=True, axis="y")
        axes.set_xlabel("batch")
        axes.set_ylabel("milliseconds a call")
        axes.legend(loc="upper left")


def size_text(size: float) -> str:
    """Bytes in the unit that suits them.

    >>> size_text(49152), size_text(2**21), size_text(260 * 2**20), size_text(2**30)
    ('48 KiB', '2 MiB', '260 MiB', '1 GiB')
    """
    unit, name = next(((u, n) for u, n in UNITS if size >= u), UNITS[-1])
    return f"{number(size / unit)} {name}"
