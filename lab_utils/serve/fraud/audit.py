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
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
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
"""For another process that writes the same file."""
MOST_TOGETHER = 512


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

    Raises AuditError where there can be no such file, LabError where it is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        self._pending: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._closed = False
        try:
            self._file = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            raise AuditError(_sentence(path, error)) from None
        except sqlite3.DatabaseError as error:
            raise LabError(f"{path} is no audit log ({error}); name another file.") from None
        self._writer = threading.Thread(target=self._write, name="audit log", daemon=True)
        self._writer.start()

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

    def _commit(self, together: Sequence[Pending]) -> None:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            kept = [self._add(entry) for entry, _ in together]
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            for _, done in together:
                _settle(done, AuditError(_sentence(self.path, error)))
            return
        self.commits += 1
        for (_, done), entry in zip(together, kept, strict=True):
            _settle(done, entry)

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


def replayed(path: Path) -> Iterator[Entry]:
    """All entries, in the order in which they were written; may be read while others write.

    Raises LabError where there is no such log.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            for row in file.execute(f"SELECT {COLUMNS} FROM answers ORDER BY number"):
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
