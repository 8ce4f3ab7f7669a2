"""Notebooks from their one source.

`build()` reads `curriculum/` and writes `notebooks/`, `labs/` and `solutions/`; `differences()`
says where the written ones are not what the sources give. The output is a function of the sources
alone: cell ids come from the content, so an edit of one cell changes one cell.

What a source may say beyond plain py:percent:

- in the header's `inference_lab`, `timing: alone`: nothing may run beside this notebook; and
  `uses: [NAME, …]`: the components it uses (`components/catalogue.py`), for `./lab doctor`;
- `# %% task="NAME"`: the cell a learner fills in. What stands between `### BEGIN SOLUTION` and
  `### END SOLUTION` is blanked in `labs/`;
- `# %% check="NAME" points=2`: the cell that checks it.

Task and check cells get nbgrader's metadata (schema 3). The source of a cell that begins with
`quiz(` is folded, since it names the right answer. A lesson or lab ends with links to its
neighbours, and `{UNIT}` in the welcome page becomes links to that unit's lessons
(`navigation.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.course.navigation import footer, with_maps
from lab_utils.course.sources import Kind, Source, sources
from lab_utils.errors import LabError
from lab_utils.files import ROOT, write_text
from lab_utils.optimize.saved_models import SETS

BUILT_FOLDERS = ("notebooks", "labs", "solutions")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
NBGRADER_SCHEMA = 3


@dataclass(frozen=True)
class Difference:
    """A built notebook that is not what its source gives."""

    path: Path
    where: str

    def __str__(self) -> str:
        return f"{self.path}: {self.where}"


def build(root: Path = ROOT) -> list[Path]:
    """Write every notebook; gives the paths that changed. Files of deleted sources are removed."""
    changed = []
    wanted = _wanted(root)
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            write_text(path, text)
            changed.append(path)
    for path in _strays(root, set(wanted)):
        path.unlink()
        changed.append(path)
    return changed


def differences(root: Path = ROOT) -> list[Difference]:
    """Where the built notebooks differ from their sources: the file, and the first cell."""
    wanted = _wanted(root)
    found = [
        Difference(path.relative_to(root), _first_difference(path, text))
        for path, text in wanted.items()
        if not path.exists() or path.read_text() != text
    ]
    found += [
        Difference(path.relative_to(root), "no source makes this file")
        for path in _strays(root, set(wanted))
    ]
    return found


def notebook(source: Source, kind: Kind, root: Path = ROOT) -> NotebookNode:
    """One face of a source, without outputs.

    Raises LabError, naming file and cell, for a solution region that does not end, a task without
    a region, a check without points, or two tasks of one name.
    """
    where = source.path.relative_to(root)
    read = jupytext.read(source.path, fmt="py:percent")
    header = dict(read.metadata.get("inference_lab", {}))
    timing = header.pop("timing", "shared")
    named = {"uses": header.pop("uses", []), "saved_models": header.pop("saved_models", [])}
    if timing not in ("alone", "shared") or header:
        raise LabError(
            f"{where}: the header may say timing: alone or shared, uses: [NAME, …] and "
            "saved_models: [NAME, …]."
        )
    for what, known in (("uses", CATALOGUE), ("saved_models", SETS)):
        if unknown := sorted(set(named[what]) - set(known)):
            raise LabError(f"{where}: {what} {unknown[0]!r}; expected one of {', '.join(known)}.")
    cells = [_cell(cell, kind, f"{where}, cell {i}") for i, cell in enumerate(read.cells, 1)]
    for cell in cells:
        if kind == "welcome" and cell.cell_type == "markdown":
            cell.source = with_maps(cell.source, source, root)
    if links := footer(source, kind, root):
        cells.append(nbformat.v4.new_markdown_cell(links))
    _name_once(cells, str(where))
    facts = {
        "kind": kind,
        "source": where.as_posix(),
        "timing": timing,
        "title": _title(cells, str(where)),
        "unit": source.unit,
        **named,
    }
    built: NotebookNode = nbformat.v4.new_notebook(
        cells=cells, metadata={"inference_lab": facts, "kernelspec": KERNEL}
    )
    nbformat.validate(built)
    return built


def _wanted(root: Path) -> dict[Path, str]:
    return {
        source.built_path(kind, root): nbformat.writes(notebook(source, kind, root)) + "\n"
        for source in sources(root)
        for kind in source.faces
    }


def _strays(root: Path, wanted: set[Path]) -> list[Path]:
    built = (p for folder in BUILT_FOLDERS for p in (root / folder).rglob("*.ipynb"))
    return sorted(p for p in built if p not in wanted and ".ipynb_checkpoints" not in p.parts)


def _cell(cell: NotebookNode, kind: Kind, where: str) -> NotebookNode:
    metadata: dict[str, Any] = dict(cell.metadata)
    metadata.pop("lines_to_next_cell", None)
    task, check = metadata.pop("task", None), metadata.pop("check", None)
    points = metadata.pop("points", None)
    text = cell.source.strip("\n")
    if task is not None:
        if BEGIN not in text:
            raise LabError(f"{where}: task {task!r} has no {BEGIN}; mark what a learner writes.")
        text = _blank(text, task, where) if kind == "lab" else text
        metadata["nbgrader"] = _nbgrader(task, solution=True)
    elif BEGIN in text or END in text:
        raise LabError(f'{where}: a solution region stands in a cell without task="NAME".')
    if check is not None:
        if not isinstance(points, int | float) or points <= 0:
            raise LabError(f"{where}: check {check!r} needs points above 0, as in points=2.")
        metadata["nbgrader"] = _nbgrader(f"check-{check}", points=points)
        metadata |= {"deletable": False, "editable": False}
    if text.startswith("quiz("):
        metadata["jupyter"] = {"source_hidden": True}
    new: Callable[..., NotebookNode] = {
        "code": nbformat.v4.new_code_cell,
        "markdown": nbformat.v4.new_markdown_cell,
        "raw": nbformat.v4.new_raw_cell,
    }[cell.cell_type]
    return new(text, metadata=metadata)


def _nbgrader(
    grade_id: str, *, solution: bool = False, points: float | None = None
) -> dict[str, Any]:
    graded = points is not None
    metadata: dict[str, Any] = {
        "cell_type": "code",
        "grade": graded,
        "grade_id": grade_id,
        "locked": graded,
        "schema_version": NBGRADER_SCHEMA,
        "solution": solution,
        "task": False,
    }
    return metadata | ({"points": points} if graded else {})


def _blank(text: str, task: str, where: str) -> str:
    """The text with each solution region replaced by one stub that names the task."""
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if line.strip() == BEGIN and not inside:
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            kept += [f"{indent}# Your code here.", f'{indent}raise NotImplementedError("{task}")']
        elif line.strip() == END and inside:
            inside = False
        elif line.strip() in (BEGIN, END):
            raise LabError(f"{where}: task {task!r} has a {line.strip()} out of order.")
        elif not inside:
            kept.append(line)
    if inside:
        raise LabError(f"{where}: task {task!r} has a {BEGIN} without its {END}.")
    return "\n".join(kept)


def _name_once(cells: list[NotebookNode], where: str) -> None:
    """Give each cell an id from its content; equal cells are counted."""
    seen: Counter[str] = Counter()
    for cell in cells:
        graded = cell.metadata.get("nbgrader", {}).get("grade_id")
        if graded:
            name = re.sub(r"[^a-zA-Z0-9-]", "-", graded)
            if seen[name]:
                raise LabError(f"{where}: two cells are called {graded!r}; name each once.")
        else:
            name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        cell.id = f"{name}-{seen[name]}" if seen[name] else name
        seen[name] += 1


def _title(cells: list[NotebookNode], where: str) -> str:
    for cell in cells:
        if cell.cell_type == "markdown" and (found := re.match(r"# (.+)", cell.source)):
            return found[1].strip()
    raise LabError(f"{where}: the first text cell must begin with a title, as in '# 1.1 Name'.")


def _first_difference(path: Path, text: str) -> str:
    if not path.exists():
        return "not built yet"
    try:
        there = nbformat.read(path, as_version=4).cells
    except (ValueError, AttributeError):
        return "not a notebook"
    here = nbformat.reads(text, as_version=4).cells
    for i, (old, new) in enumerate(_longest(there, here), 1):
        if old != new:
            cell = new or old
            assert cell is not None
            line = (cell.source.strip().splitlines() or ["(empty)"])[0]
            change = "missing" if old is None else "not in the source" if new is None else "differs"
            return f"cell {i} {change}: {line[:70]}"
    return "the notebook's metadata differ"


def _longest(
    there: list[NotebookNode], here: list[NotebookNode]
) -> Iterator[tuple[NotebookNode | None, NotebookNode | None]]:
    for i in range(max(len(there), len(here))):
        yield (there[i] if i < len(there) else None, here[i] if i < len(here) else None)
