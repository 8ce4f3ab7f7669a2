"""Notebooks from their source: what is kept, what is blanked, what is noticed."""

from pathlib import Path

import nbformat
import pytest

from lab_utils.course.build import build, differences, notebook
from lab_utils.course.sources import Source, sources
from lab_utils.errors import LabError
from lab_utils.files import ROOT

WELCOME = "# %% [markdown]\n# # Welcome\n"
LESSON = """\
# ---
# jupyter:
#   inference_lab:
#     timing: alone
#     uses: [wrk]
#     saved_models: [int8]
# ---

# %% [markdown]
# # 1.1 A lesson
#
# Prose.

# %% tags=["parameters"]
scale = "laptop"

# %%
print(1)

# %%
print(1)
"""
LAB = """\
# %% [markdown]
# # Lab 1

# %% task="double"
def double(x: int) -> int:
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %% check="double" points=2
check("double", double)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    unit = tmp_path / "curriculum" / "1_unit"
    unit.mkdir(parents=True)
    (tmp_path / "curriculum" / "welcome.py").write_text(WELCOME)
    (unit / "01_lesson.py").write_text(LESSON)
    (unit / "lab.py").write_text(LAB)
    build(tmp_path)
    return tmp_path


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def write_lab(root: Path, text: str) -> Source:
    path = root / "curriculum" / "1_unit" / "lab.py"
    path.write_text(text)
    return Source(path, "1_unit")


def test_every_face_is_built(root: Path) -> None:
    built = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.ipynb"))
    assert built == [
        "labs/1_unit/lab.ipynb",
        "notebooks/1_unit/01_lesson.ipynb",
        "notebooks/welcome.ipynb",
        "solutions/1_unit/lab.ipynb",
    ]
    facts = read(root / "notebooks/1_unit/01_lesson.ipynb").metadata.inference_lab
    assert facts == {
        "kind": "lesson",
        "source": "curriculum/1_unit/01_lesson.py",
        "timing": "alone",
        "title": "1.1 A lesson",
        "unit": "1_unit",
        "uses": ["wrk"],
        "saved_models": ["int8"],
    }


def test_solution_is_blanked_in_the_lab_alone(root: Path) -> None:
    blank, solved = (read(root / f / "1_unit/lab.ipynb").cells[1] for f in ("labs", "solutions"))
    assert blank.source == (
        'def double(x: int) -> int:\n    # Your code here.\n    raise NotImplementedError("double")'
    )
    assert "return 2 * x" in solved.source
    assert blank.id == solved.id == "double"


def test_nbgrader_accepts_the_metadata(root: Path) -> None:
    from nbgrader.nbgraderformat import read as nbgrader_read

    for folder in ("labs", "solutions"):
        path = root / folder / "1_unit/lab.ipynb"
        cells = nbgrader_read(path, as_version=4).cells  # validates schema 3
        task, check = cells[1].metadata.nbgrader, cells[2].metadata.nbgrader
        assert (task.solution, task.grade, task.grade_id) == (True, False, "double")
        assert (check.grade, check.locked, check.points) == (True, True, 2)


def test_nbgrader_blanks_the_same_region(root: Path) -> None:
    from nbgrader.preprocessors import ClearSolutions

    solved = read(root / "solutions/1_unit/lab.ipynb")
    stub = {"python": '# Your code here.\nraise NotImplementedError("double")'}
    cleared, _ = ClearSolutions(code_stub=stub).preprocess(solved, {})
    assert cleared.cells[1].source == read(root / "labs/1_unit/lab.ipynb").cells[1].source


def test_the_source_of_a_quiz_is_folded(root: Path) -> None:
    path = root / "curriculum" / "1_unit" / "01_lesson.py"
    path.write_text(LESSON + '\n# %%\nquiz("?", {"a": "No.", "b": "Yes."}, right="b")\n')
    build(root)
    cells = nbformat.read(root / "notebooks" / "1_unit" / "01_lesson.ipynb", as_version=4).cells
    folded = [c.source for c in cells if c.metadata.get("jupyter") == {"source_hidden": True}]
    assert folded == ['quiz("?", {"a": "No.", "b": "Yes."}, right="b")']


def test_build_twice_changes_nothing(root: Path) -> None:
    before = {p: p.read_bytes() for p in root.rglob("*.ipynb")}
    assert build(root) == []
    assert {p: p.read_bytes() for p in root.rglob("*.ipynb")} == before


def test_ids_are_unique_and_an_edit_changes_one(root: Path) -> None:
    path = root / "notebooks/1_unit/01_lesson.ipynb"
    before = [cell.id for cell in read(path).cells]
    assert len(set(before)) == len(before)
    source = root / "curriculum/1_unit/01_lesson.py"
    source.write_text(LESSON.replace("Prose.", "Other prose."))
    build(root)
    after = [cell.id for cell in read(path).cells]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, True, True, True]


def test_differences_name_the_file_and_the_cell(root: Path) -> None:
    assert differences(root) == []
    path = root / "notebooks/1_unit/01_lesson.ipynb"
    edited = read(path)
    edited.cells[2].source = "print(2)"
    nbformat.write(edited, path)
    (root / "labs/1_unit/stray.ipynb").write_text("{}")
    (root / "solutions/1_unit/lab.ipynb").unlink()
    found = [str(difference) for difference in differences(root)]
    assert found == [
        "notebooks/1_unit/01_lesson.ipynb: cell 3 differs: print(1)",
        "solutions/1_unit/lab.ipynb: not built yet",
        "labs/1_unit/stray.ipynb: no source makes this file",
    ]
    build(root)
    assert differences(root) == []
    assert not (root / "labs/1_unit/stray.ipynb").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAB.replace("    ### END SOLUTION\n", ""), "has a ### BEGIN SOLUTION without its ### END"),
        (LAB.replace("    ### BEGIN SOLUTION\n", ""), "has no ### BEGIN SOLUTION"),
        (LAB.replace(' task="double"', ""), "stands in a cell without task="),
        (LAB.replace(" points=2", ""), "needs points above 0"),
        (
            LAB.replace('check="double"', 'task="double"').replace(
                "check(", "### BEGIN SOLUTION\n### END SOLUTION\ncheck("
            ),
            "two cells are called 'double'",
        ),
        (LAB.replace("# # Lab 1", "# Lab 1"), "must begin with a title"),
        ("# ---\n# jupyter:\n#   inference_lab:\n#     timing: fast\n# ---\n" + LAB, "alone or"),
        ("# ---\n# jupyter:\n#   inference_lab:\n#     uses: [xyz]\n# ---\n" + LAB, "uses 'xyz'"),
        (
            "# ---\n# jupyter:\n#   inference_lab:\n#     saved_models: [xyz]\n# ---\n" + LAB,
            "saved_models 'xyz'",
        ),
    ],
)
def test_a_faulty_source_is_one_sentence(root: Path, text: str, message: str) -> None:
    source = write_lab(root, text)
    with pytest.raises(LabError, match=r"^curriculum/1_unit/lab\.py") as caught:
        notebook(source, "lab", root)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_course_itself_is_built() -> None:
    assert [str(difference) for difference in differences(ROOT)] == []


def test_built_notebooks_carry_no_outputs() -> None:
    for source in sources(ROOT):
        for kind in source.faces:
            for cell in read(source.built_path(kind, ROOT)).cells:
                assert not cell.get("outputs"), f"{source.path.name} holds outputs"
