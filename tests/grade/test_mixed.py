"""A class as it really is, graded as a person does it; and one with a service, alone."""

import json
import sqlite3
from pathlib import Path

import pytest
from rich.console import Console

from lab_utils.bench.grade import class_runs
from lab_utils.grade.classroom.run import Order, grade_class, local
from lab_utils.grade.classroom.store import STORE, UNREAD
from tests.grade.mixed_class import LEARNERS, TASKS, UNIT, solution, write_class
from tests.started import lab

Given = dict[str, dict[str, tuple[str, float]]]


def recorded(out: Path) -> Given:
    """Learner → task → (state, points); a task that was recorded twice is a failure."""
    given: Given = {}
    with sqlite3.connect(out / STORE) as database:
        rows = database.execute("SELECT learner, task, state, points FROM verdicts ORDER BY id")
        for learner, task, state, points in rows:
            assert task not in given.setdefault(learner, {})
            given[learner][task] = state, points
    return given


def test_thirty_mixed_submissions_end_with_thirty_recorded_verdicts(tmp_path: Path) -> None:
    expected = write_class(tmp_path / "class")
    options = [word for task in TASKS for word in ("--task", task)]
    done = lab("grade", tmp_path / "class", "--out", tmp_path / "out", *options, timeout=600)
    assert done.returncode == 1  # some could not be read
    assert "Traceback" not in done.stderr
    given = recorded(tmp_path / "out")
    assert len(given) == len(expected) == LEARNERS
    for learner, points in expected.items():
        verdicts = given[learner]
        if points is None:
            assert verdicts == {UNREAD: ("error", 0)}, learner
        else:
            assert tuple(verdicts[task][1] for task in TASKS) == points, learner
            assert {state for state, _ in verdicts.values()} <= {"passed", "failed"}, learner
    honest = ("folder", "archive", "stripped", "copied", "noisy")
    assert all(expected[name] == (2, 2) for name in honest)


@pytest.mark.alone
def test_a_service_is_graded_after_all_that_may_share_the_machine(tmp_path: Path) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    folder.mkdir()
    (folder / "anna.ipynb").write_text(json.dumps(solution()))
    order = Order([folder], out, tasks=("service_settings", "postprocess"))
    outcome = grade_class(order, local(2), Console(stderr=True))
    assert outcome.graded == 2
    given = recorded(out)["anna"]
    assert list(given) == ["postprocess", "service_settings"]
    assert given["service_settings"][0] != "error"
    with sqlite3.connect(out / STORE) as database:
        (figures,) = database.execute(
            "SELECT figures FROM verdicts WHERE task = 'service_settings'"
        ).fetchone()
    assert json.loads(figures)["speedup"]["n"] >= 3


def test_the_bench_kills_a_run_and_finds_every_verdict_once(tmp_path: Path) -> None:
    assert class_runs.UNIT == UNIT
    assert class_runs.graded_once(tmp_path, submissions=3, kills=1) == 1
    assert class_runs.verdicts(tmp_path / "nowhere") == []
