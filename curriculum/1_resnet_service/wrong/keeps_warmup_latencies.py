"""Warms up, but leaves those latencies in the list."""

import time
from collections.abc import Callable

TASK = "measure_latency"
MESSAGE = "warm-up calls are among them"


def measure_latency(call: Callable[[], object], n: int, warmup: int) -> list[float]:
    latencies_s = []
    for _ in range(warmup + n):
        start = time.perf_counter()
        call()
        latencies_s.append(time.perf_counter() - start)
    return latencies_s
