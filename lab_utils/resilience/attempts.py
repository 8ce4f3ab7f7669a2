"""Ways to ask: within a limit, again after a failure, and a second one when the first is late.

    await within(ask, 0.02)                                     # at most 20 ms, whatever it does
    await hedged(ask, ask_another, after_s=p95, budget=hedges)  # the first good answer of two
    await retried(ask, attempts=3, budget=retries, pause_s=0.01)

`ask` is called without arguments and gives an awaitable; each call of it is one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import tenacity

from lab_utils.resilience.budget import Budget

T = TypeVar("T")
Ask = Callable[[], Awaitable[T]]
_running: set[asyncio.Task[Any]] = set()
"""Held here, since an event loop forgets a task that nobody holds, given up or not."""


class TooSlow(Exception):  # noqa: N818  it is a finding, not a fault
    """No answer within the limit."""


class Abandoned(Exception):  # noqa: N818
    """What was asked has cancelled itself, which is no answer."""


def begin(ask: Ask[T]) -> asyncio.Task[T]:
    """Ask, in a task of its own, which may be left to itself."""

    async def run() -> T:
        return await ask()

    task = asyncio.ensure_future(run())
    _running.add(task)
    task.add_done_callback(_ended)
    return task


async def within(ask: Ask[T], limit_s: float) -> T:
    """The answer, or TooSlow after `limit_s` seconds, whatever becomes of it.

    It is asked to stop and not waited for: `asyncio.timeout` would wait for one that swallows its
    cancellation. Nothing here can stop one that blocks the event loop; see `apart`.
    """
    task = begin(ask)
    try:
        await asyncio.wait({task}, timeout=limit_s)
        return _answer(task, limit_s)
    finally:
        task.cancel()  # does nothing where it is done


async def hedged(
    first: Ask[T], second: Ask[T], *, after_s: float, budget: Budget | None = None
) -> T:
    """The first good answer, with `second` asked where `first` has none after `after_s`.

    budget: without one left the second is not asked. The loser is cancelled. Raises what the first
    to fail raised, where all failed. One that fails does not bring the other forward: a hedge is
    against waiting, a retry against failing (Dean and Barroso, The Tail at Scale, 2013).
    """
    if budget is not None:
        budget.earn()
    tasks = [begin(first)]
    try:
        await asyncio.wait(tasks, timeout=after_s)
        if not tasks[0].done() and (budget is None or budget.take()):
            tasks.append(begin(second))
        failed: BaseException | None = None
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled() and task.exception() is None:
                    return task.result()
                failed = failed or _failure(task)
        assert failed is not None
        raise failed
    finally:
        for task in tasks:
            task.cancel()


async def retried(ask: Ask[T], *, attempts: int, budget: Budget | None, pause_s: float) -> T:
    """The answer of the first attempt that does not fail, or what the last one raised.

    attempts: in all, the first one included. budget: without one left no other attempt is made;
    None is a retry storm waiting for its day. pause_s: the longest first pause, doubled each time
    and drawn from 0 on, so that those who failed together do not come back together (tenacity's
    `wait_random_exponential`; Brooker, Exponential Backoff and Jitter, AWS 2015).
    """
    if budget is not None:
        budget.earn()

    def again(state: tenacity.RetryCallState) -> bool:
        failed = state.outcome is not None and isinstance(state.outcome.exception(), Exception)
        more = failed and state.attempt_number < attempts
        return more and (budget is None or budget.take())

    retrying = tenacity.AsyncRetrying(
        retry=again, wait=tenacity.wait_random_exponential(multiplier=pause_s), reraise=True
    )

    async def once() -> T:  # tenacity awaits what it is given only if it is a coroutine function
        return await ask()

    return await retrying(once)


def _answer(task: asyncio.Task[T], limit_s: float) -> T:
    if not task.done():
        raise TooSlow(f"no answer in {1e3 * limit_s:.0f} ms")
    if task.cancelled():
        raise _failure(task)
    return task.result()


def _failure(task: asyncio.Task[Any]) -> BaseException:
    error = None if task.cancelled() else task.exception()
    return error or Abandoned("it cancelled itself")


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, or asyncio complains that nobody did
