"""Plots of scorers of payments: what they catch at each alert rate, what a payment takes.

caught({"trees": (false_rate, true_rate)}, {"trees": (alert_rate, caught)}, 0.005, "…")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.plots import CYCLE, INK, figure, label_decades

MARKERS = "osD^vP"
DASHED = (0, (4, 3))
LEAST_SHARE = 1e-3
"""Where a logarithmic axis of shares begins: one payment in a thousand."""


def caught(
    roc: Mapping[str, tuple[ArrayLike, ArrayLike]],
    by_alerts: Mapping[str, tuple[ArrayLike, ArrayLike]],
    alert_rate: float,
    title: str,
) -> None:
    """Two panels: each scorer's ROC curve, and what it catches up to four times the alert rate.

    roc: shares of honest payments and of frauds above each threshold. by_alerts: shares of payments
    that alert, and of frauds among them. Raises LabError where the two name different scorers.
    """
    if not roc or list(roc) != list(by_alerts):
        raise LabError(
            f"ROC curves of {list(roc)} were to be drawn with alerts of {list(by_alerts)}; "
            "expected the same scorers, at least one."
        )
    with figure(3.9, title, columns=2) as (left, right):
        for index, name in enumerate(roc):
            colour = CYCLE[index % len(CYCLE)]
            left.plot(*roc[name], color=colour, linewidth=1.8, label=name)
            rates, shares = (np.asarray(values) for values in by_alerts[name])
            right.plot(100 * rates, 100 * shares, color=colour, linewidth=1.8)
        left.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=DASHED)
        left.set_xlabel("share of honest payments above the threshold")
        left.set_ylabel("share of frauds above it")
        right.axvline(100 * alert_rate, color=INK, linewidth=1.2, linestyle=DASHED)
        right.set_xlim(0, 400 * alert_rate)
        right.set_ylim(bottom=0)
        right.set_xlabel("alerts (% of all payments)")
        right.set_ylabel("frauds caught (%)")
        for panel in (left, right):
            panel.grid(visible=True)
        left.figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def time_by_batch(
    times_s: Mapping[str, Mapping[int, Interval]], title: str, *, per: str = "payment"
) -> None:
    """Microseconds a payment over the payments in a call, both logarithmic, a line a scorer.

    times_s: for each scorer and batch, seconds a payment. Raises LabError where there is none.
    """
    if not times_s or not all(times_s.values()):
        raise LabError("Times were to be drawn of nothing; expected a scorer with batch sizes.")
    with figure(4.0, title) as axes:
        for index, (name, by_batch) in enumerate(times_s.items()):
            medians = np.array([value.median for value in by_batch.values()])
            below = medians - [value.low for value in by_batch.values()]
            above = np.array([value.high for value in by_batch.values()]) - medians
            axes.errorbar(
                list(by_batch),
                1e6 * medians,
                yerr=1e6 * np.maximum([below, above], 0),
                fmt=MARKERS[index % len(MARKERS)] + "-",
                color=CYCLE[index % len(CYCLE)],
                capsize=3,
                markersize=5,
                label=name,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        label_decades(axes.xaxis)
        label_decades(axes.yaxis)
        axes.set_xlabel(f"{per}s in one call")
        axes.set_ylabel(f"µs a {per}")
        axes.grid(visible=True)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def learned(
    caught: Mapping[str, Mapping[int, Interval]], title: str, *, level: tuple[str, float]
) -> None:
    """Frauds caught (%) over the payments that were learned from, a line a kind of target.

    caught: for each, shares (0 to 1) by payments. level: a name and a share to compare with, drawn
    as a line. Raises LabError where there is none.
    """
    if not caught or not all(caught.values()):
        raise LabError("Frauds caught were to be drawn of nothing; expected a line with points.")
    with figure(3.7, title) as axes:
        for index, (name, by_count) in enumerate(caught.items()):
            values = [value.scaled(100) for value in by_count.values()]
            axes.errorbar(
                list(by_count),
                [value.median for value in values],
                yerr=[
                    [max(value.median - value.low, 0) for value in values],
                    [max(value.high - value.median, 0) for value in values],
                ],
                fmt=MARKERS[index % len(MARKERS)] + "-",
                color=CYCLE[index % len(CYCLE)],
                capsize=3,
                markersize=5,
                label=name,
            )
        name, share = level
        axes.axhline(100 * share, color=INK, linewidth=1.2, linestyle=DASHED, label=name)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        label_decades(axes.xaxis)
        axes.set_xlabel("payments learned from")
        axes.set_ylabel("frauds caught (%)")
        axes.grid(visible=True)
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def reliability(groups: Mapping[str, Sequence[tuple[float, Interval]]], title: str) -> None:
    """A panel a scorer: the share of frauds in each group of payments over the mean score there.

    groups: for each scorer (mean score, share of frauds), all 0 to 1. On the diagonal scores mean
    what they say. Both axes are logarithmic: most payments have a score near 0; a group without a
    fraud has only its interval. Raises LabError where there is no scorer or no group.
    """
    if not groups or not all(groups.values()):
        raise LabError("Scores were to be drawn against frauds of nothing; expected groups.")
    least = min(max(said, LEAST_SHARE) for series in groups.values() for said, _ in series)
    with figure(3.4, title, columns=len(groups), sharex=True, sharey=True) as drawn:
        for index, (axes, (name, series)) in enumerate(
            zip(np.atleast_1d(drawn), groups.items(), strict=True)
        ):
            said = [max(value, LEAST_SHARE) for value, _ in series]
            middle = [max(seen.median, LEAST_SHARE) for _, seen in series]
            low = [max(seen.low, LEAST_SHARE) for _, seen in series]
            high = [max(seen.high, LEAST_SHARE) for _, seen in series]
            axes.plot([least, 1], [least, 1], color=INK, linewidth=1, linestyle=DASHED)
            axes.vlines(said, low, high, color=CYCLE[index % len(CYCLE)], linewidth=1.2)
            some = [place for place, (_, seen) in enumerate(series) if seen.median > 0]
            axes.plot(
                [said[place] for place in some],
                [middle[place] for place in some],
                MARKERS[index % len(MARKERS)],
                color=CYCLE[index % len(CYCLE)],
                markersize=5,
            )
            axes.set_title(name, fontsize=10.5, fontweight="normal", pad=4)
            axes.set_xscale("log")
            axes.set_yscale("log")
            label_decades(axes.xaxis)
            label_decades(axes.yaxis)
            axes.set_xlabel("mean score")
            axes.grid(visible=True)
        np.atleast_1d(drawn)[0].set_ylabel("share of frauds")
