"""cProfile, which comes with Python: every Python call is timed by the wall clock.

profile = cprofile.profile(lambda: service.answer(jpeg))
profile.top(3)

Each call and return runs a hook, which costs about as much as a small Python function does. The
hook's price lands on whoever makes many calls, so a tight loop of small functions looks dearer than
it is, and one long call into C looks as it is.
"""

from __future__ import annotations

import cProfile
import platform
import pstats
import re
import time
from collections.abc import Callable
from typing import Any

from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, Row, frame, largest_first

BLIND_TO = (
    "other threads and other processes: it watches the thread that started it",
    "the inside of a call into C: a whole convolution is one row, as is a whole network in C",
    "working against waiting: the clock runs while a call sleeps",
    "its own price, which it adds to each call: many small functions look dearer than they are",
    "call paths: it keeps pairs of caller and callee, too little for a true flame graph",
)
METHOD = re.compile(r"<method '(?P<method>[^']+)' of '(?P<owner>[^']+)' objects>")
BUILT_IN = re.compile(r"<built-in method (?P<name>.+)>")


def profile(work: Callable[[], object]) -> Profile:
    """Run `work` once under cProfile.

    Raises LabError where another profiler already watches this thread.
    """
    profiler = cProfile.Profile()
    start_s = time.perf_counter()
    try:
        profiler.enable()
    except ValueError:
        raise LabError(
            "cProfile cannot start: another profiler or debugger already watches this thread. "
            "End that one first."
        ) from None
    try:
        work()
    finally:
        profiler.disable()
    elapsed_s = time.perf_counter() - start_s
    return Profile(
        tool=f"cProfile, Python {platform.python_version()}",
        counts="wall-clock time of this thread, waiting included",
        rows=_rows(profiler),
        blind_to=BLIND_TO,
        elapsed_s=elapsed_s,
    )


def _rows(profiler: cProfile.Profile) -> tuple[Row, ...]:
    stats: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    rows = []
    for (file, line, function), (_, calls, self_s, total_s, _) in stats.items():
        if "_lsprof.Profiler" in function:  # its own end
            continue
        name = frame(function, file, line) if file != "~" else _built_in(function)
        rows.append(Row(name, self_s, total_s, calls))
    return largest_first(rows)


def _built_in(name: str) -> str:
    """Names of functions in C, as the other profilers write them."""
    if found := METHOD.fullmatch(name):
        return f"{found['owner']}.{found['method']} (built-in)"
    if found := BUILT_IN.fullmatch(name):
        return f"{found['name']} (built-in)"
    return f"{name} (built-in)"
