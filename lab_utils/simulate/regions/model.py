"""What is simulated: regions with tiers of servers, clients that lose patience, and what fails.

    Fleet(
        tiers=(
            Tier("model", servers=60, service_s=measured_s, deadline_s=0.03),
            Tier("rules", servers=60, service_s=0.0002),
        ),
        regions=3,
        clients=Clients(timeout_s=0.05, attempts=3, backoff_s=0.01),
    )

A request goes to its region's first tier. Whoever has no answer from a tier within its
`deadline_s`, or finds its queue full, goes to the next one; beyond the last there is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError

Floats = NDArray[np.float64]
ROUTES = {"random": 0, "in turn": 1, "shorter of two": 2}
"""How a request finds one of several queues. Shorter of two: of two that are drawn, that with fewer
requests (Mitzenmacher, The Power of Two Choices, IEEE TPDS 2001)."""


@dataclass(frozen=True)
class Tier:
    """One kind of server, the same in every region.

    servers: of a region. service_s: recorded times of one request, from which each request's is
    drawn; one number is always that. deadline_s: from coming to the tier until its answer; the next
    tier is asked then. queues: that share the servers evenly, found by `route`. queue_most: that
    may wait in one of them. batch_most, batch_wait_s: as in `station.Station`; growth: a batch of k
    takes the drawn time × growth[k − 1]. woken_s: as service_s, of a request that finds its server
    idle; None: the same ("exceptional first service", Welch, Operations Research 12, 1964).
    in_a_row: so many services of a server get times that were recorded one after the other, from a
    place that is drawn, and round the end to the beginning (the circular block bootstrap, Politis
    and Romano 1992): what came in clusters stays in clusters. service_s and woken_s then tell of
    the same moments, place by place. 1: each time is drawn by itself.
    """

    name: str
    servers: int
    service_s: ArrayLike
    deadline_s: float = math.inf
    queues: int = 1
    route: str = "random"
    queue_most: int | None = None
    batch_most: int = 1
    batch_wait_s: float = 0.0
    growth: ArrayLike = (1.0,)
    woken_s: ArrayLike | None = None
    in_a_row: int = 1

    def __post_init__(self) -> None:
        for times in (self.times_s, self.woken_times_s):
            if not times.size or not np.all((times >= 0) & np.isfinite(times)):
                raise LabError(
                    f"The tier {self.name!r} has service times that are none, below 0 or not "
                    "finite; expected recorded ones, in seconds."
                )
        if self.woken_s is not None and self.batch_wait_s > 0:
            raise LabError(
                f"The tier {self.name!r} has times of woken servers and waits "
                f"{self.batch_wait_s:g} s for a batch; expected one of the two."
            )
        if min(self.servers, self.queues, self.batch_most) < 1 or self.servers % self.queues:
            raise LabError(
                f"The tier {self.name!r} has {self.servers} servers, {self.queues} queues and "
                f"batches of {self.batch_most}; expected at least 1 of each, and as many servers "
                "at each queue."
            )
        if self.in_a_row < 1 or (
            self.in_a_row > 1
            and (self.servers > self.queues or self.times_s.size != self.woken_times_s.size)
        ):
            raise LabError(
                f"The tier {self.name!r} has {self.in_a_row} services in a row, {self.servers} "
                f"servers at {self.queues} queues, {self.times_s.size} times and "
                f"{self.woken_times_s.size} of woken servers; expected at least 1, and for more a "
                "queue for each server and as many times of both kinds."
            )
        if self.route not in ROUTES:
            raise LabError(f"The route is {self.route!r}; expected one of {', '.join(ROUTES)}.")
        if np.size(self.growth) < self.batch_most:
            raise LabError(
                f"growth has {np.size(self.growth)} factors, batches of up to {self.batch_most}; "
                "expected one for each size."
            )
        if not (self.deadline_s > 0 and self.batch_wait_s >= 0):
            raise LabError(
                f"The tier {self.name!r} has a deadline of {self.deadline_s:g} s and waits "
                f"{self.batch_wait_s:g} s for a batch; expected above 0, and 0 or more."
            )

    @property
    def times_s(self) -> Floats:
        """The recorded service times as an array."""
        return np.atleast_1d(np.asarray(self.service_s, dtype=float))

    @property
    def woken_times_s(self) -> Floats:
        """The times of those that find their server idle."""
        times_s = self.service_s if self.woken_s is None else self.woken_s
        return np.atleast_1d(np.asarray(times_s, dtype=float))


@dataclass(frozen=True)
class Clients:
    """Who asks.

    timeout_s: after which an attempt is given up. attempts: sent at most, the first included.
    backoff_s: before the second a random time up to this, twice as long before each further one.
    retry_budget: retries that may be sent for each first attempt; None: any. hedge_s: without an
    answer by then a second copy is sent, and the first answer counts. cancel: whether what nobody
    waits for any more is taken out of the queues; what has begun is always finished.
    """

    timeout_s: float = math.inf
    attempts: int = 1
    backoff_s: float = 0.0
    retry_budget: float | None = None
    hedge_s: float = math.inf
    cancel: bool = False

    def __post_init__(self) -> None:
        if not (self.timeout_s > 0 and self.hedge_s > 0 and self.backoff_s >= 0):
            raise LabError(
                f"Clients wait {self.timeout_s:g} s, hedge after {self.hedge_s:g} s and back off "
                f"{self.backoff_s:g} s; expected above 0 each, and a backoff of 0 or more."
            )
        if not 1 <= self.attempts <= MOST_ATTEMPTS:
            raise LabError(f"attempts is {self.attempts}; expected 1 to {MOST_ATTEMPTS}.")


MOST_ATTEMPTS = 100


@dataclass(frozen=True)
class Fleet:
    """tiers: in the order in which they are asked. regions: how many.

    failover_s: from the loss of a region until its requests are sent to the others. Until then they
    are sent into it, and their clients hear nothing before their timeout.
    """

    tiers: tuple[Tier, ...]
    regions: int = 1
    clients: Clients = field(default_factory=Clients)
    failover_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.tiers or self.regions < 1 or not self.failover_s >= 0:
            raise LabError(
                f"The fleet has {len(self.tiers)} tiers, {self.regions} regions, a failover after "
                f"{self.failover_s:g} s; expected at least 1 of each, and 0 s or more."
            )


@dataclass(frozen=True)
class Change:
    """From `at_s` on one tier of one region has so many servers, each so many times slower.

    servers: None leaves them. A server that goes ends what it has begun. region: None is all.
    """

    at_s: float
    tier: int = 0
    region: int | None = None
    servers: int | None = None
    slower: float = 1.0


@dataclass(frozen=True)
class Loss:
    """A region is gone from `at_s` on, with all that was in it, until `until_s`."""

    at_s: float
    region: int
    until_s: float = math.inf
