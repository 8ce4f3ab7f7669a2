"""Read bandwidth against the size of what is read: a step down for every cache that is too small.

Most figures of a machine assume that data come from memory. Whether they do depends on size alone:
what was read a moment ago and fits a cache is read from there, several times as fast.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import torch

from lab_utils.errors import LabError
from lab_utils.machine.ceilings import Watch, compute_threads
from lab_utils.measure.interval import Interval, interval

ROUNDS = 5
READ_BYTES = 2**28
"""Read in one timed call, by going through the same array again and again."""
SIZES_BYTES = tuple(2**power for power in range(14, 31))


def read_bandwidth_by_size(
    sizes_bytes: Sequence[int] = SIZES_BYTES, watch: Watch = iter
) -> dict[int, Interval]:
    """Bytes a second that one core reads from an array of each size, read over and over.

    Sizes are multiples of 4 bytes, in growing order. torch.sum along the rows of a view in which
    every row is the same array: one call, many passes.
    """
    if any(a >= b for a, b in pairwise(sizes_bytes)) or not sizes_bytes or sizes_bytes[0] < 4:
        raise LabError(f"The sizes are {list(sizes_bytes)}; expected growing numbers of bytes.")
    memory = torch.ones(sizes_bytes[-1] // 4)
    rates: dict[int, list[float]] = {size: [] for size in sizes_bytes}
    with compute_threads(1):
        for _ in watch(range(ROUNDS)):
            for size in sizes_bytes:
                passes = max(1, READ_BYTES // size)
                rows = memory[: size // 4].expand(passes, -1)
                rows[:1].sum(dim=1)  # brings it into the cache that holds it
                start_s = time.perf_counter()
                rows.sum(dim=1)
                rates[size].append(passes * size / (time.perf_counter() - start_s))
    return {size: interval(values) for size, values in rates.items()}
