"""The way through the course, in the built notebooks as they are."""

import re
from pathlib import Path

import nbformat
import pytest

from lab_utils.course.build import build
from lab_utils.course.sources import sources
from lab_utils.files import ROOT

LINK = re.compile(r"\]\(([^)#]+\.ipynb)\)")


def text_of(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def linked(path: Path) -> list[Path]:
    return [(path.parent / link).resolve() for link in LINK.findall(text_of(path))]


BUILT = [s.built_path(s.faces[0]) for s in sources()]


@pytest.mark.parametrize("path", BUILT, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_link_leads_to_a_notebook(path: Path) -> None:
    assert [target for target in linked(path) if not target.is_file()] == []


def test_the_welcome_page_names_every_lesson_and_lab() -> None:
    assert set(BUILT[1:]) <= set(linked(BUILT[0]))


def test_the_readme_names_every_lesson_and_lab() -> None:
    readme = [ROOT / link for link in LINK.findall((ROOT / "README.md").read_text())]
    assert set(BUILT[1:]) <= set(readme)


def test_each_notebook_leads_to_the_next_and_back() -> None:
    for number, path in enumerate(BUILT[1:], 1):
        onwards = BUILT[number + 1 : number + 2]
        before = BUILT[number - 1 : number] if number > 1 else []
        assert linked(path)[-len(before + onwards) - 1 :] == [*before, BUILT[0], *onwards]


def test_a_new_lesson_is_in_its_place(tmp_path: Path) -> None:
    unit = tmp_path / "curriculum" / "1_unit"
    unit.mkdir(parents=True)
    (tmp_path / "curriculum" / "welcome.py").write_text(
        "# %% [markdown]\n# # Welcome\n#\n# {1_unit} {2_unit}\n"
    )
    for number in (1, 2, 3):
        source = f"# %% [markdown]\n# # 1.{number} Lesson\n"
        (unit / f"0{number}_lesson.py").write_text(source)
    build(tmp_path)
    notebooks = tmp_path / "notebooks"
    links = [f"[1.{number} Lesson](1_unit/0{number}_lesson.ipynb)" for number in (1, 2, 3)]
    assert text_of(notebooks / "welcome.ipynb").endswith(f"{'<br>'.join(links)} {{2_unit}}")
    assert text_of(notebooks / "1_unit" / "02_lesson.ipynb").endswith(
        "← [1.1 Lesson](01_lesson.ipynb) &nbsp;·&nbsp; [The course](../welcome.ipynb) "
        "&nbsp;·&nbsp; Next: [1.3 Lesson](03_lesson.ipynb) →"
    )
