"""Load through what protects a service: any way to ask becomes what `measure.load` sends with.

kept = []
open_loop(sending(lambda: chain_to(server).answer, kept), bodies(work_s), poisson(100, 5))
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from lab_utils.measure.load.generator import Send, Sender


def sending(
    make: Callable[[], Callable[[float], Awaitable[Any]]], kept: list[Any] | None = None
) -> Sender:
    """Sends each body, a number of seconds, through what `make` gives.

    make: called in the load's own event loop, where connections and breakers belong. kept: is given
    what came back, in the order in which it came. What is raised is a failure with that cause.
    """

    @asynccontextmanager
    async def sender() -> AsyncIterator[Send]:
        ask = make()

        async def send(body: bytes) -> str | None:
            try:
                came = await ask(float(body))
            except Exception as error:
                return str(error) or type(error).__name__
            if kept is not None:
                kept.append(came)
            return None

        yield send

    return sender


def bodies(seconds: Iterable[float]) -> list[bytes]:
    """How much work each request is, as it is sent to a practice server."""
    return [b"%.6f" % each for each in seconds]
