"""A toy assignment in nbgrader's own hands: what this course's notebooks are to it, and its pace.

The assignment is the lab of a unit, cut down to some of its tasks. nbgrader runs a notebook from
top to bottom in one kernel with its tests inside; the checks in these notebooks raise there, as
nbgrader wants it.

nbgrader is one of the packages for development. Its programs answer 0 whatever they find, so what
they print is read.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lab_utils.command import last_words
from lab_utils.errors import LabError

ASSIGNMENT = "lab"
LIMIT_S = 600
CONFIGURATION = 'c = get_config()\nc.CourseDirectory.course_id = "toy"\n'
VARIABLES = {"INFERENCE_LAB_STRICT": "1", "JUPYTER_PREFER_ENV_PATH": "1"}

Notebook = dict[str, Any]


def cut_down(notebook: Notebook, tasks: Collection[str]) -> Notebook:
    """The notebook with these tasks alone: their cells, their checks, and what comes before."""
    cells = []
    begun = False
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "").removeprefix("check-")
        begun = begun or bool(name)
        if name in tasks or not (name or begun):
            cells.append(cell)
    return notebook | {"cells": cells}


class Course:
    """nbgrader's folders for one assignment: source, release, submitted, autograded."""

    def __init__(self, folder: Path, source: Notebook) -> None:
        self._folder = folder
        self._home = folder / "home"
        self._home.mkdir(parents=True)
        (folder / "nbgrader_config.py").write_text(CONFIGURATION)
        _write(self.source, source)

    @property
    def source(self) -> Path:
        """The notebook with its solutions."""
        return self._folder / "source" / ASSIGNMENT / "lab.ipynb"

    def validate(self, notebook: Path) -> bool:
        """Whether nbgrader finds that every test in the notebook passes."""
        return "Success! Your notebook passes all the tests." in self._nbgrader(
            "validate", notebook
        )

    def release(self) -> Notebook:
        """What nbgrader makes of the source for learners."""
        self._nbgrader("generate_assignment", ASSIGNMENT, "--create", "--force")
        path = self._folder / "release" / ASSIGNMENT / "lab.ipynb"
        made: Notebook = json.loads(path.read_text())
        return made

    def submit(self, learner: str, notebook: Notebook) -> Path:
        """Hand in for a learner; gives where it lies."""
        path = self._folder / "submitted" / learner / ASSIGNMENT / "lab.ipynb"
        _write(path, notebook)
        return path

    def autograde(self) -> None:
        """Grade everything that was submitted, also what was graded before."""
        self._nbgrader("autograde", ASSIGNMENT, "--create", "--force")

    def points(self) -> Mapping[str, float]:
        """Learner → points, as nbgrader exports them."""
        path = self._folder / "grades.csv"
        self._nbgrader("export", "--to", path)
        with path.open(newline="") as stream:
            return {row["student_id"]: float(row["score"]) for row in csv.DictReader(stream)}

    def _nbgrader(self, *arguments: object) -> str:
        program = Path(sys.executable).with_name("nbgrader")
        if not program.exists():
            raise LabError(f"{program} is missing; remove .venv and run ./lab again.")
        path = os.pathsep.join([str(program.parent), os.environ["PATH"]])  # it starts alembic
        done = subprocess.run(
            [program, *map(str, arguments)],
            cwd=self._folder,
            env=os.environ | VARIABLES | {"PATH": path, "IPYTHONDIR": str(self._home)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if done.returncode:
            raise LabError(f"nbgrader {arguments[0]} failed: {last_words(done.stderr, 3)}")
        return done.stdout


def _write(path: Path, notebook: Notebook) -> None:
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook))
