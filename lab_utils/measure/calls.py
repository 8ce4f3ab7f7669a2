"""How long a short call takes: so many together that the clock's own steps do not matter.

rounds = interleaved({"trees": timed(lambda: booster.predict(row))}, rounds=7)
interval(rounds["trees"])          # seconds a call
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lab_utils.errors import LabError

LEAST_S = 0.01
"""Ten milliseconds: ten thousand times what a reading of the clock takes."""


def timed(call: Callable[[], object], least_s: float = LEAST_S) -> Callable[[], float]:
    """A function that makes the call again and again and gives the mean seconds of one.

    How many fill `least_s` is found at once, which warms the call up, too; every later measurement
    makes that many. Raises LabError where `least_s` is not above 0.
    """
    if not least_s > 0:
        raise LabError(f"The least time is {least_s} s; expected one above 0.")
    calls = 1
    while (passed_s := _seconds(call, calls)) < least_s:
        calls = max(2 * calls, int(calls * least_s / max(passed_s, 1e-9)))
    return lambda: _seconds(call, calls) / calls


def _seconds(call: Callable[[], object], calls: int) -> float:
    start_s = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start_s
