"""A learner's answers, read from a notebook without running it.

A cell is recognised by nbgrader's metadata: `grade_id` with `solution: true` is the answer to the
task of that name, `grade: true` is a check and is never run. A task whose cell has lost its
metadata is recognised by the function it defines. Everything else that is code may hold imports
and helpers, and is run before a task's own cell, in the order of the notebook.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.grade.spec import Task, Wrong

MAX_BYTES = 25 * 2**20
BUILT_FOLDERS = ("labs", "solutions")
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What `ast.parse` raises: also for a null byte, and for source that is nested very deep."""


@dataclass(frozen=True)
class Cell:
    """One code cell. number: its place among all cells, from 1. task: whose answer it is."""

    number: int
    source: str
    task: str | None = None


@dataclass(frozen=True)
class Submission:
    """The code cells of one notebook, checks left out."""

    path: Path
    unit: str | None
    cells: tuple[Cell, ...]

    def cells_for(self, task: Task) -> list[dict[str, Any]]:
        """What is run to get a task's function: every cell up to and including the task's own.

        As `answer.load` takes them. Raises Wrong where no cell answers the task.
        """
        own = self._own_cell(task)
        before = self.cells[: self.cells.index(own) + 1]
        return [{"number": c.number, "source": c.source, "own": c is own} for c in before]

    def with_answer(self, task: Task, source: str) -> Submission:
        """The same submission with another answer to one task."""
        own = self._own_cell(task)
        cells = [replace(c, source=source) if c is own else c for c in self.cells]
        return replace(self, cells=tuple(cells))

    def _own_cell(self, task: Task) -> Cell:
        named = [cell for cell in self.cells if cell.task == task.name]
        found = named or [c for c in self.cells if defines(c.source, task.function)]
        if not found:
            raise Wrong(
                f"The notebook has no cell for the task {task.name!r}: none is marked with that "
                f"name and none defines {task.function}; copy the cell from a fresh lab."
            )
        return found[-1]


def read(path: Path) -> Submission:
    """The submission in a notebook file.

    Raises LabError where the file is missing, too large, or not a notebook.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise too_large(str(path), size)
        content = path.read_bytes()
    except OSError as error:
        raise LabError(
            f"{path} could not be read ({error.strerror}); name a lab's notebook, "
            "as in labs/1_resnet_service/lab.ipynb."
        ) from None
    notebook = document(content, str(path))
    unit = named_unit(notebook)
    if unit is None and path.resolve().parent.parent.name in BUILT_FOLDERS:
        unit = path.resolve().parent.name
    return Submission(path, unit, tuple(_cells(notebook)))


def parse(content: bytes, name: str) -> Submission:
    """The submission in a notebook's bytes; `name` is what messages call it.

    Raises LabError for what is not a notebook.
    """
    notebook = document(content, name)
    return Submission(Path(name), named_unit(notebook), tuple(_cells(notebook)))


def document(content: bytes, name: str) -> dict[str, Any]:
    """The notebook as JSON, its form checked; raises LabError, naming it, for anything else."""
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LabError(
            f"{name} is not a notebook ({_first_line(error)}); it may have been cut off: "
            "save it again in JupyterLab."
        ) from None
    if not _is_notebook(notebook):
        raise LabError(
            f"{name} is JSON but not a notebook; name a lab's notebook, "
            "as in labs/1_resnet_service/lab.ipynb."
        )
    checked: dict[str, Any] = notebook
    return checked


def named_unit(notebook: dict[str, Any]) -> str | None:
    """The unit that a notebook's own metadata names."""
    facts = notebook.get("metadata", {}).get("inference_lab", {})
    unit = facts.get("unit") if isinstance(facts, dict) else None
    return unit if isinstance(unit, str) else None


def too_large(name: str, size: int) -> LabError:
    """For a notebook of more than `MAX_BYTES`."""
    return LabError(
        f"{name} has {size / 2**20:.0f} MB; a lab notebook has at most "
        f"{MAX_BYTES // 2**20} MB: clear its outputs and save it again."
    )


def defines(source: str, function: str) -> bool:
    """Whether a cell defines a function (or anything callable) of that name at its top level."""
    try:
        tree = ast.parse(source)
    except UNPARSABLE:
        return False
    return any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == function
        for node in tree.body
    )


def without_magics(source: str) -> str:
    """A cell's Python: lines that only IPython understands become comments.

    >>> without_magics("%matplotlib inline\\nx = 1")
    '# %matplotlib inline\\nx = 1'
    """
    if source.lstrip().startswith("%%"):
        return "\n".join(f"# {line}" for line in source.splitlines())
    try:
        ast.parse(source)
        return source
    except UNPARSABLE:
        return "\n".join(_without_magic(line) for line in source.splitlines())


def _without_magic(line: str) -> str:
    bare = line.lstrip()
    if not bare.startswith(("%", "!")):
        return line
    indent = line[: len(line) - len(bare)]
    return f"{indent}pass  # {bare}" if indent else f"# {bare}"


def _cells(notebook: dict[str, Any]) -> Iterator[Cell]:
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        text = "".join(source) if isinstance(source, list) else str(source)
        marks = cell.get("metadata", {}).get("nbgrader", {})
        if not marks.get("grade"):
            task = str(marks.get("grade_id")) if marks.get("solution") else None
            yield Cell(number, without_magics(text.replace("\r\n", "\n")), task)


def _is_notebook(document: object) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        return False
    metadata: Iterable[object] = (
        document.get("metadata", {}),
        *(c.get("metadata", {}) for c in document["cells"] if isinstance(c, dict)),
    )
    return all(isinstance(m, dict) and isinstance(m.get("nbgrader", {}), dict) for m in metadata)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
