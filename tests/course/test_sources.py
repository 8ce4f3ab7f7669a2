"""How a person names a notebook."""

from pathlib import Path

import pytest

from lab_utils.course.build import build
from lab_utils.course.sources import find, notebooks
from lab_utils.errors import LabError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for unit in ("1_first", "2_second"):
        folder = tmp_path / "curriculum" / unit
        folder.mkdir(parents=True)
        for name in ("01_one", "02_two"):
            (folder / f"{name}.py").write_text(f"# %% [markdown]\n# # {name}\n")
        (folder / "lab.py").write_text("# %% [markdown]\n# # Lab\n")
    (tmp_path / "curriculum" / "welcome.py").write_text("# %% [markdown]\n# # Welcome\n")
    build(tmp_path)
    return tmp_path


def names(found: list) -> list[str]:  # type: ignore[type-arg]
    return [notebook.name for notebook in found]


UNIT_1 = ["1_first/01_one", "1_first/02_two", "1_first/lab"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["welcome", *UNIT_1, "2_second/01_one", "2_second/02_two", "2_second/lab"]),
        (["1_first"], UNIT_1),
        (["1"], UNIT_1),
        (["1_first/"], UNIT_1),
        (["2_second/01_one"], ["2_second/01_one"]),
        (["1_first/01_one.ipynb", "welcome", "1_first/01_one"], ["welcome", "1_first/01_one"]),
        (["lab"], ["1_first/lab", "2_second/lab"]),
        (["2_sec"], ["2_second/01_one", "2_second/02_two", "2_second/lab"]),
        (["2_second/01"], ["2_second/01_one"]),
        (["2/02_t", "w"], ["welcome", "2_second/02_two"]),
    ],
)
def test_names(root: Path, given: list[str], expected: list[str]) -> None:
    assert names(find(given, root)) == expected


def test_a_path_is_a_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "notebooks")
    assert names(find(["1_first/02_two.ipynb"], root)) == ["1_first/02_two"]
    assert names(find([str(root / "solutions" / "2_second")], root)) == ["2_second/lab"]


def test_a_beginning_that_several_have_names_them(root: Path) -> None:
    expected = "'02_t' may mean 1_first/02_two, 2_second/02_two; type more of the one you mean"
    with pytest.raises(LabError, match=expected):
        find(["02_t"], root)
    with pytest.raises(LabError, match="'1_first/0' may mean 1_first/01_one, 1_first/02_two;"):
        find(["1_first/0"], root)


def test_an_unknown_name_gets_near_ones(root: Path) -> None:
    with pytest.raises(LabError, match=r"There is no unit or notebook '1_frist'; .*1_first"):
        find(["1_first/01_one", "1_frist"], root)


def test_a_missing_or_broken_notebook_is_one_sentence(root: Path) -> None:
    path = root / "notebooks" / "1_first" / "01_one.ipynb"
    path.write_text('{"cells": [')
    notebooks.cache_clear()
    with pytest.raises(LabError, match=r"01_one\.ipynb is not a notebook of this course"):
        find([], root)
    path.unlink()
    with pytest.raises(LabError, match=r"01_one\.ipynb is missing; build the notebooks"):
        find([], root)
