"""INSTRUCTORS.md holds: its commands are run on a small class, in a copy of this checkout."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab_utils.files import ROOT
from lab_utils.grade.spec import load_lab
from tests.grade.mixed_class import UNIT, packed, solution
from tests.started import MARK, marked

CHAPTER = (ROOT / "INSTRUCTORS.md").read_text()
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROSTER = "Student,ID,SIS User ID,SIS Login ID,Section\nBerg Anna,7,u7,anna,S1\n"
PORT = "8786"
LIMIT_S = 400


@dataclass(frozen=True)
class Run:
    """The copy in which the chapter was followed, and what each of its boxes printed."""

    folder: Path
    said: dict[str, str]

    def after(self, command: str) -> str:
        """What the box with this command printed."""
        return next(said for box, said in self.said.items() if command in box)


@pytest.fixture(scope="module")
def chapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("instructor") / "clone"
    copy_of_this_checkout(folder)
    write_class(folder / "submissions")
    (folder / "gradebook.csv").write_text(ROSTER)
    mark = f"instructors-{os.getpid()}"
    said = {}
    try:
        for box in BLOCK.findall(CHAPTER):
            said[box] = follow(box.replace(PORT, free_port()), folder, mark)
        yield Run(folder, said)
    finally:
        for process in marked(mark):
            process.kill()


def copy_of_this_checkout(folder: Path) -> None:
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(git, cwd=ROOT, text=True).split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "lab").write_text(f'#!/bin/sh\nexec {sys.executable} -m lab_utils.cli.app "$@"\n')
    (folder / ".venv").symlink_to(sys.prefix)
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=folder, check=True)


def write_class(folder: Path) -> None:
    """Nobody has come to the services, which take minutes to grade; the rest is right or wrong."""
    timed = {task.name for task in load_lab(UNIT).tasks if task.alone}
    notebook = solution()
    blank = json.loads((ROOT / "labs" / UNIT / "lab.ipynb").read_text())
    for place, cell in enumerate(blank["cells"]):
        if cell["metadata"].get("nbgrader", {}).get("grade_id") in timed:
            notebook["cells"][place] = cell
    folder.mkdir()
    (folder / "anna.ipynb").write_text(json.dumps(notebook))
    (folder / "ben").mkdir()
    (folder / "ben" / "lab.ipynb").write_text(json.dumps(blank))
    (folder / "cem.zip").write_bytes(packed({"a/lab.ipynb": json.dumps(notebook).encode()}))
    (folder / "dia.ipynb").write_text("{")


def follow(commands: str, folder: Path, mark: str) -> str:
    """What the commands printed; they must end well."""
    environment = os.environ | {"PYTHONPATH": str(folder), MARK: mark}
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}"
    # Dask's own processes complain when their scheduler goes.
    assert "dask" in commands or "Traceback" not in done.stdout, f"{commands}\n{done.stdout}"
    return done.stdout


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def table(path: Path) -> dict[str, dict[str, Any]]:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    name = next(iter(rows[0]))
    return {row[name]: row for row in rows}


def test_the_marks_reach_the_gradebook(chapter: Run) -> None:
    marks = table(chapter.folder / "grades" / "export" / "marks.csv")
    earned = str(sum(task.points for task in load_lab(UNIT).tasks if not task.alone))
    assert {name: marks[name]["points"] for name in ("anna", "ben", "cem")} == {
        "anna": earned,
        "ben": "0",
        "cem": earned,
    }
    assert marks["dia"]["settled"] == "no"
    canvas = table(chapter.folder / "grades" / "export" / f"canvas-{UNIT}.csv")
    assert canvas["Berg Anna"][UNIT] == earned
    assert canvas["Berg Anna"]["ID"] == "7"
    assert canvas["dia"][UNIT] == ""


def test_what_was_graded_is_kept(chapter: Run) -> None:
    said = chapter.after("submissions --task postprocess")
    assert "were graded before and kept" in said
    assert "1 submissions, 1 verdicts" in said


def test_a_mark_can_be_had_again_on_the_same_inputs(chapter: Run) -> None:
    assert "1 submissions, 1 verdicts (✓ 1 passed)" in chapter.after("cp grades/key")


def test_a_cluster_gives_the_same_marks(chapter: Run) -> None:
    here, there = (
        table(chapter.folder / out / "export" / "marks.csv") for out in ("grades", "elsewhere")
    )
    for marks in (here, there):
        for row in marks.values():
            del row["feedback"]  # inputs are drawn from another key
    assert here == there


def test_the_archives_are_there(chapter: Run) -> None:
    for name in ("inference-lab.zip", f"gradescope-{UNIT}.zip"):
        assert (chapter.folder / "dist" / name).stat().st_size > 10_000


def test_a_new_task_is_proved(chapter: Run) -> None:
    said = chapter.after("counts_arrivals_alone")
    assert "2 passed" in said
    built = (chapter.folder / "labs" / UNIT / "lab.ipynb").read_text()
    assert "in_flight" in built
    bar = chapter.folder / "curriculum" / UNIT / "tasks" / "service_settings.py"
    assert "SETTINGS_BAR = 0.8\n" in bar.read_text()


def test_nothing_of_the_chapter_stays(chapter: Run) -> None:
    assert not marked(f"instructors-{os.getpid()}")


def test_every_file_and_option_that_the_chapter_names_exists() -> None:
    for name in re.findall(r"`((?:tests|curriculum|lab_utils|labs)/[\w./]+)`", CHAPTER):
        assert (ROOT / name).exists(), name
