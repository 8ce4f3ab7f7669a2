"""What grading gives: a verdict for each task, and the marks of a submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import category

from lab_utils.measure.interval import Interval

State = Literal["passed", "partial", "failed", "implausible", "inconclusive", "error"]
MARKS: Mapping[str, str] = {
    "passed": "✓",
    "partial": "◐",
    "failed": "✗",
    "implausible": "‽",
    "inconclusive": "?",
    "error": "!",
}
COLOURS: Mapping[str, str] = {
    "passed": "#009E73",
    "partial": "#56B4E9",
    "failed": "#D55E00",
    "implausible": "#CC79A7",
    "inconclusive": "#E69F00",
    "error": "#999999",
}
"""Okabe and Ito's, which everybody can tell apart."""
UNSETTLED: frozenset[State] = frozenset({"implausible", "error"})
"""States that are no mark: a person has to look."""

FIRST, LAST = 1500, 400
"""Characters of a message that is too long, kept at both ends."""


def readable(message: str) -> str:
    """A message as a terminal, a table and a page may show it, whatever an answer put into it.

    In a middle too long to read a mark stands; so it does for what is no character to be seen.

    >>> readable("got \\x1b[2J\\ud800 and naïve 漢字")
    'got ?[2J? and naïve 漢字'
    """
    if len(message) > FIRST + LAST:
        message = f"{message[:FIRST]} … {message[-LAST:]}"
    return "".join(c if c in "\n\t" or category(c)[0] != "C" else "?" for c in message)


@dataclass(frozen=True)
class Figure:
    """A measured figure and its unit ("requests/s", "×")."""

    value: Interval
    unit: str

    def __str__(self) -> str:
        return f"{self.value} {self.unit}"


@dataclass(frozen=True)
class Verdict:
    """One task of one submission.

    state: "passed", "partial" (between two ratios of a curve) and "failed" are about the answer;
    "implausible" says that it is faster than its machine can be, and "inconclusive" that a
    measurement could not decide; "error" says that it could not be graded. message: for the
    answer's author, empty only where passed. isolation: where the answer ran.
    """

    task: str
    title: str
    state: State
    points: float
    out_of: float
    message: str
    isolation: str
    duration_s: float
    figures: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """One character for the state."""
        return MARKS[self.state]

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the JSON of `./lab grade`."""
        figures = {
            name: figure.value.as_dict() | {"unit": figure.unit}
            for name, figure in self.figures.items()
        }
        return {
            "task": self.task,
            "title": self.title,
            "state": self.state,
            "points": self.points,
            "out_of": self.out_of,
            "message": self.message,
            "figures": figures,
            "isolation": self.isolation,
            "duration_s": round(self.duration_s, 3),
        }


@dataclass(frozen=True)
class Marks:
    """All verdicts of one submission."""

    notebook: str
    unit: str
    verdicts: tuple[Verdict, ...]

    @property
    def points(self) -> float:
        """What was earned."""
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def out_of(self) -> float:
        """What could be earned."""
        return sum(verdict.out_of for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the JSON of `./lab grade`."""
        return {
            "notebook": self.notebook,
            "unit": self.unit,
            "points": self.points,
            "out_of": self.out_of,
            "tasks": [verdict.as_dict() for verdict in self.verdicts],
        }
