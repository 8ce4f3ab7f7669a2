"""Is the simulation right? Held against a live service, on the very arrivals that it was sent.

    live = in_turn(url, bodies, (0.3, 0.5, 0.7), busy_rps=800, each=120, blocks=10)
    live.compared[0.5].error

Half of the runs at a load give the service times, the other half is predicted.

The service times are read from outside, of a server with one request at a time. While somebody
always waits, it gives an answer each service time, so the gaps between its answers are its service
times, with all that it does for a request: the socket, the parsing, the log. Under a load it is
idle now and then, and who meets it idle is served more slowly than those who follow each other: it
has to be woken, and its caches are another's. So a load's own service times are taken from runs at
that load, and never from those that they are held against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.compare import Watch
from lab_utils.measure.interval import Interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import closed_loop, open_loop, post
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


def added_s(live: LoadResult) -> Floats:
    """What each request of an open loop added, in seconds: Lindley's recursion, backwards.

    From when it was due, or the answer before it came if that was later, until its own answer. Of a
    server with one request at a time that is the service time as its client sees it. Raises
    LabError for a closed loop and for failures.
    """
    due_s, latencies_s = _open(live)
    done_s = np.sort(due_s + latencies_s)
    free_s = np.concatenate(([0.0], done_s[:-1]))
    added: Floats = done_s - np.maximum(due_s, free_s)
    return added


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


@dataclass(frozen=True)
class Live:
    """One core under several loads in turn. busy_s: service times while somebody always waits, of
    each block. runs: of each load, a share (0 to 1) of what the core can do.
    """

    busy_s: list[Floats]
    runs: Mapping[float, list[LoadResult]]

    @property
    def service_s(self) -> dict[float, Floats]:
        """The service times at each load, from every other run."""
        return {
            share: np.concatenate([added_s(run) for run in runs[::2]])
            for share, runs in self.runs.items()
        }

    @property
    def compared(self) -> dict[float, Comparison]:
        """The runs between those, against a simulation with those service times."""
        return {
            share: compare(self.runs[share][1::2], times_s)
            for share, times_s in self.service_s.items()
        }


def in_turn(
    url: str,
    bodies: Sequence[bytes],
    shares: Sequence[float],
    *,
    busy_rps: float,
    each: int,
    blocks: int,
    watch: Watch = iter,
) -> Live:
    """Short runs at each load, block by block: a machine that changes its speed does so for all.

    busy_rps: what the core can do. each: requests of a run.
    """
    live = Live([], {share: [] for share in shares})
    for block in watch(range(blocks)):
        live.busy_s.append(gaps_s(closed_loop(post(url), bodies, connections=4, requests=each)))
        for share in shares:
            rate_rps = share * busy_rps
            arrivals = poisson(rate_rps, each / rate_rps, seed=block)
            live.runs[share].append(open_loop(post(url), bodies, arrivals))
    return live


def compare(
    lives: Sequence[LoadResult],
    service_s: ArrayLike,
    *,
    servers: int = 1,
    replications: int = 40,
) -> Comparison:
    """Simulate open loops' arrivals at one queue, and lay it beside what happened in all of them.

    service_s: from which each request's time is drawn. replications: draws of the service times,
    all on the live runs' arrivals. Raises LabError for a closed loop, for failures, and where the
    answers together cannot support a percentile.
    """
    if not lives:
        raise LabError("No live run was given; expected one or more.")
    known = [_open(live) for live in lives]
    fleet = Fleet((Tier("live", servers, service_s),))
    runs = [
        [
            simulate(due_s, fleet, seed=seed * len(known) + row)
            for row, (due_s, _) in enumerate(known)
        ]
        for seed in range(replications)
    ]
    live_s = np.concatenate([latencies_s for _, latencies_s in known])
    simulated_s = [np.concatenate([run.latency_s for run in all_]) for all_ in runs]
    percentiles_s = {
        q: (percentile(live_s, q), _spread([percentile(s, q).median for s in simulated_s]))
        for q in PERCENTILES
    }
    live_rps = live_s.size / sum(_lasted_s(due_s, late_s) for due_s, late_s in known)
    rates_rps = [
        live_s.size
        / sum(_lasted_s(due_s, run.latency_s) for (due_s, _), run in zip(known, all_, strict=True))
        for all_ in runs
    ]
    return Comparison(live_rps, float(np.median(rates_rps)), percentiles_s)


def _lasted_s(due_s: Floats, latencies_s: Floats) -> float:
    return float(np.max(due_s + latencies_s) - due_s[0])


def _open(live: LoadResult) -> tuple[Floats, Floats]:
    """When the requests of an open loop were due, and how late they were answered."""
    if live.schedule is None or live.latencies_s is None or live.failures:
        raise LabError(
            f"The live run is a {live.loop} loop with {live.failed} failures; expected an open "
            "loop whose requests were all answered."
        )
    return live.schedule.intended_s, live.latencies_s


def _spread(values: list[float]) -> Interval:
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
    return Interval(float(middle), float(low), float(high), len(values))


def _done_s(load: LoadResult) -> Floats:
    """When each answer came, in order."""
    if load.begun_s is None or load.latencies_s is None:
        raise LabError(f"{load.tool} does not tell when its requests were answered; use ours.")
    return np.sort(load.begun_s + load.latencies_s)
