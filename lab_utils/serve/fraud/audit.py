"""Every answer, on disk before it is sent: at most one for each transaction, and never changed.

    with AuditLog(folder / "audit.sqlite") as log:
        kept = await log.record(Entry(transaction_id=17, asked="{…}", answered="{…}"))
        kept.answered                    # the first answer that 17 was given, now or earlier

What is kept, and how, is `audit_file`'s. Flushing takes longer than scoring, so answers that wait
at the same time share one commit (a *group commit*): the more load, the more they share.

Idempotent: of two answers to one transaction the first that was written counts, and both callers
are given it. A client that asks again after a time-out gets what it would have got.

The file is written by a small process of its own (`audit_writer`). Several gateways write one log
in turn, and who is killed while it is their turn keeps it until the system has cleared their
memory away, before it lets go of their files: for a gateway that was up to 70 ms, in which nobody
else could answer either.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit_file import AuditError, Entry, reserve_of

WRITER = "lab_utils.serve.fraud.audit_writer"
MOST_TOGETHER = 512

Pending = tuple[Entry, "Future[Entry]"]


class AuditLog:
    """The log in a file, which is made where it is missing; one process writes for this one.

    reserve_bytes: as `AuditFile` takes it, and it raises the same.
    """

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        self.path = path
        self.commits = 0
        self._reserve_bytes = reserve_bytes
        self._pending: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._closed = False
        self._start()
        self._thread = threading.Thread(target=self._write, name="audit log", daemon=True)
        self._thread.start()

    @property
    def reserve_left(self) -> bool:
        """Whether there is a reserve that has not been given up."""
        return reserve_of(self.path).exists()

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
            self._thread.join()
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            line = str(theirs.fileno())
            command = [sys.executable, "-m", WRITER, str(self.path), str(self._reserve_bytes), line]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._line = Connection(ours.detach())
        try:
            self._hear()
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        """It ends when it hears nothing any more, having written what it had heard."""
        self._line.close()
        self._process.wait()

    def _hear(self) -> list[Entry | None]:
        """As `AuditFile.record` returns. Raises what it met, or AuditError where it is gone."""
        try:
            heard: list[Entry | None] | LabError = self._line.recv()
        except (EOFError, OSError):
            raise AuditError(
                f"The writer of the audit log {self.path.name} has ended. "
                "No answer is sent unrecorded."
            ) from None
        if isinstance(heard, LabError):
            raise heard
        return heard

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
            if self._process.poll() is not None:  # killed: another goes on
                self._stop()
                self._start()
            earlier = self._written([entry for entry, _ in together])
        except (LabError, OSError) as error:
            for _, done in together:
                _settle(done, AuditError(str(error)))
            return
        self.commits += 1
        for (entry, done), before in zip(together, earlier, strict=True):
            _settle(done, before or entry)

    def _written(self, entries: list[Entry]) -> list[Entry | None]:
        with suppress(OSError):  # what it has met it may have said before it ended
            self._line.send(entries)
        return self._hear()


def _settle(done: Future[Entry], outcome: Entry | AuditError) -> None:
    """Unless its caller has been cancelled, whom nobody can tell any more."""
    if done.set_running_or_notify_cancel():
        if isinstance(outcome, Entry):
            done.set_result(outcome)
        else:
            done.set_exception(outcome)
