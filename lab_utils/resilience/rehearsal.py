"""A chain under load on a virtual clock: hours of outages in seconds, the same on every machine.

    answers = rehearse(lambda: Chain([...], last=rules, deadline_s=0.05), poisson(50, 60))

The chain is the real one, its tiers are coroutines that sleep and fail as they like; only the
event loop's clock jumps (`measure.virtual_clock`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from lab_utils.measure.load.arrivals import Arrivals
from lab_utils.measure.virtual_clock import run_virtually
from lab_utils.resilience.chain import Answer, Chain

T = TypeVar("T")


def rehearse(make: Callable[[], Chain[int, T]], arrivals: Arrivals) -> list[Answer[T]]:
    """The answer to each request, in the order in which they were due; a request is its number."""

    async def main() -> list[Answer[T]]:
        chain = make()

        async def one(number: int, due_s: float) -> Answer[T]:
            await asyncio.sleep(due_s)
            return await chain.answer(number)

        due_s = arrivals.due_s.tolist()
        return list(await asyncio.gather(*(one(n, due) for n, due in enumerate(due_s))))

    return run_virtually(main())
