"""How a run shows itself: a live table in a terminal, a line for each event elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab_utils.course.run.state import NotebookRun, Preparation, RunResult
from lab_utils.show.page import seconds

STYLES = {
    "waiting": "dim",
    "running": "cyan",
    "passed": "green",
    "failed": "bold red",
    "interrupted": "yellow",
}
ROWS_AROUND_TABLE = 6
SHORT_LEFT_S = 1.0


class Progress(Protocol):
    """What `run` tells about itself while it runs."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Show no more."""

    def changed(self, result: RunResult, step: NotebookRun | Preparation | None) -> None:
        """A step's state changed, or a cell began; None: only time has passed."""


class Quiet:
    """Shows nothing; for tests and for a caller with a display of its own."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def changed(self, result: RunResult, step: NotebookRun | Preparation | None) -> None:
        """Nothing."""


class Lines(Quiet):
    """One line when a step starts and one when it ends, for logs."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[str, str]] = {}

    def changed(self, result: RunResult, step: NotebookRun | Preparation | None) -> None:
        """Print where the step's state is a new one."""
        if step is None:
            return
        name = f"prepare: {step.step}" if isinstance(step, Preparation) else step.notebook.name
        if self._said.get(id(step)) == (name, step.state):
            return
        self._said[id(step)] = (name, step.state)
        detail = ""
        if step.state in ("passed", "failed"):
            detail = f" in {seconds(step.duration_s)}"
        if isinstance(step, Preparation) and step.message:
            detail += f" ({step.message})"
        if isinstance(step, NotebookRun) and step.failure is not None:
            detail += f", {step.failure}"
        print(f"[{result.elapsed_s():6.1f} s] {step.state:7s} {name}{detail}", flush=True)


class LiveTable:
    """Every notebook's state, the cell it is at, its time; a bar and an estimate for the whole.

    Drawn only when told: a thread of its own would disturb the timings it stands beside.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def changed(self, result: RunResult, step: NotebookRun | Preparation | None) -> None:
        """Draw the table."""
        self._live.update(self.picture(result), refresh=True)

    def picture(self, result: RunResult) -> RenderableType:
        """The table as it now is; where the terminal is low, what ended is left out first."""
        table = Table(title=f"./lab run --scale {result.scale}", title_justify="left")
        table.add_column("notebook", overflow="fold")
        table.add_column("state")
        table.add_column("cell", justify="right")
        table.add_column("time", justify="right")
        prepare = result.prepare
        name = f"prepare: {prepare.step}"
        table.add_row(name, _state(prepare.state), "", seconds(prepare.elapsed_s()))
        shown = self._fitting(result.notebooks)
        for run in shown:
            cell = f"{run.cell} of {run.cells}" if run.cells else ""
            time_s = seconds(run.elapsed_s()) if run.state != "waiting" else ""
            table.add_row(Text(run.notebook.name), _state(run.state), cell, time_s)
        if len(shown) < len(result.notebooks):
            table.add_row(f"… and {len(result.notebooks) - len(shown)} more", "", "", "")
        ended = sum(run.state not in ("waiting", "running") for run in result.notebooks)
        summary = f" {ended} of {len(result.notebooks)} notebooks, {seconds(result.elapsed_s())}"
        if result.status == "running" and (left_s := result.left_s()) > SHORT_LEFT_S:
            summary += f", about {seconds(left_s)} left"
        bar = Table.grid(expand=False)
        bar.add_row(ProgressBar(1.0, result.done_fraction(), width=30), Text(summary))
        return Group(table, bar)

    def _fitting(self, runs: list[NotebookRun]) -> list[NotebookRun]:
        room = max(3, self._console.height - ROWS_AROUND_TABLE - 2)
        if len(runs) <= room:
            return runs
        rank = {"running": 0, "failed": 1, "interrupted": 1, "waiting": 2, "passed": 3}
        chosen = sorted(runs, key=lambda run: rank[run.state])[: room - 1]
        return [run for run in runs if run in chosen]


def for_terminal() -> Progress:
    """The table where standard output is a terminal, lines otherwise."""
    return LiveTable() if sys.stdout.isatty() else Lines()


def _state(state: str) -> Text:
    return Text(state, style=STYLES[state])
