"""Payments sent when they are due, to several addresses at once, and what happens meanwhile.

asked = at_once(
    {name: paying(edge.url(name), some, arrivals) for name, some in payments.items()},
    happens=[(2.0, west.kill)],
)
asked["retries"].share_in_time(0.05)
asked["retries"].load.failures
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.features.payment import Payment
from lab_utils.measure.interval import Interval, share
from lab_utils.measure.load.arrivals import Arrivals
from lab_utils.measure.load.generator import open_loop, post
from lab_utils.measure.load.result import LoadResult


@dataclass(frozen=True, eq=False)
class Paid:
    """What became of payments, one place each, in the order in which they were due.

    asked: the payments. due_s: since the start. latency_s: from then to the answer; infinite where
    there was none. replies: the answers, None where there was none.
    """

    load: LoadResult
    asked: tuple[Payment, ...]
    due_s: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    replies: tuple[dict[str, Any] | None, ...]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which were answered, however late."""
        return np.isfinite(self.latency_s)

    def in_time(self, limit_s: float) -> NDArray[np.bool_]:
        """Which were answered within the limit."""
        return self.latency_s <= limit_s

    def share_in_time(self, limit_s: float) -> Interval:
        """Of all payments, the share that was."""
        return share(int(self.in_time(limit_s).sum()), self.due_s.size)

    def said(self, field: str) -> NDArray[np.object_]:
        """One field of each answer; None where there is no answer."""
        found = [None if reply is None else reply[field] for reply in self.replies]
        return np.array(found, dtype=object)


def paying(
    url: str, payments: Sequence[Payment], arrivals: Arrivals, *, timeout_s: float = 2.0
) -> Callable[[], Paid]:
    """Sends a payment at each arrival, when called. url: of the gateway, or of what is before it.

    timeout_s: how long a client waits. Raises LabError where there are more arrivals than payments:
    a payment that comes twice would be answered from the log.
    """
    if len(payments) < arrivals.due_s.size:
        raise LabError(
            f"{arrivals.due_s.size} payments fall due and {len(payments)} were given; expected one "
            "for each arrival."
        )
    bodies = [json.dumps(asdict(payment)).encode() for payment in payments]

    def send() -> Paid:
        answers: list[bytes | None] = []
        load = open_loop(
            post(f"{url}/score", timeout_s=timeout_s, answers=answers), bodies, arrivals
        )
        latency_s = np.full(arrivals.due_s.size, np.inf)
        assert load.latencies_s is not None  # our own generator always has them
        latency_s[[answer is not None for answer in answers]] = load.latencies_s
        replies = tuple(None if answer is None else json.loads(answer) for answer in answers)
        asked = tuple(payments[: arrivals.due_s.size])
        return Paid(load, asked, arrivals.due_s, latency_s, replies)

    return send


def at_once(
    loads: Mapping[str, Callable[[], Paid]],
    happens: Sequence[tuple[float, Callable[[], object]]] = (),
) -> dict[str, Paid]:
    """All loads side by side, each in a thread, while things happen at their second.

    Whatever one of them raises is raised when all have ended.
    """

    def happen() -> None:
        begun_s = time.monotonic()
        for at_s, do in sorted(happens, key=lambda one: one[0]):
            time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
            do()

    with ThreadPoolExecutor(len(loads) + 1) as threads:
        meanwhile = threads.submit(happen)
        running = {name: threads.submit(load) for name, load in loads.items()}
    meanwhile.result()
    return {name: future.result() for name, future in running.items()}
