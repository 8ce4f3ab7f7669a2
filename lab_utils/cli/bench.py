"""`./lab bench`."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated

import typer


def bench(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Which one, or NAME/PART; an unknown name lists them."),
    ],
    scale: Annotated[
        str, typer.Option(metavar="ci|laptop|gpu", help="How much is measured.")
    ] = "ci",
    repeats: Annotated[int, typer.Option(metavar="N", help="How often each way is timed.")] = 3,
    json: Annotated[bool, typer.Option("--json", help="JSON; the table goes to stderr.")] = False,
) -> None:
    """Measure this project itself on this machine, with intervals."""
    from rich.console import Console
    from rich.table import Table

    from lab_utils.bench._document import UnfinishedError, document, find
    from lab_utils.errors import LabError
    from lab_utils.measure.interval import Interval, plain
    from lab_utils.scale import at

    at(scale, ci=0, laptop=0)
    if repeats < 1:
        raise LabError(f"The number of repeats is {repeats}; expected at least 1.")
    unfinished = None
    try:
        figures = find(name)(scale, repeats)
    except UnfinishedError as error:
        unfinished, figures = error, error.figures
    table = Table(title=f"./lab bench {name}", title_justify="left")
    for column in ("figure", "median", "95 % interval", "samples"):
        table.add_column(column)
    for key, figure in figures.items():
        if isinstance(figure, Interval):
            spread = f"{plain(figure.low)} to {plain(figure.high)}"
            table.add_row(key, plain(figure.median), spread, str(figure.n))
        else:
            table.add_row(key, plain(figure), "", "")
    Console(stderr=json).print(table)
    if json:
        print(jsonlib.dumps(document(name, scale, figures)))
    if unfinished:
        raise unfinished
