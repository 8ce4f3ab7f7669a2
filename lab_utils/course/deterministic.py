"""Holding outputs that must be the same on every machine, with nbval.

A lesson's figures differ from run to run and are not compared. Cells tagged `deterministic` print
the same everywhere. For each executed notebook these cells alone are made into a small notebook
with the outputs that the run left; nbval runs it again on a fresh kernel and compares. Since the
run uses forked kernels and nbval plain ones, this also holds the two kinds together.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from lab_utils.errors import LabError

TAG = "deterministic"
KEPT_TAGS = {TAG, "parameters", "injected-parameters"}
CELL_TIMEOUT_S = 120


def compare(executed: Sequence[Path]) -> int:
    """Run nbval over the deterministic cells of executed notebooks; gives pytest's exit status.

    Raises LabError where no cell is deterministic, since nothing would be compared.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for path in executed:
            slice_ = deterministic_slice(nbformat.read(path, as_version=4))
            if slice_ is not None:
                target = Path(folder, f"{path.parent.name}-{path.name}")
                nbformat.write(slice_, target)
                made.append(target)
        if not made:
            raise LabError(
                f"None of {len(executed)} executed notebooks has a cell tagged {TAG!r} with an "
                "output; nothing could be compared."
            )
        command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--nbval-lax"]
        command += ["--nbval-current-env", f"--nbval-cell-timeout={CELL_TIMEOUT_S}"]
        command += ["-p", "no:cacheprovider", *map(str, made)]
        return subprocess.run(command, cwd=folder, check=False).returncode


def deterministic_slice(notebook: NotebookNode) -> NotebookNode | None:
    """The notebook's deterministic cells, marked for nbval; None where they print nothing."""
    cells = []
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and tags & KEPT_TAGS:
            if TAG in tags:
                cell.metadata.tags = [*cell.metadata.tags, "nbval-check-output"]
            cells.append(cell)
    if not any(TAG in cell.metadata.get("tags", []) and cell.outputs for cell in cells):
        return None
    made: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    return made
