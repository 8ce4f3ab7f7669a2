"""Other programs on the same cores: the noise that grades have to live with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAM = Path(__file__).with_name("_burner.py")
"""Run as a file: as a module it would load the grader first."""


@contextmanager
def burning(count: int) -> Iterator[list[int]]:
    """So many bursty processes while the block lasts; gives their numbers."""
    with ExitStack() as stack:
        pids = []
        for seed in range(count):
            # A session each: Linux shares the cores out by session first, and four processes of
            # one session would count as one.
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), str(seed), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            stack.callback(_end, process)
            pids.append(process.pid)
        yield pids


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
