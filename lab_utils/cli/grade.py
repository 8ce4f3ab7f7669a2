"""`./lab grade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def grade(
    notebooks: Annotated[
        list[Path], typer.Argument(metavar="NOTEBOOK", help="Labs that were handed in (.ipynb).")
    ],
    unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="The unit, where a notebook does not say so itself."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Grade this task only; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The marks as one JSON document on the last line.")
    ] = False,
) -> None:
    """Mark labs by running them: each task's points, and the reason.

    Answers run in processes of their own, with a time limit and the clock outside; every timed
    reply is checked. Not done yet: isolation (an answer may read your files and use the network,
    so grade only code that you would run yourself), whole classes, part marks, exports.
    """
    from lab_utils.grade.batch import grade_notebooks

    if not grade_notebooks(notebooks, unit, task, as_json=as_json):
        raise typer.Exit(1)
