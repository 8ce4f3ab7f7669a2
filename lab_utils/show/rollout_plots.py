"""Plots of rollouts: how the evidence for and against a version grows, and what looking costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.show.plots import CYCLE, GREEN, INK, RED, figure


@dataclass(frozen=True)
class Course:
    """One rollout, look by look.

    payments: answered so far, by both versions. weights: the new version's percent before
    each look. evidence: test → the logarithm of its likelihood ratio. bounds: of that, for "no
    worse" and for "worse".
    """

    payments: Sequence[int]
    weights: Sequence[int]
    evidence: Mapping[str, Sequence[float]]
    bounds: tuple[float, float]


def courses(runs: Mapping[str, Course], title: str) -> None:
    """A panel a rollout: each test's evidence over the payments, between its two bounds.

    Shades and figures tell the weight. Raises LabError where a rollout has no look.
    """
    if not runs or not all(run.payments for run in runs.values()):
        raise LabError("Rollouts were to be drawn of nothing; expected each with a look.")
    with figure(0.9 + 1.75 * len(runs), title, rows=len(runs)) as drawn:
        panels: list[Axes] = list(np.atleast_1d(drawn))
        for panel, (name, run) in zip(panels, runs.items(), strict=True):
            low, high = run.bounds
            for colour, (test, values) in zip(CYCLE, run.evidence.items(), strict=False):
                shown = np.clip([0.0, *values], 1.35 * low, 1.35 * high)
                panel.plot([0, *run.payments], shown, color=colour, label=test, lw=1.8)
            for bound, colour, said in ((high, RED, "worse"), (low, GREEN, "no worse")):
                panel.axhline(bound, color=colour, lw=1.1, ls="--")
                panel.text(
                    1.01,
                    bound,
                    said,
                    color=colour,
                    va="center",
                    transform=panel.get_yaxis_transform(),
                )
            _weights(panel, run)
            panel.set_title(name, fontsize=10.5, fontweight="normal", pad=14)
            panel.set_xlim(0, run.payments[-1])
            panel.set_ylim(1.5 * low, 1.5 * high)
        panels[-1].set_xlabel(
            "payments answered, by both versions; above: the new one's weight (%)"
        )
        panels[len(panels) // 2].set_ylabel("evidence, ln of the likelihood ratio")
        panels[0].legend(loc="upper left", fontsize=9, ncols=3)


def _weights(panel: Axes, run: Course) -> None:
    """Alternate shades, a figure above each."""
    begins = [0, *run.payments]
    span = run.payments[-1]
    for number, weight in enumerate(dict.fromkeys(run.weights)):
        looks = [index for index, one in enumerate(run.weights) if one == weight]
        left, right = begins[looks[0]], begins[looks[-1] + 1]
        panel.axvspan(left, right, color="#f3f3f3" if number % 2 == 0 else "#e4e4e4", zorder=0)
        if right - left > 0.015 * span:
            panel.text(
                (left + right) / 2, 1.02, f"{weight}", ha="center", va="bottom", color=INK,
                fontsize=9, transform=panel.get_xaxis_transform(),
            )  # fmt: skip


def false_alarms(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]], stated: float, title: str
) -> None:
    """The share of good versions (0 to 1) that have been called worse, by the number of looks.

    lines: name → (looks, shares). stated: the share that the tests promise, drawn across.
    """
    with figure(3.2, title) as axes:
        for colour, (name, (looks, shares)) in zip(CYCLE, lines.items(), strict=False):
            axes.plot(np.asarray(looks), 100 * np.asarray(shares), color=colour, lw=2, label=name)
        axes.axhline(100 * stated, color=INK, lw=1, ls=":")
        axes.annotate(
            "what was stated", (1, 100 * stated), xycoords=("axes fraction", "data"),
            ha="right", va="bottom", fontsize=9, color=INK,
        )  # fmt: skip
        axes.set_xlabel("looks")
        axes.set_ylabel("good versions rolled back so far (%)")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")


def answers_needed(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]], title: str, *, xlabel: str
) -> None:
    """Answers of the new version until a verdict (log), over how much worse it is (log)."""
    with figure(3.4, title) as axes:
        for colour, (name, (worse, answers)) in zip(CYCLE, lines.items(), strict=False):
            axes.loglog(np.asarray(worse), np.asarray(answers), "o-", color=colour, label=name)
        ticks = np.unique(np.concatenate([np.asarray(worse) for worse, _ in lines.values()]))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel(xlabel)
        axes.set_ylabel("answers of the new version")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.legend()
