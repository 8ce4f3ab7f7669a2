"""Other programs on the same cores: the noise that grades have to live with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def burning(count: int) -> Iterator[list[int]]:
    """So many bursty processes while the block lasts; gives their numbers."""
    with ExitStack() as stack:
        pids = []
        for seed in range(count):
            command = [sys.executable, "-m", "lab_utils.bench.grade._burner", str(seed)]
            process = subprocess.Popen([*command, str(os.getpid())], stdin=subprocess.DEVNULL)
            stack.callback(_end, process)
            pids.append(process.pid)
        yield pids


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
