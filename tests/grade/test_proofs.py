"""The three proofs: a blank lab fails every task, the solution passes every task, and every
wrong answer in curriculum/*/wrong fails with the message written for it."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab_utils.course.sources import units
from lab_utils.files import ROOT
from lab_utils.grade.engine import grade
from lab_utils.grade.spec import load_lab
from lab_utils.grade.submission import read
from lab_utils.grade.workers import Workers

WRONG = sorted(ROOT.glob("curriculum/*/wrong/*.py"))
LABS = [unit for unit in units() if (ROOT / "labs" / unit / "lab.ipynb").exists()]
SEED = 2026


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers() as shared:
        yield shared


def described(path: Path) -> ModuleType:
    """A wrong answer's TASK and MESSAGE."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("unit", LABS)
def test_the_blank_lab_fails_every_task(unit: str, workers: Workers) -> None:
    marks = grade(read(ROOT / "labs" / unit / "lab.ipynb"), load_lab(unit), None, SEED, workers)
    assert marks.points == 0
    assert {verdict.state for verdict in marks.verdicts} == {"failed"}
    assert all(verdict.message.startswith("Not done yet") for verdict in marks.verdicts)


@pytest.mark.parametrize("unit", LABS)
def test_the_solution_passes_every_task(unit: str, workers: Workers) -> None:
    path = ROOT / "solutions" / unit / "lab.ipynb"
    marks = grade(read(path), load_lab(unit), None, SEED, workers)
    assert {v.task: (v.state, v.message) for v in marks.verdicts if v.state != "passed"} == {}
    assert marks.points == marks.out_of > 0


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
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
