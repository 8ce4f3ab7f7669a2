"""What managed inference costs: by the hour or by the second of work, and from where which is less.

    offers = managed_offers()
    offers["SageMaker ml.m5.large"].price           # an hour, asked or not
    break_even_rate(0.115, 0.00006, busy_s=0.003)   # requests a second

`data/prices/managed.csv` says what each price is of, where and when it was seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from lab_utils.calculation import Calculation, positive
from lab_utils.cost.prices import FOLDER, above_zero, address, read_rows, seen_text

HOUR, SECOND = "hour", "second"
HOUR_S = 3600.0
BILLED_STEP_S = 0.001
"""Serverless work is billed by the millisecond (Amazon SageMaker AI pricing)."""


@dataclass(frozen=True)
class ManagedOffer:
    """One offer. cores: hardware threads of its machine; None where none is named.

    unit: "hour" of a machine that is there, asked or not; "second" in which a request is worked on.
    own_price: of the same machine without the service around it, an hour; None: not seen.
    """

    provider: str
    region: str
    name: str
    cores: int | None
    unit: str
    price: float
    own_price: float | None
    currency: str
    seen: date
    item: str
    source: str

    def seen_text(self, today: date | None = None) -> str:
        """When the price was seen, and how long ago."""
        return seen_text(self.seen, today)


def managed_offers(folder: Path = FOLDER) -> dict[str, ManagedOffer]:
    """By name. Raises LabError, naming file and row, as `prices.catalogue` does."""
    found = read_rows(folder / "managed.csv", _offer)
    return {offer.name: offer for offer in found}


def billed_s(busy_s: float) -> float:
    """What a request of so many seconds of work is billed for: whole milliseconds, at least one.

    >>> billed_s(0.0021), billed_s(0.0002)
    (0.003, 0.001)
    """
    positive(busy_s=busy_s)
    return max(1, math.ceil(busy_s / BILLED_STEP_S - 1e-9)) * BILLED_STEP_S


def cost_per_thousand_served(price_per_s: float, busy_s: float) -> float:
    """1,000 requests paid by the second of work, in the price's currency.

    >>> round(cost_per_thousand_served(price_per_s=0.00006, busy_s=0.003), 6)
    0.00018
    """
    positive(price_per_s=price_per_s)
    return 1000 * price_per_s * billed_s(busy_s)


def break_even_rate(price_per_h: float, price_per_s: float, busy_s: float) -> float:
    """The rate (requests a second, the mean of all hours) below which paying by the second is less.

    price of an hour ÷ 3600 ÷ (price of a second × billed seconds of a request). It is of one
    machine; whether one machine carries that rate is another question.

    >>> round(break_even_rate(price_per_h=0.108, price_per_s=0.00006, busy_s=0.005))
    100
    """
    positive(price_per_h=price_per_h, price_per_s=price_per_s)
    return price_per_h / HOUR_S / (price_per_s * billed_s(busy_s))


def _offer(row: Mapping[str, str]) -> ManagedOffer:
    if row["unit"] not in (HOUR, SECOND):
        raise ValueError(f"unit is {row['unit']!r}; expected {HOUR} or {SECOND}")
    return ManagedOffer(
        row["provider"],
        row["region"],
        row["offer"],
        int(above_zero(row, "cores")) if row["cores"] else None,
        row["unit"],
        above_zero(row, "price"),
        above_zero(row, "own") if row["own"] else None,
        row["currency"],
        date.fromisoformat(row["seen"]),
        row["item"],
        address(row),
    )


SERVERLESS = Calculation(
    name="serverless-break-even",
    formula="rate = price of an hour / 3600 / (price of a second of work × billed seconds)",
    inputs={
        "price_per_h": "of a machine that is always there, in any currency",
        "price_per_s": "of a second in which a request is worked on, likewise",
        "busy_s": "seconds of work for a request; billed by the millisecond",
    },
    result="requests a second, on average, below which paying by the second is less",
    source="arithmetic, for one machine",
    compute=break_even_rate,
)
