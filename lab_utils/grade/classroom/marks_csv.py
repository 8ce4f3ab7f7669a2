"""Marks as tables: one for people, and those that Canvas and Moodle import.

Canvas (Grades, Import) wants the columns Student, ID, SIS User ID, SIS Login ID and Section, then
one column an assignment, and a row "Points Possible"; it finds a learner by any of the IDs. Moodle
(the assignment's "Upload grading worksheet") wants Identifier, Grade and Last modified (grade),
and takes Feedback comments. Neither takes the other's, so there are two files.

Both systems know learners by numbers of their own. Where the file names carry them, as in what
Canvas and Moodle give for download, they are used; otherwise a roster supplies them: the file that
the system itself exports.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.grade.classroom.gradebook import Graded

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POSSIBLE = "Points Possible"
IDENTIFIER, GRADE, MODIFIED = "Identifier", "Grade", "Last modified (grade)"
FEEDBACK = "Feedback comments"
MOODLE = (IDENTIFIER, "Full name", "Email address", GRADE, "Maximum Grade", MODIFIED, FEEDBACK)
NEVER = "-"
"""Moodle's own mark for a grade that was never modified."""
NAMES = (*CANVAS[:4], IDENTIFIER, "Full name", "Email address", "Username", "ID number")
"""Columns of a roster in which a learner's name may stand."""
MOODLE_NAME = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?")
CANVAS_NAME = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<number>\d+)_\d+_.+")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Identity:
    """What a submission's name says about its learner; "" for what it does not say."""

    name: str
    canvas_id: str = ""
    moodle_id: str = ""
    login: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """What may stand in a roster, the surest first."""
        known = (self.canvas_id, self.moodle_id, self.login, self.name)
        return tuple(word.casefold() for word in known if word)


def identity(learner: str) -> Identity:
    """Read from a file or folder name, as Canvas and Moodle name what they let one download.

    >>> identity("Anna Berg_1234_assignsubmission_file_").moodle_id
    'Participant 1234'
    >>> identity("berganna_55_901_lab").canvas_id
    '55'
    """
    if found := MOODLE_NAME.fullmatch(learner):
        return Identity(found["name"], moodle_id=f"Participant {found['number']}")
    if found := CANVAS_NAME.fullmatch(learner):
        return Identity(found["name"], canvas_id=found["number"])
    return Identity(learner, login=learner)


def marks(graded: Sequence[Graded]) -> str:
    """For people: every submission, its points in each task, and what is unsettled about it."""
    tasks = list(dict.fromkeys(row.task for one in graded for row in one.rows if row.task))
    lines: list[Sequence[object]] = [
        ["learner", "unit", "points", "out of", "settled", *tasks, "isolation", "feedback"]
    ]
    for one in graded:
        points = {row.task: f"{row.verdict['points']:g}" for row in one.rows}
        points |= {row.task: "" for row in one.rows if row.verdict["state"] == "error"}
        isolation = ", ".join(sorted({str(v["isolation"]) for v in one.verdicts}))
        settled = "yes" if one.settled else "no"
        lines.append(
            [_plain(one.learner), one.unit, f"{one.points:g}", f"{one.out_of:g}", settled]
            + [points.get(task, "") for task in tasks]
            + [isolation, _plain(one.feedback)]
        )
    return _text(lines)


def canvas(graded: Sequence[Graded], unit: str, roster: Roster | None = None) -> str:
    """What Canvas imports for a unit. A mark that is not settled stays empty: Canvas skips it."""
    own = [one for one in graded if one.unit == unit]
    out_of = max((one.out_of for one in own), default=0)
    lines: list[Sequence[object]] = [[*CANVAS, unit]]
    lines.append([f"    {POSSIBLE}", "", "", "", "", f"{out_of:g}"])
    for one in own:
        who = identity(one.learner)
        row = roster.row(who) if roster else None
        if row is not None:
            first = [row.get(column, "") for column in CANVAS]
        else:
            first = [_plain(who.name), who.canvas_id, "", _plain(who.login), ""]
        lines.append([*first, _mark(one)])
    return _text(lines)


def moodle(graded: Sequence[Graded], unit: str, roster: Roster | None = None) -> str:
    """What Moodle imports for a unit; with a roster, Moodle's own worksheet filled in."""
    own = [one for one in graded if one.unit == unit]
    columns = list(MOODLE)
    if roster and IDENTIFIER in roster.columns:
        columns = [*roster.columns, *(c for c in MOODLE[3:] if c not in roster.columns)]
    lines: list[Sequence[object]] = [columns]
    for one in own:
        who = identity(one.learner)
        row = dict(roster.row(who) or {}) if roster else {}
        row.setdefault(IDENTIFIER, who.moodle_id)
        row.setdefault("Full name", _plain(who.name))
        row.setdefault("Email address", who.login if "@" in who.login else "")
        row.setdefault(MODIFIED, NEVER)
        row |= {GRADE: _mark(one), "Maximum Grade": f"{one.out_of:g}"}
        row[FEEDBACK] = _plain(one.feedback)
        lines.append([row.get(column, "") for column in columns])
    return _text(lines)


class Roster:
    """Who is in the class: a gradebook from Canvas, a grading worksheet from Moodle.

    Raises LabError for a file that is neither.
    """

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise LabError(f"{path} could not be read ({error.strerror}).") from None
        except UnicodeDecodeError:
            raise LabError(f"{path} is not text in UTF-8; export it again as CSV.") from None
        reader = csv.DictReader(io.StringIO(text, newline=""))
        self.columns = [column or "" for column in reader.fieldnames or []]
        named = [column for column in self.columns if column in NAMES]
        if not named:
            raise LabError(
                f"{path} has none of the columns {', '.join(NAMES)}; give the gradebook that "
                "Canvas exports or the grading worksheet of Moodle."
            )
        self._rows: dict[str, list[Mapping[str, str]]] = {}
        for line in reader:
            row = {column: line[column] or "" for column in self.columns if column in line}
            words = {row[column].strip().casefold() for column in named if row.get(column)}
            for word in words:
                self._rows.setdefault(word, []).append(row)

    def row(self, who: Identity) -> Mapping[str, str] | None:
        """The learner's row; None where no row, or more than one, has one of the names."""
        for word in who.words:
            if len(found := self._rows.get(word, [])) == 1:
                return found[0]
        return None


def _mark(one: Graded) -> str:
    return f"{one.points:g}" if one.settled else ""


def _plain(text: str) -> str:
    """Text that a spreadsheet will not take for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _text(lines: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(lines)
    return stream.getvalue()
