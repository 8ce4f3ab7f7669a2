"""Payments that keep coming while something is done to the gateway, and what became of each.

with paying(gateway.url, world.bodies(), rate_rps=100) as paid:
    roll_over([gateway], server, …)
paid.failures            # without a full answer, by cause
paid.versions            # full answers by each version of the model
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import open_loop, post

A_TURN_S = 1.0
"""The load comes in turns of so long, so that it can end when its block does."""


@dataclass
class Paid:
    """What the clients saw.

    payments: all that were sent. failures: by cause; an answer that the rules gave is one, under
    the gateway's own words. answers: of each full answer, when it came in seconds from the start,
    and the version of the model that it is from. latencies_s: of these, from when they were due.
    """

    payments: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[float, str]] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Payments without a full answer."""
        return self.failures.total()

    @property
    def versions(self) -> Counter[str]:
        """How many full answers are from each version."""
        return Counter(version for _, version in self.answers)


@contextmanager
def paying(url: str, bodies: Iterator[bytes], rate_rps: float) -> Iterator[Paid]:
    """Payments for the length of the block and up to a second more, in an open loop (Poisson).

    url: the gateway's, without a path. Complete after the block.
    """
    paid, ended = Paid(), threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="paying") as thread:
        load = thread.submit(_load, url, bodies, rate_rps, paid, ended)
        try:
            yield paid
        finally:
            ended.set()
        load.result()


def _load(
    url: str, bodies: Iterator[bytes], rate_rps: float, paid: Paid, ended: threading.Event
) -> None:
    begun_s = time.monotonic()

    def check(answer: bytes) -> str | None:
        said = json.loads(answer)
        if said["degraded"]:
            return str(said["reason"])
        paid.answers.append((time.monotonic() - begun_s, said["model"]))
        return None

    seed = 0
    while not ended.is_set():
        arrivals = poisson(rate_rps, A_TURN_S, seed)
        seed += 1
        if (count := arrivals.due_s.size) == 0:
            continue
        load = open_loop(post(f"{url}/score", check=check), list(islice(bodies, count)), arrivals)
        paid.payments += load.requests
        paid.failures.update(load.failures)
        assert load.latencies_s is not None  # this generator tells them apart
        paid.latencies_s += load.latencies_s.tolist()
