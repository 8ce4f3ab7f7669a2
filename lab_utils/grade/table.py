"""Marks as a person reads them in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lab_utils.grade.verdict import Marks, State, Verdict

STYLES: dict[State, str] = {"passed": "green", "partial": "cyan", "failed": "red"}
"""Whatever else there is has to be looked at: yellow."""


def show(marks: Marks, console: Console) -> None:
    """Print one submission's marks: each task's points, figures, and what to do about it."""
    table = Table(title=escape(marks.notebook), title_justify="left", show_lines=True)
    table.add_column("")
    table.add_column("task")
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("why")
    for verdict in marks.verdicts:
        points = f"{verdict.points:g} of {verdict.out_of:g}"
        table.add_row(_mark(verdict), verdict.title, points, escape(_why(verdict)))
    console.print(table)
    isolation = ", ".join(sorted({verdict.isolation for verdict in marks.verdicts}))
    console.print(f"{marks.points:g} of {marks.out_of:g} points; answers ran {isolation}.")


def _mark(verdict: Verdict) -> str:
    return f"[{STYLES.get(verdict.state, 'yellow')}]{verdict.mark}[/]"


def _why(verdict: Verdict) -> str:
    figures = ", ".join(f"{name} {figure}" for name, figure in verdict.figures.items())
    return "\n".join(part for part in (verdict.message, figures) if part)
