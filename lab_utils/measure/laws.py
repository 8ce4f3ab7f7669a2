"""Laws that tie measured figures together: use them to check a measurement against itself."""

from __future__ import annotations

from lab_utils.calculation import Calculation, positive
from lab_utils.errors import LabError


def littles_law_latency_s(in_flight: float, rate_rps: float) -> float:
    """Mean time a request spends in a system, in seconds: requests in flight / requests a second.

    Holds for any stable system, whatever the distributions (Little 1961).

    >>> round(littles_law_latency_s(in_flight=16, rate_rps=975.048 / 2), 5)
    0.03282
    """
    positive(in_flight=in_flight, rate_rps=rate_rps)
    return in_flight / rate_rps


def amdahl_speedup(share: float, factor: float) -> float:
    """How much faster the whole gets when a share (0 to 1) of it becomes `factor` times faster.

    1 / ((1 − share) + share / factor) (Amdahl 1967).

    >>> round(amdahl_speedup(share=0.9, factor=10), 2)
    5.26
    """
    positive(factor=factor)
    if not 0 <= share <= 1:
        raise LabError(f"share is {share:g}; expected a part of the whole, from 0 to 1.")
    return 1 / ((1 - share) + share / factor)


def serial_share(speedup: float, workers: float) -> float:
    """The share of the work that only one of the workers can do at a time, from what they gained.

    Amdahl's law solved for the share that gets no faster (Karp and Flatt 1990). 0 where the gain is
    the number of workers, 1 where there is none; outside of that the gain has another cause.

    >>> round(serial_share(speedup=1.9, workers=2), 3)
    0.053
    """
    positive(speedup=speedup)
    if not workers >= 2:
        raise LabError(f"workers is {workers:g}; expected at least 2.")
    return (1 / speedup - 1 / workers) / (1 - 1 / workers)


def fan_out_slow_share(servers: float, slow_share: float) -> float:
    """The share of requests that are slow when each asks many servers and waits for all of them.

    1 − (1 − slow share)^servers, where servers are slow independently (Dean and Barroso 2013).

    >>> round(fan_out_slow_share(servers=100, slow_share=0.01), 3)
    0.634
    """
    if not servers >= 1:
        raise LabError(f"servers is {servers:g}; expected at least 1.")
    if not 0 <= slow_share <= 1:
        raise LabError(f"slow_share is {slow_share:g}; expected a part of all, from 0 to 1.")
    return float(1 - (1 - slow_share) ** servers)


LITTLES_LAW = Calculation(
    name="littles-law",
    formula="latency = requests in flight / arrival rate",
    inputs={"in_flight": "requests in the system", "rate_rps": "requests a second"},
    result="seconds a request spends in the system, on average",
    source="Little, A Proof for the Queuing Formula L = λW, Operations Research 9 (1961)",
    compute=littles_law_latency_s,
)
AMDAHL = Calculation(
    name="amdahl",
    formula="speed-up = 1 / ((1 − share) + share / factor)",
    inputs={"share": "part of the time that gets faster, 0 to 1", "factor": "times faster it gets"},
    result="times faster the whole gets",
    source="Amdahl, Validity of the single processor approach, AFIPS (1967)",
    compute=amdahl_speedup,
)
SERIAL_SHARE = Calculation(
    name="serial-share",
    formula="serial share = (1 / speed-up − 1 / workers) / (1 − 1 / workers)",
    inputs={
        "speedup": "times as fast with all workers as with one",
        "workers": "threads, processes or machines that share the work",
    },
    result="part of the work that only one of them does at a time",
    source="Karp and Flatt, Measuring Parallel Processor Performance, CACM 33 (1990)",
    compute=serial_share,
)
FAN_OUT = Calculation(
    name="fan-out",
    formula="slow requests = 1 − (1 − slow share)^servers",
    inputs={
        "servers": "servers that each request waits for",
        "slow_share": "part of each server's answers that are slow, 0 to 1",
    },
    result="share of requests that are slow",
    source="Dean and Barroso, The Tail at Scale, Communications of the ACM 56 (2013)",
    compute=fan_out_slow_share,
)
