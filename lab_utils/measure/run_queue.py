"""What the kernel's scheduler says of a process, looked at from outside.

On a busy machine a thread that could compute waits for a core: it is *runnable* and stands in a
run queue. Linux counts that time for every thread, and the time it was on a core, to the
nanosecond. Neither can be changed by the process itself.

Source: Linux, Documentation/scheduler/sched-stats, "/proc/<pid>/schedstat", and clock_gettime(2)
for the clock of another process.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab_utils.errors import LabError

ASLEEP, STOPPED = "SDZ", "TtZ"
"""States of /proc/PID/stat: it waits for something else than a core; it may not run."""
SOON_S = 0.05
POLL_S = 1e-4


def on_core_and_queued_s(pid: int, thread: int | None = None) -> tuple[float, float]:
    """How long a thread (default: the process's first) computed and stood in a queue, in seconds.

    What it waits for now is counted when it gets its core. Raises LabError where the kernel does
    not count, or the process has ended.
    """
    path = Path(f"/proc/{pid}/task/{pid if thread is None else thread}/schedstat")
    try:
        on_core_ns, queued_ns, _ = path.read_text().split()
    except (OSError, ValueError):
        raise LabError(f"The scheduler says nothing of process {pid} ({path}).") from None
    return int(on_core_ns) / 1e9, int(queued_ns) / 1e9


def process_cpu_s(pid: int) -> float:
    """Processor time of all threads of a process, those that have ended included, in seconds.

    Raises LabError where it cannot be read.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED of that process
    except OSError:
        raise LabError(f"The processor time of process {pid} cannot be read.") from None


def ended_children_s(pid: int) -> float:
    """Processor time of the children that a process has waited for, to a hundredth of a second."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def falls_asleep(pid: int, within_s: float = SOON_S) -> bool:
    """Wait until a process's first thread waits for something; whether it did so in that time."""
    return _comes_to(pid, ASLEEP, within_s)


def stands_still(pid: int, within_s: float = SOON_S) -> bool:
    """Wait until a process that was sent SIGSTOP has stopped; whether it did so in that time."""
    return _comes_to(pid, STOPPED, within_s)


def _comes_to(pid: int, states: str, within_s: float) -> bool:
    deadline_s = time.perf_counter() + within_s
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:  # it has ended
            return True
        if state in states:
            return True
        if time.perf_counter() > deadline_s:
            return False
        time.sleep(POLL_S)
