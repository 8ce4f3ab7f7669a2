"""What the operating system's scheduler knows of a process, and no profiler of its code does.

    with scheduler.Watch([worker.pid]) as watch:
        send_requests()
    watch.states.on_core, watch.states.waiting_for_core, watch.states.asleep
    watch.core_loads        # [0.99, 0.03]: one core is full, the other idles

A thread is on a core, or would run but waits for a core, or sleeps until something happens. Linux
counts the first two for each thread, in nanoseconds: /proc/PID/task/TID/schedstat (the kernel's
documentation, scheduler/sched-stats). The third is the rest of the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from lab_utils.errors import LabError


@dataclass(frozen=True)
class States:
    """Where the wall-clock time of one thread, or of several one after the other, went.

    Seconds; `threads` × the time watched is their sum.
    """

    on_core_s: float
    waiting_for_core_s: float
    asleep_s: float

    @property
    def total_s(self) -> float:
        """Thread-seconds watched."""
        return self.on_core_s + self.waiting_for_core_s + self.asleep_s

    @property
    def on_core(self) -> float:
        """Share (0 to 1) of the time in which it computed."""
        return self.on_core_s / self.total_s

    @property
    def waiting_for_core(self) -> float:
        """Share of the time in which it could have computed, had it been given a core."""
        return self.waiting_for_core_s / self.total_s

    @property
    def asleep(self) -> float:
        """Share of the time in which it waited for something: input, a lock, a timer."""
        return self.asleep_s / self.total_s

    def as_dict(self) -> dict[str, float]:
        """The three, by the names that a plot shows."""
        return {
            "on a core": self.on_core_s,
            "waiting for a core": self.waiting_for_core_s,
            "asleep": self.asleep_s,
        }


class Watch:
    """Looks at the first thread of each process when the `with` block begins and when it ends.

    pids: processes, each with one thread that does its work (gunicorn's sync workers with one
    compute thread). `each` has their states in that order, `states` their sum, and `core_loads`
    how busy each core of the machine was (0 to 1), whoever kept it so.

    Raises LabError where a process is gone, or the system does not count (other than Linux).
    """

    def __init__(self, pids: Sequence[int]) -> None:
        if not pids:
            raise LabError("No process to watch was given; expected at least one process number.")
        self._pids = list(pids)
        self.each: list[States] = []
        self.core_loads: list[float] = []
        self.elapsed_s = 0.0

    def __enter__(self) -> Self:
        self._cores = psutil.cpu_times(percpu=True)
        self._start = [_counted_s(pid) for pid in self._pids]
        self._start_s = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        self.elapsed_s = time.perf_counter() - self._start_s
        for pid, (on_core_s, waiting_s) in zip(self._pids, self._start, strict=True):
            on_core_now_s, waiting_now_s = _counted_s(pid)
            on_core_s, waiting_s = on_core_now_s - on_core_s, waiting_now_s - waiting_s
            asleep_s = max(self.elapsed_s - on_core_s - waiting_s, 0.0)
            self.each.append(States(on_core_s, waiting_s, asleep_s))
        after = psutil.cpu_times(percpu=True)
        self.core_loads = [_load(a, b) for a, b in zip(self._cores, after, strict=True)]

    @property
    def states(self) -> States:
        """All watched processes together."""
        return States(
            sum(s.on_core_s for s in self.each),
            sum(s.waiting_for_core_s for s in self.each),
            sum(s.asleep_s for s in self.each),
        )


def _counted_s(pid: int) -> tuple[float, float]:
    try:
        on_core_ns, waiting_ns, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    except (OSError, ValueError):
        raise LabError(
            f"The scheduler's counts of process {pid} cannot be read; expected a running process "
            "on Linux, whose kernel counts (CONFIG_SCHED_INFO)."
        ) from None
    return int(on_core_ns) / 1e9, int(waiting_ns) / 1e9


def _load(before: psutil._common.scputimes, after: psutil._common.scputimes) -> float:
    passed = sum(after) - sum(before)
    idle = (after.idle - before.idle) + (
        getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    )
    return max(0.0, 1 - idle / passed) if passed > 0 else 0.0
