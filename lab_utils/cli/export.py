"""`./lab export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where ./lab grade kept the marks.")
    ] = Path("grades"),
    roster: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The gradebook that Canvas exports, or Moodle's grading worksheet (CSV).",
        ),
    ] = None,
) -> None:
    """Hand on the marks of a class: tables, pages and a report.

    Writes FOLDER/export; ./lab grade does it, too, at its end. Nothing is graded.
    """
    from lab_utils.grade.classroom.export import export as write

    done = write(folder, roster)
    for note in done.notes:
        print(note)
    print(f"wrote {done.folder}: {done.submissions} submissions; see {done.folder / 'class.html'}")
