"""Plots of a language model under load: who had which place when, and what each answer took."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lab_utils.show.plots import CYCLE, INK, figure, label_decades

LANE = 0.86
"""Of a lane's height that its bars fill."""
PALE = 0.25


def places(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]], count: int, title: str
) -> None:
    """One panel a run: a lane for each of `count` places, a bar for each request in it.

    runs: name → when each request got its place, had its last token, and left, in seconds. The bar
    is pale where the request has all and has not left.
    """
    ends_s = [float(np.max(done_s)) for *_, done_s in runs.values()]
    with figure(2.4 + 0.09 * count, title, columns=len(runs), sharey=True) as drawn:
        for panel, (name, times) in zip(np.atleast_1d(drawn), runs.items(), strict=True):
            begun, written, done = (np.asarray(each, float) for each in times)
            in_order = np.argsort(begun, kind="stable")
            for number, (lane, one) in enumerate(zip(lanes(begun, done), in_order, strict=True)):
                for start_s, end_s, alpha in (
                    (begun[one], written[one], 1.0),
                    (written[one], done[one], PALE),
                ):
                    panel.broken_barh(
                        [(start_s, end_s - start_s)],
                        (lane + (1 - LANE) / 2, LANE),
                        color=CYCLE[number % len(CYCLE)],
                        alpha=alpha,
                        linewidth=0,
                    )
            panel.set_title(name, fontsize=10.5)
            panel.set_xlim(0, max(ends_s))
            panel.set_ylim(0, count)
            panel.set_xlabel("time (s)")
            panel.set_yticks([])
        np.atleast_1d(drawn)[0].set_ylabel(f"{count} places")


def lanes(begun_s: ArrayLike, done_s: ArrayLike) -> list[int]:
    """A lane for each request, the lowest that is free, in the order of their beginnings."""
    begun, done = np.asarray(begun_s, float), np.asarray(done_s, float)
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    found: list[int] = []
    for request in np.argsort(begun, kind="stable"):
        while busy and busy[0][0] <= begun[request]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        lane = heapq.heappop(free) if free else len(busy)
        heapq.heappush(busy, (float(done[request]), lane))
        found.append(lane)
    return found


def latency_by_length(
    runs: Mapping[str, tuple[ArrayLike, ArrayLike]], title: str, *, ylabel: str
) -> None:
    """One panel a run: each answer a dot at its tokens and its latency (s), both logarithmic."""
    with figure(3.4, title, columns=len(runs), sharey=True) as drawn:
        panels: list[Axes] = list(np.atleast_1d(drawn))
        for index, (panel, (name, (tokens, latency_s))) in enumerate(
            zip(panels, runs.items(), strict=True)
        ):
            panel.plot(tokens, latency_s, "o", color=CYCLE[index], markersize=3.5, alpha=0.6)
            panel.set_title(name, fontsize=10.5)
            panel.set_xscale("log")
            panel.set_yscale("log")
            for axis in (panel.xaxis, panel.yaxis):
                label_decades(axis)
            panel.set_xlabel("tokens of the answer")
            panel.grid(visible=True)
        panels[0].set_ylabel(ylabel)


def latency_by_rate(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    points: Mapping[str, tuple[ArrayLike, ArrayLike]],
    title: str,
    *,
    ylabel: str,
    limit_s: float | None = None,
) -> None:
    """Latency (s) against tokens a second: simulated as lines, measured as points of its colour.

    limit_s: drawn across.
    """
    with figure(3.9, title) as axes:
        for index, (name, (tokens_per_s, latency_s)) in enumerate(lines.items()):
            colour = CYCLE[index % len(CYCLE)]
            axes.plot(tokens_per_s, latency_s, color=colour, linewidth=2, label=name)
            if name in points:
                axes.plot(*points[name], "o", color=colour, markersize=7, label=f"{name}, measured")
        if limit_s is not None:
            axes.axhline(limit_s, color=INK, linewidth=1, linestyle=(0, (5, 3)))
        axes.set_yscale("log")
        label_decades(axes.yaxis)
        axes.set_xlim(left=0)
        axes.set_xlabel("tokens a second, all users together")
        axes.set_ylabel(ylabel)
        axes.grid(visible=True)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def foretold(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    points: Mapping[str, tuple[ArrayLike, ArrayLike]],
    title: str,
    *,
    xlabel: str,
    ylabel: str,
    reference: float | None = None,
) -> None:
    """Predictions as lines; what came of them as points, in the colour of the line of their name.

    reference: drawn across, where nothing is gained and nothing lost.
    """
    names = [*lines, *(name for name in points if name not in lines)]
    colours = {name: CYCLE[index % len(CYCLE)] for index, name in enumerate(names)}
    with figure(3.5, title) as axes:
        for name, (at, values) in lines.items():
            axes.plot(at, values, color=colours[name], linewidth=2, label=f"{name}, foretold")
        for name, (at, values) in points.items():
            axes.plot(at, values, "o", color=colours[name], markersize=6, label=name)
        if reference is not None:
            axes.axhline(reference, color=INK, linewidth=1, linestyle=(0, (5, 3)))
        axes.set_ylim(bottom=0)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.grid(visible=True)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def stream(token_s: ArrayLike, came_s: Sequence[float], title: str) -> None:
    """The words of one reader's screen over time (s); a dashed line where somebody else came."""
    times = np.asarray(token_s, dtype=float)
    with figure(3.0, title) as axes:
        axes.step(times, 1 + np.arange(times.size), where="post", color=CYCLE[0], linewidth=2)
        for moment in came_s:
            axes.axvline(moment, color=INK, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.set_xlabel("time since the request (s)")
        axes.set_ylabel("tokens on the screen")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True)
