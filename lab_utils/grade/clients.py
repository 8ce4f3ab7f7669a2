"""The grader's clients: each sends a request, waits for its reply, and takes the next one."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

REQUEST_TIMEOUT_S = 60
MAX_REPLY_BYTES = 2**20
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
    with ThreadPoolExecutor(clients) as pool:
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
