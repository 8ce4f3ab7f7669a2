"""No process outlives its purpose: who dies with whom, and how strays are found and ended.

Two Linux facilities do the work. A child may ask to be killed when its parent dies
(`prctl(PR_SET_PDEATHSIG)`). A process may adopt its descendants' orphans
(`PR_SET_CHILD_SUBREAPER`), so that a server whose kernel was killed is still found among the
runner's children. Elsewhere both calls do nothing, and an orderly shutdown has to be enough.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
KILLED_WITHIN_S = 5.0
SWEEPS, SWEEP_S = 50, 0.1


def die_with_parent(parent: int, signum: int) -> None:
    """Have the system send `signum` to this process when its parent, `parent`, ends."""
    _prctl(PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent:  # it ended before the call took effect
        os.kill(os.getpid(), signum)


def adopt_orphans(adopt: bool = True) -> None:
    """From now on orphans among this process's descendants become its own children, or not."""
    _prctl(PR_SET_CHILD_SUBREAPER, int(adopt))


def be_looked_into(allowed: bool) -> None:
    """Whether processes of the same user may read or change this one's memory from now on."""
    _prctl(PR_SET_DUMPABLE, int(allowed))


@contextmanager
def adopted_orphans() -> Iterator[None]:
    """`adopt_orphans`, for as long as the block lasts."""
    adopt_orphans()
    try:
        yield
    finally:
        adopt_orphans(False)


def descendants() -> set[psutil.Process]:
    """This process's children, their children and so on, without those already dead."""
    return {p for p in psutil.Process().children(recursive=True) if _lives(p)}


def end(strays: set[psutil.Process], grace_s: float) -> int:
    """Wait `grace_s` for the processes to end, then kill what is left; gives how many that was.

    A lesson's server is watched over by a supervisor that needs a moment to stop it properly:
    hence the grace.
    """
    _, alive = psutil.wait_procs(strays, timeout=grace_s)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=KILLED_WITHIN_S)
    return len(alive)


def end_descendants(pid: int) -> None:
    """Kill everything that descends from a process, also what is started meanwhile."""
    for _ in range(SWEEPS):
        try:
            left = [p for p in psutil.Process(pid).children(recursive=True) if _lives(p)]
        except psutil.NoSuchProcess:
            return
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process.kill()
        psutil.wait_procs(left, timeout=SWEEP_S)


def end_group(group: int) -> None:
    """Kill a process group; does nothing where it has ended."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
