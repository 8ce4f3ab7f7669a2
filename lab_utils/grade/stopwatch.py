"""How long an answer took by the grader's clock, without the time that others held its core.

On a busy machine the clock on the wall says little: a call of 20 ms takes 60 when two other
processes want the same core, and the next call 25. But the scheduler counts, outside the answer's
reach, how long its process was ready to run and stood in the queue. That time is taken off, within
a limit that makes it safe: nothing is taken off below the processor time that the answer and all
that it started used. So an answer gains nothing from queueing behind processes of its own (what
they use counts for it), nor from sleeping (that is no queue).

    t = min(wall, max(wall − queued, cpu))

Where an answer computes in several threads or processes, the wait of one says nothing of the
others'; then, and where the system does not count, the wall clock stands alone and more pairs are
needed. `Lap.alone` says which.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from lab_utils.components.watch import Greedy
from lab_utils.errors import LabError
from lab_utils.grade.workers import Running
from lab_utils.measure.run_queue import (
    ended_children_s,
    falls_asleep,
    on_core_and_queued_s,
    process_cpu_s,
    stands_still,
)

ONE_THREAD = 1.05
"""Processor time of all threads over the first one's, up to which the others do not count."""
NOTHING_S = 1e-3
STILL_S = 5e-3
"""Processor time that whoever stands still may use: a signal takes a moment to arrive."""
SWEEPS = 50


@dataclass(frozen=True)
class Lap:
    """wall_s: by the grader's clock. own_s: without what others held. alone: one thread did it.

    cpu_s: processor time of the worker and all that it started, 0 where the system does not say.
    """

    wall_s: float
    own_s: float
    cpu_s: float
    alone: bool


@dataclass(frozen=True)
class _Reading:
    """The scheduler's counts at a moment."""

    processes: frozenset[int]
    cpu_s: float
    on_core_s: float
    queued_s: float
    ended_s: float


class Stopwatch:
    """Times what a worker does; it runs only then, and stands still at any other time."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._stopped_at_s: float | None = None
        """Processor time of all that was stopped; None while it may run."""

    def time(self, work: Callable[[], None]) -> Lap:
        """Let the worker run, do the work, stop the worker again."""
        with self._awake():
            falls_asleep(self._running.pid)  # it has begun to listen; the clock does not run yet
            before, own_before_s = self._read(), _grader_queued_s()
            start_s = time.perf_counter()
            work()
            wall_s = time.perf_counter() - start_s
            own_after_s = _grader_queued_s()
            falls_asleep(self._running.pid)  # what it waited for is counted now
            after = self._read()
        if before is None or after is None:
            return Lap(wall_s, wall_s, 0.0, alone=False)
        cpu_s = after.cpu_s - before.cpu_s
        queued_s = after.queued_s - before.queued_s + own_after_s - own_before_s
        alone = (
            before.processes == after.processes == {self._running.pid}
            and before.ended_s == after.ended_s
            and cpu_s <= ONE_THREAD * (after.on_core_s - before.on_core_s) + NOTHING_S
        )
        return Lap(wall_s, min(wall_s, max(wall_s - queued_s, cpu_s)), cpu_s, alone)

    def stop(self) -> None:
        """Stop the worker and all that it started, until it is timed next.

        Raises Greedy where it starts processes faster than they can be stopped.
        """
        stopped: set[int] = set()
        for _ in range(SWEEPS):
            new = [pid for pid in self._running.processes() if pid not in stopped]
            if not new:
                break
            _signal(new, signal.SIGSTOP)  # and look again: one may have started another meanwhile
            for pid in new:
                stands_still(pid)
            stopped.update(new)
        else:
            raise Greedy("started processes faster than they could be stopped")
        self._stopped_at_s = self._used_s()

    def go(self) -> None:
        """Let the worker run, untimed.

        Raises Greedy where it did not stand still until now: a timer can send the waking
        signal.
        """
        went_on_s = 0.0 if self._stopped_at_s is None else self._used_s() - self._stopped_at_s
        self._stopped_at_s = None
        if went_on_s > STILL_S:
            raise Greedy("went on while it was to stand still")
        _signal(self._running.processes(), signal.SIGCONT)

    def _used_s(self) -> float:
        used_s = 0.0
        for pid in self._running.processes():
            with suppress(LabError):
                used_s += process_cpu_s(pid)
        return used_s

    @contextmanager
    def _awake(self) -> Iterator[None]:
        try:
            self.go()
            yield
        finally:
            self.stop()

    def _read(self) -> _Reading | None:
        """None where the system does not count, or a process ends while it is looked at."""
        processes = frozenset(self._running.processes())
        try:
            on_core_s, queued_s = on_core_and_queued_s(self._running.pid)
            return _Reading(
                processes,
                sum(process_cpu_s(pid) for pid in processes),
                on_core_s,
                queued_s,
                ended_children_s(self._running.pid) + ended_children_s(self._running.server),
            )
        except LabError:
            return None


def _grader_queued_s() -> float:
    """How long this thread has stood in the queue: the clock cannot be read from there."""
    try:
        return on_core_and_queued_s(os.getpid(), threading.get_native_id())[1]
    except LabError:
        return 0.0


def _signal(processes: Iterable[int], number: int) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
