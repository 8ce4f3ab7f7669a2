"""A served request seen from every side at once: client, service, scheduler, sampler.

seen = observe(service, jpegs, requests=24, sampler="at work")
seen.waited_s, seen.staged_s        # what a client waits; what the service says it worked
seen.states.asleep                  # share of the workers' time
seen.profile                        # py-spy's, of the first worker
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from lab_utils.errors import LabError
from lab_utils.measure.profile.pyspy import Recording
from lab_utils.measure.profile.result import Profile
from lab_utils.measure.profile.scheduler import States, Watch
from lab_utils.serve.client import Client, Exchange
from lab_utils.serve.web import WebService

Sampler = Literal["none", "at work", "idle, too"]


@dataclass(frozen=True)
class Observation:
    """One run of requests against a service, whose workers compute with one thread each.

    profile: None where no sampler was asked for, or where it was refused; `refusal` says why.
    core_loads: how busy each core of the machine was, 0 to 1.
    """

    exchanges: list[Exchange]
    elapsed_s: float
    states: States
    core_loads: list[float]
    profile: Profile | None
    refusal: str = ""

    @property
    def waited_s(self) -> list[float]:
        """What the clients waited, one a request."""
        return [exchange.waited_s for exchange in self.exchanges]

    @property
    def staged_s(self) -> list[float]:
        """The sum of the stages that the service reported, one a request."""
        return [exchange.stages.total_s for exchange in self.exchanges]

    @property
    def rate_rps(self) -> float:
        """Answers a second."""
        return len(self.exchanges) / self.elapsed_s


def observe(
    service: WebService,
    jpegs: Sequence[bytes],
    *,
    requests: int,
    clients: int = 1,
    sampler: Sampler = "none",
) -> Observation:
    """Send `requests` from so many clients, each waiting for its answer (a closed loop).

    The service is warm afterwards, not before: send a few first. A sampler that the operating
    system refuses is left out, and the result says so.
    """
    if requests < 1 or clients < 1:
        raise LabError(f"{requests} requests from {clients} clients; expected at least one each.")
    pids = service.worker_pids()
    recording, refusal = None, ""
    with ExitStack() as stack:
        if sampler != "none":
            try:
                recording = stack.enter_context(Recording(pids[0], idle=sampler == "idle, too"))
            except LabError as error:
                refusal = str(error)
        watch = stack.enter_context(Watch(pids))
        with ThreadPoolExecutor(clients) as threads:
            shares = [list(range(first, requests, clients)) for first in range(clients)]
            sent = threads.map(lambda share: _send(service.url, jpegs, share), shares)
            exchanges = [exchange for some in sent for exchange in some]
    return Observation(
        exchanges,
        watch.elapsed_s,
        watch.states,
        watch.core_loads,
        None if recording is None else recording.profile,
        refusal,
    )


def _send(url: str, jpegs: Sequence[bytes], numbers: Sequence[int]) -> list[Exchange]:
    with Client(url) as client:
        return [client.predict(jpegs[number % len(jpegs)]) for number in numbers]
