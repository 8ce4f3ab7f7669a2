"""Events in dictionaries of this process."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable

from lab_utils.features.payment import Payment
from lab_utils.features.windows import CUSTOMER_KEPT_S, TERMINAL_KEPT_S, Event, History


class MemoryStore:
    """A `Store` that ends with the process. Begun at once: it covers all there ever was.

    The histories it gives are its own lists, good until the next event.
    """

    def __init__(self) -> None:
        self._customers: defaultdict[int, list[Event]] = defaultdict(list)
        self._terminals: defaultdict[int, list[Event]] = defaultdict(list)
        self._frauds: defaultdict[int, list[Event]] = defaultdict(list)
        self._newest_s: float | None = None
        self._covers_from_s: float = -math.inf

    def begin(self, covers_from_s: float = -math.inf) -> None:
        """See `Store`."""
        self._covers_from_s = covers_from_s

    def observe(self, payment: Payment) -> History:
        """See `Store`."""
        newest_s = self._newest_s
        self._record(payment)
        return History(
            self._customers[payment.customer],
            self._terminals[payment.terminal],
            self._frauds[payment.terminal],
            newest_s,
            self._covers_from_s,
        )

    def known_fraud(self, payment: Payment) -> None:
        """See `Store`."""
        _insert(self._frauds[payment.terminal], payment, TERMINAL_KEPT_S)

    def add(self, payments: Iterable[Payment], frauds: Iterable[Payment] = ()) -> None:
        """See `Store`."""
        for payment in payments:
            self._record(payment)
        for fraud in frauds:
            self.known_fraud(fraud)

    def close(self) -> None:
        """Nothing to let go of."""

    def _record(self, payment: Payment) -> None:
        _insert(self._customers[payment.customer], payment, CUSTOMER_KEPT_S)
        _insert(self._terminals[payment.terminal], payment, TERMINAL_KEPT_S)
        self._newest_s = max(self._newest_s or 0.0, payment.time_s)


def _insert(events: list[Event], payment: Payment, kept_s: float) -> None:
    """Into its place, once; and out with what nobody needs any more."""
    event = (payment.time_s, payment.transaction_id, payment.cents)
    place = bisect_left(events, event)
    if place == len(events) or events[place] != event:
        events.insert(place, event)
    del events[: bisect_right(events, (payment.time_s - kept_s, math.inf))]
