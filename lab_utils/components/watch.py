"""Ends a process and all its descendants where together they take more than their share.

    with Watch(pid, Share()) as watch:
        …
        watch.check()       # raises Greedy, saying of what they took too much

Limits of the system count for each process or each user. A fork bomb is many small processes, and
for root the number of a user's processes is not limited at all: hence this look from outside, four
times a second and cheap enough not to disturb a measurement.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

EVERY_S, SWEEP_S = 0.25, 0.02
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
RESIDENT, FILES = 1, 2
"""Fields of /proc/PID/statm, in pages: all that is resident, and what of it are files or shared."""


@dataclass(frozen=True)
class Share:
    """The most that a process and its descendants may take together.

    memory_bytes: beyond what the first of them had when the watch began, files that they map not
    counted. written_bytes: in the folder.
    """

    processes: int = 300
    memory_bytes: int = 8 * 2**30
    written_bytes: int = 2 * 2**30


class Greedy(Exception):  # noqa: N818  it says what the processes were
    """They took more than their share and were ended. Says of what, as a clause."""


class Watch:
    """Looks on while its block lasts; does nothing where there is no /proc."""

    def __init__(self, pid: int, share: Share, folder: Path | None = None) -> None:
        self.broken = ""
        self._pid, self._share, self._folder = pid, share, folder
        self._inherited = own_bytes(pid)  # what is there at a fork is shared until it is written
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def check(self) -> None:
        """Raise Greedy where they took more than their share."""
        if self.broken:
            raise Greedy(self.broken)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(EVERY_S) and not self.broken:
            self.broken = self._excess()
        if self.broken:
            left = descendants(self._pid)
            _kill(self._pid)  # in a sandbox all others end with it, at once
            while left := [pid for pid in [*left, *further(left)] if _kill(pid)]:
                time.sleep(SWEEP_S)

    def _excess(self) -> str:
        tree = [self._pid, *descendants(self._pid, self._share.processes)]
        if len(tree) > self._share.processes:
            return f"started more than {self._share.processes} processes"
        taken = sum(max(own_bytes(pid) - self._inherited, 0) for pid in tree)
        if taken > self._share.memory_bytes:
            return f"took more than {self._share.memory_bytes / 2**30:g} GiB of memory"
        if self._folder is not None and written_bytes(self._folder) > self._share.written_bytes:
            return f"wrote more than {self._share.written_bytes / 2**30:g} GiB"
        return ""


def descendants(pid: int, most: int = 10_000) -> list[int]:
    """The children of a process, their children and so on; stops a little after `most`."""
    found: list[int] = []
    new = [pid]
    while new and len(found) <= most:
        children = [child for parent in new for child in _children(parent)]
        found += children
        new = children
    return found


def further(pids: Iterable[int]) -> list[int]:
    """The descendants of several processes."""
    return [found for pid in pids for found in descendants(pid)]


def own_bytes(pid: int) -> int:
    """Resident memory of a process that is no file's; 0 if it has ended.

    What it shares with the process that forked it is counted in both.
    """
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return PAGE_BYTES * (int(fields[RESIDENT]) - int(fields[FILES]))


def written_bytes(folder: Path) -> int:
    """The sizes of all files beneath a folder."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_blocks * 512
            except OSError:
                continue
    return total


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def _kill(pid: int) -> bool:
    """Kill a process; whether it was there."""
    try:
        os.kill(pid, signal.SIGKILL)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
