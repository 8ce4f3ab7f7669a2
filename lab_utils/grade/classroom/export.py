"""The marks in a store, handed on: tables, Gradescope's documents, pages.

grades/export/marks.csv             for people
grades/export/canvas-UNIT.csv       to import into Canvas
grades/export/moodle-UNIT.csv       to upload into Moodle
grades/export/gradescope/….json     one results.json for each submission
grades/export/class.html            the class report
grades/export/learners/….html       one page for each learner
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.files import write_json, write_text
from lab_utils.grade.classroom.gradebook import Graded, gradebook
from lab_utils.grade.classroom.gradescope import results
from lab_utils.grade.classroom.marks_csv import Roster, canvas, identity, marks, moodle
from lab_utils.grade.classroom.pages import class_page, file_name, learner_page
from lab_utils.grade.classroom.similar import Likeness, alike, written
from lab_utils.grade.classroom.store import Store

FOLDER = "export"


@dataclass(frozen=True)
class Exported:
    """Where the files are, how many submissions they hold, and what a person should know."""

    folder: Path
    submissions: int
    notes: tuple[str, ...]


def export(folder: Path, roster: Path | None = None) -> Exported:
    """Write everything for the store in a folder.

    roster: a CSV from Canvas or Moodle that names the learners. Raises LabError where there is no
    store, or the roster is none.
    """
    listed = Roster(roster) if roster else None
    with Store(folder, read_only=True) as store:
        graded = gradebook(store)
        copies = {(k.learner, k.unit): store.notebook(k.content) for k in store.submissions()}
    likeness = {unit: _alike(unit, graded, copies) for unit in {one.unit for one in graded}}
    target = folder / FOLDER
    strangers = [one.learner for one in graded if listed and not listed.row(identity(one.learner))]
    notes = []
    if strangers:
        notes.append(f"Not found in {roster}, or found more than once: {', '.join(strangers)}.")
    write_text(target / "marks.csv", marks(graded))
    for unit in sorted({one.unit for one in graded if one.unit}):
        write_text(target / f"canvas-{unit}.csv", canvas(graded, unit, listed))
        write_text(target / f"moodle-{unit}.csv", moodle(graded, unit, listed))
    own: dict[str, list[Graded]] = defaultdict(list)
    for one in graded:
        own[one.learner].append(one)
        name = Path(file_name(one.learner)).stem
        write_json(target / "gradescope" / f"{name}-{one.unit}.json", results(one.verdicts))
    for learner, submissions in own.items():
        write_text(target / "learners" / file_name(learner), learner_page(submissions))
    write_text(target / "class.html", class_page(graded, likeness, notes))
    return Exported(target, len(graded), tuple(notes))


def _alike(unit: str, graded: Sequence[Graded], copies: dict[tuple[str, str], Path]) -> Likeness:
    answers = {}
    for one in graded:
        path = copies[one.learner, one.unit]
        if one.unit == unit and path.exists():
            answers[one.learner] = written(path.read_bytes(), unit)
    return alike(answers)
