"""What a worker of a Dask cluster does: it hands each job to a process that grades.

The answer therefore never shares a process with Dask, and what it does to the one it has costs its
own job alone. Such a process serves one job after another; it ends when nothing was asked of it for
a while, and with the Dask worker.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.grade.classroom.job import Done, Job
from lab_utils.grade.classroom.version import course_version
from lab_utils.grade.classroom.workers import Grader, share_of_cores

IDLE_S = 60.0


def grade(
    content: bytes,
    job: Mapping[str, Any],
    run: str,
    course: str,
    shares: Mapping[str, tuple[int, int]],
) -> dict[str, Any]:
    """Grade one job; gives the fields of its `Done`.

    run: by which `stop` knows it. course: the version that the class is graded with. shares:
    worker's address → (how many jobs the workers before it on its machine may have in hand, how
    many all of them may); empty where the job may use every core. Raises LabError where this is
    another version of the course.
    """
    if (here := course_version()) != course:
        raise LabError(f"another version of the course ({here}, expected {course})")
    from distributed import get_worker

    share = shares.get(get_worker().address)
    with _POOL.grader(run, share) as grader, tempfile.TemporaryDirectory(prefix="class-") as folder:
        notebook = Path(folder) / "notebook.ipynb"
        notebook.write_bytes(content)
        grader.give(Job(**job), notebook)
        done: Done | None = None
        while done is None:
            done = grader.read()
    return asdict(done)


def stop(run: str) -> None:
    """End what is still graded for a run, and the processes that have nothing to do."""
    _POOL.end_run(run)
    threading.Thread(target=_POOL.end_idle).start()  # it waits for them; Dask must not


class _Pool:
    """This worker's processes: as many as it was ever given jobs at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[Sequence[int] | None, Grader]] = []
        self._busy: list[tuple[str, Grader]] = []
        self._places: set[int] = set()
        self._logs: tempfile.TemporaryDirectory[str] | None = None
        self._started = 0
        self._timer: threading.Timer | None = None

    @contextmanager
    def grader(self, run: str, share: tuple[int, int] | None) -> Iterator[Grader]:
        """An idle process with its share of the machine's cores, or a new one."""
        with self._lock:
            place = next(i for i in range(len(self._places) + 1) if i not in self._places)
            self._places.add(place)
            cores = None if share is None else share_of_cores(share[0] + place, share[1])
            grader = self._taken(cores)
            self._busy.append((run, grader))
        try:
            yield grader
        finally:
            with self._lock:
                self._places.remove(place)
                self._busy.remove((run, grader))
                if grader.ended:
                    grader.close()
                else:
                    self._idle.append((cores, grader))
                self._end_later()

    def end_run(self, run: str) -> None:
        """Ask what grades for a run to end; whoever waits for it sees that it has."""
        with self._lock:
            for whose, grader in self._busy:
                if whose == run:
                    grader.ask_to_stop()

    def end_idle(self) -> None:
        """End what has nothing to do."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, grader in idle:
            grader.ask_to_stop()
        for _, grader in idle:
            grader.close()

    def _taken(self, cores: Sequence[int] | None) -> Grader:
        for entry in self._idle:
            if entry[0] == cores:
                self._idle.remove(entry)
                return entry[1]
        if self._logs is None:
            self._logs = tempfile.TemporaryDirectory(prefix="class-")
        self._started += 1
        return Grader(Path(self._logs.name) / f"{self._started}.log", cores)

    def _end_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE_S, self.end_idle)
        self._timer.daemon = True
        self._timer.start()


_POOL = _Pool()
