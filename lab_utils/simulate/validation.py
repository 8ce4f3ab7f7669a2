"""Is the simulation right? Held against a live service, on the very arrivals that it was sent.

    service_s = gaps_s(closed_loop(post(url), bodies, connections=4, requests=600))
    compare(open_loop(post(url), bodies, arrivals), service_s, outside_s).error

The service times are read from outside: while somebody always waits, a server with one request at a
time gives an answer each service time, so the gaps between its answers are its service times, with
all that it does for a request: the socket, the parsing, the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.measure.load.result import LoadResult
from lab_utils.measure.percentile import percentile
from lab_utils.simulate.regions.engine import simulate
from lab_utils.simulate.regions.model import Fleet, Floats, Tier

PERCENTILES = (50.0, 99.0)


def gaps_s(load: LoadResult) -> Floats:
    """The gaps between answers of a closed loop with two connections or more, in seconds.

    The first answers, before every client had sent, are left out. Raises LabError for a loop that
    left the server nobody to serve next.
    """
    if load.loop != "closed" or load.connections is None or load.connections < 2:
        raise LabError(
            f"The load is a loop of kind {load.loop} with {load.connections} connections; expected "
            "a closed one of at least 2, so that somebody always waits."
        )
    done_s = _done_s(load)
    if done_s.size < 2 * load.connections + 2:
        raise LabError(f"The load has {done_s.size} answers; expected some for each connection.")
    gaps: Floats = np.diff(done_s[load.connections :])
    return gaps


@dataclass(frozen=True)
class Comparison:
    """Live against simulated. percentiles_s: which → (live, simulated).

    The live one has its 95 % interval; the simulated one's is where 95 % of such runs lie, so a
    live run outside of it is not chance.
    """

    live_rps: float
    simulated_rps: float
    percentiles_s: Mapping[float, tuple[Interval, Interval]]

    @property
    def errors(self) -> dict[str, float]:
        """Simulated ÷ live − 1, of the throughput and of each percentile."""
        found = {"throughput": self.simulated_rps / self.live_rps - 1}
        for q, (live, simulated) in self.percentiles_s.items():
            found[f"p{q:g}"] = simulated.median / live.median - 1
        return found

    @property
    def error(self) -> float:
        """The largest of them, without its sign."""
        return max(abs(error) for error in self.errors.values())


def compare(
    live: LoadResult,
    service_s: ArrayLike,
    outside_s: float = 0.0,
    *,
    servers: int = 1,
    replications: int = 40,
) -> Comparison:
    """Simulate an open loop's arrivals at one queue, and lay it beside what happened.

    service_s: from which each request's time is drawn. outside_s: what a request spends outside the
    server, measured with nobody else there. replications: draws of the service times, all on the
    live run's arrivals. Raises LabError for a closed loop, for failures, and where the answers
    cannot support a percentile.
    """
    if live.schedule is None or live.failures:
        raise LabError(
            f"The live run is a {live.loop} loop with {live.failed} failures; expected an open "
            "loop whose requests were all answered."
        )
    due_s = live.schedule.intended_s
    fleet = Fleet((Tier("live", servers, service_s),))
    runs = [simulate(due_s, fleet, seed=seed) for seed in range(replications)]
    percentiles_s = {
        q: (
            live.latency_percentile_s(q),
            _spread([percentile(run.latency_s + outside_s, q).median for run in runs]),
        )
        for q in PERCENTILES
    }
    rates_rps = [due_s.size / (run.done_s.max() + outside_s - due_s[0]) for run in runs]
    live_rps = live.answered / float(_done_s(live)[-1] - due_s[0])
    return Comparison(live_rps, float(np.median(rates_rps)), percentiles_s)


def _spread(values: list[float]) -> Interval:
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
    return Interval(float(middle), float(low), float(high), len(values))


def _done_s(load: LoadResult) -> Floats:
    """When each answer came, in order."""
    if load.begun_s is None or load.latencies_s is None:
        raise LabError(f"{load.tool} does not tell when its requests were answered; use ours.")
    return np.sort(load.begun_s + load.latencies_s)
