"""Run a `Fleet`: some millions of events a second, on one core.

    run = simulate(poisson(100_000, 10).due_s, fleet, changes=[Loss(at_s=5, region=0)])
    run.within(0.05), percentile(run.latency_s, 99), run.wasted

The same seed draws the same home region and the same work for each request, whatever the fleet: so
two fleets differ by what they are, not by luck. An arrival goes before whatever else is due at the
same moment.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, share
from lab_utils.measure.queueing import in_order
from lab_utils.simulate.regions import _loop
from lab_utils.simulate.regions.model import ROUTES, Change, Fleet, Floats, Loss
from lab_utils.simulate.station import Moment, Scaling

MOST_VISITS = 2**31 - 1


@dataclass(frozen=True)
class Run:
    """What became of each request, in the order of arrival; seconds, NaN where there is no answer.

    tier, region: that answered, −1 for none. attempts: sent for each. busy_s, visits, wasted: of
    each region (rows) and tier: server time, copies that were computed, and those of them that
    nobody waited for any more. replicas: where a scaling was given, (time, number) at each change.
    """

    arrived_s: Floats
    done_s: Floats
    home: NDArray[np.int32]
    tier: NDArray[np.int8]
    region: NDArray[np.int8]
    attempts: NDArray[np.int16]
    busy_s: Floats
    visits: NDArray[np.int64]
    wasted: NDArray[np.int64]
    events: int
    replicas: Mapping[tuple[int, int], list[tuple[float, int]]]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which requests were."""
        return np.isfinite(self.done_s)

    @property
    def latency_s(self) -> Floats:
        """From arrival to answer, its retries included, of those that were answered."""
        return (self.done_s - self.arrived_s)[self.answered]

    def in_time(self, limit_s: float) -> NDArray[np.bool_]:
        """Which requests were answered within the limit."""
        found: NDArray[np.bool_] = self.done_s - self.arrived_s <= limit_s  # NaN is not
        return found

    def within(self, limit_s: float) -> Interval:
        """The share of all requests that was answered within the limit; Wilson's interval."""
        return share(int(self.in_time(limit_s).sum()), self.arrived_s.size)

    @property
    def sent(self) -> float:
        """Attempts for each request: 1 without a retry."""
        return float(self.attempts.mean())


def simulate(
    arrived_s: ArrayLike,
    fleet: Fleet,
    *,
    home: ArrayLike | None = None,
    priorities: ArrayLike | None = None,
    changes: Sequence[Change | Loss] = (),
    scalings: Mapping[tuple[int, int], Scaling] | None = None,
    seed: int = 0,
) -> Run:
    """Work it out, to the last answer.

    arrived_s: in order. home: each request's region; None draws them evenly. priorities: one each,
    0 the most urgent. scalings: (region, tier) → what sets the number of its servers; the tier has
    one queue. Raises LabError for arrivals that are none or not in order, and for what names a
    region or a tier that is not there.
    """
    arrivals = in_order(arrived_s)
    count = arrivals.size
    if home is None and fleet.regions > 1:
        home = np.random.default_rng([seed, 1]).integers(fleet.regions, size=count)
    homes = _each(home, count, "regions")
    urgency = _each(priorities, count, "priorities")
    if not 0 <= homes.min() <= homes.max() < fleet.regions or not urgency.min() >= 0:
        raise LabError(
            f"The requests' regions are {homes.min()} to {homes.max()}, their priorities from "
            f"{urgency.min()}; expected 0 to {fleet.regions - 1}, and 0 or more."
        )
    state = _state(arrivals, fleet, homes, urgency, changes, seed)
    driver = _Driver(state, fleet, scalings or {})
    driver.go()
    return driver.run()


def service_times_s(
    fleet: Fleet,
    count: int,
    tier: int = 0,
    *,
    attempt: int = 1,
    woken: bool = False,
    seed: int = 0,
) -> Floats:
    """What the attempt (from 1) of each of `count` requests takes at a tier: the times drawn.

    woken: where it finds its server idle. Of a tier with times in a row, instead, what the first
    `count` services of its first queue take.
    """
    none = np.zeros(count, int)
    found_s: Floats = np.zeros(count)
    state = _state(found_s, fleet, none, none, (), seed)
    _loop.fill_service_times(state, tier, attempt, int(woken), found_s)
    return found_s


def _each(values: Any, count: int, what: str) -> NDArray[np.int_]:
    found = np.asarray(0 if values is None else values, dtype=int)
    if found.ndim and found.shape != (count,):
        raise LabError(f"There are {found.size} {what} for {count} arrivals; expected one each.")
    return np.broadcast_to(found, (count,))


def _state(
    arrivals: Floats,
    fleet: Fleet,
    homes: NDArray[np.int_],
    urgency: NDArray[np.int_],
    changes: Sequence[Change | Loss],
    seed: int,
) -> _loop.State:
    clients, count = fleet.clients, arrivals.size
    sends = count * clients.attempts
    most = sends * (2 if clients.hedge_s < np.inf else 1) * len(fleet.tiers)
    if most > MOST_VISITS:
        raise LabError(
            f"{count:,} requests may make {most:,} visits; expected at most {MOST_VISITS:,}."
        )
    requests = np.zeros(count, _loop.REQUEST)
    requests["arrived_s"], requests["done_s"] = arrivals, np.nan
    requests["home"], requests["urgency"] = homes, urgency
    requests["visit"] = requests["hedge"] = requests["tier"] = requests["region"] = -1
    stations = _stations(fleet)
    classes = int(urgency.max()) + 1
    with_deadline = any(tier.deadline_s < np.inf for tier in fleet.tiers)
    counts = np.zeros(9, np.int64)
    counts[_loop.LEFT] = count
    return _loop.State(
        seed,
        requests,
        np.empty(most, _loop.VISIT),  # not touched before it is used, so what is not is free
        stations,
        np.full((stations.size * classes, 2), -1, np.int32),
        _tiers(fleet),
        np.concatenate([np.append(tier.times_s, tier.woken_times_s) for tier in fleet.tiers]),
        np.concatenate([np.asarray(tier.growth, float)[: tier.batch_most] for tier in fleet.tiers]),
        np.empty(most + count + stations.size + 1, _loop.EVENT),
        np.empty((len(fleet.tiers), most // len(fleet.tiers) if with_deadline else 0), np.int32),
        np.empty(sends, np.int32),
        np.array(
            [
                (
                    clients.timeout_s,
                    clients.backoff_s,
                    np.inf if clients.retry_budget is None else clients.retry_budget,
                    clients.hedge_s,
                    clients.attempts,
                    clients.cancel,
                )
            ],
            _loop.CLIENTS,
        ),
        _changes(fleet, stations, changes),
        np.ones((fleet.regions, 2), np.int8),
        counts,
        np.array([arrivals[0], 0.0]),
    )


def _tiers(fleet: Fleet) -> NDArray[Any]:
    tiers = np.zeros(len(fleet.tiers), _loop.TIER)
    station = times = growth = 0
    for row, tier in zip(tiers, fleet.tiers, strict=True):
        row["deadline_s"], row["batch_wait_s"] = tier.deadline_s, tier.batch_wait_s
        row["queue_most"] = np.iinfo(np.int64).max if tier.queue_most is None else tier.queue_most
        row["batch_most"], row["queues"], row["route"] = (
            tier.batch_most,
            tier.queues,
            ROUTES[tier.route],
        )
        row["station"], row["times"], row["growth"] = station, times, growth
        row["in_a_row"] = tier.in_a_row
        row["count"], row["woken_count"] = tier.times_s.size, tier.woken_times_s.size
        row["woken"] = times + tier.times_s.size
        station, times, growth = (
            station + tier.queues,
            times + tier.times_s.size + tier.woken_times_s.size,
            growth + tier.batch_most,
        )
    return tiers


def _stations(fleet: Fleet) -> NDArray[Any]:
    of_region = [
        (number, tier) for number, tier in enumerate(fleet.tiers) for _ in range(tier.queues)
    ]
    stations = np.zeros(fleet.regions * len(of_region), _loop.STATION)
    stations["wake_s"], stations["slower"] = np.inf, 1.0
    stations["tier"] = np.tile([number for number, _ in of_region], fleet.regions)
    stations["servers"] = np.tile([t.servers // t.queues for _, t in of_region], fleet.regions)
    stations["region"] = np.repeat(np.arange(fleet.regions), len(of_region))
    return stations


def _changes(
    fleet: Fleet, stations: NDArray[Any], changes: Sequence[Change | Loss]
) -> NDArray[Any]:
    rows: list[tuple[float, float, int, int, int]] = []
    for change in changes:
        if change.region is not None and not 0 <= change.region < fleet.regions:
            raise LabError(
                f"There is no region {change.region}; expected 0 to {fleet.regions - 1}."
            )
        if isinstance(change, Loss):
            rows.append((change.at_s, 1.0, _loop.GONE, change.region, 0))
            unseen_s = change.at_s + fleet.failover_s
            if unseen_s < change.until_s:
                rows.append((unseen_s, 1.0, _loop.UNSEEN, change.region, 0))
            if change.until_s < np.inf:
                rows.append((change.until_s, 1.0, _loop.BACK, change.region, 0))
            continue
        if not 0 <= change.tier < len(fleet.tiers):
            raise LabError(f"There is no tier {change.tier}; expected 0 to {len(fleet.tiers) - 1}.")
        mine = (stations["tier"] == change.tier) & (
            (change.region is None) | (stations["region"] == change.region)
        )
        queues = fleet.tiers[change.tier].queues
        for number, place in enumerate(np.flatnonzero(mine)):
            servers = -1
            if change.servers is not None:  # what does not divide goes to the first queues
                servers = (change.servers + queues - 1 - number % queues) // queues
            rows.append((change.at_s, change.slower, _loop.SERVERS, int(place), servers))
    rows.sort(key=lambda row: row[0])
    return np.array(rows, _loop.CHANGE)


class _Driver:
    """Runs the loop from one look of an autoscaler to the next."""

    def __init__(
        self, state: _loop.State, fleet: Fleet, scalings: Mapping[tuple[int, int], Scaling]
    ) -> None:
        self._state, self._fleet = state, fleet
        self._count = itertools.count()
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._replicas: dict[tuple[int, int], list[tuple[float, int]]] = {}
        self._starting_until_s: dict[tuple[int, int], list[float]] = {}
        for (region, tier), scaling in scalings.items():
            inside = 0 <= region < fleet.regions and 0 <= tier < len(fleet.tiers)
            if not inside or fleet.tiers[tier].queues > 1 or scaling.zero_after_s is not None:
                raise LabError(
                    f"A scaling was given for region {region}, tier {tier}; expected one that is "
                    "there, has one queue, and never scales to zero."
                )
            begun_s = float(state.clocks[_loop.NOW_S])
            self._replicas[region, tier] = [(begun_s, fleet.tiers[tier].servers)]
            self._starting_until_s[region, tier] = []
            self._at(begun_s, partial(self._look, (region, tier), scaling))

    def go(self) -> None:
        """To the end."""
        while not _loop.run(self._state, self._due[0][0] if self._due else np.inf):
            at_s, _, happen = heapq.heappop(self._due)
            happen(at_s)

    def run(self) -> Run:
        """What came of it."""
        state, requests = self._state, self._state.requests
        return Run(
            arrived_s=requests["arrived_s"],
            done_s=requests["done_s"],
            home=requests["home"],
            tier=requests["tier"],
            region=requests["region"],
            attempts=requests["sends"],
            busy_s=self._sums("busy_s"),
            visits=self._sums("done"),
            wasted=self._sums("wasted"),
            events=int(state.counts[_loop.EVENTS]),
            replicas=self._replicas,
        )

    def _sums(self, name: str) -> NDArray[Any]:
        """Of each region and tier."""
        stations = self._state.stations
        total = np.zeros((self._fleet.regions, len(self._fleet.tiers)), stations[name].dtype)
        np.add.at(total, (stations["region"], stations["tier"]), stations[name])
        return total

    def _at(self, at_s: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._count), happen))

    def _look(self, where: tuple[int, int], scaling: Scaling, now_s: float) -> None:
        """As in `station`: those that are still starting go first, the latest before the others."""
        station, starting = self._station(where), self._starting_until_s[where]
        replicas = self._replicas[where][-1][1]
        ready = replicas - len(starting)
        moment = Moment(int(station["queued"]), int(station["busy"]), ready, replicas)
        wanted = scaling.autoscaler.decide(now_s, replicas, scaling.seen(moment)).replicas
        if wanted > replicas:
            starting += [now_s + scaling.start_s] * (wanted - replicas)
            self._at(now_s + scaling.start_s, partial(self._started, where))
        elif wanted < replicas:
            del starting[max(len(starting) - (replicas - wanted), 0) :]
        if wanted != replicas:
            self._replicas[where].append((now_s, wanted))
            station["servers"] = wanted - len(starting)
        self._at(now_s + scaling.every_s, partial(self._look, where, scaling))

    def _started(self, where: tuple[int, int], now_s: float) -> None:
        starting = [until_s for until_s in self._starting_until_s[where] if until_s > now_s]
        self._starting_until_s[where] = starting
        self._station(where)["servers"] = self._replicas[where][-1][1] - len(starting)

    def _station(self, where: tuple[int, int]) -> Any:
        region, tier = where
        of_region = self._state.stations.size // self._fleet.regions
        return self._state.stations[region * of_region + self._state.tiers[tier]["station"]]
