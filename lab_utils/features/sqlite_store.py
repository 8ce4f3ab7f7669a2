"""Events in one sqlite file: embedded, durable, shared by the processes of one machine.

A payment is one transaction: two rows in, three ranges out. The tables are clustered by who and
when, so a range lies in one place of the file.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab_utils.features.payment import Payment
from lab_utils.features.store import StoreError
from lab_utils.features.windows import CUSTOMER_KEPT_S, TERMINAL_KEPT_S, Event, History

TABLES = ("customers", "terminals", "frauds")
INSERT = "INSERT OR IGNORE INTO {} VALUES (?, ?, ?, ?)"
NEWEST = (
    "INSERT INTO state VALUES ('newest_s', ?) "
    "ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
)
DEADLINE_S = 0.005
PAGES_KB = 64_000


class SqliteStore:
    """A `Store` in a file, or in ":memory:". deadline_s: how long it waits for another's lock.

    Its journal is a write-ahead log that is not synced after every payment: a process that dies
    loses nothing, a machine that loses power may lose the last moments (which the stream that feeds
    the store can play again).
    """

    def __init__(self, path: Path | str = ":memory:", deadline_s: float = DEADLINE_S) -> None:
        self._path = str(path)
        with self._trouble():
            self._base = sqlite3.connect(
                self._path,
                timeout=max(deadline_s, 1),
                isolation_level=None,
                check_same_thread=False,
            )
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.execute(f"PRAGMA cache_size = -{PAGES_KB}")
            for table in TABLES:
                self._base.execute(
                    f"CREATE TABLE IF NOT EXISTS {table} (who INTEGER, time_s REAL, id INTEGER, "
                    "cents INTEGER, PRIMARY KEY (who, time_s, id)) WITHOUT ROWID"
                )
            self._base.execute(
                "CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value REAL) WITHOUT ROWID"
            )
            self._base.execute(f"PRAGMA busy_timeout = {max(1, round(1e3 * deadline_s))}")

    def begin(self, covers_from_s: float = -math.inf) -> None:
        """See `Store`."""
        with self._trouble():
            self._base.execute("REPLACE INTO state VALUES ('covers_from_s', ?)", (covers_from_s,))

    def observe(self, payment: Payment) -> History:
        """See `Store`."""
        with self._transaction():
            state = dict(self._base.execute("SELECT name, value FROM state"))
            self._record(payment)
            customer = self._events("customers", payment.customer, payment.time_s)
            terminal = self._events("terminals", payment.terminal, payment.time_s)
            frauds = self._events("frauds", payment.terminal, payment.time_s)
        return History(
            customer, terminal, frauds, state.get("newest_s"), state.get("covers_from_s")
        )

    def known_fraud(self, payment: Payment) -> None:
        """See `Store`."""
        with self._transaction():
            self._insert("frauds", payment.terminal, payment, TERMINAL_KEPT_S)

    def add(self, payments: Iterable[Payment], frauds: Iterable[Payment] = ()) -> None:
        """See `Store`. Old events are dropped when a payment is observed, not here."""
        some, known = list(payments), list(frauds)
        with self._transaction():
            for table, rows in (
                ("customers", [(p.customer, *_event(p)) for p in some]),
                ("terminals", [(p.terminal, *_event(p)) for p in some]),
                ("frauds", [(p.terminal, *_event(p)) for p in known]),
            ):
                self._base.executemany(INSERT.format(table), rows)
            if some:
                self._base.execute(NEWEST, (max(p.time_s for p in some),))

    def close(self) -> None:
        """See `Store`."""
        self._base.close()

    def _record(self, payment: Payment) -> None:
        self._insert("customers", payment.customer, payment, CUSTOMER_KEPT_S)
        self._insert("terminals", payment.terminal, payment, TERMINAL_KEPT_S)
        self._base.execute(NEWEST, (payment.time_s,))

    def _insert(self, table: str, who: int, payment: Payment, kept_s: float) -> None:
        self._base.execute(INSERT.format(table), (who, *_event(payment)))
        self._base.execute(
            f"DELETE FROM {table} WHERE who = ? AND time_s <= ?", (who, payment.time_s - kept_s)
        )

    def _events(self, table: str, who: int, until_s: float) -> list[Event]:
        return self._base.execute(
            f"SELECT time_s, id, cents FROM {table} WHERE who = ? AND time_s <= ? "
            "ORDER BY time_s, id",
            (who, until_s),
        ).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing; no other process writes between."""
        with self._trouble():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            locked = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            raise StoreError(
                "slow" if locked else "down",
                f"The feature store in {self._path} "
                + ("was locked by another process for too long" if locked else "cannot be used")
                + f" ({error}); score without its features.",
            ) from None


def _event(payment: Payment) -> Event:
    return payment.time_s, payment.transaction_id, payment.cents
