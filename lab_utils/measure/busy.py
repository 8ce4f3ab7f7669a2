"""How busy the cores are, and how much they get done: two figures that people take for one.

keep_busy(lambda: first @ second, cores=2)      # Busy(calls_per_s=…, busy=…)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, interval

ROUNDS = 5


@dataclass(frozen=True)
class Busy:
    """What a load reached. busy: the part (0 to 1) of the cores' time that a monitor would show."""

    calls_per_s: Interval
    busy: Interval


def keep_busy(call: Callable[[], object], cores: int, duration_s: float = 0.2) -> Busy:
    """Make the call again and again, warmed up, in five rounds of `duration_s`.

    cores: by which this process's own processor time is divided.
    """
    if cores < 1 or not duration_s > 0:
        raise LabError(
            f"Cores are {cores} and the duration {duration_s:g} s; expected numbers above 0."
        )
    call()
    rates, busy = [], []
    for _ in range(ROUNDS):
        calls, start_s, start_cpu_s = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start_s < duration_s:
            call()
            calls += 1
        passed_s = time.perf_counter() - start_s
        rates.append(calls / passed_s)
        busy.append((time.process_time() - start_cpu_s) / passed_s / cores)
    return Busy(interval(rates), interval(busy))
