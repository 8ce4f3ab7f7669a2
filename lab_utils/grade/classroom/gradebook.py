"""The marks of a class as they now stand in the store, one entry a submission."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab_utils.errors import LabError
from lab_utils.grade.classroom.store import UNREAD, Known, Row, Store
from lab_utils.grade.spec import load_lab
from lab_utils.grade.verdict import UNSETTLED

COULD_NOT = "Could not be graded yet"


@dataclass(frozen=True)
class Graded:
    """One learner's marks in one unit.

    rows: the verdicts that count, in the order of the lab. out_of: for all of the unit's tasks
    that anybody was graded in.
    """

    learner: str
    unit: str
    source: str
    rows: tuple[Row, ...]
    out_of: float

    @property
    def verdicts(self) -> tuple[Mapping[str, Any], ...]:
        """As `./lab grade --json` gives them."""
        return tuple(row.verdict for row in self.rows)

    @property
    def points(self) -> float:
        """What was earned so far."""
        return float(sum(verdict["points"] for verdict in self.verdicts))

    @property
    def settled(self) -> bool:
        """Whether the points are a mark: every task was graded, and none waits for a person."""
        graded = sum(verdict["out_of"] for verdict in self.verdicts)
        return graded == self.out_of > 0 and all(v["state"] not in UNSETTLED for v in self.verdicts)

    @property
    def feedback(self) -> str:
        """What the learner reads beside the points, a line a task."""
        lines = []
        for verdict in self.verdicts:
            points = f"{verdict['points']:g} of {verdict['out_of']:g}"
            if verdict["state"] == "error":
                points = COULD_NOT.lower()
            lines.append(f"{verdict['title']}: {points}. {verdict['message']}".strip())
        return "\n".join(lines)


def gradebook(store: Store) -> list[Graded]:
    """Every submission, by unit and learner."""
    rows = {known: list(store.verdicts(known).values()) for known in store.submissions()}
    out_of = {unit: _out_of(unit, rows) for unit in {known.unit for known in rows}}
    order = {unit: _order_of(unit) for unit in out_of}
    return [
        Graded(
            known.learner,
            known.unit,
            known.source,
            tuple(sorted(own, key=order[known.unit])),
            out_of[known.unit],
        )
        for known, own in rows.items()
    ]


def _out_of(unit: str, rows: Mapping[Known, Sequence[Row]]) -> float:
    tasks = {
        row.task: float(row.verdict["out_of"])
        for known, own in rows.items()
        for row in own
        if known.unit == unit and row.task != UNREAD
    }
    return sum(tasks.values())


def _order_of(unit: str) -> Callable[[Row], int]:
    """Where a row's task stands in its lab; all the same where there is no such lab."""
    try:
        places = {task.name: i for i, task in enumerate(load_lab(unit).tasks)}
    except LabError:
        places = {}
    return lambda row: places.get(row.task, 0)
