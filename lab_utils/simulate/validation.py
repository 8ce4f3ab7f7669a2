"""Is the simulation right? Held against a live service, on the very arrivals that it was sent.

    live = in_turn(url, bodies, (0.3, 0.5, 0.7), each=120, blocks=10)
    live.compared[0.5].errors["p99"], largest_error(live.compared.values())

The runs at a load come in pairs, one right after the other. Each is predicted with the service
times of the other one, and never with its own: so a machine that changes its speed has changed it
for both, and which half a stall hit does not decide. All runs together are then compared with all
predictions together. The interval of an error is what other draws of the same pairs would have
shown: requests of one run wait for each other, so the runs are drawn, not the requests.

What holds a server up (another process, another guest of the same machine) comes in clusters, and
in a cluster each delay waits for the one before it. So the other run's times are not drawn one by
one: they are taken in their order, from a place that is drawn. Drawn one by one they have the same
mean and the same spread, and a P99 that is too low (Fendick, Saksena and Whitt, IEEE Transactions
on Communications 37, 1989: the waiting grows with the sum of the correlations).

The service times are read from outside, of a server with one request at a time. While somebody
always waits, it gives an answer each service time, so the gaps between its answers are its service
times, with all that it does for a request: the socket, the parsing, the log. Under a load it is
idle now and then, and who meets it idle is served more slowly than those who follow each other: it
has to be woken, and its caches are another's. So a load's own service times are taken at that load,
and the two kinds are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.measure.compare import Watch
from lab_utils.measure.interval import CONFIDENCE, SEED, Interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.measure.load.result import LoadResult
from lab_utils.measure.percentile import refuse_unsupported
from lab_utils.simulate.regions.engine import simulate
from lab_utils.simulate.regions.model import Fleet, Floats, Tier

PERCENTILES = (50.0, 99.0)
REPLICATIONS = 40
"""Draws of the service times, all on the live runs' arrivals."""
RESAMPLES, RESAMPLED = 500, 4
"""Draws of the runs for an interval; so many of the replications stand for the simulated side."""


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
    added: Floats = np.subtract(*_added(live)[:2])
    return added


def one_core(live: LoadResult, *, in_a_row: int = 1) -> Tier:
    """A server with the service times that an open loop has shown: those of requests that met it
    idle, and those of the others.

    in_a_row: as `Tier` has it. For more than 1 each moment needs both times, and has shown one: the
    other is that one × the ratio of the two medians, since the two kinds differ in their spread as
    they do in their medians: a P99 of 1.9 medians was seen for both. Raises LabError as `added_s`.
    """
    done_s, begun_s, idle = _added(live)
    times_s = done_s - begun_s
    followed_s, woken_s = times_s[~idle], times_s[idle]
    if not followed_s.size:  # nobody ever waited: then it does not matter what they would have met
        followed_s = woken_s
    if in_a_row > 1:
        longer = np.median(woken_s) / np.median(followed_s)
        followed_s = np.where(idle, times_s / longer, times_s)
        woken_s = np.where(idle, times_s, times_s * longer)
    return Tier("one core", 1, followed_s, woken_s=woken_s, in_a_row=in_a_row)


def _added(live: LoadResult) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Of each request in turn: its answer, what it counts from, and whether it found nobody."""
    due_s, latencies_s = _open(live)
    done_s = np.sort(due_s + latencies_s)
    free_s = np.concatenate(([0.0], done_s[:-1]))
    return done_s, np.maximum(due_s, free_s), due_s >= free_s


@dataclass(frozen=True)
class Comparison:
    """Live against simulated. percentiles_s: which → (live, simulated).

    The live one has its 95 % interval over the runs; the simulated one's is where 95 % of such runs
    lie. errors: simulated ÷ live − 1, of the throughput and of each percentile, with the 95 %
    interval. resampled: the errors (columns) of each other draw of the runs (rows).
    """

    live_rps: float
    simulated_rps: float
    percentiles_s: Mapping[float, tuple[Interval, Interval]]
    errors: Mapping[str, Interval]
    resampled: Floats

    @property
    def error(self) -> float:
        """The largest of them, without its sign."""
        return max(abs(error.median) for error in self.errors.values())


def largest_error(compared: Iterable[Comparison]) -> Interval:
    """Of several comparisons: the largest error, without its sign, with its 95 % interval.

    `median` is the error of all that was measured. It cannot be below 0, so what is chance in the
    single ones adds to it: a simulation without a fault has one, too.
    """
    found = list(compared)
    if not found:
        raise LabError("No comparison was given; expected one or more.")
    worst = np.max([np.abs(one.resampled).max(axis=1) for one in found], axis=0)
    middle = max(one.error for one in found)
    low, high = np.quantile(worst, _TAILS)
    pairs = min(error.n for one in found for error in one.errors.values())
    return Interval(middle, min(float(low), middle), max(float(high), middle), pairs)


@dataclass(frozen=True)
class Live:
    """One core under several loads in turn. busy_s: service times while somebody always waits, of
    each block. runs: of each load, the share (0 to 1) of the time that the core works; the two of a
    pair follow each other.
    """

    busy_s: list[Floats]
    runs: Mapping[float, list[LoadResult]]

    @property
    def service_s(self) -> dict[float, Floats]:
        """The service times at each load."""
        return {
            share: np.concatenate([added_s(run) for run in runs])
            for share, runs in self.runs.items()
        }

    @property
    def compared(self) -> dict[float, Comparison]:
        """Each run against a simulation with the service times of the other one of its pair, in
        their order."""
        return {share: compare(runs, crossed(runs)) for share, runs in self.runs.items()}


def in_turn(
    url: str,
    bodies: Sequence[bytes],
    shares: Sequence[float],
    *,
    each: int,
    blocks: int,
    watch: Watch = iter,
) -> Live:
    """Short runs at each load, in pairs, in each block: a machine that changes its speed does so
    for all.

    shares: of the time that the core works, in their order; one that is named twice has two pairs
    in a block. What it can do is measured at the beginning of each block, always busy, and a load's
    own requests take longer by a factor that shows as the blocks go by. each: requests of a run.
    """
    live = Live([], {share: [] for share in shares})
    took_s: dict[float, list[Floats]] = {share: [] for share in shares}
    for _ in watch(range(blocks)):
        live.busy_s.append(gaps_s(closed_loop(post(url), bodies, connections=4, requests=each)))
        for share in shares:
            runs = live.runs[share]
            rate_rps = share / (live.busy_s[-1].mean() * _longer(took_s[share], live.busy_s))
            for _ in range(2):
                arrivals = poisson(rate_rps, each / rate_rps, seed=len(runs))
                runs.append(open_loop(post(url), bodies, arrivals))
                took_s[share].append(added_s(runs[-1]))
    return live


def _longer(took_s: list[Floats], busy_s: list[Floats]) -> float:
    """The mean service time at a load ÷ that of a core that is always busy; 1 before a run."""
    if not took_s:
        return 1.0
    return float(np.concatenate(took_s).mean() / np.concatenate(busy_s).mean())


def crossed(runs: Sequence[LoadResult]) -> list[Tier]:
    """For each of some pairs of runs: a server with the times of the other one, in their order."""
    return [one_core(runs[place ^ 1], in_a_row=run.answered) for place, run in enumerate(runs)]


def compare(lives: Sequence[LoadResult], tiers: Sequence[Tier]) -> Comparison:
    """Simulate open loops' arrivals, each at its tier, and lay it beside what happened in all.

    Two runs that follow each other in `lives` are a pair. Raises LabError for fewer than two pairs
    or not a tier for each run, for a closed loop, for failures, and where the answers together
    cannot support a percentile.
    """
    if len(lives) < 4 or len(lives) % 2 or len(lives) != len(tiers):
        raise LabError(
            f"{len(lives)} live runs and {len(tiers)} tiers were given; expected two pairs of runs "
            "or more, and a tier for each."
        )
    known = [_open(live) for live in lives]
    simulated = [
        _replications(due_s, tier, seed=place)
        for place, ((due_s, _), tier) in enumerate(zip(known, tiers, strict=True))
    ]
    runs = list(zip(*simulated, strict=True))
    due_s, live_s = zip(*known, strict=True)
    for q in PERCENTILES:
        refuse_unsupported(q, sum(latencies_s.size for latencies_s in live_s))
    pairs, every = len(known) // 2, np.ones(len(known), int)
    lived = _Side(due_s, [live_s])
    each = np.array([_Side(due_s, [run]).figures(every) for run in runs])
    measured, middle = lived.figures(every), np.median(each, axis=0)
    sides = (lived, _Side(due_s, runs[:RESAMPLED]))
    drawn = np.array([[side.figures(times) for times in _draws(pairs)] for side in sides])
    resampled = drawn[1] / drawn[0] - 1
    return Comparison(
        float(measured[0]),
        float(middle[0]),
        {
            q: (
                _spread(drawn[0][:, place], measured[place], pairs),
                _spread(each[:, place], middle[place], len(runs)),
            )
            for place, q in enumerate(PERCENTILES, 1)
        },
        {
            name: _spread(resampled[:, place], middle[place] / measured[place] - 1, pairs)
            for place, name in enumerate(("throughput", *(f"p{q:g}" for q in PERCENTILES)))
        },
        resampled,
    )


def _replications(due_s: Floats, tier: Tier, seed: int) -> list[Floats]:
    """The latencies of the same arrivals, again and again: one call, in which the server has long
    been idle when the next replication begins."""
    over_s = due_s[-1] + due_s.size * max(tier.times_s.max(), tier.woken_times_s.max()) + 1
    arrivals = (over_s * np.arange(REPLICATIONS)[:, None] + due_s).ravel()
    return np.split(simulate(arrivals, Fleet((tier,)), seed=seed).latency_s, REPLICATIONS)


_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


def _draws(pairs: int) -> NDArray[np.int_]:
    """How often each run of so many pairs is drawn, with replacement; a row for each draw."""
    random = np.random.default_rng(SEED)
    return np.repeat(random.multinomial(pairs, np.full(pairs, 1 / pairs), RESAMPLES), 2, axis=1)


class _Side:
    """The live runs, or the simulated ones: several replications of each. Sorted once, so that
    a draw of the runs costs a sum and no sorting."""

    def __init__(self, due_s: Sequence[Floats], replications: Sequence[Sequence[Floats]]) -> None:
        by_run = list(zip(*replications, strict=True))
        late_s = [np.concatenate(several) for several in by_run]
        self._lasted_s = np.array(
            [
                sum(_lasted_s(due, one) for one in several)
                for due, several in zip(due_s, by_run, strict=True)
            ]
        )
        together_s = np.concatenate(late_s)
        order = np.argsort(together_s)
        self._sorted_s = together_s[order]
        self._run = np.repeat(np.arange(len(late_s)), [of_run.size for of_run in late_s])[order]

    def figures(self, times: NDArray[np.int_]) -> Floats:
        """The throughput, and each percentile, with each run so many times."""
        up_to = np.cumsum(times[self._run])
        places = np.searchsorted(up_to, up_to[-1] * np.divide(PERCENTILES, 100))
        return np.append(up_to[-1] / (times @ self._lasted_s), self._sorted_s[places])


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


def _spread(drawn: Floats, middle: float, n: int) -> Interval:
    low, high = np.quantile(drawn, _TAILS)
    middle = float(middle)
    return Interval(middle, min(float(low), middle), max(float(high), middle), n)


def _done_s(load: LoadResult) -> Floats:
    """When each answer came, in order."""
    if load.begun_s is None or load.latencies_s is None:
        raise LabError(f"{load.tool} does not tell when its requests were answered; use ours.")
    return np.sort(load.begun_s + load.latencies_s)
