"""One connection to Redis for all payments that are asked about at once, in the event loop.

    line = RedisLine(socket)
    line.ask(store.commands(payment), told)      # told is called with the answers, in order

Redis answers in the order in which it was asked, so a connection needs no taking of turns: whoever
asks writes, and the answers are dealt out as they come. redis-py's clients, threads or asyncio,
give each caller a connection for itself meanwhile. The gateway does nothing as often as this: one
payment's trip took 54 µs of its processor, where redis-py's asyncio client took 208, and its other
client, in a thread, 256 (AMD EPYC, 2 cores, 27 November 2026; lesson 3.2 measures the first and
the last). The protocol itself is hiredis's, which redis-py uses as well.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis

from lab_utils.features.store import StoreError

SILENT_S = 1.0
"""A connection that has been silent for so long while it owes an answer is given up. Well above a
payment's deadline: one slow answer must not cost those behind it theirs."""

Answers = list[Any] | StoreError
"""What Redis said to each command, its errors as `hiredis.ReplyError`; or why it said nothing."""
Told = Callable[[Answers], None]


class RedisLine:
    """A connection to the Redis at a Unix socket, made when it is needed and made again when it
    was lost. To be used in one event loop.
    """

    def __init__(self, socket: Path | str, *, silent_s: float = SILENT_S) -> None:
        self._socket = str(socket)
        self._silent_s = silent_s
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[None] | None = None

    def ask(self, commands: Sequence[tuple[Any, ...]], told: Told) -> None:
        """Send the commands; `told` is called once, in the event loop, and must not raise."""
        connection = self._connection
        if connection is None or connection.lost:
            connection = self._connection = _Connection(self._socket, self._silent_s)
            self._connecting = asyncio.ensure_future(self._connect(connection))
        connection.ask(commands, told)

    def close(self) -> None:
        """Let go of the connection; who still waits is told so."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.give_up("down", "it was closed")

    async def _connect(self, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(lambda: connection, self._socket)
        except OSError as error:
            connection.give_up("down", str(error))


@dataclass(slots=True)
class _Asked:
    """Somebody who waits. left: of so many answers."""

    told: Told
    left: int
    asked_s: float
    answers: list[Any] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    def __init__(self, socket: str, silent_s: float) -> None:
        self.lost = False
        self._socket = socket
        self._silent_s = silent_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._unsent = bytearray()
        self._reader = hiredis.Reader()
        self._waiting: deque[_Asked] = deque()
        self._watch: asyncio.TimerHandle | None = None

    def ask(self, commands: Sequence[tuple[Any, ...]], told: Told) -> None:
        self._waiting.append(_Asked(told, len(commands), self._loop.time()))
        packed = b"".join([hiredis.pack_command(command) for command in commands])
        if self._transport is None:
            self._unsent += packed
        else:
            self._transport.write(packed)
        if self._watch is None:
            self._watch = self._loop.call_later(self._silent_s, self._look)

    def give_up(self, trouble: Any, why: str) -> None:
        """Nobody who waits is answered any more."""
        self.lost = True
        if self._transport is not None:
            self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            said = f"The feature store at {self._socket} cannot be used ({why}); "
            asked.told(StoreError(trouble, said + "score without its features."))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """By asyncio."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(bytes(self._unsent))

    def data_received(self, data: bytes) -> None:
        """By asyncio."""
        self._reader.feed(data)
        while not self.lost and (answer := self._next()) is not False:
            first = self._waiting[0]
            first.answers.append(answer)
            first.left -= 1
            if not first.left:
                self._waiting.popleft()
                first.told(first.answers)

    def _next(self) -> Any:
        """An answer, or False while none is complete. What nobody can read, or has asked for, ends
        the connection.
        """
        try:
            answer = self._reader.gets()
            if answer is False or self._waiting:
                return answer
        except hiredis.ProtocolError:
            pass
        self.give_up("down", "it does not speak as Redis does")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """By asyncio."""
        if not self.lost:
            self.give_up("down", str(error or "it has closed the connection"))

    def _look(self) -> None:
        """Whether the first who waits has waited for too long."""
        self._watch = None
        if self._waiting:
            left_s = self._waiting[0].asked_s + self._silent_s - self._loop.time()
            if left_s <= 0:
                self.give_up("slow", f"it has been silent for {self._silent_s:g} s")
            else:
                self._watch = self._loop.call_later(left_s, self._look)
