"""`./lab run`."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130


def run(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="UNIT|NOTEBOOK",
            help="A unit (1), a lesson or its beginning (1/03, 03_under), a file; none: all.",
        ),
    ] = None,
    scale: Annotated[
        str, typer.Option(metavar="ci|laptop|gpu", help="How much is measured.")
    ] = "ci",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Notebooks at a time; default one a core.")
    ] = None,
    cell_timeout: Annotated[
        float | None,
        typer.Option(metavar="S", help="The limit for one cell; default 120, at ci, or 600."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="The reference: ordinary kernels, one by one.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--report", metavar="FOLDER", help="Where the report goes; default report/."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="End with the report as JSON.")] = False,
) -> None:
    """Run lessons and solutions headless, and write report/index.html."""
    from rich.console import Console

    from lab_utils.course.run import report
    from lab_utils.course.run.progress import for_terminal
    from lab_utils.course.run.runner import REPORT
    from lab_utils.course.run.runner import run as run_course
    from lab_utils.show.page import seconds

    folder = folder or REPORT
    result = run_course(
        targets or [],
        scale=scale,
        workers=workers,
        cell_timeout_s=cell_timeout,
        plain=plain,
        folder=folder,
        progress=for_terminal(),
    )
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for failed in result.failures():
        console.print(f"{failed.notebook.name} failed in {failed.failure}", style="red")
    for note in result.notes:
        console.print(note)
    passed = sum(run.state == "passed" for run in result.notebooks)
    console.print(
        f"{result.status}: {passed} of {len(result.notebooks)} notebooks passed in "
        f"{seconds(result.duration_s)}. The report is {folder / 'index.html'}"
    )
    if json:
        print(jsonlib.dumps(report.document(result)))
    sys.stdout.flush()
    if result.status != "passed":
        raise typer.Exit(INTERRUPTED if result.status == "interrupted" else 1)
