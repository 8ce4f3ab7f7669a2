"""How far a class is: a bar in a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lab_utils.grade.classroom.job import Job

LINE_EVERY_S = 10.0


@dataclass
class Estimate:
    """How long the rest takes: what each task took so far, in this run or in earlier ones."""

    before_s: Mapping[tuple[str, str], float]
    took_s: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def learn(self, job: Job, duration_s: float) -> None:
        """A job took so long."""
        self.took_s.setdefault((job.unit, job.task), []).append(duration_s)

    def left_s(self, shared: Sequence[Job], alone: Sequence[Job], slots: int) -> float | None:
        """For jobs that share the machine and those that have it to themselves.

        None while nothing is known of one of their tasks.
        """
        total_s = 0.0
        for jobs, at_once in ((shared, slots), (alone, 1)):
            for (unit, task), count in Counter((job.unit, job.task) for job in jobs).items():
                took_s = self.took_s.get((unit, task))
                each_s = median(took_s) if took_s else self.before_s.get((unit, task))
                if each_s is None:
                    return None
                total_s += count * each_s / at_once
        return total_s


class Shown:
    """What a run tells about itself, on standard error."""

    def __init__(self, total: int, console: Console) -> None:
        self._total = total
        self._console = console
        self._start = self._said = time.monotonic()
        self._bar = Progress(
            TextColumn("grading"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            auto_refresh=False,  # a thread of its own would disturb the timings it stands beside
        )
        self._row = self._bar.add_task("", total=total)

    def __enter__(self) -> Shown:
        if self._console.is_terminal and self._total:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal and self._total:
            self._bar.stop()

    def changed(self, done: int, at_work: Sequence[Job], left_s: float | None) -> None:
        """So many are done; these are at work."""
        doing = ", ".join(f"{job.learner} ({job.task})" for job in at_work[:2])
        if left_s is not None and done < self._total:
            doing = f"about {_minutes(left_s)} left; {doing}"
        if self._console.is_terminal:
            self._bar.update(self._row, completed=done, description=doing, refresh=True)
        elif time.monotonic() - self._said >= LINE_EVERY_S or done == self._total:
            self._said = time.monotonic()
            text = f"[{self._said - self._start:6.1f} s] {done} of {self._total} graded"
            self._console.print(f"{text}; {doing}" if doing else text, markup=False, soft_wrap=True)


def _minutes(duration_s: float) -> str:
    """For a person.

    >>> _minutes(42.4), _minutes(200), _minutes(7300)
    ('42 s', '3 min 20 s', '2 h 1 min')
    """
    whole_s = round(duration_s)
    if whole_s < 60:
        return f"{whole_s} s"
    minutes, rest_s = divmod(whole_s, 60)
    return f"{minutes} min {rest_s} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
