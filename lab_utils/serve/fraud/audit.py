"""Every answer, on disk before it is sent: at most one for each transaction, and never changed.

    async with AuditLog(folder / "audit.sqlite") as log:
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

All of it runs in the event loop. A thread between the loop and the writer costs each answer two
wake-ups, and waits for Python's lock where the loop has it.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from lab_utils.errors import LabError
from lab_utils.serve.fraud.audit_file import AuditError, Entry, reserve_of
from lab_utils.serve.fraud.audit_writer import LENGTH

WRITER = "lab_utils.serve.fraud.audit_writer"
MOST_TOGETHER = 512

Heard = list[Entry | None] | LabError
"""What `AuditFile.record` returns, or what kept it from writing."""
Pending = tuple[Entry, "asyncio.Future[Entry]"]


class AuditLog:
    """The log in a file, which is made where it is missing; one process writes for this one.

    reserve_bytes: as `AuditFile` takes it, and entering raises the same.
    """

    def __init__(self, path: Path, *, reserve_bytes: int = 0) -> None:
        self.path = path
        self.commits = 0
        self._reserve_bytes = reserve_bytes
        self._waiting: list[Pending] = []
        self._writing = False
        self._closed = False
        self._quiet: asyncio.Future[None] | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def reserve_left(self) -> bool:
        """Whether there is a reserve that has not been given up."""
        return reserve_of(self.path).exists()

    async def record(self, entry: Entry) -> Entry:
        """The entry that counts for this transaction, once it is on disk.

        Raises AuditError where it could not be written (a full disk) or the log is closed.
        """
        if self._closed:
            raise AuditError(f"The audit log {self.path.name} is closed.")
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if not self._writing:
            self._write()
        return await done  # whoever gives up waiting leaves the entry: it may be on disk already

    async def close(self) -> None:
        """Write what waits, and let go of the file."""
        if self._closed:
            return
        self._closed = True
        if self._writing:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet
        await self._stop()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            line = str(theirs.fileno())
            command = [sys.executable, "-m", WRITER, str(self.path), str(self._reserve_bytes), line]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        self._line = _Line(self.path.name)
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._line, sock=ours)
            heard = await self._line.hear()
            if isinstance(heard, LabError):
                raise heard
        except BaseException:
            await self._stop()
            raise

    async def _stop(self) -> None:
        """It ends when it hears nothing any more, having written what it had heard."""
        await self._line.close()
        self._process.wait()

    def _write(self) -> None:
        """What waits, all in one commit; when that is done, what has come meanwhile."""
        self._writing = bool(self._waiting)
        if not self._writing:
            if self._quiet is not None:
                self._quiet.set_result(None)
        elif self._line.gone or self._process.poll() is not None:  # killed: another goes on
            self._starting = asyncio.get_running_loop().create_task(self._start_again())
        else:
            together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            self._line.ask([entry for entry, _ in together], partial(self._written, together))

    async def _start_again(self) -> None:
        await self._stop()
        try:
            await self._start()
        except (LabError, OSError) as error:
            self._refuse(self._waiting, error)
            self._waiting = []
        self._write()

    def _written(self, together: list[Pending], heard: Heard) -> None:
        if isinstance(heard, LabError):
            self._refuse(together, heard)
        else:
            self.commits += 1
            for (entry, done), before in zip(together, heard, strict=True):
                if not done.done():
                    done.set_result(before or entry)
        self._write()

    @staticmethod
    def _refuse(together: list[Pending], error: Exception) -> None:
        for _, done in together:
            if not done.done():  # its caller has been cancelled, whom nobody can tell any more
                done.set_exception(AuditError(str(error)))


class _Line(asyncio.Protocol):
    """To the writer: one question at a time, and its answer. log: the file's name."""

    def __init__(self, log: str) -> None:
        self._ended = AuditError(
            f"The writer of the audit log {log} has ended. No answer is sent unrecorded."
        )
        self._transport: asyncio.WriteTransport | None = None
        self._gone = asyncio.Event()
        self._bytes = bytearray()
        self._told: Callable[[Heard], object] | None = None

    def ask(self, entries: list[Entry], told: Callable[[Heard], object]) -> None:
        """Have them written. told: is called with what it says; where it is gone, AuditError."""
        if self._transport is not None:
            self._transport.write(pickle.dumps(entries))
        self._hear(told)

    @property
    def gone(self) -> bool:
        """Whether nobody is there any more."""
        return self._gone.is_set()

    async def hear(self) -> Heard:
        """What it says next; where it is gone, AuditError."""
        answer: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()

        def told(heard: Heard) -> None:
            if not answer.done():  # cancelled, when its process is told to end while it begins
                answer.set_result(heard)

        self._hear(told)
        return await answer

    def _hear(self, told: Callable[[Heard], object]) -> None:
        self._told = told
        if self.gone:
            asyncio.get_running_loop().call_soon(self._settle, self._ended)

    async def close(self) -> None:
        """Say no more; asyncio lets go of a socket one turn of its loop later."""
        if self._transport is not None:
            self._transport.close()
            await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """By asyncio."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """By asyncio: a part of an answer, or all of it."""
        self._bytes += data
        if len(self._bytes) < LENGTH.size:
            return
        end = LENGTH.size + LENGTH.unpack_from(self._bytes)[0]
        if len(self._bytes) >= end:
            heard = pickle.loads(self._bytes[LENGTH.size : end])
            del self._bytes[:end]
            self._settle(heard)

    def connection_lost(self, _: Exception | None) -> None:
        """By asyncio."""
        self._gone.set()
        self._settle(self._ended)

    def _settle(self, heard: Heard) -> None:
        told, self._told = self._told, None
        if told is not None:
            told(heard)
