"""A payment as it reaches the scorer, before anybody knows whether it is a fraud."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from lab_utils.errors import LabError

CENTS = 100
MOST_AMOUNT = 1e9
"""Above it an amount is a mistake, and a sum of cents might not be exact any more."""
MOST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Payment:
    """time_s: since the start of the count, on the payer's clock. amount: in money units.

    Raises LabError for a number that is negative, not finite or too large.
    """

    transaction_id: int
    time_s: float
    customer: int
    terminal: int
    amount: float

    def __post_init__(self) -> None:
        for name in ("transaction_id", "customer", "terminal"):
            value = getattr(self, name)
            if not 0 <= value <= MOST_ID:
                raise LabError(f"The payment's {name} is {value}; expected 0 to 2⁶³ − 1.")
        if not (math.isfinite(self.time_s) and self.time_s >= 0):
            raise LabError(f"The payment's time_s is {self.time_s}; expected 0 or more seconds.")
        if not 0 <= self.amount <= MOST_AMOUNT:
            raise LabError(
                f"The payment's amount is {self.amount}; expected 0 to {MOST_AMOUNT:,.0f}."
            )

    @property
    def cents(self) -> int:
        """The amount in whole cents: sums of them are exact, in whatever order they are added."""
        return round(CENTS * self.amount)


def payments(transactions: pd.DataFrame) -> Iterator[Payment]:
    """The rows of `simulate_transactions`, in their order."""
    columns = ("transaction_id", "time_s", "customer", "terminal", "amount")
    for row in zip(*(transactions[name].tolist() for name in columns), strict=True):
        yield Payment(*row)
