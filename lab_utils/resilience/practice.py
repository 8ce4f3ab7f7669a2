"""Loopback servers that can be broken on purpose, and the ways to ask them.

    with PracticeServers(count=2, slots=1) as servers:
        ask = asking(servers.url(0))
        await ask(0.004)                        # an answer after 4 ms, when it is its turn
        servers.fault(0, slower=10)

The servers wait in place of computing; see `practice_server`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Self

import httpx

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.measure.load.http import Poster
from lab_utils.resilience.practice_server import READY

BACKLOG = 2048


class Refused(Exception):  # noqa: N818
    """The server answered with an error."""


class PracticeServers:
    """`count` servers with `slots` places each, in one process, alive inside the `with` block.

    Raises LabError where they do not start.
    """

    def __init__(self, *, count: int = 1, slots: int = 1) -> None:
        if count < 1 or slots < 1:
            raise LabError(
                f"{count} servers with {slots} places were asked for; expected at least one of "
                "both."
            )
        self.count = count
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        command = [sys.executable, "-m", "lab_utils.resilience.practice_server"]
        self._process = Process(
            "the practice server",
            [*command, str(self._listener.fileno()), str(slots), str(count)],
            ready=lambda: READY in self._process.log(),
            pass_fds=[self._listener.fileno()],
        )

    def __enter__(self) -> Self:
        try:
            self._process.__enter__()
        finally:
            self._listener.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__()

    def stop(self) -> None:
        """Stop them all: whoever asks is refused the connection, at once."""
        self._process.__exit__()

    def url(self, number: int = 0) -> str:
        """Where one of them is asked, by POST, with a number of seconds as body."""
        if not 0 <= number < self.count:
            raise LabError(f"Server {number} was asked for; expected 0 to {self.count - 1}.")
        return f"{self._address}/{number}"

    def fault(
        self, number: int = 0, *, slower: float = 1, failing: float = 0, silent: bool = False
    ) -> None:
        """Break one of them from now on, or mend it (without arguments).

        slower: times its service time. failing: the share of its answers that are an error.
        silent: it answers nothing any more.
        """
        body = {"slower": slower, "failing": failing, "silent": silent}
        httpx.post(f"{self.url(number)}/fault", json=body).raise_for_status()

    def received(self, number: int = 0) -> int:
        """How many requests it has taken up so far, whatever became of them."""
        return int(httpx.post(f"{self.url(number)}/received", content=b"").raise_for_status().text)


def asking(url: str) -> Callable[[float], Awaitable[None]]:
    """Asks a practice server: for so many seconds of its work. Raises Refused for an error.

    OSError where it is not there. Connections are kept; use it in one event loop.
    """
    poster = Poster(url)

    async def ask(seconds: float) -> None:
        status, _ = await poster.post(b"%.6f" % seconds)
        if status != 200:
            raise Refused(f"status {status}")

    return ask
