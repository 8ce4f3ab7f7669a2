"""Events in Redis, in one trip for each payment.

Each customer and each terminal has a sorted set, ordered by time. To add an event that is there
already changes nothing (`ZADD`), so a retry counts once; an event that comes late falls into its
place. Two scorers that see the same customer at the same moment need no lock.

What is too old is dropped when its customer or terminal is seen again. (A key of somebody who never
comes back stays; where the clock of the payments is the server's own, `EXPIRE` would end it.)

On a Redis Cluster the two keys of a payment lie on different nodes: two trips, side by side.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from lab_utils.features.payment import Payment
from lab_utils.features.store import StoreError
from lab_utils.features.windows import CUSTOMER_KEPT_S, TERMINAL_KEPT_S, Event, History

DEADLINE_S = 0.005
"""The lesson's budget for features."""
FILL_S = 30.0
"""Filling a store is no payment that waits."""
EVENT = struct.Struct(">dQq")
"""Big-endian: of events with one time, Redis orders those bytes, which is by transaction_id."""
STATE, NEWEST, COVERS = "state", b"newest_s", b"covers_from_s"
A_TRIP = 5_000


def connect(
    socket: Path | str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 6379,
    timeout_s: float = DEADLINE_S,
) -> redis.Redis:
    """A client that waits `timeout_s` for each answer, and does not try again.

    The client's own defaults are to wait without end, and to try again several times.
    """
    where: dict[str, Any] = (
        {"host": host, "port": port} if socket is None else {"unix_socket_path": str(socket)}
    )
    return redis.Redis(
        **where,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


class RedisStore:
    """A `Store` in a Redis, found by its Unix socket, or by host and port.

    deadline_s: for a payment's trip, as the time that nothing comes. prefix: before each key, so
    that several may share a server.
    """

    def __init__(
        self,
        socket: Path | str | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 6379,
        deadline_s: float = DEADLINE_S,
        prefix: str = "",
    ) -> None:
        self._where = f"{host}:{port}" if socket is None else str(socket)
        self._deadline_s = deadline_s
        self._prefix = prefix
        self._client = connect(socket, host=host, port=port, timeout_s=deadline_s)
        self._filler = connect(socket, host=host, port=port, timeout_s=FILL_S)

    def begin(self, covers_from_s: float = -math.inf) -> None:
        """See `Store`."""
        with self._trouble():
            self._filler.zadd(self._prefix + STATE, {COVERS: covers_from_s})

    def observe(self, payment: Payment) -> History:
        """See `Store`."""
        with self._trouble():
            trip: Any = self._client.pipeline(transaction=False)
            for command in self.commands(payment):
                trip.execute_command(*command)
            answers = trip.execute()
        return self.history(answers)

    def commands(self, payment: Payment) -> list[tuple[Any, ...]]:
        """What `observe` sends: the state before, the payment recorded, what is there now."""
        customer, terminal, frauds = self._keys(payment)
        return [
            ("ZMSCORE", self._prefix + STATE, NEWEST, COVERS),
            *_recorded(customer, payment, CUSTOMER_KEPT_S),
            *_recorded(terminal, payment, TERMINAL_KEPT_S),
            ("ZADD", self._prefix + STATE, "GT", payment.time_s, NEWEST),
            *(
                ("ZRANGEBYSCORE", key, "-inf", payment.time_s)
                for key in (customer, terminal, frauds)
            ),
        ]

    def history(self, answers: list[Any]) -> History:
        """What the answers to `commands` say; an error among them is raised as StoreError."""
        with self._trouble():
            for answer in answers:
                if isinstance(answer, Exception):
                    raise redis.ResponseError(str(answer))
            newest_s, covers_from_s = (None if n is None else float(n) for n in answers[0])
            customer, terminal, frauds = (_events(members) for members in answers[-3:])
        return History(customer, terminal, frauds, newest_s, covers_from_s)

    def known_fraud(self, payment: Payment) -> None:
        """See `Store`."""
        with self._trouble():
            trip: Any = self._client.pipeline(transaction=False)
            for command in _recorded(self._keys(payment)[2], payment, TERMINAL_KEPT_S):
                trip.execute_command(*command)
            trip.execute()

    def add(self, payments: Iterable[Payment], frauds: Iterable[Payment] = ()) -> None:
        """See `Store`. Old events are dropped when a payment is observed, not here."""
        with self._trouble():
            for some in _portions(payments):
                by_key: dict[str, dict[bytes, float]] = {}
                for payment in some:
                    for key in self._keys(payment)[:2]:
                        by_key.setdefault(key, {})[_packed(payment)] = payment.time_s
                newest: Any = {NEWEST: max(payment.time_s for payment in some)}
                self._fill(by_key).zadd(self._prefix + STATE, newest, gt=True).execute()
            for some in _portions(frauds):
                by_key = {}
                for fraud in some:
                    by_key.setdefault(self._keys(fraud)[2], {})[_packed(fraud)] = fraud.time_s
                self._fill(by_key).execute()

    def _fill(self, by_key: dict[str, dict[bytes, float]]) -> Any:
        trip: Any = self._filler.pipeline(transaction=False)
        for key, events in by_key.items():
            trip.zadd(key, events)
        return trip

    def transactions(self) -> set[int]:
        """Of all payments in the store; it reads every customer, so not while payments wait."""
        with self._trouble():
            filler: Any = self._filler
            keys = filler.scan_iter(match=f"{self._prefix}customer:*", count=A_TRIP)
            members = [filler.zrange(key, 0, -1) for key in keys]
        return {event[1] for some in members for event in _events(some)}

    def close(self) -> None:
        """See `Store`."""
        self._client.close()
        self._filler.close()

    def _keys(self, payment: Payment) -> tuple[str, str, str]:
        return (
            f"{self._prefix}customer:{payment.customer}",
            f"{self._prefix}terminal:{payment.terminal}",
            f"{self._prefix}frauds:{payment.terminal}",
        )

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except redis.TimeoutError:
            raise StoreError(
                "slow",
                f"The feature store at {self._where} did not answer within "
                f"{1e3 * self._deadline_s:g} ms; score without its features.",
            ) from None
        except (redis.RedisError, struct.error) as error:  # struct: members that are no events
            raise StoreError(
                "down",
                f"The feature store at {self._where} cannot be used ({error}); score without its "
                "features.",
            ) from None


def _recorded(key: str, payment: Payment, kept_s: float) -> list[tuple[Any, ...]]:
    """Into its place, once; and out with what nobody needs any more."""
    return [
        ("ZADD", key, payment.time_s, _packed(payment)),
        ("ZREMRANGEBYSCORE", key, "-inf", payment.time_s - kept_s),
    ]


def _packed(payment: Payment) -> bytes:
    return EVENT.pack(payment.time_s, payment.transaction_id, payment.cents)


def _events(members: list[bytes]) -> list[Event]:
    return list(EVENT.iter_unpack(b"".join(members)))


def _portions(payments: Iterable[Payment]) -> Iterator[list[Payment]]:
    rest = iter(payments)
    while some := list(islice(rest, A_TRIP)):
        yield some
