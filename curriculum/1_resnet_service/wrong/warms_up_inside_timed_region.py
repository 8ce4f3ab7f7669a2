"""Starts the clock first and warms up afterwards."""

import time
from collections.abc import Callable

TASK = "measure_latency"
MESSAGE = "contains the"


def measure_latency(call: Callable[[], object], n: int, warmup: int) -> list[float]:
    latencies_s = []
    start = time.perf_counter()
    for _ in range(warmup):
        call()
    for _ in range(n):
        call()
        now = time.perf_counter()
        latencies_s.append(now - start)
        start = now
    return latencies_s
