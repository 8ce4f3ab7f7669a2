"""How many processor cores this process may use, and how threads are pinned to them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def available_cores() -> int:
    """Cores this process may run on: its affinity mask, cut by a container's CPU quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(cores, math.ceil(quota))) if quota else cores


@contextmanager
def limited_to(cores: int | None) -> Iterator[None]:
    """What this thread starts in the block gets the first `cores` of its own cores.

    None, and a system that knows no such limit, leave them all.
    """
    if cores is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    with _on(sorted(os.sched_getaffinity(0))[:cores]):
        yield


@contextmanager
def set_aside(cores: int) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Keep this thread, and what it starts in the block, off its first `cores` cores.

    What is given is a context: what this thread starts in that has those cores for itself. So a
    service is measured, and not how it shares a core with its load generator. Where there are no
    more cores than these, or a system knows no such limit, everybody has all.
    """
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    first, rest = mine[:cores], mine[cores:]
    if not rest:
        yield nullcontext
        return
    with _on(rest):
        yield lambda: _on(first)


@contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def thread_environment(threads: int | None) -> dict[str, str]:
    """This process's environment with compute threads set to `threads`, or left at their defaults.

    `None` removes every setting, which is what a service deployed without a thought about
    threads gets: one compute thread a core in every process.
    """
    environment = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    if threads is not None:
        environment |= {name: str(threads) for name in THREAD_VARIABLES}
    return environment


def _cgroup_quota() -> float | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)
