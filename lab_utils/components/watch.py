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
import stat
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from lab_utils.errors import LabError

EVERY_S, SWEEP_S = 0.25, 0.02
OWN_MEMORY = ("RssAnon:", "RssShmem:")
"""Of /proc/PID/status: what is resident and no file's; shared memory in each who maps it."""
MOST_FILES, MOST_DEPTH = 50_000, 60
"""More in a folder only serve to hide something there, or to make a look at it take long."""
BLOCK_BYTES = 512
LEFT_OVER = 0.03
"""A machine with less of its memory available than this part soon ends processes by chance."""


@dataclass(frozen=True)
class Share:
    """The most that a process and its descendants may take together.

    memory_bytes: beyond what the first of them had when the watch began, files that they map not
    counted. written_bytes: in the folder, and in files that were removed and are still open.
    """

    processes: int = 300
    threads: int = 5000
    memory_bytes: int = 8 * 2**30
    written_bytes: int = 2 * 2**30


class Greedy(Exception):  # noqa: N818  it says what the processes were
    """They took more than their share and were ended. Says of what, as a clause."""


class Watch:
    """Looks on while its block lasts; does nothing where there is no /proc.

    The processes also have to stay on the cores that the first one has when the watch begins.
    """

    def __init__(self, pid: int, share: Share, folder: Path | None = None) -> None:
        self.broken = ""
        self.starved = ""
        """Why the machine is short, where nobody can say whose fault it is."""
        self._cores = cores_of(pid)
        self._pid, self._share, self._folder = pid, share, folder
        self._inherited = own_bytes(pid)  # what is there at a fork is shared until it is written
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def check(self) -> None:
        """Raise Greedy where they took more than their share.

        Raises LabError where they were ended because the machine was short of memory.
        """
        if self.broken:
            raise Greedy(self.broken)
        if self.starved:
            raise LabError(self.starved)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(EVERY_S) and not (self.broken or self.starved):
            try:
                self.broken = self._excess()
                self.starved = "" if self.broken else shortage()
            except Exception as error:  # whoever cannot be watched is not left alone
                self.broken = f"could not be watched ({type(error).__name__})"
        if self.broken or self.starved:
            left = descendants(self._pid)
            _kill(self._pid)  # in a sandbox all others end with it, at once
            while left := [pid for pid in [*left, *further(left)] if _kill(pid)]:
                time.sleep(SWEEP_S)

    def _excess(self) -> str:
        share = self._share
        tree = [self._pid, *descendants(self._pid, share.processes)]
        if len(tree) > share.processes:
            return f"started more than {share.processes} processes"
        if sum(map(threads_of, tree)) > share.threads:
            return f"started more than {share.threads} threads"
        disk = os.stat(self._folder).st_dev if self._folder is not None else None
        removed = removed_bytes(tree)
        taken = sum(max(own_bytes(pid) - self._inherited, 0) for pid in tree)
        taken += sum(size for device, size in removed.items() if device != disk)
        if taken > share.memory_bytes:
            return f"took more than {share.memory_bytes / 2**30:g} GiB of memory"
        if not all(cores_of(pid) <= self._cores for pid in tree):
            return "took other cores than it was given"
        return "" if self._folder is None else self._excess_on_disk(removed.get(disk or 0, 0))

    def _excess_on_disk(self, removed: int) -> str:
        assert self._folder is not None
        try:
            written = written_bytes(self._folder)
        except OverflowError as error:
            return str(error)
        if written + removed > self._share.written_bytes:
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
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = (line.split() for line in status.splitlines() if line.startswith(OWN_MEMORY))
    return sum(1024 * int(kilobytes) for _, kilobytes, *_ in lines)


def threads_of(pid: int) -> int:
    """How many threads a process has; 0 if it has ended."""
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - 2
    except OSError:
        return 0


def cores_of(pid: int) -> set[int]:
    """The cores that the threads of a process may run on; none if it has ended."""
    found: set[int] = set()
    with contextlib.suppress(OSError, AttributeError):  # it has ended; not on this system
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found |= os.sched_getaffinity(int(thread))
    return found


def removed_bytes(pids: Iterable[int]) -> dict[int, int]:
    """What files hold that are open in one of the processes and in no folder, by device.

    Memory that was asked for as a file (memfd_create) is one.
    """
    files: dict[tuple[int, int], int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):  # it has ended
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    facts = entry.stat()
                    if facts.st_nlink == 0 and stat.S_ISREG(facts.st_mode):
                        files[facts.st_dev, facts.st_ino] = facts.st_blocks * BLOCK_BYTES
    sizes: dict[int, int] = {}
    for (device, _), size in files.items():
        sizes[device] = sizes.get(device, 0) + size
    return sizes


def written_bytes(folder: Path) -> int:
    """What all files beneath a folder take on the disk; links are not followed.

    Raises OverflowError, with a clause, for more or deeper folders than anybody needs.
    """
    total = seen = 0
    waiting = [(str(folder), 0)]
    while waiting:
        here, depth = waiting.pop()
        if depth > MOST_DEPTH:
            raise OverflowError(f"made folders in folders, more than {MOST_DEPTH} deep")
        with contextlib.suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                seen += 1
                if seen > MOST_FILES:
                    raise OverflowError(f"made more than {MOST_FILES} files")
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
    return total


def shortage() -> str:
    """What the machine is short of, as a sentence; empty where it has enough."""
    memory = psutil.virtual_memory()
    if memory.available >= LEFT_OVER * memory.total:
        return ""
    return (
        f"The machine had {memory.available / 2**30:.1f} GiB of memory left, so this was ended; "
        "grade it again, with fewer workers."
    )


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
