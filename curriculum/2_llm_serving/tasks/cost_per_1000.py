"""Task 5: what 1,000 queries cost, from a bill and from what was counted."""

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from lab_utils.grade.spec import Case, FunctionTask, Wrong

from .forms import is_number, kind_of

SERVICE = "chat"
TOLERANCE = 1e-6
MOST_DOLLARS = 1e9


def draw_bills(seed: int) -> list[Case]:
    """Two bills of two days, hour by hour, in the columns of FOCUS."""
    chance = random.Random(seed)
    return [_bill(chance), _bill(chance)]


def _bill(chance: random.Random) -> Case:
    begin = datetime(2026, chance.randint(1, 12), chance.randint(1, 26), tzinfo=UTC)
    hours = [begin + timedelta(hours=hour) for hour in range(48)]
    bill: list[dict[str, Any]] = []
    queries: list[dict[str, Any]] = []
    price = chance.uniform(0.3, 2.5)
    for hour in hours:
        for service, machines in (
            (SERVICE, chance.randint(2, 4)),
            ("search", chance.randint(1, 5)),
        ):
            listed = price * machines
            reserved = chance.random() < 0.4
            bill.append(_row(hour, service, "Usage", 0.0 if reserved else listed,
                             0.62 * listed if reserved else listed))  # fmt: skip
        asleep = hour.hour < 6
        queries.append(
            {
                "hour": hour.isoformat(),
                "service": SERVICE,
                "count": 0 if asleep else chance.randint(500, 9000),
            }
        )
        queries.append(
            {"hour": hour.isoformat(), "service": "search", "count": chance.randint(100, 900)}
        )
    # The reservation is bought at once and used by the hour: EffectiveCost has spread it already.
    bill.append(_row(hours[0], SERVICE, "Purchase", 800 * price, 0.0))
    bill.append(_row(hours[-1], SERVICE, "Tax", 19 * price, 19 * price))
    bill.append(_row(hours[0] - timedelta(hours=1), SERVICE, "Usage", 2 * price, 2 * price))
    # One clock of the export is not in UTC; it is the same moment.
    bill[0]["ChargePeriodStart"] = hours[0].astimezone(timezone(timedelta(hours=2))).isoformat()
    bill[-1]["ChargePeriodStart"] = (hours[0] - timedelta(hours=1)).isoformat()
    chance.shuffle(bill)
    chance.shuffle(queries)
    return {"bill": bill, "queries": queries}


def _row(
    hour: datetime, service: str, category: str, billed: float, effective: float
) -> dict[str, Any]:
    return {
        "ChargePeriodStart": hour.isoformat(),
        "ChargeCategory": category,
        "BilledCost": billed,
        "EffectiveCost": effective,
        "BillingCurrency": "USD",
        "Tags": {"service": service},
    }


def cost(case: Case, *, column: str = "EffectiveCost", tax: bool = False, others: bool = False,
         idle: bool = True, outside: bool = False, texts: bool = False) -> float:  # fmt: skip
    """Dollars for 1,000 queries; the keywords are the usual mistakes."""
    counts = {
        datetime.fromisoformat(q["hour"]): q["count"]
        for q in case["queries"]
        if q["service"] == SERVICE
    }
    hours = set(counts) if idle else {hour for hour, count in counts.items() if count}
    paid = 0.0
    for row in case["bill"]:
        hour = datetime.fromisoformat(row["ChargePeriodStart"])
        if texts and row["ChargePeriodStart"] != hour.astimezone(UTC).isoformat():
            continue
        counted = others or row["Tags"]["service"] == SERVICE
        counted = counted and (tax or row["ChargeCategory"] != "Tax")
        if counted and (outside or hour in hours):
            paid += row[column]
    return 1000 * paid / sum(counts.values())


MISTAKES = (
    ({"column": "BilledCost"}, "BilledCost has the reservation in the hour in which it was paid for, "
     "and nothing in the hours that use it. Take EffectiveCost."),
    ({"tax": True}, "taxes are not what a query costs. Leave out the rows whose ChargeCategory is Tax."),
    ({"others": True}, "the bill has other services' rows, too. Take those whose tag is chat."),
    ({"idle": False}, "the hours without a query were paid for as well. Count them."),
    ({"outside": True}, "a row lies before the hours of the queries. Count only the hours that both have."),
    ({"texts": True}, "one row's clock is two hours ahead of UTC and means an hour that was counted. Compare "
     "moments, not texts."),
)  # fmt: skip


def judge_cost(case: Case, output: Any) -> None:
    if not is_number(output) or not abs(output) <= MOST_DOLLARS:
        raise Wrong(
            f"cost_per_1000 returned {kind_of(output)}. Return dollars for 1,000 queries, a number."
        )
    expected = cost(case)
    if _near(output, expected):
        return
    said = f"cost_per_1000 gave {output:.4f} dollars, expected {expected:.4f}: "
    for factor, message in ((1000, "that is for one query. Multiply by 1,000."),
                            (1e-3, "that is for a million. Divide by 1,000.")):  # fmt: skip
        if _near(output * factor, expected):
            raise Wrong(said + message)
    for mistake, message in MISTAKES:
        if _near(output, cost(case, **mistake)):  # type: ignore[arg-type]
            raise Wrong(said + message)
    raise Wrong(
        said + "sum EffectiveCost over the rows of this service in the hours that were counted, "
        "idle ones included and taxes left out; divide by all its queries."
    )


def _near(value: float, expected: float) -> bool:
    return abs(value - expected) <= TOLERANCE * abs(expected)


COST_PER_1000 = FunctionTask(
    name="cost_per_1000",
    title="Prove the cost",
    points=2,
    function="cost_per_1000",
    draw=draw_bills,
    judge=judge_cost,
)
