"""Every answer, on disk before it is sent: at most one for each transaction, and never changed.

    with AuditLog(folder / "audit.sqlite") as log:
        kept = await log.record(Entry(transaction_id=17, asked="{…}", answered="{…}"))
        kept.answered                    # the first answer that 17 was given, now or earlier
    for entry in replayed(folder / "audit.sqlite"): …

*Policy.* The file is SQLite's, in write-ahead mode with `synchronous=FULL`: a commit returns once
its pages have been flushed to the disk, so an answer that was sent survives a killed process and a
power cut, as far as the disk keeps its word. Flushing takes longer than scoring, so answers that
wait at the same time share one commit (a *group commit*): the more load, the more they share.
The table takes new rows only; a trigger refuses to change or delete one.

Idempotent: of two answers to one transaction the first that was written counts, and both callers
are given it. A client that asks again after a time-out gets what it would have got.

A full disk: nothing can be recorded, so nobody is answered. With a *reserve*, a file beside the log
that holds nothing, the log goes on: it deletes the file and has that much room, for as long as
somebody needs to make more. `reserve_left` says whether it is still there; alert on it.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab_utils.errors import LabError

SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY,  -- SQLite counts up: the order of writing
    transaction_id INTEGER NOT NULL UNIQUE,
    asked TEXT NOT NULL,
    answered TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON answers
    BEGIN SELECT RAISE(ABORT, 'an audit log is never changed'); END;
CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'an audit log is never changed'); END;
"""
COLUMNS = "transaction_id, asked, answered"
BUSY_S = 5.0
"""How long to wait for another process that writes the same file."""
LOOK_S = 0.0005
"""How often it is looked whether that has ended."""
MOST_TOGETHER = 512
NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""What SQLite says of a full disk, by where it meets it."""
LEAST_ROOM = 64 * 1024
"""Bytes with which a commit can be tried again."""


class AuditError(LabError):
    """The log could not be written, so the answer must not be sent."""


@dataclass(frozen=True, slots=True)
class Entry:
    """asked, answered: what came in and what goes out, as text."""

    transaction_id: int
    asked: str
    answered: str


Pending = tuple[Entry, "Future[Entry]"]


class AuditLog:
    """The log in a file, which is made where it is missing; one thread writes.

    reserve_bytes: of the reserve, which all that write this log share and which is made, or made
    again, now; without room for it there is none, since a full disk must not keep a gateway from
    starting. Raises AuditError where there can be no log, LabError where it is something else.
    """

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        self.path = path
        self.commits = 0
        self._reserve = path.with_name(f"{path.name}.reserve")
        self._pending: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._closed = False
        try:
            self._file = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(SCHEMA)
            self._file.execute("PRAGMA busy_timeout=0")  # from here on `_begin` waits
        except sqlite3.OperationalError as error:
            raise AuditError(_sentence(path, error)) from None
        except sqlite3.DatabaseError as error:
            raise LabError(f"{path} is no audit log ({error}); name another file.") from None
        if reserve_bytes:
            self._make_reserve(reserve_bytes)
        self._writer = threading.Thread(target=self._write, name="audit log", daemon=True)
        self._writer.start()

    @property
    def reserve_left(self) -> bool:
        """Whether there is a reserve that has not been given up."""
        return self._reserve.exists()

    async def record(self, entry: Entry) -> Entry:
        """The entry that counts for this transaction, once it is on disk.

        Raises AuditError where it could not be written (a full disk) or the log is closed.
        """
        done: Future[Entry] = Future()
        if self._closed:
            raise AuditError(f"The audit log {self.path.name} is closed.")
        self._pending.put((entry, done))
        # Whoever gives up waiting leaves the entry: it may be on disk already.
        return await asyncio.shield(asyncio.wrap_future(done))

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        if not self._closed:
            self._closed = True
            self._pending.put(None)
            self._writer.join()
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        while (first := self._pending.get()) is not None:
            together = [first]
            last = False
            while len(together) < MOST_TOGETHER and not last:
                try:
                    another = self._pending.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    last = True
                else:
                    together.append(another)
            self._commit(together)
            if last:
                return

    def _make_reserve(self, size: int) -> None:
        """Claimed from the disk, not only announced: a sparse file would take no room."""
        try:
            with open(self._reserve, "ab") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            self._reserve.unlink(missing_ok=True)

    def _give_up_reserve(self) -> bool:
        """Whether there is room now: another process may have given it up a moment ago."""
        had = self.reserve_left
        self._reserve.unlink(missing_ok=True)
        free = os.statvfs(self.path.parent)
        return had or free.f_bavail * free.f_frsize >= LEAST_ROOM

    def _commit(self, together: Sequence[Pending]) -> None:
        try:
            try:
                kept = self._written(together)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in NO_ROOM or not self._give_up_reserve():
                    raise
                kept = self._written(together)
        except sqlite3.Error as error:
            for _, done in together:
                _settle(done, AuditError(_sentence(self.path, error)))
            return
        self.commits += 1
        for (_, done), entry in zip(together, kept, strict=True):
            _settle(done, entry)

    def _written(self, together: Sequence[Pending]) -> list[Entry]:
        """The entries that count, on disk; or all as it was, and the error."""
        try:
            self._begin()
            kept = [self._add(entry) for entry, _ in together]
            self._file.execute("COMMIT")
        except sqlite3.Error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
        return kept

    def _begin(self) -> None:
        """Begin to write, when no other process does.

        SQLite's own waiting sleeps longer from look to look, up to a tenth of a second: who found
        the log busy six times in a row had missed a deadline of 50 ms by that alone.
        """
        until_s = time.monotonic() + BUSY_S
        while True:
            try:
                self._file.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= until_s:
                    raise
            time.sleep(LOOK_S)

    def _add(self, entry: Entry) -> Entry:
        added = self._file.execute(
            f"INSERT INTO answers ({COLUMNS}) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (entry.transaction_id, entry.asked, entry.answered),
        )
        return entry if added.rowcount else self._known(entry.transaction_id)

    def _known(self, transaction_id: int) -> Entry:
        found = self._file.execute(
            f"SELECT {COLUMNS} FROM answers WHERE transaction_id = ?", (transaction_id,)
        )
        return Entry(*found.fetchone())


def replayed(path: Path, after: int = 0) -> Iterator[Entry]:
    """All entries but the first `after`, in the order of writing; may be read while others write.

    Raises LabError where there is no such log.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            # Nothing is ever deleted, so the numbers have no gaps.
            asked = f"SELECT {COLUMNS} FROM answers WHERE number > ? ORDER BY number"
            for row in file.execute(asked, (after,)):
                yield Entry(*row)
    except sqlite3.Error as error:
        raise LabError(f"{path} cannot be read as an audit log: {error}.") from None


def _settle(done: Future[Entry], outcome: Entry | AuditError) -> None:
    """Unless its caller has been cancelled, whom nobody can tell any more."""
    if done.set_running_or_notify_cancel():
        if isinstance(outcome, Entry):
            done.set_result(outcome)
        else:
            done.set_exception(outcome)


def _sentence(path: Path, error: sqlite3.Error) -> str:
    return f"The audit log {path.name} cannot be written: {error}. No answer is sent unrecorded."
