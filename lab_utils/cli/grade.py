"""`./lab grade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

GRADES = "grades"
"""The folder of marks where no other is named."""


def grade(
    submissions: Annotated[
        list[Path],
        typer.Argument(
            metavar="SUBMISSIONS",
            help="Notebooks; or a folder, or zip archive, with one for each learner.",
        ),
    ],
    unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="The unit, where a notebook does not say so itself."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Grade this task only; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where a class's marks are kept; default grades."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Answers graded at the same time; default one a core."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Grade on a Dask cluster: its scheduler's address, as tcp://10.0.0.5:8786.",
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Grade anew what has been graded; old marks are kept.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The marks as one JSON document on the last line.")
    ] = False,
) -> None:
    """Mark labs by running them: each task's points, and the reason.

    Notebooks are marked and the marks printed. A folder or an archive is a class: every verdict is
    recorded in FOLDER/results.sqlite as it comes. A run that was stopped or killed goes on where it
    was when you give the same command again: nobody is graded twice, nothing is lost.

    Answers run in a sandbox without network or your files, with limits and the clock outside; every
    timed reply is checked. Where bubblewrap is missing they run as plain processes, and the result
    says "not isolated": then grade only code that you would run yourself. Correctness is graded in
    parallel, timings one at a time, on a cluster one at a time on each machine. Inputs are drawn
    from FOLDER/key, made at the first grading and yours alone: the same notebook is graded on the
    same inputs each time.
    """
    a_class = any(path.is_dir() or path.suffix == ".zip" for path in submissions)
    if out is None and cluster is None and not a_class:
        from lab_utils.grade.batch import grade_notebooks
        from lab_utils.grade.classroom.seeds import key_in

        key = key_in(Path(GRADES))
        passed = grade_notebooks(submissions, unit, task, key=key, as_json=as_json)
    else:
        from lab_utils.grade.classroom.command import grade_submissions
        from lab_utils.grade.classroom.run import Order

        order = Order(submissions, out or Path(GRADES), unit, tuple(task or ()), again)
        passed = grade_submissions(order, workers, cluster, as_json=as_json)
    if not passed:
        raise typer.Exit(1)
