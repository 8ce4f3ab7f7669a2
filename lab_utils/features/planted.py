"""Faults as they are found in production, planted so that a lesson can find them.

    replay(transactions, online, serve=as_of_last_payment(online))

Each is something that somebody wrote with good reason: a value that is stored when it is computed,
a clock that shows the time of the office, a default so that the model gets a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lab_utils.features.online import OnlineFeatures, Served
from lab_utils.features.payment import Payment
from lab_utils.features.store import Store, StoreError
from lab_utils.features.windows import History
from lab_utils.models.fraud.feature_names import (
    CUSTOMER,
    FEATURES,
    HOUR_S,
    RISK,
    TERMINAL,
    is_night,
    is_weekend,
)

Serve = Callable[[Payment], Served]

OF_CUSTOMER = [FEATURES.index(name) for name in CUSTOMER]
OF_TERMINAL = [FEATURES.index(name) for name in TERMINAL + RISK]
WEEKEND, NIGHT = FEATURES.index("is_weekend"), FEATURES.index("is_night")


def as_of_last_payment(online: OnlineFeatures) -> Serve:
    """Aggregates that are written after a payment and read before the next one.

    What most stores of *values* do. The windows do not end with the payment that is scored but with
    the one before it, whenever that was. NaN for a customer or terminal that is new.
    """
    written: dict[tuple[str, int], np.ndarray] = {}

    def serve(payment: Payment) -> Served:
        served = online.of(payment)
        values = served.values.copy()
        for side, who, places in (
            ("customer", payment.customer, OF_CUSTOMER),
            ("terminal", payment.terminal, OF_TERMINAL),
        ):
            values[places] = written.get((side, who), np.nan)
            written[side, who] = served.values[places]
        return replace(served, values=values)

    return serve


def in_local_time(serve: Serve, ahead_h: float) -> Serve:
    """The clock of the payment's features stands so many hours ahead of that of training."""

    def shifted(payment: Payment) -> Served:
        served = serve(payment)
        values = served.values.copy()
        local_s = payment.time_s + ahead_h * HOUR_S
        values[[WEEKEND, NIGHT]] = is_weekend(local_s), is_night(local_s)
        return replace(served, values=values)

    return shifted


def zero_for_missing(serve: Serve) -> Serve:
    """What is missing is served as 0, as if it had been told."""

    def filled(payment: Payment) -> Served:
        served = serve(payment)
        return replace(served, values=np.nan_to_num(served.values, nan=0.0), missing=())

    return filled


class SlowAtTimes:
    """A store that does not answer in time for a share of the payments. It records them all."""

    def __init__(self, store: Store, share: float, seed: int = 0) -> None:
        self._store = store
        self._share = share
        self._random = np.random.default_rng(seed)
        self.begin = store.begin
        self.known_fraud = store.known_fraud
        self.add = store.add
        self.close = store.close

    def observe(self, payment: Payment) -> History:
        """See `Store`."""
        history = self._store.observe(payment)
        if self._random.random() < self._share:
            raise StoreError(
                "slow", "The feature store did not answer in time; score without its features."
            )
        return history
