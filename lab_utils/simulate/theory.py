"""What theory says of queues: the oracle of the simulations, and the first guess of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError


def erlang_c(servers: float, offered: float) -> float:
    """The probability that a request must wait, with Poisson arrivals and exponential service.

    servers: a whole number of them. offered: arrival rate × mean service time, in servers; below
    their number. By the recursion of Erlang B, which stays exact where factorials overflow.

    >>> round(erlang_c(servers=2, offered=1), 4)
    0.3333
    """
    if servers < 1 or servers != int(servers):
        raise LabError(f"servers is {servers:g}; expected a whole number, at least 1.")
    if not 0 <= offered < servers:
        raise LabError(
            f"offered is {offered:g}; expected 0 or more, and less than the {servers:g} servers: "
            "beyond that the queue grows without end."
        )
    blocked = 1.0
    for number in range(1, int(servers) + 1):
        blocked = offered * blocked / (number + offered * blocked)
    utilisation = offered / servers
    return blocked / (1 - utilisation * (1 - blocked))


def mmc_wait_s(servers: float, rate_rps: float, service_s: float) -> float:
    """Mean time in the queue of M/M/c, in seconds (Erlang 1917)."""
    waiting = erlang_c(servers, rate_rps * service_s)
    return waiting * service_s / (servers - rate_rps * service_s)


def mgc_wait_s(servers: float, rate_rps: float, service_s: float, variation: float) -> float:
    """Mean time in the queue of M/G/c, about, in seconds: that of M/M/c × (1 + variation²) / 2.

    variation: standard deviation ÷ mean of the service times; 1 where they are exponential, and
    then, as for one server, this is exact (Lee and Longton, Operational Research Quarterly 10,
    1959).
    """
    return mmc_wait_s(servers, rate_rps, service_s) * (1 + variation**2) / 2


def mmc_late(servers: float, rate_rps: float, service_s: float, wait_s: float) -> float:
    """The share of requests that wait longer than `wait_s` in M/M/c, 0 to 1.

    P(wait > t) = C · e^(−(c − a) t / S), with Erlang's C, the offered load a = rate × S.

    >>> round(mmc_late(servers=2, rate_rps=1, service_s=1, wait_s=0), 4)
    0.3333
    """
    offered = rate_rps * service_s
    late = erlang_c(servers, offered) * math.exp(-(servers - offered) * wait_s / service_s)
    return float(late)


def priority_waits_s(rates_rps: Sequence[float], service_s: float) -> list[float]:
    """Mean time in the queue of each class, the most urgent first, in seconds (Cobham 1954).

    One server, Poisson arrivals, exponential service with the same mean for all; what has begun is
    not interrupted.
    """
    loads = [rate * service_s for rate in rates_rps]
    if not loads or min(loads) < 0 or not sum(loads) < 1:
        raise LabError(
            f"The classes offer {', '.join(f'{load:g}' for load in loads) or 'nothing'} of one "
            "server; expected parts of 0 or more, below 1 together."
        )
    residual_s = sum(loads) * service_s  # of the request in service: λ · E[S²] / 2
    waits_s, before = [], 0.0
    for load in loads:
        waits_s.append(residual_s / ((1 - before) * (1 - before - load)))
        before += load
    return waits_s


ERLANG_C = Calculation(
    name="erlang-c",
    formula="P(wait) = B / (1 − ρ (1 − B)), B by Erlang's recursion, ρ = offered / servers",
    inputs={
        "servers": "a whole number",
        "offered": "arrival rate × mean service time, in servers",
    },
    result="the probability that a request must wait",
    source="Erlang 1917; Kleinrock, Queueing Systems, volume I (1975), section 3.5",
    compute=erlang_c,
)
