"""Pages: one for each learner, and one about the class for whoever teaches it."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.grade.classroom.gradebook import Graded
from lab_utils.grade.classroom.similar import Likeness
from lab_utils.grade.verdict import COLOURS, MARKS, UNSETTLED
from lab_utils.show.page import page

LEARNER = Path(__file__).with_name("learner.html.j2")
CLASS = Path(__file__).with_name("class.html.j2")
WIDTH_IN, ROW_IN = 8.2, 0.42
SPEEDUP = "speedup"
MOST_MISTAKES = 12
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:e-?\d+)?")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Mistake:
    """A reason that several learners got; `message` is one of theirs."""

    title: str
    message: str
    learners: tuple[str, ...]


def file_name(learner: str) -> str:
    """A learner's page: readable, and different for different learners.

    >>> file_name("Anna Berg")
    'anna-berg-3dcbff.html'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", learner.lower()).strip("-")[:NAME_CHARACTERS] or "learner"
    return f"{plain}-{hashlib.sha256(learner.encode()).hexdigest()[:6]}.html"


def learner_page(submissions: Sequence[Graded]) -> str:
    """What one learner may see: points, reasons and figures of all units handed in."""
    return page(LEARNER, submissions=submissions, marks=MARKS, unsettled=UNSETTLED)


def class_page(
    graded: Sequence[Graded], likeness: Mapping[str, Likeness], notes: Sequence[str]
) -> str:
    """The class report: for the instructor, since it names learners."""
    by_unit: dict[str, list[Graded]] = defaultdict(list)
    for one in graded:
        by_unit[one.unit].append(one)
    units = [_unit(unit, own, likeness.get(unit)) for unit, own in sorted(by_unit.items())]
    return page(CLASS, units=units, notes=notes, file_name=file_name, unsettled=UNSETTLED)


def mistakes(graded: Sequence[Graded]) -> list[Mistake]:
    """The reasons for lost points, the commonest first; figures in them do not tell them apart."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for one in graded:
        for verdict in one.verdicts:
            if verdict["state"] != "passed" and verdict["task"]:
                kind = NUMBER.sub("#", QUOTED.sub("…", verdict["message"]))
                groups[verdict["title"], kind].append((one.learner, verdict["message"]))
    found = [
        Mistake(title, same[0][1], tuple(learner for learner, _ in same))
        for (title, _), same in groups.items()
    ]
    return sorted(found, key=lambda m: (-len(m.learners), m.title))[:MOST_MISTAKES]


def _unit(unit: str, graded: list[Graded], likeness: Likeness | None) -> dict[str, Any]:
    settled = [one for one in graded if one.settled]
    isolation = Counter(
        str(v["isolation"]) for one in graded for v in one.verdicts if v["isolation"] != "not run"
    )
    return {
        "name": unit or "No unit",
        "graded": graded,
        "settled": settled,
        "unsettled": [one for one in graded if not one.settled],
        "mean": sum(one.points for one in settled) / len(settled) if settled else None,
        "out_of": max((one.out_of for one in graded), default=0),
        "plots": [plot for plot in (_states(graded), _points(settled), _speedups(graded)) if plot],
        "mistakes": mistakes(graded),
        "likeness": likeness,
        "isolation": isolation,
    }


def _titles(graded: Sequence[Graded]) -> list[str]:
    return list(dict.fromkeys(v["title"] for one in graded for v in one.verdicts if v["task"]))


def _states(graded: Sequence[Graded]) -> dict[str, str] | None:
    """For each task, how many passed, failed, …: one bar."""
    from matplotlib.ticker import MaxNLocator

    titles = _titles(graded)
    if not titles:
        return None
    counts = Counter((v["title"], v["state"]) for one in graded for v in one.verdicts)
    figure, axes = _axes(1.4 + ROW_IN * len(titles))
    start = [0] * len(titles)
    for state, colour in COLOURS.items():
        widths = [counts[title, state] for title in titles]
        if any(widths):
            bars = axes.barh(range(len(titles)), widths, left=start, color=colour, label=state)
            labels = [str(width) if width else "" for width in widths]
            axes.bar_label(bars, labels, label_type="center", color="white", fontsize=9.5)
            start = [a + b for a, b in zip(start, widths, strict=True)]
    axes.set_yticks(range(len(titles)), titles)
    axes.invert_yaxis()
    axes.set_xlabel("submissions")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(ncols=len(COLOURS), loc="outside lower left", frameon=False)
    return _plot(figure, "How each task went")


def _points(settled: Sequence[Graded]) -> dict[str, str] | None:
    """How many learners got how many points."""
    if len(settled) < 2:
        return None
    counts = Counter(math.floor(one.points) for one in settled)
    rounded = ", rounded down" if any(one.points % 1 for one in settled) else ""
    figure, axes = _axes(2.4)
    out_of = max(one.out_of for one in settled)
    axes.bar(list(counts), list(counts.values()), width=0.8 * min(1, out_of / 12), color="#0072B2")
    axes.set_xlim(-0.5, out_of + 0.5)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel(f"points{rounded}, of {out_of:g}")
    axes.set_ylabel("learners")
    return _plot(figure, "Points")


def _speedups(graded: Sequence[Graded]) -> dict[str, str] | None:
    """What was measured: each answer's ratio with its interval, a row a task."""
    rows = [
        (v["title"], v["state"], v["figures"][SPEEDUP])
        for one in graded
        for v in one.verdicts
        if SPEEDUP in v["figures"]
    ]
    titles = [title for title in _titles(graded) if any(title == row[0] for row in rows)]
    if not titles:
        return None
    figure, axes = _axes(1.1 + 0.8 * len(titles))
    for place, title in enumerate(titles):
        own = sorted((row for row in rows if row[0] == title), key=lambda row: row[2]["median"])
        for i, (_, state, ratio) in enumerate(own):
            y = place + 0.6 * ((i + 0.5) / len(own) - 0.5)
            low, high = ratio["median"] - ratio["low"], ratio["high"] - ratio["median"]
            colour = COLOURS[state]
            axes.errorbar(ratio["median"], y, xerr=[[low], [high]], fmt="o", ms=4, color=colour)
    axes.set_yticks(range(len(titles)), titles)
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("times the reference's requests a second, with the 95 % interval")
    return _plot(figure, "What was measured")


def _axes(height_in: float) -> tuple[Any, Any]:
    import matplotlib
    from matplotlib.figure import Figure

    from lab_utils.show.plots import STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        return figure, figure.subplots()


def _plot(figure: Any, caption: str) -> dict[str, str]:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130)
    return {"png": base64.b64encode(stream.getvalue()).decode(), "caption": caption}
