"""`./lab doctor`."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what this machine has, and what each lesson will do on it."""
    from rich.console import Console

    from lab_utils.components.catalogue import CATALOGUE
    from lab_utils.course.doctor import diagnose
    from lab_utils.machine.facts import INSTRUCTION_SETS

    diagnosis = diagnose()
    if json:
        print(jsonlib.dumps(diagnosis.as_dict()))
        return

    machine = diagnosis.machine
    has = [f"{n} {'yes' if n in machine.instruction_sets else 'no'}" for n in INSTRUCTION_SETS]
    rows = {
        "processor": machine.processor,
        "instructions": ", ".join(has),
        "cores": f"{machine.cores} that this process may use",
        "memory": f"{machine.memory_gb} GB",
        "free disk": f"{diagnosis.free_disk_gb} GB",
        "GPU": machine.gpu or "none: every figure is the processor's",
        "system": f"{machine.system}, Python {machine.python}",
        "weights": diagnosis.weights,
    }
    console = Console()
    console.print(_table("This machine", rows.items()))
    parts = [
        (name, "present" if present else f"missing; to get it: {CATALOGUE[name].get}")
        for name, present in diagnosis.components.items()
    ]
    console.print(_table("Components", parts))
    console.print(_table("Notebooks", diagnosis.notebooks.items()))


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = Table(title=title, show_header=False, title_justify="left", title_style="bold")
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # brackets are not markup
    return table
