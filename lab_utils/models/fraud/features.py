"""The features of all payments at once, each as it was known at the payment's own time.

    known = features(payments)        # a row a payment, columns FEATURES, float32

Nothing looks ahead: a window ends with the payment itself, and whether an earlier one was a fraud
is used only once its label was there, `LABEL_DELAY_S` later. Of two payments in the same second,
the one with the smaller `transaction_id` came first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import (
    COUNT_WINDOWS_S,
    DAY_S,
    FEATURES,
    HOUR_S,
    LABEL_DELAY_S,
    RISK_WINDOWS_S,
    START_WEEKDAY,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENTS = 100
"""Sums are of whole cents: exact, in whatever order they are added."""


def features(transactions: pd.DataFrame, label_delay_s: float = LABEL_DELAY_S) -> pd.DataFrame:
    """A row for each payment, in their order; columns FEATURES in float32.

    transactions: sorted by time, as `simulate_transactions` gives them. label_delay_s: when a
    fraud is known after it happened; a second is what no bank has. Raises LabError where the
    payments are not sorted or the delay is not above 0: a payment's own label is never a feature.
    """
    if not 0 < label_delay_s <= LABEL_DELAY_S:
        raise LabError(
            f"The delay of labels is {label_delay_s} s; expected one above 0, at most "
            f"{LABEL_DELAY_S:g}."
        )
    time_s = transactions["time_s"].to_numpy(np.float64)
    if time_s.size and (np.diff(time_s) < 0).any():
        raise LabError("The payments are not in order of time; expected them sorted by time_s.")
    amount = transactions["amount"].to_numpy(np.float64)
    cents = np.rint(CENTS * amount).astype(np.int64)
    one = np.ones(time_s.size, np.int64)
    found: dict[str, NDArray[np.float64] | NDArray[np.bool_] | NDArray[np.int64]] = {
        "amount": amount,
        "is_weekend": (time_s // DAY_S + START_WEEKDAY) % 7 >= 5,
        "is_night": time_s % DAY_S < 7 * HOUR_S,
    }

    by_customer = _History(transactions["customer"].to_numpy(), time_s)
    for name, window_s in COUNT_WINDOWS_S.items():
        count = by_customer.sums(one, window_s)
        found[f"customer_count_{name}"] = count
        found[f"customer_mean_{name}"] = by_customer.sums(cents, window_s) / (CENTS * count)

    by_terminal = _History(transactions["terminal"].to_numpy(), time_s)
    for name, window_s in COUNT_WINDOWS_S.items():
        found[f"terminal_count_{name}"] = by_terminal.sums(one, window_s)
    fraud = transactions["fraud"].to_numpy(np.int64)
    for name, window_s in RISK_WINDOWS_S.items():
        frauds = by_terminal.sums(fraud, window_s, label_delay_s)
        payments = by_terminal.sums(one, window_s, label_delay_s)
        found[f"terminal_risk_{name}"] = frauds / np.maximum(payments, 1)
    return pd.DataFrame(
        {name: found[name].astype(np.float32) for name in FEATURES}, index=transactions.index
    )


class _History:
    """Payments by who made or took them, then by time: sums over windows that end at each one."""

    def __init__(self, who: NDArray[np.int64], time_s: NDArray[np.float64]) -> None:
        self._order = np.argsort(who, kind="stable")
        # One axis for all: each one's times lie further from the next one's than a window reaches.
        longest_s = LABEL_DELAY_S + max(*RISK_WINDOWS_S.values(), *COUNT_WINDOWS_S.values())
        span_s = longest_s + 1 + (time_s[-1] if time_s.size else 0)
        self._key = (who * span_s + time_s)[self._order]

    def sums(
        self, values: NDArray[np.int64], window_s: float, delay_s: float = 0
    ) -> NDArray[np.int64]:
        """For each payment at t, the sum of `values` over (t − delay − window, t − delay]."""
        total = np.concatenate([[0], np.cumsum(values[self._order])])
        first = np.searchsorted(self._key, self._key - delay_s - window_s, side="right")
        if delay_s:
            end = np.searchsorted(self._key, self._key - delay_s, side="right")
        else:  # those of the same second that came later do not count
            end = np.arange(1, self._key.size + 1)
        found = np.empty(values.size, np.int64)
        found[self._order] = total[end] - total[first]
        return found
