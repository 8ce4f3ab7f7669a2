"""Requests that ask many servers at once and wait for the slowest of them, hedged or not.

alone = fan_out(servers, work_s)
p95 = RecentPercentile(95, start_s=np.quantile(alone.call_s, 0.95))
fan_out(servers, work_s, again_s=more_work_s, after_s=p95, budget=Budget(0.1))
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.resilience.attempts import hedged
from lab_utils.resilience.budget import Budget
from lab_utils.resilience.hedging import RecentPercentile
from lab_utils.resilience.practice import PracticeServers, asking


@dataclass(frozen=True)
class FanOut:
    """Seconds of each request (requests,), and of each of its calls (requests, servers)."""

    request_s: NDArray[np.float64]
    call_s: NDArray[np.float64]


def fan_out(
    servers: PracticeServers,
    work_s: NDArray[np.float64],
    *,
    again_s: NDArray[np.float64] | None = None,
    after_s: RecentPercentile | float = math.inf,
    budget: Budget | None = None,
    at_once: int = 2,
) -> FanOut:
    """Ask all servers for each request; `at_once` requests are on their way at a time.

    work_s: (requests, servers), what each call asks for, in seconds. again_s: the same for hedges,
    which go to the next server after `after_s` while the budget lasts; None for no hedges. A
    percentile as `after_s` is kept up to date with the calls' own latencies.
    """
    requests, count = work_s.shape
    if count != servers.count or (again_s is not None and again_s.shape != work_s.shape):
        raise LabError(
            f"The work is for {count} servers; expected a column for each of the {servers.count}, "
            "and as much for the hedges."
        )
    request_s, call_s = np.empty(requests), np.empty((requests, count))

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        asks = [asking(servers.url(number)) for number in range(count)]
        turns = iter(range(requests))

        async def call(request: int, number: int) -> None:
            begun_s = clock()
            moment_s = after_s() if isinstance(after_s, RecentPercentile) else after_s
            await _call(asks, work_s, again_s, request, number, moment_s, budget)
            call_s[request, number] = clock() - begun_s
            if isinstance(after_s, RecentPercentile):
                after_s.add(call_s[request, number])

        async def client() -> None:
            for request in turns:  # shared: each takes the next one
                begun_s = clock()
                await asyncio.gather(*(call(request, number) for number in range(count)))
                request_s[request] = clock() - begun_s

        await asyncio.gather(*(client() for _ in range(at_once)))

    with ThreadPoolExecutor(1) as thread:  # a notebook's own event loop is running already
        thread.submit(asyncio.run, main()).result()
    return FanOut(request_s, call_s)


async def _call(
    asks: list[Callable[[float], Awaitable[None]]],
    work_s: NDArray[np.float64],
    again_s: NDArray[np.float64] | None,
    request: int,
    number: int,
    after_s: float,
    budget: Budget | None,
) -> None:
    first, next_one = asks[number], asks[(number + 1) % len(asks)]
    if again_s is None:
        return await first(work_s[request, number])
    seconds = float(again_s[request, number])
    return await hedged(
        lambda: first(work_s[request, number]),
        lambda: next_one(seconds),
        after_s=after_s,
        budget=budget,
    )
