"""Tiers that compute, or are not trusted: run where they cannot stop the event loop.

What can be interrupted, and what cannot:

- **A coroutine** stops where it awaits, if it lets the cancellation through. One that swallows it
  goes on; whoever waited is free all the same (`attempts.within`).
- **A coroutine that blocks** (`time.sleep`, a loop over a million rows, a library without asyncio)
  stops the event loop, and with it every deadline in there. `OwnLoop` gives it a loop to stop.
- **A thread** cannot be interrupted at all. What waits for it can be; it goes on, and keeps its
  place and its thread until it ends. Work that has not begun is taken back. Native code that holds
  Python's global lock stops all threads: such a thing belongs into another process.
- **A process** can be killed: a model server behind a socket, with `components.process` around it.

Both give a plain async callable, and both hold on to the place in a bulkhead until the work has
really ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

Q = TypeVar("Q")
T = TypeVar("T")


class Threads(Generic[Q, T]):
    """A plain function in `threads` threads of its own, as an async callable.

    with Threads(session_run, threads=1) as tier: ...
    """

    def __init__(self, function: Callable[[Q], T], *, threads: int) -> None:
        self._function = function
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="tier")

    async def __call__(self, request: Q) -> T:
        """The function's result; cancelled, it ends when the thread has (see above)."""
        return await _to_its_end(self._pool.submit(self._function, request))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Begin nothing more; what runs is not waited for, since it may never end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class OwnLoop(Generic[Q, T]):
    """An async callable on an event loop in a thread of its own, which it may block.

    with OwnLoop(ask_model_server) as tier: ...
    """

    def __init__(self, function: Callable[[Q], Awaitable[T]]) -> None:
        self._function = function
        self._loop = asyncio.new_event_loop()
        # A daemon: a tier that never comes back must not keep the program from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="tier", daemon=True)

    async def __call__(self, request: Q) -> T:
        """The callable's answer; cancelled, it ends when the callable has."""

        async def run() -> T:
            return await self._function(request)

        return await _to_its_end(asyncio.run_coroutine_threadsafe(run(), self._loop))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


async def _to_its_end(work: Future[T]) -> T:
    ended = asyncio.wrap_future(work)
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        work.cancel()  # reaches a coroutine, and work that has not begun
        await asyncio.wait({ended})  # cancelled once more (the program ends), it gives up
        raise
