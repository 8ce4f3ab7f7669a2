"""`./lab test`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def test(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="STEP", help="build, style, unit, run, nbval; none: all."),
    ] = None,
) -> None:
    """Prove that it all holds: builds, style, tests, the whole course.

    Without a STEP all run, each whatever became of the others, and the last lines say how it went.
    """
    from rich.console import Console
    from rich.table import Table

    from lab_utils.course.proof import Step, prove

    console = Console()

    def announce(step: Step) -> None:
        console.rule(f"{step.name}: {step.title}", align="left")
        sys.stdout.flush()

    outcomes = prove(names or [], announce)
    table = Table(title="./lab test", title_justify="left", show_header=False)
    for outcome in outcomes:
        verdict = "[green]holds[/]" if outcome.passed else "[red]does not hold[/]"
        table.add_row(outcome.step.name, outcome.step.title, verdict, f"{outcome.duration_s:.0f} s")
    console.print(table)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)
