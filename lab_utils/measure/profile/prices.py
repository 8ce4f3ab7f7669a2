"""What a profiler costs: the seconds that work takes, alone and watched.

Pair them, interleaved: `compare.interleaved({"alone": …, "watched": …}, rounds=8)`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from lab_utils.measure.profile import pytorch
from lab_utils.measure.profile.pyspy import Recording

CALLS = 100_000


def nothing(work: Callable[[], object]) -> float:
    """Seconds that `work` takes without a profiler."""
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def under_pyspy(work: Callable[[], object]) -> float:
    """Seconds that `work` takes while py-spy samples this process; its start is not counted."""
    with Recording(os.getpid()):
        return nothing(work)


def under_pytorch(work: Callable[[], object], *, stacks: bool) -> float:
    """Seconds that `work` takes under PyTorch Profiler; reading its events is not counted."""
    with pytorch.profiler(stacks=stacks):
        return nothing(work)


def tight_loop() -> int:
    """100,000 calls of a function that does next to nothing: the dearest case for cProfile."""
    number = 0
    for _ in range(CALLS):
        number = _next(number)
    return number


def _next(number: int) -> int:
    return number + 1
