"""Where the time of a read goes: the server's work, the way to it, the client's Python.

ways = ways_to_read(client, names)
seconds(ways["one GET each"], calls=200)
server_seconds(client, ways["one MGET"], calls=200)     # by the server's own account
processor_seconds(features, payments, at_once=8)        # of this process, in an event loop
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import redis
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.features.awaited import AwaitedFeatures
from lab_utils.features.payment import Payment

HASH = "a_payment"


def store_values(client: redis.Redis, values: Mapping[str, float]) -> None:
    """Each value under a key of its own, and all of them as fields of one hash."""
    texts: Any = {name: repr(float(value)) for name, value in values.items()}
    client.mset(texts)
    client.hset(HASH, mapping=texts)


def ways_to_read(client: redis.Redis, names: Sequence[str]) -> dict[str, Callable[[], list[float]]]:
    """The same values, read in four ways that give the same list."""

    def each() -> Any:
        return [client.get(name) for name in names]

    def pipelined() -> Any:
        trip = client.pipeline(transaction=False)
        for name in names:
            trip.get(name)
        return trip.execute()

    asked = list(names)
    ways: dict[str, Callable[[], Any]] = {
        "one GET each": each,
        "one pipeline of GETs": pipelined,
        "one MGET": lambda: client.mget(asked),
        "one HMGET": lambda: client.hmget(HASH, asked),
    }
    return {name: _as_numbers(way) for name, way in ways.items()}


def seconds(call: Callable[[], object], calls: int) -> NDArray[np.float64]:
    """How long each of so many calls takes."""
    found = np.empty(calls)
    for place in range(calls):
        start_s = time.perf_counter()
        call()
        found[place] = time.perf_counter() - start_s
    return found


def server_seconds(client: redis.Redis, call: Callable[[], object], calls: int) -> float:
    """The server's own time for one call: what its commands took by its own account.

    That is the work on the data. Reading the request from the socket and writing the answer are
    not in it.
    """
    client.config_resetstat()
    for _ in range(calls):
        call()
    info: Any = client.info("commandstats")
    spent = [one["usec"] for name, one in info.items() if not name.startswith("cmdstat_config")]
    return float(sum(spent)) / 1e6 / calls


def processor_seconds(
    features: AwaitedFeatures, payments: Sequence[Payment], at_once: int
) -> float:
    """This process's processor time for one payment, with so many of them asked about at once.

    The first of them warm up. Closes the features.
    """

    async def ask() -> float:
        with closing(features):
            await asyncio.gather(*map(features.begin, payments[:at_once]))
            left = iter(payments)

            async def one_by_one() -> None:
                for payment in left:  # shared: each takes the next one
                    await features.begin(payment)

            begun_s = time.process_time()
            await asyncio.gather(*(one_by_one() for _ in range(at_once)))
            return time.process_time() - begun_s

    with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop of its own
        return thread.submit(asyncio.run, ask()).result() / len(payments)


class Bytes:
    """The same request without a client library: bytes out, bytes in, nothing understood.

    commands: as words. What a call takes is the way there and back and all of the server; what the
    client takes beyond that is its Python. Raises LabError where the server does not answer.
    """

    def __init__(self, path: Path, commands: Sequence[Sequence[object]]) -> None:
        packer: Any = redis.connection.Connection()  # type: ignore[no-untyped-call]
        self._request = b"".join(packer.pack_commands(commands))
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(5)
        self._line.connect(str(path))
        self._line.sendall(self._request)
        self.expected = self._first_answer(len(commands))

    def __call__(self) -> None:
        """One trip."""
        self._line.sendall(self._request)
        left = self.expected
        while left > 0:
            left -= len(self._line.recv(left))

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def _first_answer(self, commands: int) -> int:
        """How many bytes the answer has: all that came when nothing more comes."""
        size = 0
        try:
            size += len(self._line.recv(2**20))
            self._line.settimeout(0.05)
            while more := len(self._line.recv(2**20)):
                size += more
        except TimeoutError:
            if not size:
                raise LabError(f"Redis did not answer {commands} commands in 5 s.") from None
        self._line.settimeout(5)
        return size


def _as_numbers(way: Callable[[], Any]) -> Callable[[], list[float]]:
    return lambda: [float(text) for text in way()]
