"""Plots of experiments that break things: what was seen meanwhile, and the budget that it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.show.plots import CYCLE, INK, ORANGE, RED, figure

Spell = tuple[str, float, float]
"""What was broken, from when to when."""
DASHED = (0, (4, 3))


def under_faults(
    seen: Mapping[str, tuple[ArrayLike, ArrayLike]], spells: Sequence[Spell], title: str
) -> None:
    """A panel a figure, under each other: (times in s, shares from 0 to 1), with the faults shaded
    and numbered, and what the numbers stand for beneath.

    Raises LabError where there is nothing to draw.
    """
    if not seen or not spells:
        raise LabError("Nothing was to be drawn under faults; expected a figure and a fault.")
    start_s = min(float(np.min(times)) for times, _ in seen.values())
    height = 1.5 + 1.25 * len(seen) + 0.09 * len(spells)
    with figure(height, title, rows=len(seen), sharex=True) as drawn:
        panels: list[Axes] = list(np.atleast_1d(drawn))
        for index, (name, (times, shares)) in enumerate(seen.items()):
            panel = panels[index]
            _shade(panel, spells, start_s)
            panel.plot(np.asarray(times, dtype=float) - start_s,
                       100 * np.asarray(shares, dtype=float), color=CYCLE[index % len(CYCLE)],
                       linewidth=1.8)  # fmt: skip
            panel.set_title(name, fontsize=10.5, fontweight="normal", pad=4)
            panel.set_ylim(-5, 119)
            panel.set_yticks([0, 50, 100])
            panel.set_ylabel("%")
            panel.grid(visible=True, axis="y")
        panels[-1].set_xlabel(f"seconds\n\n{_key(spells)}")


def budget(
    burn: tuple[ArrayLike, ArrayLike],
    used: tuple[ArrayLike, ArrayLike],
    spells: Sequence[Spell],
    title: str,
    *,
    page_at: float,
    days: float,
) -> None:
    """Above, how many times too fast the error budget is spent; beneath, how much of it is gone.

    burn: (times in s, burn rates). used: (times in s, shares of the budget of so many days).
    page_at: the rate at which somebody is called. Raises LabError where there is nothing to draw.
    """
    if not spells or not np.size(burn[0]):
        raise LabError("No burn rate was given; expected one with the faults that made it.")
    start_s = float(np.min(burn[0]))
    with figure(5.0, title, rows=2, sharex=True) as (above, beneath):
        for panel in (above, beneath):
            _shade(panel, spells, start_s)
            panel.grid(visible=True, axis="y")
        above.fill_between(np.asarray(burn[0], dtype=float) - start_s,
                           np.nan_to_num(np.asarray(burn[1], dtype=float)), step="post",
                           color=ORANGE, alpha=0.85)  # fmt: skip
        above.axhline(page_at, color=RED, linewidth=1.2, linestyle=DASHED)
        above.annotate("a page", (1.0, page_at), (-2, 3), xycoords=("axes fraction", "data"),
                       textcoords="offset points", color=RED, ha="right")  # fmt: skip
        above.set_yscale("symlog", linthresh=1)
        above.set_ylim(0, 30_000)
        above.set_yticks([0, 1, 10, 100, 1000, 10_000], ["0", "1", "10", "100", "1,000", "10,000"])
        above.set_ylabel("times too fast")
        beneath.plot(np.asarray(used[0], dtype=float) - start_s,
                     100 * np.asarray(used[1], dtype=float), color=INK, linewidth=1.8)  # fmt: skip
        beneath.set_ylabel(f"% of {days:g} days' budget")
        beneath.set_ylim(bottom=0)
        beneath.set_xlabel(f"seconds\n\n{_key(spells)}")


def _shade(panel: Axes, spells: Sequence[Spell], start_s: float) -> None:
    for number, (_, begun_s, ended_s) in enumerate(spells, 1):
        panel.axvspan(begun_s - start_s, ended_s - start_s, color="#eeeeee", zorder=0)
        panel.annotate(str(number), ((begun_s + ended_s) / 2 - start_s, 1.0), (0, -3), va="top",
                       xycoords=("data", "axes fraction"), textcoords="offset points",
                       ha="center", fontsize=9, color=INK)  # fmt: skip


def _key(spells: Sequence[Spell]) -> str:
    """What each number stands for, three to a line."""
    told = [f"{number} {name}" for number, (name, _, _) in enumerate(spells, 1)]
    return "\n".join("     ".join(told[i : i + 3]) for i in range(0, len(told), 3))
