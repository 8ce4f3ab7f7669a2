"""A server to break: it takes as long as a request says; it gets slow, silent or wrong on demand.

    python -m lab_utils.resilience.practice_server FD SLOTS SERVERS

One process plays SERVERS servers (paths /0, /1, …), each with SLOTS places and a queue before them
that knows no end and does not notice when a client has gone: so are most. A body is a number of
seconds. What it stands for is waited for, not computed: a hundred of them fit on a laptop, and
their queues are real. `practice.PracticeServers` starts it.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

READY = "practice servers are ready"
LINES = 64 * 1024


@dataclass
class Fault:
    """What is wrong with a server. slower: times its service time. failing: share of answers that
    are an error, at once. silent: no answer to anything.
    """

    slower: float = 1.0
    failing: float = 0.0
    silent: bool = False


class Server:
    """One of them: its places, its fault, and how many requests it has begun."""

    def __init__(self, slots: int) -> None:
        self.places = asyncio.Semaphore(slots)
        self.fault = Fault()
        self.received = 0
        self.random = random.Random(0)

    async def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and body, when it has been worked off."""
        self.received += 1
        if self.fault.silent:
            await asyncio.Event().wait()
        if self.random.random() < self.fault.failing:
            return 500, b""
        async with self.places:
            await asyncio.sleep(float(body) * self.fault.slower)
        return 200, b"ok"


class Servers:
    """All of them, behind one socket."""

    def __init__(self, slots: int, count: int) -> None:
        self.servers = [Server(slots) for _ in range(count)]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, request after request."""
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                path = head.split(" ", 2)[1].strip("/")
                length = next(
                    int(line.split(":")[1])
                    for line in head.split("\r\n")
                    if line.lower().startswith("content-length:")
                )
                status, body = await self._answer(path, await reader.readexactly(length))
                writer.write(
                    b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
                )
                await writer.drain()
        writer.close()

    async def _answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        number, _, verb = path.partition("/")
        server = self.servers[int(number)]
        if verb == "fault":
            server.fault = Fault(**json.loads(body))
            return 200, b""
        if verb == "received":
            return 200, b"%d" % server.received
        return await server.answer(body)


async def main(descriptor: int, slots: int, count: int) -> None:
    """Serve until killed."""
    listener = socket.socket(fileno=descriptor)
    servers = Servers(slots, count)
    async with await asyncio.start_server(servers.connected, sock=listener, limit=LINES) as server:
        print(READY, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
