"""Our own load generators: a closed loop, and an open loop that keeps its schedule.

In a closed loop a client waits for its answer before it sends again: while the service stands
still, nobody asks, and the wait of those who would have asked is never measured ("coordinated
omission", Gil Tene). In an open loop requests come when they are due, as users do, and latency
counts from then.

    closed_loop(post(f"{url}/predict"), pictures, connections=4, requests=40)
    open_loop(post(f"{url}/predict"), pictures, poisson(rate_rps=10, duration_s=5))

Both run an event loop in a thread of their own, so that they work in a notebook, too, and set aside
what the notebook holds (`measure.heap`): a full collection in their midst would make them late.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import math
import select
import selectors
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from lab_utils.errors import LabError
from lab_utils.measure.heap import heap_set_aside
from lab_utils.measure.load.arrivals import Arrivals
from lab_utils.measure.load.http import NotHttpError, Poster
from lab_utils.measure.load.result import LoadResult, Schedule

T = TypeVar("T")
Send = Callable[[bytes], Awaitable[str | None]]
"""Sends one body; gives None for a good answer, else the cause of the failure in a few words."""
Check = Callable[[bytes], str | None]
"""Looks at the body of an answer; gives None where it is good, else what is wrong."""
Answers = list[bytes | None]
TIMEOUT_S = 30.0
SELECT_LIMIT = 1024
OWN_FAULTS = {
    errno.EMFILE: "this machine's limit of open files",
    errno.ENFILE: "this machine's limit of open files",
    errno.EADDRNOTAVAIL: "no free port on this machine",
}
"""Failures that are the generator's, not the service's."""


@asynccontextmanager
async def _client(
    url: str, timeout_s: float, check: Check | None, answers: Answers | None
) -> AsyncIterator[Send]:
    poster = Poster(url)

    async def send(body: bytes) -> str | None:
        row = 0
        if answers is not None:
            row = len(answers)
            answers.append(None)
        try:
            async with asyncio.timeout(timeout_s):
                status, answer = await poster.post(body)
        except TimeoutError:
            return f"no answer in {timeout_s:g} s"
        except ConnectionRefusedError:
            return "connection refused"
        except NotHttpError:
            return "not an HTTP answer"
        except (OSError, EOFError) as error:  # asyncio.IncompleteReadError is an EOFError
            return OWN_FAULTS.get(getattr(error, "errno", None) or 0, "connection broken")
        if not 200 <= status < 300:
            return f"status {status}"
        if answers is not None:
            answers[row] = answer
        return None if check is None else check(answer)

    try:
        yield send
    finally:
        poster.close()


Sender = Callable[[], AbstractAsyncContextManager[Send]]
"""Opens what requests are sent through, for the length of one run."""


def post(
    url: str,
    *,
    timeout_s: float = TIMEOUT_S,
    check: Check | None = None,
    answers: Answers | None = None,
) -> Sender:
    """Send bodies by HTTP POST over kept-alive connections. `check` may refuse an answer.

    answers: is given the body of each good answer, None for a failure, in the order of sending.
    """
    return lambda: _client(url, timeout_s, check, answers)


def closed_loop(
    sender: Sender, bodies: Sequence[bytes], *, connections: int, requests: int
) -> LoadResult:
    """`connections` clients, each sending its next request when it has its answer."""
    _check_bodies(bodies)
    return _in_own_loop(_closed_loop(sender, bodies, connections, requests))


def open_loop(sender: Sender, bodies: Sequence[bytes], arrivals: Arrivals) -> LoadResult:
    """Send when due, whatever is still unanswered. Latency counts from the due time.

    The result's `schedule` keeps intended and actual times of sending.
    """
    _check_bodies(bodies)
    if arrivals.due_s.size == 0:
        raise LabError("No request falls due in so short a time; raise the rate or the duration.")
    return _in_own_loop(_open_loop(sender, bodies, arrivals))


@dataclass
class _Record:
    """One row a request, in the order of sending; times from the event loop's clock."""

    sent_s: list[float] = field(default_factory=list)
    done_s: list[float] = field(default_factory=list)
    failure: list[str | None] = field(default_factory=list)

    async def request(self, send: Send, body: bytes) -> None:
        clock = asyncio.get_running_loop().time
        row = len(self.sent_s)
        self.sent_s.append(clock())
        self.done_s.append(math.nan)
        self.failure.append(None)
        self.failure[row] = await send(body)
        self.done_s[row] = clock()

    def result(
        self, loop: Any, connections: int | None, start_s: float, arrivals: Arrivals | None = None
    ) -> LoadResult:
        sent_s = np.array(self.sent_s) - start_s
        done_s = np.array(self.done_s) - start_s
        good = np.array([cause is None for cause in self.failure])
        counted_from_s = sent_s if arrivals is None else arrivals.due_s
        return LoadResult(
            tool="Inference Lab's generator",
            loop=loop,
            connections=connections,
            duration_s=float(np.max(done_s)),
            answered=int(good.sum()),
            failures=dict(Counter(cause for cause in self.failure if cause is not None)),
            latencies_s=(done_s - counted_from_s)[good],
            begun_s=counted_from_s[good],
            told_s=(done_s - counted_from_s)[~good],
            schedule=None
            if arrivals is None
            else Schedule(arrivals.due_s, sent_s, arrivals.rate_rps),
        )


async def _closed_loop(
    sender: Sender, bodies: Sequence[bytes], connections: int, requests: int
) -> LoadResult:
    turns = iter(range(requests))
    record = _Record()

    async def client(send: Send) -> None:
        for turn in turns:  # shared: each takes the next one
            await record.request(send, bodies[turn % len(bodies)])

    async with sender() as send:
        start_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(client(send) for _ in range(connections)))
    return record.result("closed", connections, start_s)


async def _open_loop(sender: Sender, bodies: Sequence[bytes], arrivals: Arrivals) -> LoadResult:
    record = _Record()
    clock = asyncio.get_running_loop().time
    async with sender() as send, asyncio.TaskGroup() as tasks:
        start_s = clock()
        for due_s, body in zip(arrivals.due_s, itertools.cycle(bodies), strict=False):
            await asyncio.sleep(max(0.0, start_s + due_s - clock()))
            tasks.create_task(record.request(send, body))
    return record.result("open", None, start_s, arrivals)


class _PreciseSelector(selectors.DefaultSelector):
    """Wakes the event loop when a request is due, not at the next millisecond.

    Linux's epoll counts its time limit in whole milliseconds, and Python rounds up: every request
    would be sent half a millisecond late. select() counts in microseconds and can wait for an
    epoll file, for one whose number is below select's limit of 1,024.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        waits_s = timeout is not None and timeout > 0
        if waits_s and hasattr(select, "epoll") and self.fileno() < SELECT_LIMIT:
            select.select([self], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def _run(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(_PreciseSelector())
    ) as runner:
        return runner.run(main)


def _in_own_loop(main: Coroutine[Any, Any, T]) -> T:
    with heap_set_aside(), ThreadPoolExecutor(1, thread_name_prefix="load") as thread:
        return thread.submit(_run, main).result()


def _check_bodies(bodies: Sequence[bytes]) -> None:
    if not bodies:
        raise LabError("No body to send was given; expected at least one, such as a JPEG file.")
