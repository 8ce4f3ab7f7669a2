"""One server with a queue: what a model says that requests wait, to lay beside what they did.

Theory gives it for random arrivals (`mm1_sojourn_s`). For arrivals that are known, drawn or
recorded, the waiting can simply be worked out, request by request (`sojourn_s`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.calculation import Calculation
from lab_utils.errors import LabError


def mm1_sojourn_s(service_s: float, utilisation: float, percentile: float) -> float:
    """A percentile of the time from arrival to answer in an M/M/1 queue, in seconds.

    Poisson arrivals, exponential service times with mean `service_s`, one server, first come first
    served. The time is exponential with mean S / (1 − ρ), so its percentile q is
    −ln(1 − q) · S / (1 − ρ) (Kleinrock, Queueing Systems I, 1975, section 5.12).

    >>> round(mm1_sojourn_s(service_s=1, utilisation=0.9, percentile=99), 2)
    46.05
    """
    if not 0 < service_s < math.inf:
        raise LabError(f"service_s is {service_s:g}; expected a number above 0.")
    if not 0 <= utilisation < 1:
        raise LabError(
            f"utilisation is {utilisation:g}; expected a share from 0 to below 1: at 1 the queue "
            "grows without end."
        )
    if not 0 < percentile < 100:
        raise LabError(f"percentile is {percentile:g}; expected a number between 0 and 100.")
    return -math.log1p(-percentile / 100) * service_s / (1 - utilisation)


def sojourn_s(due_s: ArrayLike, service_s: ArrayLike) -> NDArray[np.float64]:
    """The time from arrival to answer of each request at one server, in seconds.

    due_s: arrival times, in order. service_s: one service time each, or one for all. First come
    first served: a request begins when it is there and the one before it is done (Lindley 1952).

    >>> sojourn_s([0, 1, 1, 9], 2.0).tolist()
    [2.0, 3.0, 5.0, 2.0]
    """
    due = in_order(due_s)
    service = np.broadcast_to(np.asarray(service_s, dtype=float), due.shape)
    if not np.all(service >= 0):
        raise LabError("A service time is negative; expected seconds, 0 or more.")
    done_work = np.cumsum(service)
    # The server is idle last before the request that maximises arrival − work done before it.
    finished = done_work + np.maximum.accumulate(due - done_work + service)
    return np.asarray(finished - due)


def in_order(due_s: ArrayLike) -> NDArray[np.float64]:
    """Arrival times as an array; raises LabError where there are none or one is out of order."""
    due = np.asarray(due_s, dtype=float)
    if due.size == 0 or np.any(np.diff(due) < 0):
        raise LabError("The arrivals are none or not in order; expected growing seconds.")
    return due


MM1 = Calculation(
    name="mm1",
    formula="sojourn percentile = −ln(1 − percentile / 100) · service / (1 − utilisation)",
    inputs={
        "service_s": "mean service time, seconds",
        "utilisation": "arrival rate × service time, 0 to below 1",
        "percentile": "which one, above 0 and below 100",
    },
    result="seconds from arrival to answer",
    source="Kleinrock, Queueing Systems, volume I (1975), section 5.12",
    compute=mm1_sojourn_s,
)
