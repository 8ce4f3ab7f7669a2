"""Costs and queries by the hour, and what they come to: the cost of 1,000 queries.

    costs = bill.hourly("EffectiveCost", owners)          # cost/focus, or cost/aws
    counts = read_counts(FOLDER / "queries.csv")          # as Prometheus gave them
    found = cost_of_queries(costs, counts, "chat")
    found.per_thousand                                    # with its interval, over days

Both are laid on the same hours, UTC, each named by its beginning. A bill says of an hour when it
began; Prometheus stamps `increase(…[1h])` with the moment at which the hour *ends*.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, ratio_of_sums

Floats = NDArray[np.float64]
Hours = NDArray[np.datetime64]
PROMQL = "sum by (service) (increase(llm_request_seconds_count[1h]))"
"""How many answers each hour saw, asked at whole hours; for `Prometheus.query_range`."""
NOBODY = "(no owner)"
"""Charges without an owner."""
HOUR_S = 3600


@dataclass(frozen=True, eq=False)
class HourlyCosts:
    """A period's costs. hours: when each began, UTC, without a gap. by_service: one cost each."""

    currency: str
    hours: Hours
    by_service: Mapping[str, Floats]

    @property
    def total(self) -> float:
        """Of all services and of what has no owner."""
        return float(sum(cost.sum() for cost in self.by_service.values()))


@dataclass(frozen=True, eq=False)
class HourlyCounts:
    """Queries of each hour. hours: when each began, UTC. by_service: NaN where none was told."""

    hours: Hours
    by_service: Mapping[str, Floats]


@dataclass(frozen=True, eq=False)
class CostOfQueries:
    """One service's costs beside its queries, hour by hour.

    per_thousand: of the whole period, its interval from resampled days.
    """

    service: str
    currency: str
    hours: Hours
    cost: Floats
    queries: Floats
    per_thousand: Interval

    @property
    def idle(self) -> NDArray[np.bool_]:
        """The hours that were paid and had no query."""
        idle: NDArray[np.bool_] = (self.queries == 0) & (self.cost > 0)
        return idle

    @property
    def by_day(self) -> dict[str, float]:
        """1,000 queries of each day; inf for a day that had none."""
        days = self.hours.astype("datetime64[D]")
        return {
            str(day): _per_thousand(self.cost[days == day], self.queries[days == day])
            for day in np.unique(days)
        }

    @property
    def by_hour_of_day(self) -> Floats:
        """1,000 queries of each hour of the day, 0 to 23 (UTC), over all days; inf for none."""
        of_day = self.hours.astype(int) % 24
        return np.array(
            [_per_thousand(self.cost[of_day == h], self.queries[of_day == h]) for h in range(24)]
        )


def cost_of_queries(
    costs: HourlyCosts, counts: HourlyCounts, service: str, *, missing_as_none: bool = True
) -> CostOfQueries:
    """Join one service's costs with its queries; every paid hour counts, with queries or without.

    missing_as_none: an hour of which Prometheus tells nothing had no query (a counter that does not
    exist yet, a sum over no series); else such an hour is an error. Raises LabError for a service
    that one of the two does not know, and for counts that do not cover the costs' period.
    """
    for what, known in (
        ("bill", costs.by_service),
        ("count of queries", counts.by_service),
    ):
        if service not in known:
            has = ", ".join(known) or "none"
            raise LabError(f"The {what} knows no service {service!r}; expected one of {has}.")
    places = np.searchsorted(counts.hours, costs.hours)
    inside = places < counts.hours.size
    inside[inside] = counts.hours[places[inside]] == costs.hours[inside]
    if not inside.all():
        raise LabError(
            f"The bill is of {_span(costs.hours)} and the query counts are of "
            f"{_span(counts.hours)}; expected counts of the whole billed period (UTC)."
        )
    queries = counts.by_service[service][places]
    silent = np.isnan(queries)
    if silent.any() and not missing_as_none:
        raise LabError(
            f"{silent.sum()} hours have no count of {service}'s queries, the first at "
            f"{costs.hours[silent][0]}; was Prometheus down?"
        )
    queries = np.where(silent, 0, queries)
    if not queries.any():
        raise LabError(
            f"{service} answered no query in {_span(costs.hours)}; nothing to divide by."
        )
    cost = costs.by_service[service]
    days = costs.hours.astype("datetime64[D]")
    daily = [[of[days == day].sum() for day in np.unique(days)] for of in (cost, queries)]
    per_thousand = ratio_of_sums(*daily).scaled(1000)
    return CostOfQueries(service, costs.currency, costs.hours, cost, queries, per_thousand)


def counts(by_service: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> HourlyCounts:
    """Counts as `query_range(PROMQL, …, step_s=3600)` gives them.

    by_service: service → (Unix times in s, increase over the hour that ends then). Raises LabError
    for times that are not whole hours.
    """
    ends: dict[str, NDArray[np.int_]] = {}
    values: dict[str, Floats] = {}
    for service, (times_s, increases) in by_service.items():
        times = np.asarray(times_s, dtype=float)
        if times.size == 0 or (times % HOUR_S).any():
            raise LabError(
                f"The counts of {service} are not of whole hours; ask Prometheus at a whole hour "
                "(UTC), with a step of 3600 s."
            )
        ends[service] = (times // HOUR_S).astype(int)
        values[service] = np.asarray(increases, dtype=float)
    if not ends:
        raise LabError("No counts were given; expected those of at least one service.")
    first = min(int(e.min()) for e in ends.values())
    last = max(int(e.max()) for e in ends.values())
    table = {service: np.full(last - first + 1, np.nan) for service in ends}
    for service, column in table.items():
        column[ends[service] - first] = values[service]
    return HourlyCounts(np.arange(first - 1, last).astype("datetime64[h]"), table)


def read_counts(path: Path) -> HourlyCounts:
    """Counts from a CSV file of `time,service,increase` (Unix seconds at the end of each hour).

    Lines that begin with # are skipped. Raises LabError, naming the row, for anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LabError(f"{path} could not be read: {error.strerror or error}.") from None
    found: dict[str, tuple[list[float], list[float]]] = {}
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    for number, row in enumerate(rows, start=1):
        try:
            times, values = found.setdefault(row["service"], ([], []))
            times.append(float(row["time"]))
            values.append(float(row["increase"]))
        except (KeyError, TypeError, ValueError):
            raise LabError(
                f"{path.name}, row {number}, is {dict(row)}; expected time, service and increase."
            ) from None
    return counts(found)


def _per_thousand(cost: Floats, queries: Floats) -> float:
    answered = queries.sum()
    return float(1000 * cost.sum() / answered) if answered else float("inf")


def _span(hours: Hours) -> str:
    return f"{hours[0]} to {hours[-1] + np.timedelta64(1, 'h')}"
