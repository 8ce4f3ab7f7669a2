"""The aggregates of one payment, from the events that its customer and its terminal have made.

**The convention, here and nowhere else**: events stand in the order (time, transaction_id). A
window of length w that ends with a payment at t holds the events in (t − w, t], the payment itself
among them; an event exactly w old is out. Of several in the same second, those with a larger
transaction_id came later and are out. A terminal's fraud rate covers (t − delay − w, t − delay],
with all of that last second: a week later nobody asks about the order within it.

Times that are whole numbers of seconds (or of any power of two) are compared exactly.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from lab_utils.features.payment import CENTS, Payment
from lab_utils.models.fraud.feature_names import (
    COUNT_WINDOWS_S,
    CUSTOMER,
    DAY_S,
    LABEL_DELAY_S,
    RISK,
    RISK_WINDOWS_S,
    TERMINAL,
)

Event = tuple[float, int, int]
"""(time_s, transaction_id, cents)."""

FROM_HISTORY = CUSTOMER + TERMINAL + RISK
"""The features that a store is needed for, in the order of `aggregates`."""
LATE_S = DAY_S
"""An event that comes so late still finds all that its windows need."""
CUSTOMER_KEPT_S = max(COUNT_WINDOWS_S.values()) + LATE_S
TERMINAL_KEPT_S = max(RISK_WINDOWS_S.values()) + LABEL_DELAY_S + LATE_S
"""How long a store keeps a customer's and a terminal's events."""


@dataclass(frozen=True, slots=True)
class History:
    """What a store knows when a payment comes.

    customer, terminal: their events in order, the payment itself among them; there may be later
    ones. frauds: those of the terminal's events that are known to be frauds. newest_s: the latest
    time of any event that the store had seen before; None if none. covers_from_s: the store has
    all events since then; None where nobody has said so, as after a restart without its data.
    """

    customer: Sequence[Event]
    terminal: Sequence[Event]
    frauds: Sequence[Event]
    newest_s: float | None
    covers_from_s: float | None


def aggregates(
    payment: Payment, history: History, label_delay_s: float = LABEL_DELAY_S
) -> list[float]:
    """The features FROM_HISTORY of a payment, in that order.

    label_delay_s: a fraud is used when it is so old. With 0 the fraud rate ends just before the
    payment, since its own label is what is sought.
    """
    time_s, last = payment.time_s, (payment.time_s, payment.transaction_id, math.inf)
    customer, terminal, frauds = history.customer, history.terminal, history.frauds
    found: list[float] = []
    end = bisect_right(customer, last)
    for window_s in COUNT_WINDOWS_S.values():
        events = customer[bisect_right(customer, (time_s - window_s, math.inf)) : end]
        # A store that lost the payment between writing and reading has no mean to give.
        count = len(events)
        found += [count, sum([e[2] for e in events]) / (CENTS * count) if count else math.nan]
    end = bisect_right(terminal, last)
    for window_s in COUNT_WINDOWS_S.values():
        found.append(end - bisect_right(terminal, (time_s - window_s, math.inf)))
    for window_s in RISK_WINDOWS_S.values():
        first = (time_s - label_delay_s - window_s, math.inf)
        until = (time_s - label_delay_s, math.inf) if label_delay_s else last[:2]
        side = bisect_right if label_delay_s else bisect_left
        known = side(frauds, until) - bisect_right(frauds, first)
        seen = side(terminal, until) - bisect_right(terminal, first)
        found.append(known / max(seen, 1))
    return found


def reach_s(label_delay_s: float = LABEL_DELAY_S) -> list[float]:
    """How far back each of FROM_HISTORY looks, in seconds."""
    counts = list(COUNT_WINDOWS_S.values())
    risks = [label_delay_s + window_s for window_s in RISK_WINDOWS_S.values()]
    return [window_s for window_s in counts for _ in range(2)] + counts + risks
