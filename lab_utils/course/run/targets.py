"""Which notebooks a run executes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import nbformat

from lab_utils.course.sources import Notebook, Timing, find
from lab_utils.errors import LabError
from lab_utils.files import ROOT


def resolve(targets: Sequence[str]) -> list[Notebook]:
    """The course's notebooks that the targets name, then files from elsewhere, each once.

    A target is what `sources.find` takes, or the path of any .ipynb file: a blank lab or a
    learner's own notebook, for example. No targets: the whole course. Raises LabError for a
    target that is neither, and for two files of one name.
    """
    known, files = [], []
    for target in targets:
        path = Path(target)
        if path.suffix == ".ipynb" and path.is_file() and not _in_course(path):
            files.append(path.resolve())
        else:
            known.append(target)
    found = find(known) if known or not files else []
    return found + _read_files(sorted(set(files)), {notebook.name for notebook in found})


def _in_course(path: Path) -> bool:
    folders = path.resolve().parents
    return ROOT / "notebooks" in folders or ROOT / "solutions" in folders


def _read_files(files: Sequence[Path], taken: set[str]) -> list[Notebook]:
    notebooks = []
    for path in files:
        if path.stem in taken:
            raise LabError(
                f"Two of the notebooks are called {path.stem!r}; run them one after the other."
            )
        taken.add(path.stem)
        try:
            read = nbformat.read(path, as_version=4)
            nbformat.validate(read)
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise LabError(
                f"{path} is not a notebook ({reason}); expected an .ipynb file."
            ) from None
        facts = read.metadata.get("inference_lab", {})
        heading = next(
            (
                found[1].strip()
                for cell in read.cells
                if cell.cell_type == "markdown" and (found := re.match(r"# (.+)", cell.source))
            ),
            path.stem,
        )
        timing: Timing = "alone" if facts.get("timing") == "alone" else "shared"
        notebooks.append(Notebook(path, path.stem, facts.get("kind", "lesson"), heading, timing))
    return notebooks
