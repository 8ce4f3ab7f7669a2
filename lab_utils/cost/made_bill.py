"""The bill that lessons read: made, not anybody's. Its prices are the catalogue's.

    python -m lab_utils.cost.made_bill        # writes data/billing anew, the same bytes each time

A month of three services on Example Cloud, in the columns of FOCUS 1.0, one row an hour and
machine, and the queries of each hour as Prometheus would have counted them. `Plan` holds every
number that is invented. What is in it, as in real bills, to be found by whoever divides it:

- the machines of `chat` that always run were paid for a year at once, on the first of this month
  (and its canary, which tries each new version, is on demand);
- those that its autoscaler adds have no tag, since nobody wrote one into their template;
- at night some of the reserved ones stand still: "Unused" rows, of no resource and without a tag;
- `summaries` has no query at night, and Prometheus then says nothing, not zero;
- a credit, a tax, and a correction of the month before.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.cost.fleet import machines_needed
from lab_utils.cost.focus import FOLDER
from lab_utils.cost.hourly import HOUR_S
from lab_utils.cost.prices import Offer, catalogue
from lab_utils.files import write_bytes, write_text

COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory",
    "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountStatus",
    "CommitmentDiscountType", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice",
    "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory",
    "ServiceName", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags",
)  # fmt: skip
"""All of FOCUS 1.0's."""
HOURS_A_YEAR = 8760
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Every invented number. Rates are queries an hour."""

    start: datetime = datetime(2026, 2, 1)
    days: int = 28
    seed: int = 2
    gpu_machine: str = "g2-standard-4"
    cpu_machine: str = "c4-standard-4"
    chat_rate: float = 3000
    """That one machine of `chat` carries."""
    chat_mean: float = 9000
    chat_reserved: int = 4
    chat_always: int = 1
    """Of the reserved ones, this many run at night, too."""
    summaries_rate: float = 900
    fraud_machines: int = 3
    credit: float = 300.0
    tax: float = 0.08
    correction: float = 45.0


def queries(plan: Plan) -> dict[str, NDArray[np.float64]]:
    """Queries of each hour by service: evenings and office hours, weekends, and chance."""
    chance = np.random.default_rng(plan.seed)
    hour = np.arange(24 * plan.days)
    of_day = hour % 24
    weekday = (np.datetime64(plan.start, "D").astype(int) + 3 + hour // 24) % 7
    evening = 1 + 0.75 * np.cos(2 * np.pi * (of_day - 19) / 24)
    day = np.repeat(chance.lognormal(0, 0.12, plan.days), 24)
    chat = plan.chat_mean * evening * day * np.where(weekday >= 5, 0.75, 1.0)
    office = (of_day >= 7) & (of_day < 17) & (weekday < 5)
    summaries = np.where(office, plan.summaries_rate * 0.6, 0.0)
    fraud = 40_000 * (1 + 0.4 * np.cos(2 * np.pi * (of_day - 15) / 24))
    means = {"chat": chat, "summaries": summaries, "fraud": fraud}
    return {service: chance.poisson(mean).astype(float) for service, mean in means.items()}


def charges(plan: Plan) -> list[Row]:
    """The rows of the export, in the order of their charge periods."""
    prices = catalogue()
    gpu, cpu = (prices.offer(name) for name in (plan.gpu_machine, plan.cpu_machine))
    needed = machines_needed(queries(plan)["chat"], plan.chat_rate)
    rows = [*_monthly(plan, gpu)]
    for hour in range(24 * plan.days):
        rows += _chat(plan, gpu, hour, int(needed[hour]))
        for name in ("summaries-0", *(f"fraud-{i}" for i in range(plan.fraud_machines))):
            service = name.split("-")[0]
            rows.append(_usage(plan, cpu, hour, name, tags={"service": service}))
    rows += _derived(plan, rows)
    return sorted(rows, key=lambda row: str(row["ChargePeriodStart"]))


def write(plan: Plan | None = None) -> None:
    """Write `data/billing`: the export, compressed, and the counts."""
    plan = plan or Plan()
    write_bytes(FOLDER / "focus.csv.gz", gzip.compress(export(plan).encode(), mtime=0))
    write_text(FOLDER / "queries.csv", counts_text(plan))


def export(plan: Plan) -> str:
    """The export as CSV; NULL is nothing between two commas."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(charges(plan))
    return text.getvalue()


def counts_text(plan: Plan) -> str:
    """What Prometheus answers: stamped at each hour's end, and silent where no series exists."""
    first_s = int(np.datetime64(plan.start, "s").astype(int))
    lines = [
        "# Made by lab_utils/cost/made_bill.py, as Prometheus answers",
        "# sum by (service) (increase(llm_request_seconds_count[1h])) at whole hours, UTC.",
        "time,service,increase",
    ]
    for service, values in queries(plan).items():
        for hour, value in enumerate(values):
            if value:
                lines.append(f"{first_s + HOUR_S * (hour + 1)},{service},{value:.0f}")
    return "\n".join(lines) + "\n"


def _chat(plan: Plan, gpu: Offer, hour: int, needed: int) -> Iterator[Row]:
    covered = {
        "CommitmentDiscountCategory": "Usage",
        "CommitmentDiscountId": "commitment-7f3a",
        "CommitmentDiscountName": "chat-reserved-1y",
        "CommitmentDiscountType": "Reserved machine",
        "PricingCategory": "Committed",
    }
    reserved = gpu.price("reserved 1 year")
    running = min(max(needed, plan.chat_always), plan.chat_reserved)
    for number in range(running):
        row = _usage(plan, gpu, hour, f"chat-{number}", tags={"service": "chat"})
        yield row | covered | _cost(0, reserved) | {"CommitmentDiscountStatus": "Used"}
    unused = plan.chat_reserved - running
    if unused:
        nobodys = _row(plan, hour, hour + 1) | _machine(gpu, unused) | covered
        nobodys |= _cost(0, unused * reserved)
        nobodys |= {
            "ChargeDescription": f"{gpu.machine}, reserved and not used",
            "CommitmentDiscountStatus": "Unused",
        }
        yield nobodys
    yield _usage(plan, gpu, hour, "chat-canary", tags={"service": "chat"})
    # The template of the autoscaler's machines has no tag.
    for number in range(plan.chat_reserved, needed):
        yield _usage(plan, gpu, hour, f"chat-burst-{number - plan.chat_reserved}", tags={})


def _monthly(plan: Plan, gpu: Offer) -> Iterator[Row]:
    end = 24 * plan.days
    price = plan.chat_reserved * HOURS_A_YEAR * gpu.price("reserved 1 year")
    yield (
        _row(plan, 0, end)
        | _machine(gpu, plan.chat_reserved * HOURS_A_YEAR)
        | _cost(price, 0)
        | {
            "ChargeCategory": "Purchase",
            "ChargeFrequency": "One-Time",
            "ChargeDescription": f"{plan.chat_reserved} × {gpu.machine}, 1 year, all upfront",
            "CommitmentDiscountCategory": "Usage",
            "CommitmentDiscountId": "commitment-7f3a",
            "CommitmentDiscountName": "chat-reserved-1y",
            "CommitmentDiscountType": "Reserved machine",
            "PricingCategory": "Committed",
        }
    )
    yield (
        _row(plan, 0, end)
        | _cost(-plan.credit, -plan.credit)
        | {
            "ChargeCategory": "Credit",
            "ChargeFrequency": "One-Time",
            "ChargeDescription": "Promotional credit",
        }
    )
    before = 24 * 31
    yield (
        _row(plan, -before, -before + 1)
        | _cost(plan.correction, plan.correction)
        | {
            "ChargeClass": "Correction",
            "ChargeDescription": "January's network traffic, counted again",
            "ResourceName": "chat-0",
            "Tags": json.dumps({"service": "chat"}),
        }
    )


def _derived(plan: Plan, rows: list[Row]) -> Iterator[Row]:
    billed, effective = (sum(float(r[c]) for r in rows) for c in ("BilledCost", "EffectiveCost"))
    yield (
        _row(plan, 0, 24 * plan.days)
        | _cost(plan.tax * billed, plan.tax * effective)
        | {
            "ChargeCategory": "Tax",
            "ChargeFrequency": "Recurring",
            "ChargeDescription": "Sales tax",
        }
    )


def _usage(plan: Plan, offer: Offer, hour: int, name: str, tags: dict[str, str]) -> Row:
    price = offer.price()
    return (
        _row(plan, hour, hour + 1)
        | _machine(offer, 1)
        | _cost(price, price)
        | {
            "AvailabilityZone": f"{offer.region}-a",
            "ChargeDescription": f"{offer.machine}, an hour",
            "ConsumedQuantity": 1,
            "ConsumedUnit": "Hours",
            "ResourceId": f"machines/{name}",
            "ResourceName": name,
            "ResourceType": "Virtual machine",
            "Tags": json.dumps(tags) if tags else "",
        }
    )


def _machine(offer: Offer, hours: float) -> Row:
    price = offer.price()
    return {
        "ContractedCost": _money(price * hours),
        "ContractedUnitPrice": price,
        "ListCost": _money(price * hours),
        "ListUnitPrice": price,
        "PricingCategory": "Standard",
        "PricingQuantity": hours,
        "PricingUnit": "Hours",
        "RegionId": offer.region,
        "RegionName": offer.region,
        "SkuId": offer.machine,
        "SkuPriceId": f"{offer.machine}/{offer.region}",
    }


def _row(plan: Plan, first: int, end: int) -> Row:
    """A charge from one hour of the month to another, with what all rows have."""
    month_end = plan.start + timedelta(days=plan.days)
    return dict.fromkeys(COLUMNS, "") | {
        "BillingAccountId": "0001",
        "BillingAccountName": "Example Ltd",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _time(month_end),
        "BillingPeriodStart": _time(plan.start),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _time(plan.start + timedelta(hours=end)),
        "ChargePeriodStart": _time(plan.start + timedelta(hours=first)),
        "ContractedCost": 0,
        "InvoiceIssuerName": "Example Cloud",
        "ListCost": 0,
        "ProviderName": "Example Cloud",
        "PublisherName": "Example Cloud",
        "ServiceCategory": "Compute",
        "ServiceName": "Machines",
        "SubAccountId": "ml",
        "SubAccountName": "Machine learning",
    }


def _cost(billed: float, effective: float) -> Row:
    return {"BilledCost": _money(billed), "EffectiveCost": _money(effective)}


def _money(amount: float) -> float:
    return round(amount, 8)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


if __name__ == "__main__":
    write()
