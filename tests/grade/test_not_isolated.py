"""A host on which bubblewrap does not work: the same verdicts, and each says so."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab_utils.components import sandbox
from lab_utils.grade import table
from lab_utils.grade.engine import grade_task
from lab_utils.grade.spec import Task
from lab_utils.grade.submission import Cell, Submission
from lab_utils.grade.verdict import Marks, Verdict
from lab_utils.grade.workers import Workers
from tests.grade.conftest import DOUBLE
from tests.grade.test_timed import TASK, times
from tests.started import assert_gone

pytestmark = pytest.mark.alone
WHY = "bwrap is not installed (Debian: apt install bubblewrap)"
RIGHT = "def double(x):\n    return 2 * x"
ANSWERS: dict[str, tuple[Task, str]] = {
    "right": (DOUBLE, RIGHT),
    "wrong": (DOUBLE, "def double(x):\n    return 3 * x"),
    "raises": (DOUBLE, "def double(x):\n    return 1 / 0"),
    "ends": (DOUBLE, "import os\ndef double(x):\n    os._exit(0)"),
    "endless": (replace(DOUBLE, limit_s=1.5), "def double(x):\n    while True: pass"),
    "fast": (TASK, times(4)),
    "slow": (TASK, times(1)),
}


@pytest.fixture(scope="module")
def refused() -> Iterator[Workers]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "refusal", lambda: WHY)
        with Workers() as workers:
            yield workers


def graded(workers: Workers, task: Task, source: str) -> Verdict:
    own = Cell(1, source, task.name)
    return grade_task(Submission(Path("x.ipynb"), None, (own,)), task, 7, workers)


@pytest.mark.parametrize(("task", "source"), ANSWERS.values(), ids=ANSWERS)
def test_verdicts_are_the_same_and_say_where_they_come_from(
    task: Task, source: str, refused: Workers, workers: Workers
) -> None:
    here, there = (graded(one, task, source) for one in (refused, workers))
    assert here.isolation == f"not isolated: {WHY}"
    assert here.as_dict()["isolation"] == here.isolation
    assert (here.state, here.points) == (there.state, there.points)
    if task is DOUBLE:
        assert here.message == there.message


def test_a_person_reads_it_beneath_the_marks(refused: Workers) -> None:
    out = io.StringIO()
    marks = Marks("x.ipynb", "1_toy", (graded(refused, DOUBLE, RIGHT),))
    table.show(marks, Console(file=out, width=200))
    assert f"3 of 3 points; answers ran not isolated: {WHY}." in out.getvalue()


def test_nothing_is_left_running() -> None:
    leaves = "import os, time\ndef double(x):\n    if os.fork() == 0:\n        time.sleep(60)\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "refusal", lambda: WHY)
        with Workers() as workers:
            assert graded(workers, DOUBLE, leaves + "    return 2 * x").points == 3
            server = workers.server_pid
            assert server is not None
    assert_gone({server})
