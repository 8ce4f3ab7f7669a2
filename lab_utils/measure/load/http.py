"""A small HTTP/1.1 client for load generation: POST, kept connections, little work a request.

A load generator must not get slower when the service does: while a service stands still, requests
pile up by the hundred, each on a connection of its own. A general client searches its pool at each
event, so that its own work grows with the square of the pile (httpx: 500 requests due in 2.5 s,
with a freeze of 0.5 s among them, took 4 s to send). This one keeps a stack of idle connections.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from lab_utils.errors import LabError

LONGEST_HEAD = 64 * 1024


class NotHttpError(Exception):
    """The other side sent something that is no HTTP answer."""


class Connection:
    """One connection to a server, for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.reusable = True

    @property
    def closed(self) -> bool:
        """Whether the server has hung up meanwhile."""
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a whole request; the answer's status and body.

        Raises NotHttpError, asyncio.IncompleteReadError where the server hangs up too early, and
        ConnectionError.
        """
        self._writer.write(request)
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial and not error.partial.startswith(b"HTTP/1."):
                raise NotHttpError from None
            raise
        except asyncio.LimitOverrunError:
            raise NotHttpError from None
        try:
            status, headers = _parse(head)
            return status, await self._body(status, headers)
        except (ValueError, IndexError):
            raise NotHttpError from None

    async def _body(self, status: int, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"connection", b"").lower() == b"close":
            self.reusable = False
        if status in (204, 304):
            return b""
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            return await self._chunks()
        if b"content-length" in headers:
            return await self._reader.readexactly(int(headers[b"content-length"]))
        self.reusable = False
        return await self._reader.read()

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
            if size == 0:
                while await self._reader.readuntil(b"\r\n") != b"\r\n":
                    pass  # trailers
                return body
            body += (await self._reader.readexactly(size + 2))[:-2]


class Poster:
    """Posts bodies to one address, over as many connections as are in use at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise LabError(
                f"The address is {url!r}; expected one like http://127.0.0.1:8000/predict."
            )
        self._host, self._port = parts.hostname, parts.port or 80
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: inference-lab\r\n"
            "Accept: */*\r\nContent-Length: "
        ).encode()
        self._idle: list[Connection] = []

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer. Raises as `Connection.exchange` does, and OSError."""
        connection = await self._connection()
        request = b"%b%d\r\n\r\n%b" % (self._head, len(body), body)
        try:
            answer = await connection.exchange(request)
        except BaseException:  # also a time limit: the answer may still come on this connection
            connection.close()
            raise
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            connection.close()
        streams = await asyncio.open_connection(self._host, self._port, limit=LONGEST_HEAD)
        return Connection(*streams)

    def close(self) -> None:
        """Hang up all idle connections."""
        while self._idle:
            self._idle.pop().close()


def _parse(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    version, status = first.split(b" ", 2)[:2]
    if not version.startswith(b"HTTP/1."):
        raise ValueError(first)
    headers = {b"connection": b"close"} if version == b"HTTP/1.0" else {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(status), headers
