"""Several notebooks, one after another: what `./lab grade` and `./lab check` do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade import submission as submissions
from lab_utils.grade.classroom.seeds import seed_of
from lab_utils.grade.engine import grade
from lab_utils.grade.spec import Lab, Task, load_lab
from lab_utils.grade.submission import Submission
from lab_utils.grade.table import show
from lab_utils.grade.verdict import Marks
from lab_utils.grade.workers import Workers
from lab_utils.machine.facts import facts, versions


def grade_notebooks(
    paths: Sequence[Path],
    unit: str | None,
    only: Sequence[str] | None,
    *,
    key: bytes,
    as_json: bool,
) -> bool:
    """Grade and print each notebook; false where one of them could not be read.

    key: the instructor's, which inputs are drawn from as in a class run (`classroom/seeds.py`).
    A notebook that cannot be read costs one sentence and does not stop the others. Raises
    LabError where there is only that one, or for a task that does not exist.
    """
    console = Console(stderr=as_json)
    marks: list[Marks] = []
    unread: dict[str, str] = {}
    with Workers() as workers, Console(stderr=True).status("reading") as status:
        for path in paths:
            try:
                lab, submission = _read(path, unit)
            except LabError as error:
                if len(paths) == 1:
                    raise
                unread[str(path)] = str(error)
                print(f"Error: {error}", file=sys.stderr)
                continue
            marks.append(
                grade(
                    submission,
                    lab,
                    only or None,
                    seed=partial(_seed_of, key, lab.unit, submission.digest),
                    workers=workers,
                    progress=lambda text, path=path: status.update(f"{path.name}: {text}"),  # type: ignore[misc]
                )
            )
            show(marks[-1], console)
    if as_json:
        document = {
            "machine": facts().as_dict(),
            "versions": versions(),
            "submissions": [mark.as_dict() for mark in marks],
            "unread": unread,
        }
        print(json.dumps(document, allow_nan=False))
    return not unread


def _seed_of(key: bytes, unit: str, digest: str, task: Task) -> int:
    return seed_of(key, unit, task.name, digest)


def _read(path: Path, unit: str | None) -> tuple[Lab, Submission]:
    submission = submissions.read(path)
    named = unit or submission.unit
    if named is None:
        raise LabError(f"{path} does not say which unit it belongs to; add --unit NAME.")
    lab = load_lab(named)
    known = {task.name for task in lab.tasks}
    if not any(cell.task in known for cell in submission.cells) and not any(
        submissions.defines(cell.source, task.function)
        for cell in submission.cells
        for task in lab.tasks
    ):
        raise LabError(
            f"{path} holds no answer to any task of {lab.unit}; name the lab's notebook, as in "
            f"{(ROOT / 'labs' / lab.unit / 'lab.ipynb').relative_to(ROOT)}."
        )
    return lab, submission
