"""Returns milliseconds where seconds are asked for."""

import time
from collections.abc import Callable

TASK = "measure_latency"
MESSAGE = "that is milliseconds"


def measure_latency(call: Callable[[], object], n: int, warmup: int) -> list[float]:
    for _ in range(warmup):
        call()
    latencies_ms = []
    for _ in range(n):
        start = time.perf_counter()
        call()
        latencies_ms.append(1000 * (time.perf_counter() - start))
    return latencies_ms
