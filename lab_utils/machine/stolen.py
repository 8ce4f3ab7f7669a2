"""Time that the host took from this machine's cores while they had work: the kernel's *steal*.

    with Stolen() as stolen:
        …
    stolen.near_s(moment_s)     # seconds of a core, about that moment

A virtual machine's cores are lent. While the host runs somebody else on one, whatever is on it
stands still, and no scheduler of this machine can move it away. A machine of one's own has none.
Source: proc(5), /proc/stat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

import psutil

EVERY_S = 0.05
"""The kernel counts in hundredths of a second."""
ABOUT_S = 0.1


def stolen_s() -> float:
    """Of all cores together, since the machine started; 0 where the kernel does not count it."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


class Stolen:
    """Looks again and again, in a thread, inside the `with` block. read: what is looked at."""

    def __init__(self, read: Callable[[], float] = stolen_s) -> None:
        self._read = read
        self._taken: list[tuple[float, float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stolen", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def near_s(self, moment_s: float) -> float:
        """Seconds of a core that were taken within `ABOUT_S` of a moment (Unix seconds)."""
        return sum(
            taken_s
            for begun_s, ended_s, taken_s in self._taken
            if begun_s - ABOUT_S <= moment_s <= ended_s + ABOUT_S
        )

    def _watch(self) -> None:
        before_s, begun_s = self._read(), time.time()
        while not self._ended.wait(EVERY_S):
            after_s, ended_s = self._read(), time.time()
            if after_s > before_s:
                self._taken.append((begun_s, ended_s, after_s - before_s))
            before_s, begun_s = after_s, ended_s
