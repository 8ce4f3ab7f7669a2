"""A caller with threads, as a service around a blocking client is: what `measure.load` sends with.

    open_loop(sending(lambda body: invoke(client, body), threads=10), bodies, arrivals)

Each thread waits for its call: a blocking call cannot be taken back. With all of them waiting the
next payment waits for a thread, and its latency counts from when it was due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from lab_utils.errors import LabError
from lab_utils.measure.load.generator import Send, Sender
from lab_utils.resilience.attempts import hedged
from lab_utils.resilience.budget import Budget

Call = Callable[[bytes], object]
"""Sends one body and waits for the answer; raises where there is none."""


def sending(
    call: Call,
    *,
    threads: int,
    cause: Callable[[Exception], str] = lambda error: type(error).__name__,
    hedge_after_s: float | None = None,
    budget: Budget | None = None,
) -> Sender:
    """Sends each body by `call`, in one of so many threads.

    cause: a failure in a few words. hedge_after_s: when the same body is sent a second time;
    None: never. budget: for second calls. Raises LabError for less than one thread.
    """
    if threads < 1:
        raise LabError(f"{threads} threads were asked for; expected at least one.")

    @asynccontextmanager
    async def sender() -> AsyncIterator[Send]:
        pool = ThreadPoolExecutor(threads, thread_name_prefix="caller")
        loop = asyncio.get_running_loop()

        async def send(body: bytes) -> str | None:
            def ask() -> Awaitable[object]:
                return loop.run_in_executor(pool, call, body)

            try:
                if hedge_after_s is None:
                    await ask()
                else:
                    await hedged(ask, ask, after_s=hedge_after_s, budget=budget)
            except Exception as error:
                return cause(error)
            return None

        try:
            yield send
        finally:
            pool.shutdown(wait=False)

    return sender
