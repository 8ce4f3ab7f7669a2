"""The three proofs: a blank lab fails every task, the solution passes every task, and every
wrong answer in curriculum/*/wrong fails with the message written for it."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from lab_utils.course.sources import units
from lab_utils.files import ROOT
from lab_utils.grade.engine import grade
from lab_utils.grade.spec import DesignTask, ServiceTask, Task, load_lab
from lab_utils.grade.submission import read
from lab_utils.grade.workers import Workers

LABS = [unit for unit in units() if (ROOT / "labs" / unit / "lab.ipynb").exists()]
SEED = 2026


@dataclass(frozen=True)
class WrongAnswer:
    """A file of curriculum/*/wrong, as it describes itself; it is not run.

    least, most: what it earns all the same, where part marks are promised: POINTS is one number, or
    two where it hangs on a draw.
    """

    path: Path
    task: Task
    about: str
    message: str
    least: float
    most: float

    @classmethod
    def read(cls, path: Path) -> Self:
        tree = ast.parse(path.read_text())
        constants = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("TASK", "MESSAGE", "POINTS")
        }
        task = load_lab(path.parts[-3])[constants["TASK"]]
        about, points = ast.get_docstring(tree) or "", constants.get("POINTS", 0)
        least, most = points if isinstance(points, tuple) else (points, points)
        return cls(path, task, about, constants["MESSAGE"], least, most)


WRONG = [WrongAnswer.read(path) for path in sorted(ROOT.glob("curriculum/*/wrong/*.py"))]


def measured(task: Task, message: str = "") -> list[pytest.MarkDecorator]:
    """The mark of a verdict that hangs on durations: a service's, unless it fails before."""
    by_time = isinstance(task, ServiceTask) and message in task.too_slow
    by_time = by_time or (isinstance(task, DesignTask) and task.alone)
    return [pytest.mark.alone] if by_time or task.name == "find_bottleneck" else []


@pytest.mark.parametrize("unit", LABS)
def test_the_blank_lab_fails_every_task(unit: str, workers: Workers) -> None:
    marks = grade(read(ROOT / "labs" / unit / "lab.ipynb"), load_lab(unit), None, SEED, workers)
    assert marks.points == 0
    assert {verdict.state for verdict in marks.verdicts} == {"failed"}
    assert all(verdict.message.startswith("Not done yet") for verdict in marks.verdicts)


@pytest.mark.parametrize(
    ("unit", "task"),
    [
        pytest.param(unit, task.name, marks=measured(task), id=task.name)
        for unit in LABS
        for task in load_lab(unit).tasks
    ],
)
def test_the_solution_passes_every_task(unit: str, task: str, workers: Workers) -> None:
    path = ROOT / "solutions" / unit / "lab.ipynb"
    (verdict,) = grade(read(path), load_lab(unit), [task], SEED, workers).verdicts
    assert verdict.state == "passed", verdict.message  # a busy machine may leave it to the tie rule
    assert verdict.points == verdict.out_of > 0


@pytest.mark.parametrize(
    "wrong", [pytest.param(w, marks=measured(w.task, w.message), id=w.path.stem) for w in WRONG]
)
def test_each_wrong_answer_gets_its_message(wrong: WrongAnswer, workers: Workers) -> None:
    unit = wrong.path.parts[-3]
    solution = read(ROOT / "solutions" / unit / "lab.ipynb")
    answer = solution.with_answer(wrong.task, wrong.path.read_text())
    (verdict,) = grade(answer, load_lab(unit), [wrong.task.name], SEED, workers).verdicts
    wanted = "partial" if wrong.least else "failed"
    assert verdict.state == wanted, f"{verdict.state}: {verdict.message}"
    assert wrong.least <= verdict.points <= wrong.most < verdict.out_of
    assert wrong.message in verdict.message


def test_wrong_answers_are_described_and_differ() -> None:
    assert len(WRONG) >= 5
    assert all(wrong.about and wrong.message for wrong in WRONG)
    assert len({(wrong.task.name, wrong.message) for wrong in WRONG}) == len(WRONG)
