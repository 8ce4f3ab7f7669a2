"""What tests start as a person would, and how they see what is left of it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable

import psutil

from lab_utils.files import ROOT

LAB = [sys.executable, "-m", "lab_utils.cli.app"]
GONE_WITHIN_S = 10
MARK = "INFERENCE_LAB_TEST_MARK"


def lab(*arguments: object, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """`./lab` with these arguments, to its end."""
    command = [*LAB, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended and that nobody has asked about (a zombie) does not.

    Where process 1 reaps nobody, as in many containers, orphans stay zombies for good.
    """
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def assert_gone(pids: Iterable[int]) -> None:
    """These processes end, in a while."""
    deadline_s = time.monotonic() + GONE_WITHIN_S
    left = list(pids)
    while left and time.monotonic() < deadline_s:
        left = [pid for pid in left if alive(pid)]
        time.sleep(0.02)
    assert left == []


def marked(mark: str) -> list[psutil.Process]:
    """The processes that were started with this value of the variable `MARK`, without this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
