"""What a second request brings and costs, from the latencies of one: before anybody sends it.

A hedge is sent where no answer has come after the q-th percentile, so 100 − q % of the requests are
sent twice. Whoever is still slow then was slow twice (Dean and Barroso, The Tail at Scale, 2013).
That holds for servers that are slow independently and for a load that has room for the rest; see
`hedged_utilisation`.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError
from lab_utils.measure.laws import fan_out_slow_share


def hedged_slow_share(slow_share: float, servers: float, together: float = 0) -> float:
    """The share of requests that are slow where each of `servers` calls is hedged.

    slow_share: of a single call. together: the part of the slow calls whose hedge is slow for the
    same reason (the same disk, the same query); 0 for independent ones. A call is then slow with
    p · (together + (1 − together) · p).

    >>> round(hedged_slow_share(slow_share=0.01, servers=100), 4)
    0.01
    """
    for name, share in (("slow_share", slow_share), ("together", together)):
        if not 0 <= share <= 1:
            raise LabError(f"{name} is {share:g}; expected a part of all, from 0 to 1.")
    twice = slow_share * (together + (1 - together) * slow_share)
    return fan_out_slow_share(servers, twice)


def hedged_utilisation(utilisation: float, percentile: float) -> float:
    """The utilisation with hedges after this percentile: what is sent twice is work, too.

    >>> round(hedged_utilisation(utilisation=0.8, percentile=95), 2)
    0.84
    """
    if not utilisation >= 0:
        raise LabError(f"utilisation is {utilisation:g}; expected a share, 0 or more.")
    if not 0 < percentile < 100:
        raise LabError(f"percentile is {percentile:g}; expected a number between 0 and 100.")
    return utilisation * (1 + (100 - percentile) / 100)


def hedged_latency_s(
    first_s: ArrayLike, second_s: ArrayLike, after_s: float
) -> NDArray[np.float64]:
    """Latencies with a hedge after `after_s`, from those of single requests: min(a, after + b).

    first_s, second_s: as many of each, of requests that know nothing of each other.
    """
    first, second = np.asarray(first_s, dtype=float), np.asarray(second_s, dtype=float)
    if first.shape != second.shape:
        raise LabError(
            f"{first.size} first and {second.size} second latencies were given; expected as many "
            "of each."
        )
    return np.where(first > after_s, np.minimum(first, after_s + second), first)


class RecentPercentile:
    """A percentile of the last latencies, for a hedge's moment; `start_s` until it has some.

    A call that was cancelled since its hedge was faster is kept with what it had waited: it counts
    as one above the percentile, which is all that the percentile asks.
    """

    def __init__(self, percentile: float, *, start_s: float, last: int = 500) -> None:
        if not 0 < percentile < 100:
            raise LabError(f"percentile is {percentile:g}; expected a number between 0 and 100.")
        self._share = percentile / 100
        self._latencies: deque[float] = deque(maxlen=last)
        self._needed = max(20, round(1 / (1 - self._share)))
        self._stale = 0
        self._value = start_s

    def add(self, latency_s: float) -> None:
        """One more latency, in seconds."""
        self._latencies.append(latency_s)
        self._stale += 1

    def __call__(self) -> float:
        """The percentile now, in seconds; worked out again after every twentieth latency."""
        if len(self._latencies) >= self._needed and self._stale >= 20:
            self._value = float(np.quantile(np.array(self._latencies), self._share))
            self._stale = 0
        return self._value


HEDGE = Calculation(
    name="hedge",
    formula="slow requests = 1 − (1 − p · (together + (1 − together) · p))^servers",
    inputs={
        "slow_share": "p, part of each server's answers that are slow, 0 to 1",
        "servers": "servers that each request waits for",
        "together": "part of the slow calls whose hedge is slow for the same reason, 0 to 1",
    },
    result="share of requests that are slow although each call is hedged",
    source="Dean and Barroso, The Tail at Scale, Communications of the ACM 56 (2013)",
    compute=hedged_slow_share,
)
HEDGE_LOAD = Calculation(
    name="hedge-load",
    formula="utilisation with hedges = utilisation · (1 + (100 − percentile) / 100)",
    inputs={
        "utilisation": "without hedges, as a share",
        "percentile": "of the latency, after which a call is sent again",
    },
    result="utilisation with hedges",
    source="Dean and Barroso, The Tail at Scale, Communications of the ACM 56 (2013)",
    compute=hedged_utilisation,
)
