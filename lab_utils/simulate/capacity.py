"""How many cores a load needs, what they cost, and how far either is known.

    plan(rounds, Demand(tps=100_000, deadline_s=0.05), catalogue().with_cores(2)).cores

rounds: service times of one core (s), one array for each round in which they were measured. A
machine's speed changes from one minute to the next, so the interval comes from drawing whole rounds
again, then times within them, and new arrivals each time: it holds what the measuring left open and
what chance does to the simulation. What it cannot hold is a machine that you rent and that is not
the one you measured.

The plan is for the worst case that was asked for: with `lost` regions gone, the others carry all of
the load and still answer in time. Machines have one queue each, for all their cores; a balancer
sends each request to the one of two drawn machines where fewer are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.calculation import Calculation
from lab_utils.cost.prices import Offer, catalogue
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.interval import CONFIDENCE, Interval, interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.percentile import samples_needed
from lab_utils.simulate.regions.engine import simulate
from lab_utils.simulate.regions.model import Fleet, Floats, Tier

RECORDED = ROOT / "data/fraud/service_times.csv"
HOURS_A_MONTH = 730
PERIOD_S = 30 * 86_400
"""What an error budget is of: 30 days."""
WARM_UP = 0.1
"""The share of a simulation that only fills the queues."""
MOST_MACHINES = 100_000


@dataclass(frozen=True)
class Demand:
    """tps: requests a second, all regions together. deadline_s: for waiting and service.

    percentile: of the requests that must be in time, in the worst case. regions, lost: how many
    there are, and how many may be gone. availability: of 30 days, 0 to 1. failover_s: from a
    region's loss until nothing is sent there any more. queues: how requests find a machine.
    """

    tps: float = 100_000
    deadline_s: float = 0.05
    percentile: float = 99.0
    regions: int = 3
    lost: int = 1
    availability: float = 0.9999
    failover_s: float = 10.0
    route: str = "shorter of two"

    def __post_init__(self) -> None:
        if not (self.tps > 0 and self.deadline_s > 0 and self.failover_s >= 0):
            raise LabError(
                f"The demand is {self.tps:g} requests a second within {self.deadline_s:g} s, "
                f"failed over after {self.failover_s:g} s; expected above 0, and 0 or more."
            )
        if not 0 <= self.lost < self.regions:
            raise LabError(
                f"{self.lost} of {self.regions} regions may be lost; expected fewer than there are."
            )
        if not (0 < self.percentile < 100 and 0 < self.availability < 1):
            raise LabError(
                f"The percentile is {self.percentile:g}, the availability {self.availability:g}; "
                "expected between 0 and 100, and between 0 and 1."
            )

    @property
    def region_rps(self) -> float:
        """What one region carries in the worst case."""
        return self.tps / (self.regions - self.lost)

    @property
    def late(self) -> float:
        """The share of requests that may miss the deadline."""
        return 1 - self.percentile / 100


@dataclass(frozen=True)
class Plan:
    """What is needed, with 95 % intervals. Shares are 0 to 1, money is in the offer's currency.

    by_mean: cores as tps × mean service time has them, with no thought of waiting or losses.
    late, late_worst: requests that miss the deadline, usually and with regions lost.
    lost_share: of the period's error budget that one loss of a region uses up.
    """

    demand: Demand
    offer: Offer
    machines: Interval
    cores: Interval
    by_mean: float
    utilisation: Interval
    utilisation_worst: Interval
    late: Interval
    late_worst: Interval
    cost_per_month: Interval
    cost_per_million: Interval
    lost_share: float

    def as_rows(self) -> dict[str, float | Interval]:
        """By name, as `./lab calc capacity` prints them."""
        return {
            "cores": self.cores,
            f"machines ({self.offer.machine})": self.machines,
            "cores by rate × mean": self.by_mean,
            "utilisation": self.utilisation,
            "utilisation, worst case": self.utilisation_worst,
            "late": self.late,
            "late, worst case": self.late_worst,
            f"cost of a month ({self.offer.currency})": self.cost_per_month,
            f"cost of a million ({self.offer.currency})": self.cost_per_million,
            "error budget used by one lost region": self.lost_share,
        }


def plan(
    rounds: Sequence[ArrayLike],
    demand: Demand,
    offer: Offer,
    *,
    resamples: int = 40,
    requests: int = 60_000,
    seed: int = 0,
) -> Plan:
    """The smallest fleet of such machines that meets the demand in the worst case.

    resamples: plans from which the interval comes. requests: of one simulation, more where the
    percentile needs them. Raises LabError for no measurements, and where a deadline cannot be met
    by any number of machines.
    """
    measured = _checked(rounds)
    requests = max(requests, 20 * samples_needed(demand.percentile))
    random = np.random.default_rng(seed)
    search = _Search(demand, offer.cores, requests)
    whole = np.concatenate(measured)
    found = [search.smallest(whole, seed, _first_guess(whole, demand, offer.cores))]
    drawn = [_drawn(measured, random) for _ in range(resamples)]
    for number, times_s in enumerate(drawn, start=1):
        guess = math.ceil(found[0] * times_s.mean() / whole.mean())
        found.append(search.smallest(times_s, seed + number, guess))
    each = np.asarray(found[1:] or found, float)
    machines = _interval(demand.regions * found[0], demand.regions * each)
    means_s = np.array([times_s.mean() for times_s in drawn] or [whole.mean()])
    loads = demand.tps * means_s / (demand.regions * found[0] * offer.cores)
    load = demand.tps * float(whole.mean()) / (demand.regions * found[0] * offer.cores)
    worst = demand.regions / (demand.regions - demand.lost)
    lates, worst_lates = (
        [search.late(t, found[0], seed + n, rate) for n, t in enumerate(drawn or [whole], start=1)]
        for rate in (demand.tps / demand.regions, demand.region_rps)
    )
    month = offer.price() * HOURS_A_MONTH
    a_million = 1e6 * offer.price() / 3600 / demand.tps
    return Plan(
        demand,
        offer,
        machines,
        machines.scaled(offer.cores),
        demand.tps * float(whole.mean()),
        _interval(load, loads),
        _interval(load * worst, loads * worst),
        interval(lates),
        interval(worst_lates),
        machines.scaled(month),
        machines.scaled(a_million),
        loss_of_budget(demand),
    )


def loss_of_budget(demand: Demand) -> float:
    """The share of 30 days' error budget that one region's loss uses up.

    What is sent there before the failover, tps / regions × failover_s, over all that may fail,
    tps × (1 − availability) × 30 days.

    >>> round(loss_of_budget(Demand(regions=3, failover_s=10, availability=0.9999)), 4)
    0.0129
    """
    return demand.failover_s / demand.regions / ((1 - demand.availability) * PERIOD_S)


class _Search:
    """Finds the smallest number of machines in a region; each simulation starts from new queues."""

    def __init__(self, demand: Demand, cores: int, requests: int) -> None:
        self._demand, self._cores, self._requests = demand, cores, requests

    def late(self, times_s: Floats, machines: int, seed: int, rate_rps: float) -> float:
        """The share of a region's requests that miss the deadline."""
        servers = machines * self._cores
        if rate_rps * times_s.mean() >= servers:
            return 1.0
        route = self._demand.route
        fleet = Fleet((Tier("score", servers, times_s, queues=machines, route=route),))
        arrivals = poisson(rate_rps, self._requests / rate_rps, seed=seed)
        run = simulate(arrivals.due_s, fleet, seed=seed)
        settled = run.in_time(self._demand.deadline_s)[int(WARM_UP * arrivals.due_s.size) :]
        return float(1 - settled.mean())

    def smallest(self, times_s: Floats, seed: int, guess: int) -> int:
        """By doubling steps from the guess, then halving; the same arrivals for all of them."""
        if float(np.mean(times_s > self._demand.deadline_s)) > self._demand.late:
            raise LabError(
                f"The service alone takes longer than {self._demand.deadline_s:g} s for more than "
                f"{self._demand.late:.2%} of the requests; no number of machines mends that. Allow "
                "more time, or make the service quicker."
            )

        def enough(machines: int) -> bool:
            late = self.late(times_s, machines, seed, self._demand.region_rps)
            return late <= self._demand.late

        guess, step = max(guess, 1), 1
        if enough(guess):
            low, high = guess - step, guess
            while low > 0 and enough(low):
                high, step = low, 2 * step
                low -= step
            low = max(low, 0)
        else:
            low, high = guess, guess + step
            while not enough(high):
                if high > MOST_MACHINES:
                    raise LabError(f"{high:,} machines are not enough; expected a smaller load.")
                low, step = high, 2 * step
                high += step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high


def _first_guess(times_s: Floats, demand: Demand, cores: int) -> int:
    """Servers that the load keeps busy, and a little more."""
    offered = demand.region_rps * float(times_s.mean())
    return max(1, math.ceil((offered + math.sqrt(offered)) / cores))


def _checked(rounds: Sequence[ArrayLike]) -> list[Floats]:
    measured = [np.asarray(times_s, float).ravel() for times_s in rounds]
    if not measured or min(times_s.size for times_s in measured) == 0:
        raise LabError("No service times were given; expected some in each round.")
    whole = np.concatenate(measured)
    if not (np.isfinite(whole).all() and whole.min() >= 0 and whole.mean() > 0):
        raise LabError("A service time is below 0 or not a number; expected seconds.")
    return measured


def _drawn(measured: Sequence[Floats], random: np.random.Generator) -> Floats:
    """Rounds drawn again, and times in each."""
    picked = random.integers(len(measured), size=len(measured))
    return np.concatenate([random.choice(measured[p], measured[p].size) for p in picked])


def _interval(middle: float, samples: ArrayLike) -> Interval:
    """Around the figure itself, from its resamples."""
    values = np.asarray(samples, float)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail], method="inverted_cdf")  # whole machines
    return Interval(float(middle), min(float(low), middle), max(float(high), middle), values.size)


def read_rounds(path: Path) -> list[Floats]:
    """Service times from a CSV file of `round,seconds`; lines that begin with # are skipped.

    Raises LabError, naming the line, for anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LabError(f"{path} could not be read: {error.strerror or error}.") from None
    found: dict[str, list[float]] = {}
    rows = [(n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#")]
    for number, line in rows[1:] if rows and rows[0][1] == "round,seconds" else rows:
        name, _, seconds = line.partition(",")
        try:
            found.setdefault(name, []).append(float(seconds))
        except ValueError:
            raise LabError(
                f"{path.name}, line {number}, is {line!r}; expected a round and seconds."
            ) from None
    return [np.asarray(times_s) for times_s in found.values()]


def _capacity(
    tps: float,
    deadline_ms: float,
    percentile: float,
    regions: float,
    lost: float,
    availability: float,
    failover_s: float,
    machine_cores: float,
    times: str,
) -> Mapping[str, Any]:
    demand = Demand(
        tps, deadline_ms / 1e3, percentile, int(regions), int(lost), availability / 100, failover_s
    )
    offer = catalogue().with_cores(int(machine_cores))
    path = Path(times)
    return plan(read_rounds(path if path.exists() else ROOT / path), demand, offer).as_rows()


CAPACITY = Calculation(
    name="capacity",
    formula="the fewest machines with which a simulation of the worst case is in time",
    inputs={
        "tps": "requests a second, all regions together",
        "deadline_ms": "for waiting and service, milliseconds",
        "percentile": "of the requests that must be in time, above 0 and below 100",
        "regions": "how many there are",
        "lost": "how many of them may be gone",
        "availability": "of 30 days, per cent",
        "failover_s": "seconds until a lost region's requests are sent elsewhere",
        "machine_cores": "cores of one machine, for its price in data/prices",
        "times": "a CSV file of round,seconds: service times of one core",
    },
    result="95 % intervals from the service times and from the simulation's chance",
    source="service times: the file's head; prices: data/prices",
    compute=_capacity,
    defaults={
        "tps": 100_000,
        "deadline_ms": 50,
        "percentile": 99,
        "regions": 3,
        "lost": 1,
        "availability": 99.99,
        "failover_s": 10,
        "machine_cores": 2,
        "times": str(RECORDED.relative_to(ROOT)),
    },
    files=frozenset({"times"}),
)
