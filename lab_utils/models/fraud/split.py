"""Which payments a model learns from, and which it is judged on: by time, as in production.

    train, test = by_time(payments, test_from_day=53)
    model.fit(known[train], payments["fraud"][train])

A model that scores today has seen no label younger than the delay. So between the days it learns
from and the days it is judged on lies the delay. A card that is known to be compromised is blocked:
its later payments are not in the test (the Handbook, chapter 3, *Baseline fraud detection system*).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import DAY_S, LABEL_DELAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAIN_DAYS, TEST_DAYS = 7, 7
"""The Handbook's weeks."""


def by_time(
    transactions: pd.DataFrame,
    test_from_day: int,
    train_days: int = TRAIN_DAYS,
    test_days: int = TEST_DAYS,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows to learn from and which to be judged on, as two masks.

    The training days end `LABEL_DELAY_S` before `test_from_day` begins. Raises LabError where the
    payments do not reach so far.
    """
    day = days(transactions)
    delay_days = int(LABEL_DELAY_S // DAY_S)
    train_from = test_from_day - delay_days - train_days
    if train_from < 0 or day.max(initial=-1) < test_from_day + test_days - 1:
        raise LabError(
            f"The payments cover {day.max(initial=-1) + 1} days; expected those from day "
            f"{train_from} (not below 0) to day {test_from_day + test_days - 1}."
        )
    train = (day >= train_from) & (day < test_from_day - delay_days)
    test = (day >= test_from_day) & (day < test_from_day + test_days)
    return train, test & ~blocked(transactions, since_day=train_from)


def at_random(
    transactions: pd.DataFrame, of: NDArray[np.bool_], share: float, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The rows `of`, divided by lot: `share` of them to learn from, the others to be judged on.

    What many tutorials do, and production cannot: days, cards and terminals are on both sides.
    """
    first = np.random.default_rng(seed).random(len(transactions)) < share
    return of & first, of & ~first


def blocked(transactions: pd.DataFrame, since_day: int) -> NDArray[np.bool_]:
    """Which payments are of a card whose first fraud since that day was known the day before."""
    day = days(transactions)
    customer = transactions["customer"].to_numpy()
    fraud = transactions["fraud"].to_numpy() & (day >= since_day)
    never = np.iinfo(np.int64).max // 2
    first = np.full(customer.max(initial=0) + 1, never)
    np.minimum.at(first, customer[fraud], day[fraud])
    delayed: NDArray[np.bool_] = first[customer] + int(LABEL_DELAY_S // DAY_S) < day
    return delayed


def days(transactions: pd.DataFrame) -> NDArray[np.int64]:
    """Each payment's day, from 0."""
    found: NDArray[np.int64] = (transactions["time_s"].to_numpy() // DAY_S).astype(np.int64)
    return found
