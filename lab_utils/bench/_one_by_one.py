"""The reference that the runner is timed against: papermill as it comes, one notebook at a time.

python -m lab_utils.bench._one_by_one SCALE FOLDER NOTEBOOK…
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import papermill


def main() -> None:
    """Execute each notebook on a fresh kernel, into FOLDER under its own name."""
    scale, folder, *notebooks = sys.argv[1:]
    for number, notebook in enumerate(notebooks):
        cells = nbformat.read(notebook, as_version=4).cells
        tagged = any("parameters" in cell.metadata.get("tags", []) for cell in cells)
        papermill.execute_notebook(
            notebook,
            str(Path(folder, f"{number}.ipynb")),
            parameters={"scale": scale} if tagged else None,
            cwd=str(Path(notebook).parent),
            progress_bar=False,
        )


if __name__ == "__main__":
    main()
