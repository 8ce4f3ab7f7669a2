"""The course's plots, all in one style: measured points first, intervals as whiskers, no frame.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; each series is also
told apart by its place or its label. Every function draws one figure and shows it.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib_inline.backend_inline import set_matplotlib_formats
from numpy.typing import ArrayLike

from lab_utils.measure.interval import Interval
from lab_utils.show.predict import number
from lab_utils.show.surface import surface

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, INK = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#F0E442",
    "#333333",
)
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10.5,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=CYCLE),
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
WIDTH_IN = 8.2
ROW_IN = 0.46
BASE_IN = 1.15
WHISKER = {"ecolor": INK, "elinewidth": 1.4, "capsize": 4, "fmt": "none", "zorder": 4}


@contextmanager
def figure(
    height_in: float, title: str, columns: int = 1, rows: int = 1, **options: Any
) -> Iterator[Any]:
    """Axes (or an array of them) in the course's style, shown when the block ends."""
    with plt.rc_context(STYLE):
        drawn, axes = plt.subplots(rows, columns, figsize=(WIDTH_IN, height_in), **options)
        yield axes
        if columns == rows == 1 and not axes.get_title("left"):  # else a heading of its own
            axes.set_title(title)
        else:
            drawn.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
        if surface() == "live":
            # Sharp on screens with two pixels to a point.
            set_matplotlib_formats("retina")  # type: ignore[no-untyped-call]
        plt.show()


def pictures(jpegs: Sequence[bytes], captions: Sequence[str], title: str) -> None:
    """A row of JPEG pictures with their captions."""
    from PIL import Image

    with figure(1.55, title, columns=len(jpegs)) as axes:
        for axis, jpeg, caption in zip(np.atleast_1d(axes), jpegs, captions, strict=True):
            axis.imshow(Image.open(io.BytesIO(jpeg)))
            axis.set_xlabel(caption, fontsize=9.5)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)


def waterfall(
    stages: Mapping[str, Interval | float],
    title: str,
    *,
    highlight: str | None = None,
    since: str = "the start of the request",
) -> None:
    """One bar a stage, each beginning where the last one ended, with its interval and share.

    stages: durations in seconds. The axis is in seconds from one second on, else in milliseconds.
    """
    items = [(name, _interval(value)) for name, value in stages.items()]
    total_s = sum(value.median for _, value in items)
    unit, factor = ("s", 1.0) if total_s >= 1 else ("ms", 1e3)
    with figure(BASE_IN + ROW_IN * (len(items) + 1), title) as axes:
        start, widest = 0.0, factor * total_s
        for row, (name, duration_s) in enumerate(items):
            value = duration_s.scaled(factor)
            colour = ORANGE if name == highlight else BLUE
            axes.barh(row, value.median, left=start, color=colour, height=0.62)
            low, high = start + value.low, start + value.high
            end = start + value.median
            if value.high > value.low:
                axes.errorbar(end, row, xerr=_whisker(end, low, high), **WHISKER)
            text = f"{duration(duration_s.median)}   {_percent(duration_s.median / total_s)}"
            _label(axes, max(end, high), row, text, factor * total_s)
            start, widest = end, max(widest, high)
        axes.barh(len(items), factor * total_s, color="#bbbbbb", height=0.62)
        _label(axes, factor * total_s, len(items), duration(total_s), factor * total_s)
        _rows(axes, [*(name for name, _ in items), "all together"])
        axes.set_xlim(0, widest + 0.34 * factor * total_s)
        axes.set_xlabel(f"time since {since} ({unit})")


def cold_and_warm(groups: Mapping[str, ArrayLike], title: str, warm: Interval) -> None:
    """Durations (ms) of successive requests, in groups; the first of each group stands out.

    `warm` is drawn as the level to compare with.
    """
    with figure(3.4, title) as axes:
        place = 0
        places: list[int] = []
        for name, durations_ms in groups.items():
            values = np.asarray(durations_ms, dtype=float)
            here = np.arange(place, place + values.size)
            axes.bar(here, values, color=[ORANGE] + [BLUE] * (values.size - 1), width=0.7)
            axes.annotate(
                f"{number(float(values[0]))} ms",
                (place, values[0]),
                (0, 3),
                textcoords="offset points",
                ha="center",
            )
            label = textwrap.fill(name, 4 * values.size + 2)
            axes.text(here.mean(), -0.14, label, transform=axes.get_xaxis_transform(), ha="center",
                      va="top")  # fmt: skip
            places += list(here)
            axes.set_xticks(places)
            place += values.size + 1
        axes.set_xticklabels(
            [str(i + 1) for v in groups.values() for i in range(np.asarray(v).size)]
        )
        axes.axhline(warm.median, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(place - 1.2, warm.median, f" warm: {number(warm.median)} ms", va="bottom",
                  ha="left", color=INK)  # fmt: skip
        axes.set_xlim(-1.4, place + 1.6)
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel("compute (ms)")
        axes.margins(y=0.15)


def legend_below(axes: Axes, *, columns: int = 3) -> None:
    """The legend under the axes, where it can hide nothing."""
    drawn = axes.get_figure()
    assert drawn is not None
    drawn.legend(
        *axes.get_legend_handles_labels(), loc="outside lower left", ncols=columns, fontsize=9.5
    )


ROOM_INSIDE = 3
"""Curves whose names find a place beside them; those of more would hide some of them."""


def ecdf(
    series: Mapping[str, ArrayLike], title: str, *, xlabel: str, log: bool | None = None
) -> None:
    """The share of samples at or below each value; the median of each series is marked.

    log: a logarithmic axis; by default where the values span more than a factor of thirty.
    """
    everything = np.concatenate([np.asarray(v, dtype=float).ravel() for v in series.values()])
    if log is None:
        log = bool(everything.min() > 0 and everything.max() > 30 * everything.min())
    with figure(3.6, title) as axes:
        axes.axhline(0.5, color="#bbbbbb", linewidth=1)
        for index, (name, samples) in enumerate(series.items()):
            values = np.sort(np.asarray(samples, dtype=float).ravel())
            colour = CYCLE[index % len(CYCLE)]
            median = float(np.median(values))
            label = f"{name}: median {number(median)}, n = {values.size}"
            axes.ecdf(values, color=colour, linewidth=2, label=label)
            axes.plot(median, 0.5, "o", color=colour, markersize=6)
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: number(value))
        elif everything.min() >= 0:
            axes.set_xlim(left=0)
        axes.set_xlabel(xlabel)
        axes.set_ylabel("share of requests")
        axes.set_ylim(0, 1.02)
        axes.grid(visible=True, axis="x")
        if len(series) <= ROOM_INSIDE:
            axes.legend(loc="best")
        else:
            legend_below(axes, columns=2)


def rates(
    runs: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Interval],
    title: str,
    *,
    xlabel: str,
) -> None:
    """One bar a variant, its median, with the interval as a whisker and each run as a dot."""
    widest = max(max(values) for values in runs.values())
    with figure(BASE_IN + 1.4 * ROW_IN * len(runs), title) as axes:
        for row, (name, values) in enumerate(runs.items()):
            value = intervals[name]
            axes.barh(row, value.median, color=CYCLE[row % len(CYCLE)], height=0.55, alpha=0.85)
            xerr = _whisker(value.median, value.low, value.high)
            axes.errorbar(value.median, row, xerr=xerr, **WHISKER)
            spread = np.linspace(-0.17, 0.17, len(values))
            axes.plot(values, row + spread, "o", color=INK, markersize=3, alpha=0.55, zorder=3)
            axes.text(1, row, f"median {number(value.median)}", ha="right", va="center",
                      transform=axes.get_yaxis_transform())  # fmt: skip
        _rows(axes, list(runs))
        axes.set_xlim(0, 1.3 * widest)
        axes.set_xlabel(xlabel)


def label_decades(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers; at 2 and 5, too, where it spans few decades."""
    low, high = axis.get_view_interval()
    few = high < 300 * low
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_major_formatter(lambda value, _: number(value))
    axis.set_minor_formatter(NullFormatter())


def _interval(value: Interval | float) -> Interval:
    return value if isinstance(value, Interval) else Interval(value, value, value, 1)


def _whisker(middle: float, low: float, high: float) -> list[list[float]]:
    return [[max(middle - low, 0.0)], [max(high - middle, 0.0)]]


def duration(seconds: float) -> str:
    """A duration in the unit that suits it.

    >>> duration(6.67), duration(0.0091), duration(0.00028)
    ('6.67 s', '9.1 ms', '0.28 ms')
    """
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(1e3 * seconds)} ms"


def _percent(share: float) -> str:
    if share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def _label(axes: Axes, x: float, y: float, text: str, scale: float) -> None:
    axes.text(x + 0.015 * scale, y, text, va="center", ha="left", color=INK)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x")
