"""A learner's answers, read from a notebook without running it.

A cell is recognised by nbgrader's metadata: `grade_id` with `solution: true` is the answer to the
task of that name, `grade: true` is a check and is never run. Where that cell has lost its metadata,
or was split, or was left blank and answered in another, the one that defines the function counts;
of several the last. Code before it may hold imports and helpers and is run first, in the order of
the notebook; so are later cells that define what it needs.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.grade.spec import Task, Wrong

MAX_BYTES = 25 * 2**20
MAX_CODE, MAX_CELLS = 2**20, 2000
"""Characters of code, and cells of it: reading more takes the time and memory of a class."""
BUILT_FOLDERS = ("labs", "solutions")
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What `ast.parse` raises: also for a null byte, and for source that is nested very deep."""

RUN_AS_PYTHON = ("%%time", "%%capture", "%%prun")
"""Magics of cells whose names are there afterwards. (%%timeit keeps none.)"""
MAGIC = re.compile(r"(?P<indent>\s*)((?P<target>[\w.]+)\s*=\s*)?(?P<magic>[%!?].*|[\w.]+\?\??\s*)")


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
    digest: str = ""
    """Of the notebook's bytes: the same as in a class run."""

    def cells_for(self, task: Task) -> list[dict[str, Any]]:
        """What is run to get a task's function: helpers, and then the cell that defines it.

        As `answer.load` takes them. Raises Wrong where no cell answers the task.
        """
        own = self._own_cell(task)
        place = self.cells.index(own)
        run = [*self.cells[:place], *self._needed_later(own, place), own]
        return [{"number": c.number, "source": c.source, "own": c is own} for c in run]

    def with_answer(self, task: Task, source: str) -> Submission:
        """The same submission with another answer to one task."""
        own = self._own_cell(task)
        cells = [replace(c, source=source) if c is own else c for c in self.cells]
        return replace(self, cells=tuple(cells))

    def _own_cell(self, task: Task) -> Cell:
        marked = [cell for cell in self.cells if cell.task == task.name]
        defining = [cell for cell in self.cells if defines(cell.source, task.function)]
        answers = [cell for cell in defining if not _is_blank(cell.source, task.function)]
        found = [cell for cell in answers if cell in marked] or answers or marked or defining
        if not found:
            raise Wrong(
                f"The notebook has no cell for the task {task.name!r}: none is marked with that "
                f"name and none defines {task.function}; copy the cell from a fresh lab."
            )
        return found[-1]

    def _needed_later(self, own: Cell, place: int) -> list[Cell]:
        """The cells after a task's own that define what it needs and nothing before it defines.

        What is needed comes before what needs it, as it must have been run.
        """
        there = {name for cell in self.cells[: place + 1] for name in bound_names(cell.source)}
        wanted = set(_used_names(own.source) - there)
        needed: list[Cell] = []
        while new := [
            cell
            for cell in self.cells[place + 1 :]
            if cell not in needed and wanted & bound_names(cell.source)
        ]:
            needed = new + needed
            wanted |= {name for cell in new for name in _used_names(cell.source)} - there
        return needed


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
    return Submission(path, unit, tuple(_cells(notebook)), sha256(content).hexdigest())


def parse(content: bytes, name: str) -> Submission:
    """The submission in a notebook's bytes; `name` is what messages call it.

    Raises LabError for what is not a notebook.
    """
    notebook = document(content, name)
    cells = tuple(_cells(notebook))
    return Submission(Path(name), named_unit(notebook), cells, sha256(content).hexdigest())


def document(content: bytes, name: str) -> dict[str, Any]:
    """The notebook as JSON, its form checked; raises LabError, naming it, for anything else."""
    try:
        notebook = json.loads(content)  # in whichever of Unicode's encodings
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
    """Whether a cell binds that name, by a definition, an assignment or an import."""
    return function in bound_names(source)


@lru_cache(maxsize=MAX_CELLS)
def bound_names(source: str) -> frozenset[str]:
    """The names that a cell binds, outside of functions and classes; none where it cannot be read.

    >>> sorted(bound_names("import os.path as p\\nif p: a, (b, c) = f\\ndef d(x): e = x"))
    ['a', 'b', 'c', 'd', 'p']
    """
    names: set[str] = set()
    waiting: list[ast.AST] = [*_statements(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return frozenset(names)


@lru_cache(maxsize=MAX_CELLS)
def _used_names(source: str) -> frozenset[str]:
    return frozenset(
        node.id
        for statement in _statements(source)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )


def _is_blank(source: str, function: str) -> bool:
    """Whether the function does nothing but say that it is not written yet."""
    for statement in _statements(source):
        if isinstance(statement, ast.FunctionDef) and statement.name == function:
            last = statement.body[-1]
            return isinstance(last, ast.Raise) and "NotImplementedError" in ast.dump(last)
    return False


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except UNPARSABLE:
        return []


def without_magics(source: str) -> str:
    """A cell's Python: what only IPython understands becomes comments.

    >>> without_magics("%matplotlib inline\\nfiles = !ls")
    '# %matplotlib inline\\nfiles = None  # !ls'
    """
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        if first.split()[0] in RUN_AS_PYTHON and not rest.lstrip().startswith("%%"):
            return f"# {first}\n{without_magics(rest)}"
        return "\n".join(f"# {line}" for line in source.splitlines())
    try:
        ast.parse(source)
        return source
    except UNPARSABLE:
        return "\n".join(map(_without_magic, source.splitlines()))


def _without_magic(line: str) -> str:
    if not (found := MAGIC.fullmatch(line)):
        return line
    indent, target, magic = found["indent"], found["target"], found["magic"]
    if target:
        return f"{indent}{target} = None  # {magic}"
    return f"{indent}pass  # {magic}" if indent else f"# {magic}"


def _cells(notebook: dict[str, Any]) -> Iterator[Cell]:
    characters = cells = 0
    for number, cell in enumerate(notebook["cells"], 1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        text = "".join(map(str, source if isinstance(source, list) else [source]))
        characters, cells = characters + len(text), cells + 1
        if characters > MAX_CODE or cells > MAX_CELLS:
            raise LabError(
                f"The notebook holds more than {MAX_CODE // 2**20} MB of code or {MAX_CELLS} cells "
                "of it; keep data in files, and hand in the lab's cells alone."
            )
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
