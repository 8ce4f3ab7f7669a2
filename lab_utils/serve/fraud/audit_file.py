"""The audit log's file: every answer, on disk, at most one for each transaction, never changed.

    with closing(AuditFile(folder / "audit.sqlite")) as file:
        [earlier] = file.record([Entry(transaction_id=17, asked="{…}", answered="{…}")])
    for entry in replayed(folder / "audit.sqlite"): …

*Policy.* The file is SQLite's, in write-ahead mode with `synchronous=FULL`: a commit returns once
its pages have been flushed to the disk, so an answer that was sent survives a killed process and a
power cut, as far as the disk keeps its word. The table takes new rows only; a trigger refuses to
change or delete one. Several processes may write the same file, one at a time.

A full disk: nothing can be recorded, so nobody is answered. With a *reserve*, a file beside the log
that holds nothing, the log goes on: it deletes the file and has that much room, for as long as
somebody needs to make more. `reserve_left` says whether it is still there; alert on it.

Imports little: `audit_writer` runs it in a process that has to be small.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

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


class AuditFile:
    """The file, made where it is missing.

    reserve_bytes: of the reserve, which all that write this log share and which is made, or made
    again, now; without room for it there is none, since a full disk must not keep a gateway from
    starting. Raises AuditError where there can be no log, LabError where it is something else.
    """

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        self.path = path
        try:
            self._file = sqlite3.connect(path, timeout=0, isolation_level=None)
            _when_free(lambda: self._file.execute("PRAGMA journal_mode=WAL"))
            self._file.execute("PRAGMA synchronous=FULL")
            _when_free(lambda: self._file.executescript(SCHEMA))
        except sqlite3.OperationalError as error:
            raise AuditError(_sentence(path, error)) from None
        except sqlite3.DatabaseError as error:
            raise LabError(f"{path} is no audit log ({error}); name another file.") from None
        if reserve_bytes:
            self._make_reserve(reserve_bytes)

    def record(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """For each entry the one that counts in its place, or None where it counts itself.

        Returns once they are on disk, in one commit. Raises AuditError where they could not be
        written: all is then as it was.
        """
        try:
            try:
                return self._written(entries)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in NO_ROOM or not self._give_up_reserve():
                    raise
                return self._written(entries)
        except sqlite3.Error as error:
            raise AuditError(_sentence(self.path, error)) from None

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def _make_reserve(self, size: int) -> None:
        """Claimed from the disk, not only announced: a sparse file would take no room."""
        reserve = reserve_of(self.path)
        try:
            with open(reserve, "ab") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            reserve.unlink(missing_ok=True)

    def _give_up_reserve(self) -> bool:
        """Whether there is room now: another process may have given it up a moment ago."""
        reserve = reserve_of(self.path)
        had = reserve.exists()
        reserve.unlink(missing_ok=True)
        free = os.statvfs(self.path.parent)
        return had or free.f_bavail * free.f_frsize >= LEAST_ROOM

    def _written(self, entries: Sequence[Entry]) -> list[Entry | None]:
        """As `record`, on disk; or all as it was, and the error."""
        try:
            _when_free(lambda: self._file.execute("BEGIN IMMEDIATE"))
            earlier = [self._add(entry) for entry in entries]
            self._file.execute("COMMIT")
        except sqlite3.Error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
        return earlier

    def _add(self, entry: Entry) -> Entry | None:
        added = self._file.execute(
            f"INSERT INTO answers ({COLUMNS}) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (entry.transaction_id, entry.asked, entry.answered),
        )
        return None if added.rowcount else self._known(entry.transaction_id)

    def _known(self, transaction_id: int) -> Entry:
        found = self._file.execute(
            f"SELECT {COLUMNS} FROM answers WHERE transaction_id = ?", (transaction_id,)
        )
        return Entry(*found.fetchone())


def _when_free(write: Callable[[], object]) -> None:
    """Do it when no other process writes; after `BUSY_S` SQLite's error stands.

    SQLite's own waiting sleeps longer from look to look, up to a tenth of a second: who found the
    log busy six times in a row had missed a deadline of 50 ms by that alone. And where two begin
    the same new file it does not wait at all.
    """
    until_s = time.monotonic() + BUSY_S
    while True:
        try:
            write()
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= until_s:
                raise
        time.sleep(LOOK_S)


def reserve_of(path: Path) -> Path:
    """The reserve's file of a log."""
    return path.with_name(f"{path.name}.reserve")


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


def _sentence(path: Path, error: sqlite3.Error) -> str:
    return f"The audit log {path.name} cannot be written: {error}. No answer is sent unrecorded."
