"""What threads of one process bring: the same work by one thread, and by several at once.

    thread_gains({"decode": lambda: lambda: decode(jpeg)}, threads=2)      # {"decode": 1.9 […]}

Where the gain is the number of threads, the work leaves Python's lock (the GIL) alone, as libraries
in C may. Where it is 1, only one of them works at any moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from lab_utils.errors import LabError
from lab_utils.measure.compare import Watch, interleaved
from lab_utils.measure.interval import Interval, ratio_interval

Work = Callable[[], object]


def thread_gains(
    makers: Mapping[str, Callable[[], Work]],
    threads: int,
    rounds: int = 6,
    duration_s: float = 0.1,
    watch: Watch = iter,
) -> dict[str, Interval]:
    """Rate with `threads` threads over the rate with one, in rounds of one after the other.

    makers: each gives a thread its own work to repeat, called once a thread and warmed up by one
    call. Raises LabError where there is nothing to share.
    """
    if threads < 2 or rounds < 1 or not duration_s > 0:
        raise LabError(
            f"Threads are {threads}, rounds {rounds} of {duration_s:g} s; expected at least 2 "
            "threads, one round and a time above 0."
        )
    runs = {}
    for name, make in makers.items():
        works = [make() for _ in range(threads)]
        for work in works:
            work()
        for count in (1, threads):
            runs[f"{count} {name}"] = lambda works=works[:count]: rate_rps(works, duration_s)
    rates = interleaved(runs, rounds, watch)
    return {name: ratio_interval(rates[f"{threads} {name}"], rates[f"1 {name}"]) for name in makers}


def rate_rps(works: list[Work], duration_s: float) -> float:
    """Calls a second of all works together, each repeated in a thread of its own."""
    start = threading.Barrier(len(works) + 1)
    counts = [0.0] * len(works)

    def repeat(place: int) -> None:
        work, calls = works[place], 0
        start.wait()
        begun_s = time.perf_counter()
        while (passed_s := time.perf_counter() - begun_s) < duration_s:
            work()
            calls += 1
        counts[place] = calls / passed_s

    started = [threading.Thread(target=repeat, args=(place,)) for place in range(len(works))]
    for thread in started:
        thread.start()
    start.wait()
    for thread in started:
        thread.join()
    return sum(counts)
