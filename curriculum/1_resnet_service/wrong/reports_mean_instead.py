"""Divides the time of the whole loop by n."""

import time
from collections.abc import Callable

TASK = "measure_latency"
MESSAGE = "an average hides the slow calls"


def measure_latency(call: Callable[[], object], n: int, warmup: int) -> list[float]:
    for _ in range(warmup):
        call()
    start = time.perf_counter()
    for _ in range(n):
        call()
    return [(time.perf_counter() - start) / n] * n
