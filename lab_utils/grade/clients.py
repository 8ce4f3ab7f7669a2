"""The grader's clients: each sends a request, waits for its reply, and takes the next one."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lab_utils.measure.heap import heap_set_aside

REQUEST_TIMEOUT_S = 60
"""For the whole of a reply, however many pieces it comes in."""
MAX_REPLY_BYTES = 2**16
"""All replies of a comparison are kept until it ends."""
HTTP_OK = 200


@dataclass(frozen=True)
class Reply:
    """A parsed reply, or why there is none, and how long it was waited for."""

    latency_s: float
    document: Any = None
    failure: str = ""


@dataclass(frozen=True)
class Block:
    """The replies to a number of requests, in their order, and how long all of them took."""

    duration_s: float
    replies: Sequence[Reply]

    @property
    def failures(self) -> list[str]:
        """Why requests failed, one entry each."""
        return [reply.failure for reply in self.replies if reply.failure]

    @property
    def documents(self) -> list[Any]:
        """The parsed replies."""
        return [reply.document for reply in self.replies]


def send(url: str, bodies: Sequence[bytes], clients: int) -> Block:
    """POST every body, by so many clients at a time: a closed loop."""
    with heap_set_aside(), ThreadPoolExecutor(clients) as pool:
        start_s = time.perf_counter()
        replies = list(pool.map(lambda body: post(url, body), bodies))
        return Block(time.perf_counter() - start_s, replies)


def post(url: str, body: bytes) -> Reply:
    """One request over a connection of its own; whatever goes wrong is in the reply."""
    start_s = time.perf_counter()
    document, failure = _exchange(url, body)
    return Reply(time.perf_counter() - start_s, document, failure)


def _exchange(url: str, body: bytes) -> tuple[Any, str]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=REQUEST_TIMEOUT_S)
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    connection.response_class = lambda channel, **named: http.client.HTTPResponse(  # type: ignore[assignment]
        _UntilDeadline(channel, deadline),  # type: ignore[arg-type]
        **named,
    )
    try:
        connection.request("POST", address.path, body, {"Content-Type": "image/jpeg"})
        response = connection.getresponse()
        document = json.loads(response.read(MAX_REPLY_BYTES))
        if response.status != HTTP_OK:
            said = document.get("error") if isinstance(document, dict) else None
            return None, f"status {response.status}: {said}"[:300]
        return document, ""
    except (OSError, http.client.HTTPException) as error:
        return None, f"{type(error).__name__}: {error}"[:300]
    except (ValueError, RecursionError):
        return None, "a reply that is not JSON"
    finally:
        connection.close()


class _UntilDeadline(io.RawIOBase):
    """A connection as http.client reads it. Its own time limit begins anew with every byte."""

    def __init__(self, channel: socket.socket, deadline: float) -> None:
        self._channel, self._deadline = channel, deadline
        self._bytes = channel.makefile("rb", buffering=0)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What is read from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there. Raises TimeoutError past the deadline."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"no whole reply in {REQUEST_TIMEOUT_S:g} s")
        self._channel.settimeout(left_s)
        return self._bytes.readinto(buffer)

    def close(self) -> None:
        """Let the connection go."""
        self._bytes.close()
        super().close()
