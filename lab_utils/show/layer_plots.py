"""Plots of a network's layers in their order, and of what several variants trade for speed.

by_layer({"weights": {"conv1": 0.6, …}}, "Errors", ylabel="%", mark={"conv1": "weights"})
trade_off({"fp32": (Interval(…), Interval(…))}, "Speed", xlabel="…", ylabel="…")
"""

from __future__ import annotations

from collections.abc import Mapping

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import CYCLE, INK, figure, label_decades
from lab_utils.show.roofline import MARKERS

Values = Mapping[str, float]


def by_layer(
    series: Mapping[str, Values], title: str, *, ylabel: str, mark: Mapping[str, str] | None = None
) -> None:
    """One line a series, one point a layer, from the network's input to its output.

    series: for each its values above 0 by layer, in order; the axis is logarithmic. mark: layers
    that are named, each at its point of a series; the stages ("layer1", …) stand beneath. Raises
    LabError where the series do not name the same layers.
    """
    layers = list(next(iter(series.values()), {}))
    if not layers or any(list(values) != layers for values in series.values()):
        raise LabError("A plot by layer needs at least one layer, and the same in every series.")
    with figure(3.9, title) as axes:
        for index, (name, values) in enumerate(series.items()):
            axes.plot(range(len(layers)), list(values.values()), MARKERS[index % len(MARKERS)],
                      linestyle="-", linewidth=1, markersize=4.5, label=name,
                      color=CYCLE[index % len(CYCLE)])  # fmt: skip
        stages = [layer.partition(".")[0] for layer in layers]
        starts = [i for i, stage in enumerate(stages) if i == 0 or stage != stages[i - 1]]
        for start in starts[1:]:
            axes.axvline(start - 0.5, color="#dddddd", linewidth=1, zorder=0)
        ends = [*starts[1:], len(layers)]
        for start, end in zip(starts, ends, strict=True):
            axes.annotate(stages[start], ((start + end - 1) / 2, 0), (0, -5), color=INK,
                          xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                          ha="center", va="top", fontsize=9.5)  # fmt: skip
        for layer, name in (mark or {}).items():
            value = series[name][layer]
            axes.annotate(layer, (layers.index(layer), value), (0, 6), textcoords="offset points",
                          ha="center", va="bottom", fontsize=8.5, color=INK)  # fmt: skip
        axes.set_xticks([])
        axes.set_xlim(-1, len(layers))
        axes.set_yscale("log")
        axes.margins(y=0.12)
        label_decades(axes.yaxis)
        axes.set_ylabel(ylabel)
        axes.grid(visible=True, axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def trade_off(
    points: Mapping[str, tuple[Interval, Interval]], title: str, *, xlabel: str, ylabel: str
) -> None:
    """One marker a variant, named in the key, with its interval in both directions.

    Raises LabError where there is none.
    """
    if not points:
        raise LabError("A trade-off was to be drawn of nothing; expected at least one variant.")
    with figure(4.1, title) as axes:
        for index, (name, pair) in enumerate(points.items()):
            x, y = pair
            spans = [
                [[max(v.median - v.low, 0)], [max(v.high - v.median, 0)]] for v in pair
            ]  # below and above, for each direction
            axes.errorbar(x.median, y.median, xerr=spans[0], yerr=spans[1], linewidth=1.2,
                          fmt=MARKERS[index % len(MARKERS)], color=CYCLE[index % len(CYCLE)],
                          markersize=8, markeredgecolor="white", label=name)  # fmt: skip
        axes.set_xlim(left=0)
        axes.margins(y=0.1)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid(visible=True)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
