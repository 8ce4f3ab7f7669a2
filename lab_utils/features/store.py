"""Where events are kept: one interface, and how a store says that it cannot answer.

| store | what it is | when |
|---|---|---|
| `MemoryStore` | a dictionary of this process | tests, simulations |
| `SqliteStore` | a file, written by several processes of one machine | the embedded default |
| `RedisStore` | a real Redis, shared by many machines | production |

Each keeps *sets* of events. To add one again changes nothing, and the order in which they come does
not matter: a retry after a time-out is safe, and two regions that exchange what they have end up
with the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, Protocol

from lab_utils.errors import LabError
from lab_utils.features.payment import Payment
from lab_utils.features.windows import History

Trouble = Literal["down", "slow"]


class StoreError(LabError):
    """The store did not answer. trouble: "down" (it cannot) or "slow" (not within the deadline).

    After "slow" the event may have been recorded or not; to send it again is safe.
    """

    def __init__(self, trouble: Trouble, sentence: str) -> None:
        super().__init__(sentence)
        self.trouble: Trouble = trouble


class Store(Protocol):
    """Events of customers and terminals. All but `close` raise StoreError."""

    def begin(self, covers_from_s: float = -math.inf) -> None:
        """Say that all events since then are, or will be, in the store."""

    def observe(self, payment: Payment) -> History:
        """Record a payment and give what is known of its customer and its terminal, in one trip."""

    def known_fraud(self, payment: Payment) -> None:
        """Record that a payment was a fraud, which may be known before or after the payment is."""

    def add(self, payments: Iterable[Payment], frauds: Iterable[Payment] = ()) -> None:
        """Record many, without reading: to fill a store from the past."""

    def close(self) -> None:
        """Let go of the connection; what is stored stays."""
