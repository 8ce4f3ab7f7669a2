"""Times the first calls of a service that has just started."""

import time
from collections.abc import Callable

TASK = "measure_latency"
MESSAGE = "there was no warm-up"


def measure_latency(call: Callable[[], object], n: int, warmup: int) -> list[float]:
    latencies_s = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        latencies_s.append(time.perf_counter() - start)
    return latencies_s
