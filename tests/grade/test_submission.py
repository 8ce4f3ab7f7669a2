"""Notebooks as learners hand them in: whole, mangled, or not notebooks at all."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.spec import Wrong, load_lab
from lab_utils.grade.submission import read, without_magics

SOLUTION = ROOT / "solutions" / "1_resnet_service" / "lab.ipynb"


def write(path: Path, notebook: dict[str, Any]) -> Path:
    path.write_text(json.dumps(notebook))
    return path


def solution() -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(SOLUTION.read_text())
    return notebook


def test_every_task_has_its_cell_and_no_check_is_run() -> None:
    submission, lab = read(SOLUTION), load_lab("1")
    assert submission.unit == lab.unit
    assert [cell.task for cell in submission.cells if cell.task] == [t.name for t in lab.tasks]
    for task in lab.tasks:
        cells = submission.cells_for(task)
        assert [cell["own"] for cell in cells] == [False] * (len(cells) - 1) + [True]
        assert f"def {task.function}" in cells[-1]["source"]
        assert not any(cell["source"].startswith("check(") for cell in cells)


def test_a_cell_without_metadata_is_found_by_what_it_defines(tmp_path: Path) -> None:
    notebook = solution()
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    notebook["metadata"] = {}
    submission = read(write(tmp_path / "lab.ipynb", notebook))
    assert submission.unit is None
    for task in load_lab("1").tasks:
        assert f"def {task.function}" in submission.cells_for(task)[-1]["source"]


def test_of_a_copied_cell_the_last_counts(tmp_path: Path) -> None:
    notebook = solution()
    place, cell = next(
        (i, c)
        for i, c in enumerate(notebook["cells"])
        if c["metadata"].get("nbgrader", {}).get("grade_id") == "postprocess"
    )
    copy = json.loads(json.dumps(cell))
    copy["source"] = "def postprocess(logits, labels, k):\r\n    return 'second'"
    notebook["cells"].insert(place + 1, copy)
    submission = read(write(tmp_path / "lab.ipynb", notebook))
    cells = submission.cells_for(load_lab("1")["postprocess"])
    assert cells[-1]["source"].endswith("return 'second'")
    assert "\r" not in cells[-1]["source"]


def test_a_missing_task_is_one_sentence(tmp_path: Path) -> None:
    notebook = solution()
    notebook["cells"] = [
        cell for cell in notebook["cells"] if "def postprocess" not in "".join(cell["source"])
    ]
    submission = read(write(tmp_path / "lab.ipynb", notebook))
    with pytest.raises(Wrong, match=r"no cell for the task 'postprocess'.*fresh lab"):
        submission.cells_for(load_lab("1")["postprocess"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (SOLUTION.read_bytes()[:2000] if SOLUTION.exists() else b"{", "is not a notebook"),
        (b"", "is not a notebook"),
        (b"\xff\xfe\x00garbage", "is not a notebook"),
        (b"[" * 100_000, "is not a notebook"),
        (b"{}", "JSON but not a notebook"),
        (b'{"cells": 3}', "JSON but not a notebook"),
        (b'{"cells": [{"metadata": 5}]}', "JSON but not a notebook"),
        (b'{"cells": [{"metadata": {"nbgrader": []}}]}', "JSON but not a notebook"),
    ],
)
def test_what_is_no_notebook_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "lab.ipynb"
    path.write_bytes(content)
    with pytest.raises(LabError, match=said) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.ipynb", tmp_path):
        with pytest.raises(LabError, match="could not be read"):
            read(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "lab.ipynb"
    with path.open("wb") as stream:
        stream.truncate(200 * 2**20)
    with pytest.raises(LabError, match=r"200 MB.*clear its outputs"):
        read(path)


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("x = 5 % 3\ny = 1", "x = 5 % 3\ny = 1"),
        ("%%bash -s\nls", "# %%bash -s\n# ls"),
        ("%%timeit -n 3\nx = 1", "# %%timeit -n 3\n# x = 1"),  # what it binds is gone afterwards
        ("%%time\nx = 1", "# %%time\nx = 1"),
        ("%%time\n!ls", "# %%time\n# !ls"),
        ("%%time\n" * 10_000, "# %%time\n" * 9_999 + "# %%time"),
        (
            "t = %timeit -o f()\nfiles = !ls\nf?\n?f",
            "t = None  # %timeit -o f()\nfiles = None  # !ls\n# f?\n# ?f",
        ),
        ("x = " + "-" * 100_000 + "1", "x = " + "-" * 100_000 + "1"),  # the parser's MemoryError
        ("x = '\0'", "x = '\0'"),
        ("if x:\n    !ls\ny = 1", "if x:\n    pass  # !ls\ny = 1"),
    ],
)
def test_magics_become_comments(source: str, kept: str) -> None:
    assert without_magics(source) == kept
