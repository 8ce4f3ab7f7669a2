"""nbgrader and this grader understand the same notebooks: what one makes, the other grades."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lab_utils.bench.grade.nbgrader_course import Course, Notebook, cut_down
from lab_utils.errors import LabError
from lab_utils.grade.engine import NOT_DONE, grade
from lab_utils.grade.spec import load_lab
from lab_utils.grade.submission import parse
from lab_utils.grade.verdict import Marks
from lab_utils.grade.workers import Workers
from tests.grade.mixed_class import TASKS, UNIT, solution, source_of, stripped

LAB = load_lab(UNIT)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("nbgrader") / "course", cut_down(solution(), TASKS))


@pytest.fixture(scope="module")
def released(course: Course) -> Notebook:
    """What nbgrader generates for learners."""
    return course.release()


def marks(notebook: Notebook, workers: Workers) -> Marks:
    submission = parse(json.dumps(notebook).encode(), "lab.ipynb")
    assert submission.unit == UNIT
    return grade(submission, LAB, TASKS, 7, workers)


def own(notebook: Notebook, task: str) -> int:
    """The place of a task's cell."""
    ids = [c["metadata"].get("nbgrader", {}).get("grade_id") for c in notebook["cells"]]
    return ids.index(task)


def answered(released: Notebook) -> Notebook:
    """nbgrader's release with the solution written into it, as a learner hands it in."""
    notebook = deepcopy(released)
    for task in TASKS:
        notebook["cells"][own(notebook, task)]["source"] = source_of(task)
    return notebook


def test_nbgrader_validates_the_solution_and_not_the_blank_lab(
    course: Course, released: Notebook
) -> None:
    assert course.validate(course.source)
    assert not course.validate(course.submit("nobody", released))


def test_what_nbgrader_released_fails_every_task(released: Notebook, workers: Workers) -> None:
    text = json.dumps(released)
    assert "BEGIN SOLUTION" not in text
    assert "YOUR CODE HERE" in text
    given = marks(released, workers)
    assert [(v.state, v.message) for v in given.verdicts] == [("failed", NOT_DONE)] * len(TASKS)


def test_nbgrader_and_this_grader_give_the_same_points(
    course: Course, released: Notebook, workers: Workers
) -> None:
    right = answered(released)
    half = deepcopy(right)
    half["cells"][own(half, "postprocess")]["source"] = "def postprocess(logits, labels, k): pass"
    notebooks = {"anna": right, "ben": half, "cem": deepcopy(released)}
    for learner, notebook in notebooks.items():
        course.submit(learner, notebook)
    course.autograde()
    points = {learner: marks(notebook, workers).points for learner, notebook in notebooks.items()}
    assert points == {"anna": 4, "ben": 2, "cem": 0}
    assert course.points() | points == course.points()


def split(notebook: Notebook, keep: str) -> Notebook:
    """With a task's cell cut into three; `keep`: which of them keep nbgrader's metadata."""
    place = own(notebook, "postprocess")
    cell = notebook["cells"][place]
    helper = "WORD = 'label'\n"
    rest = "\n\ndef answer(label, p):\n    return {WORD: label, 'probability': p}\n"
    body = (
        "def postprocess(logits, labels, k):\n"
        "    found = torch.softmax(logits.double(), 0).topk(k)\n"
        "    pairs = zip(found.indices.tolist(), found.values.tolist())\n"
        "    return [answer(labels[i], p) for i, p in pairs]\n"
    )
    parts = [helper, body, rest]
    kept = {"first": (0,), "middle": (1,), "last": (2,), "all": (0, 1, 2), "none": ()}[keep]
    notebook["cells"][place : place + 1] = [
        cell | {"source": part, "metadata": cell["metadata"] if i in kept else {}}
        for i, part in enumerate(parts)
    ]
    return notebook


def copied(notebook: Notebook) -> Notebook:
    """With a task's blank cell still above its answer, under the same name."""
    place = own(notebook, "postprocess")
    blank = "def postprocess(logits, labels, k):\n    raise NotImplementedError()"
    notebook["cells"].insert(place, notebook["cells"][place] | {"source": blank})
    return notebook


def reordered(notebook: Notebook) -> Notebook:
    """With the second task and its check before the first."""
    cells = notebook["cells"]
    first, second = own(notebook, TASKS[0]), own(notebook, TASKS[1])
    cells[first : first + 2], cells[second : second + 2] = (
        cells[second : second + 2],
        cells[first : first + 2],
    )
    return notebook


def in_another_cell(notebook: Notebook) -> Notebook:
    """With the task's cell emptied and the answer below its check, unmarked."""
    place = own(notebook, "postprocess")
    notebook["cells"][place]["source"] = "# my answer is below"
    answer: dict[str, Any] = notebook["cells"][place] | {
        "source": source_of("postprocess"),
        "metadata": {},
    }
    notebook["cells"].insert(place + 2, answer)
    return notebook


MANGLED: dict[str, Callable[[Notebook], Notebook]] = {
    "as it is": lambda notebook: notebook,
    "copied": copied,
    "reordered": reordered,
    "stripped": stripped,
    "in another cell": in_another_cell,
    **{
        f"split, {keep} keeps its name": lambda notebook, keep=keep: split(notebook, keep)
        for keep in ("first", "middle", "last", "all", "none")
    },
}


@pytest.mark.parametrize("mangle", MANGLED.values(), ids=MANGLED)
def test_a_mangled_notebook_has_the_same_marks(
    mangle: Callable[[Notebook], Notebook], released: Notebook, workers: Workers
) -> None:
    given = marks(mangle(answered(released)), workers)
    assert [(v.points, v.message) for v in given.verdicts] == [(2, ""), (2, "")]


def test_nbgraders_failure_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="nbgrader generate_assignment failed"):
        Course(tmp_path / "course", {"cells": 3}).release()
