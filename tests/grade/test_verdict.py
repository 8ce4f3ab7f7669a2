"""What each state of a verdict is worth, and how it reads in a table, a page and a mark list."""

import io

import pytest
from rich.console import Console

from lab_utils.grade import table
from lab_utils.grade.classroom import marks_csv
from lab_utils.grade.classroom.gradebook import Graded
from lab_utils.grade.classroom.gradescope import results
from lab_utils.grade.classroom.pages import class_page, learner_page
from lab_utils.grade.classroom.store import Row
from lab_utils.grade.findings import Finding
from lab_utils.grade.spec import FunctionTask
from lab_utils.grade.verdict import COLOURS, MARKS, UNSETTLED, Figure, Marks, State, Verdict
from lab_utils.measure.interval import Interval

STATES: list[State] = ["passed", "partial", "failed", "implausible", "inconclusive", "error"]
TASK = FunctionTask("digest", "Hash it", 4, "digest", lambda seed: [], lambda case, output: None)


def verdict(state: State, points: float = 0.0) -> Verdict:
    figures = {"speedup": Figure(Interval(1435.0, 1400, 1450, 18), "×")}
    return Verdict("digest", "Hash it", state, points, 4, "Why.", "isolated", 1.0, figures)


def graded(state: State, points: float) -> Graded:
    row = Row(
        "ada", "1_toy", "digest", "c", "v", verdict(state, points).as_dict(), {}, {}, "", "", ""
    )
    return Graded("ada", "1_toy", "lab.ipynb", (row,), 4)


def test_every_state_has_its_mark_and_its_colour() -> None:
    assert set(STATES) == set(MARKS) == set(COLOURS)
    assert len(set(MARKS.values())) == len(set(COLOURS.values())) == len(STATES)


@pytest.mark.parametrize(
    ("share", "state", "points"),
    [(1, "passed", 4), (0.503, "partial", 2.01), (0.0001, "partial", 0), (0, "failed", 0)],
)
def test_a_share_becomes_a_state_and_points(share: float, state: State, points: float) -> None:
    finding = Finding(share)
    assert (finding.state, finding.points(TASK)) == (state, points)


@pytest.mark.parametrize("state", STATES)
def test_a_terminal_shows_state_points_reason_and_figures(state: State) -> None:
    out = io.StringIO()
    one = verdict(state, 1.5 if state == "partial" else 0)
    table.show(Marks("x.ipynb", "1_toy", (one,)), Console(file=out, width=120))
    shown = out.getvalue()
    assert MARKS[state] in shown
    assert f"{one.points:g} of 4" in shown
    assert "Why." in shown
    assert "speedup 1,435 [1,400 to 1,450] ×" in shown


@pytest.mark.parametrize("state", STATES)
def test_a_class_copes_with_every_state(state: State) -> None:
    one = graded(state, 1.5 if state == "partial" else 0)
    assert one.settled == (state not in UNSETTLED)
    assert one.points == (1.5 if state == "partial" else 0)
    assert MARKS[state] in learner_page([one])
    assert "ada" in class_page([one], {}, [])
    assert results(one.verdicts)["score"] == one.points
    assert "Why." in marks_csv.marks([one])
