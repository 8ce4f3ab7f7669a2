"""The features of a payment in the moment it is scored, and what is said of them when some lack.

    online = OnlineFeatures(store, stale_after_s=60)
    served = online.of(payment)
    if served.missing:
        ...                          # the caller's fallback: another model, the rules

A feature that could not be had is NaN and named in `missing`. Zero is a fact ("this terminal has no
known fraud"), and a store that did not answer has told no facts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab_utils.features.payment import Payment
from lab_utils.features.store import Store, StoreError, Trouble
from lab_utils.features.windows import FROM_HISTORY, LATE_S, History, aggregates, reach_s
from lab_utils.models.fraud.feature_names import (
    AT_HAND,
    FEATURES,
    LABEL_DELAY_S,
    is_night,
    is_weekend,
)

Reason = Trouble | Literal["cold", "late", ""]
"""Why features are missing: the store is down or slow; cold, it does not reach so far back; or the
payment came so late that what it needs is gone."""


@dataclass(frozen=True, slots=True)
class Served:
    """values: FEATURES in their order, float32, NaN where missing. missing: their names. why: the
    reason, and `told` the sentence; both empty where nothing is missing.

    age_s: how much older than the payment the newest event in the store was; below 0 where it was
    newer, None where the store has told nothing. stale: it was older than the caller accepts.
    """

    values: NDArray[np.float32]
    missing: tuple[str, ...]
    why: Reason
    told: str
    age_s: float | None
    stale: bool


class OnlineFeatures:
    """Features from a store. stale_after_s: a store whose newest event is older is called stale.

    label_delay_s: as in `windows.aggregates`. A payment that is no payment raises LabError where
    it is made; `of` itself raises nothing.
    """

    def __init__(
        self,
        store: Store,
        *,
        stale_after_s: float = math.inf,
        label_delay_s: float = LABEL_DELAY_S,
    ) -> None:
        self.store = store
        self._stale_after_s = stale_after_s
        self._label_delay_s = label_delay_s
        self._reach_s = reach_s(label_delay_s)

    def of(self, payment: Payment) -> Served:
        """Record the payment and give its features; of the store's trouble, an account."""
        return self.told(payment, lambda: self.store.observe(payment))

    def told(self, payment: Payment, observed: Callable[[], History]) -> Served:
        """The features from what the store says; `observed` gives it or raises StoreError."""
        try:
            history = observed()
        except StoreError as error:
            return self.without(payment, error.trouble, str(error), None)
        age_s = None if history.newest_s is None else payment.time_s - history.newest_s
        if age_s is not None and -age_s > LATE_S:
            told = f"The payment came {-age_s / 3600:.0f} h late; expected {LATE_S / 3600:.0f} h "
            return self.without(payment, "late", told + "at most.", age_s)
        if history.covers_from_s is None:
            told = "The feature store is empty or was restarted; fill it from the past, then begin."
            return self.without(payment, "cold", told, age_s)
        return self._counted(payment, history, history.covers_from_s, age_s)

    def _counted(
        self, payment: Payment, history: History, covers_from_s: float, age_s: float | None
    ) -> Served:
        found = aggregates(payment, history, self._label_delay_s)
        missing: tuple[str, ...] = ()
        told = ""
        if payment.time_s - max(self._reach_s) < covers_from_s:
            short = [payment.time_s - reach < covers_from_s for reach in self._reach_s]
            missing = tuple(n for n, lacks in zip(FROM_HISTORY, short, strict=True) if lacks)
            found = [math.nan if lacks else v for v, lacks in zip(found, short, strict=True)]
            told = f"The feature store covers {payment.time_s - covers_from_s:.0f} s of the past."
        values = np.array([*_at_hand(payment), *found], np.float32)
        stale = age_s is None or age_s > self._stale_after_s
        return Served(values, missing, "cold" if missing else "", told, age_s, stale)

    def without(self, payment: Payment, why: Reason, told: str, age_s: float | None) -> Served:
        """What is known without the store: what the payment itself brings, and why no more."""
        values = np.full(len(FEATURES), np.nan, np.float32)
        values[: len(AT_HAND)] = _at_hand(payment)
        return Served(values, FROM_HISTORY, why, told, age_s, True)


def _at_hand(payment: Payment) -> tuple[float, bool, bool]:
    """The features AT_HAND, from the payment alone."""
    return payment.amount, is_weekend(payment.time_s), is_night(payment.time_s)


assert FEATURES == AT_HAND + FROM_HISTORY
