"""What a run knows about itself: each notebook's state, and the estimate of what is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from lab_utils.course.sources import Notebook

State = Literal["waiting", "running", "passed", "failed", "interrupted"]
Status = Literal["running", "passed", "failed", "interrupted"]
GUESS_S = 10.0
"""For a notebook that never ran here, until one has; only an estimate's first seconds see it."""


@dataclass(frozen=True)
class Failure:
    """Where a notebook failed and with what. `cell` counts from 1 as in the source; 0: in none."""

    cell: int
    heading: str
    line: str
    name: str
    message: str
    traceback: str

    def __str__(self) -> str:
        where = ""
        if self.cell:
            named = self.heading or self.line
            where = f"cell {self.cell} ({named}): " if named else f"cell {self.cell}: "
        return f"{where}{self.name}: {self.message}" if self.name else f"{where}{self.message}"


@dataclass(frozen=True)
class Plot:
    """A picture among the outputs. `png` is base64."""

    png: str
    caption: str


@dataclass(kw_only=True)
class Timed:
    """A part of a run that has its time."""

    state: State = "waiting"
    started_at: float = 0.0
    duration_s: float | None = None

    def elapsed_s(self) -> float:
        """Since it started, or in all."""
        if self.duration_s is not None:
            return self.duration_s
        return time.monotonic() - self.started_at if self.state == "running" else 0.0


@dataclass
class NotebookRun(Timed):
    """One notebook of a run."""

    notebook: Notebook
    threads: int = 0
    cell: int = 0
    cells: int = 0
    failure: Failure | None = None
    figures: list[dict[str, Any]] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)


@dataclass
class Preparation(Timed):
    """The steps before the first notebook: what kernels are forked from, weights into the cache."""

    step: Literal["libraries", "weights", "weights, saved models"] = "libraries"
    message: str = ""


@dataclass
class RunResult:
    """A run, while it goes on and afterwards. Durations in seconds."""

    scale: str
    workers: int
    cell_timeout_s: float
    notebooks: list[NotebookRun]
    threads: dict[str, int]
    kernels: str = ""
    """"forked", "plain", or "plain: why they could not be forked"."""
    started: str = ""
    started_at: float = field(default_factory=time.monotonic)
    duration_s: float | None = None
    status: Status = "running"
    prepare: Preparation = field(default_factory=Preparation)
    durations: dict[str, float] = field(default_factory=dict)
    """How long each notebook took when it last passed, by "scale/name"; for the estimate."""
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every notebook ran to its end."""
        return self.status == "passed"

    def failures(self) -> list[NotebookRun]:
        """The notebooks that failed."""
        return [n for n in self.notebooks if n.state == "failed"]

    def elapsed_s(self) -> float:
        """Since the run started, or in all."""
        return self.duration_s or time.monotonic() - self.started_at

    def expected_s(self, run: NotebookRun) -> float:
        """How long a notebook takes in all: as it did last time, else as the others do."""
        known = self.durations.get(f"{self.scale}/{run.notebook.name}")
        if known is not None:
            return known
        finished = [n.duration_s for n in self.notebooks if n.duration_s is not None]
        return sum(finished) / len(finished) if finished else GUESS_S

    def left_s(self) -> float:
        """The estimate of what is left."""
        shared = alone = 0.0
        for run in self.notebooks:
            if run.state not in ("waiting", "running"):
                continue
            part = max(0.0, self.expected_s(run) - run.elapsed_s())
            if run.notebook.timing == "alone":
                alone += part
            else:
                shared += part
        return shared / self.workers + alone

    def done_fraction(self) -> float:
        """How much of the expected time has passed, 0 to 1."""
        whole = sum(self.expected_s(n) for n in self.notebooks)
        done = 0.0
        for run in self.notebooks:
            expected = self.expected_s(run)
            done += min(run.elapsed_s(), expected) if run.state == "running" else 0.0
            done += expected if run.state not in ("waiting", "running") else 0.0
        return done / whole if whole else 1.0
