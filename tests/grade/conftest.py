from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab_utils.grade.engine import grade_task
from lab_utils.grade.spec import FunctionTask, Task, Wrong
from lab_utils.grade.submission import Cell, Submission, without_magics
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers

GradeSource = Callable[..., Verdict]


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers() as shared:
        yield shared


def judge_double(case: dict, output: object) -> None:
    if output != 2 * case["x"]:
        raise Wrong(f"got {output}. Return twice x.")


DOUBLE = FunctionTask(
    name="double",
    title="Double it",
    points=3,
    function="double",
    draw=lambda seed: [{"x": seed % 1000 + i} for i in range(3)],
    judge=judge_double,
    limit_s=20,
)


@pytest.fixture
def grade_source(workers: Workers) -> GradeSource:
    """Grades cells of source: the last one answers the task, those before are helpers."""

    def graded(*sources: str, task: Task = DOUBLE, seed: int = 7) -> Verdict:
        cells = [Cell(i, without_magics(source)) for i, source in enumerate(sources[:-1], 1)]
        own = Cell(len(sources), sources[-1], task.name)
        return grade_task(Submission(Path("x.ipynb"), None, (*cells, own)), task, seed, workers)

    return graded
