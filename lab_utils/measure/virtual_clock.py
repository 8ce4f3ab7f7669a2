"""An event loop whose clock jumps to the next timer: hours pass in milliseconds, exactly.

    run_virtually(main())       # as asyncio.run(main()), on a clock of its own

What happens is decided by the program alone, not by the machine: two runs give the same result.
It is for tasks, timers and locks. Nothing may wait for the outside world in it (a socket, a thread,
a process), for which no time passes there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `now_s` is what its clock shows, from 0."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector.select = self._advance  # type: ignore[attr-defined]

    def time(self) -> float:
        """The virtual clock, in seconds."""
        return self.now_s

    def _advance(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing is left to wait for"
        self.now_s += timeout
        return []


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """The result of `main`, run to its end on a virtual clock.

    >>> async def an_hour() -> float:
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> run_virtually(an_hour())
    3600.0
    """

    def run() -> T:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            return runner.run(main)

    with ThreadPoolExecutor(1) as thread:  # in a notebook's own thread a loop is running already
        return thread.submit(run).result()
