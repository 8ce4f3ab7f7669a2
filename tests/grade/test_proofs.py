"""The three proofs: a blank lab fails every task, the solution passes every task, and every
wrong answer in curriculum/*/wrong fails with the message written for it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from lab_utils.course.sources import units
from lab_utils.files import ROOT
from lab_utils.grade.engine import grade
from lab_utils.grade.spec import ServiceTask, Task, load_lab
from lab_utils.grade.submission import read
from lab_utils.grade.workers import Workers

WRONG = sorted(ROOT.glob("curriculum/*/wrong/*.py"))
LABS = [unit for unit in units() if (ROOT / "labs" / unit / "lab.ipynb").exists()]
SEED = 2026


def measures(task: Task) -> bool:
    """Whether the task's verdict hangs on a duration, so that nothing may run beside it."""
    return isinstance(task, ServiceTask) or task.name == "find_bottleneck"


def described(path: Path) -> ModuleType:
    """A wrong answer's TASK and MESSAGE."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def task_of(path: Path) -> Task:
    """The task that a wrong answer answers, without running it."""
    found = re.search(r'^TASK = "(\w+)"$', path.read_text(), re.MULTILINE)
    assert found is not None, f"{path} does not say which TASK it answers"
    return load_lab(path.parts[-3])[found[1]]


def marks(task: Task) -> list[pytest.MarkDecorator]:
    return [pytest.mark.alone] if measures(task) else []


SOLUTIONS = [
    pytest.param(unit, task.name, marks=marks(task), id=task.name)
    for unit in LABS
    for task in load_lab(unit).tasks
]
WRONG_ANSWERS = [pytest.param(path, marks=marks(task_of(path)), id=path.stem) for path in WRONG]


@pytest.mark.parametrize("unit", LABS)
def test_the_blank_lab_fails_every_task(unit: str, workers: Workers) -> None:
    marks = grade(read(ROOT / "labs" / unit / "lab.ipynb"), load_lab(unit), None, SEED, workers)
    assert marks.points == 0
    assert {verdict.state for verdict in marks.verdicts} == {"failed"}
    assert all(verdict.message.startswith("Not done yet") for verdict in marks.verdicts)


@pytest.mark.parametrize(("unit", "task"), SOLUTIONS)
def test_the_solution_passes_every_task(unit: str, task: str, workers: Workers) -> None:
    path = ROOT / "solutions" / unit / "lab.ipynb"
    (verdict,) = grade(read(path), load_lab(unit), [task], SEED, workers).verdicts
    assert (verdict.state, verdict.message) == ("passed", "")
    assert verdict.points == verdict.out_of > 0


@pytest.mark.parametrize("path", WRONG_ANSWERS)
def test_each_wrong_answer_gets_its_message(path: Path, workers: Workers) -> None:
    unit = path.parts[-3]
    lab, wrong = load_lab(unit), described(path)
    solution = read(ROOT / "solutions" / unit / "lab.ipynb")
    answer = solution.with_answer(lab[wrong.TASK], path.read_text())
    (verdict,) = grade(answer, lab, [wrong.TASK], SEED, workers).verdicts
    assert verdict.state == "failed", f"{verdict.state}: {verdict.message}"
    assert verdict.points == 0
    assert wrong.MESSAGE in verdict.message


def test_wrong_answers_are_described_and_differ() -> None:
    modules = [described(path) for path in WRONG]
    assert len(modules) >= 5
    assert all(module.__doc__ and module.MESSAGE for module in modules)
    assert len({(module.TASK, module.MESSAGE) for module in modules}) == len(modules)
