"""nbval over the cells that must print the same everywhere."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from lab_utils.course.deterministic import compare, deterministic_slice
from lab_utils.errors import LabError

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def executed(folder: Path, printed: str) -> Path:
    cells = [
        new_code_cell("scale = 'laptop'", metadata={"tags": ["parameters"]}),
        new_code_cell("scale = 'ci'", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("import time\nprint(time.time())"),
        new_code_cell(
            "print(scale)",
            execution_count=4,
            metadata={"tags": ["deterministic"]},
            outputs=[new_output("stream", name="stdout", text=printed)],
        ),
    ]
    path = folder / "executed.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)
    return path


def test_the_slice_leaves_out_what_is_measured(tmp_path: Path) -> None:
    notebook = nbformat.read(executed(tmp_path, "ci\n"), as_version=4)
    made = deterministic_slice(notebook)
    assert made is not None
    assert [cell.source for cell in made.cells] == [
        "scale = 'laptop'",
        "scale = 'ci'",
        "print(scale)",
    ]


@pytest.mark.parametrize(("printed", "status"), [("ci\n", 0), ("laptop\n", 1)])
def test_a_changed_output_is_noticed(tmp_path: Path, printed: str, status: int) -> None:
    assert compare([executed(tmp_path, printed)]) == status


def test_nothing_to_compare_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")], metadata=KERNEL), path)
    with pytest.raises(LabError, match="None of 1 executed notebooks has a cell tagged"):
        compare([path])
