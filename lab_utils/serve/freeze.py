"""Stop a real service's clock for a moment, while load arrives.

    with frozen(service, after_s=2, for_s=0.5) as freeze:
        result = open_loop(…)
    freeze.lasted_s

The service's processes get SIGSTOP and later SIGCONT: they keep memory, sockets and their place
and do nothing, as in a garbage collector's pause, a live migration, or when the hypervisor gives
the core to somebody else. The kernel goes on accepting connections for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from lab_utils.components.watch import Greedy
from lab_utils.errors import LabError
from lab_utils.serve.web import WebService

SWEEPS = 50
TICKS_S = 0.1
"""Processor time is counted in hundredths of a second, and a signal takes a moment to arrive."""


@dataclass
class Freeze:
    """How long the service stood still, in seconds; 0 until it has been woken."""

    lasted_s: float = 0.0


@contextmanager
def frozen(service: WebService, *, after_s: float, for_s: float) -> Iterator[Freeze]:
    """Freeze the service once, `after_s` from the block's beginning, for `for_s` seconds.

    The service runs again when the block ends, whatever happens in it. Raises LabError where it is
    not running.
    """
    if not (after_s >= 0 and for_s > 0):
        raise LabError(
            f"A freeze of {for_s:g} s after {after_s:g} s was asked for; expected one above 0 s "
            "that does not begin before the load."
        )
    processes = service.process.processes()
    if not processes:
        raise LabError("The service is not running, so it cannot be frozen; start it first.")
    freeze, over = Freeze(), threading.Event()

    def stand_still() -> None:
        if over.wait(after_s):
            return
        begun_s = time.perf_counter()
        try:
            _each(processes, "suspend")
            over.wait(for_s)
        finally:
            _each(processes, "resume")
            freeze.lasted_s = time.perf_counter() - begun_s

    thread = threading.Thread(target=stand_still, daemon=True)
    thread.start()
    try:
        yield freeze
    finally:
        over.set()
        thread.join()


@contextmanager
def still(service: WebService) -> Iterator[None]:
    """The service stands still while the block lasts, so that it takes no core from another one.

    Raises Greedy where it does not: where it starts processes faster than they can be stopped, or
    where one of them goes on (a timer may send it the signal that wakes it).
    """
    stopped: dict[int, psutil.Process] = {}
    try:
        for _ in range(SWEEPS):
            new = [p for p in service.process.processes() if p.pid not in stopped]
            if not new:
                break
            _each(new, "suspend")  # and look again: one may have started another meanwhile
            stopped |= {process.pid: process for process in new}
        else:
            raise Greedy("started processes faster than they could be stopped")
        before_s = _used_s(stopped.values())
        yield
        went_on = _used_s(stopped.values()) > before_s + TICKS_S
        if went_on or any(p.pid not in stopped for p in service.process.processes()):
            raise Greedy("went on while it was to stand still")
    finally:
        _each(list(stopped.values()), "resume")


def _used_s(processes: Iterable[psutil.Process]) -> float:
    """Processor seconds of those that are there."""
    used_s = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used_s += times.user + times.system
    return used_s


def _each(processes: Sequence[psutil.Process], action: str) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            getattr(process, action)()
