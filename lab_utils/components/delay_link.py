"""The way to a far place: a loopback port whose other end is another port, some time away.

    with DelayLink(service.url, one_way_s=0.010) as link:
        httpx.get(f"{link.url}/health")     # 20 ms later than from service.url; 40 at first
        link.cut()                          # nothing comes through, and nobody is told

The delay is real. Where this user may make network namespaces, two of them are joined by a cable of
that length, and each packet of a TCP connection through it is under way for so long; elsewhere a
proxy keeps each byte for so long. Neither needs a kernel module, as `tc netem` does. It is a delay
alone: no loss, no limit of bandwidth. Timers are as fine as a millisecond, so a little is added.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from lab_utils.components.process import Process
from lab_utils.errors import LabError

PROGRAM = Path(__file__).with_name("delay_link_process.py")
PLAIN_PYTHON = [sys.executable, "-I", "-S", str(PROGRAM)]
BACKLOG = 2048

Way = Literal["namespaces", "proxy"]


@cache
def best_way() -> Way:
    """What this machine allows this user: namespaces want root, or its capabilities."""
    tried = subprocess.run([*PLAIN_PYTHON, "namespaces"], capture_output=True, check=False)
    return "proxy" if tried.returncode else "namespaces"


class DelayLink:
    """A link to a server, alive only inside the `with` block.

    url: of the server, `http://host:port`, which need not be there yet. one_way_s: how long a byte
    is under way; a new connection waits for a way there and back first. way: how the delay is made;
    default `best_way`. Raises LabError for what is no such URL and for a negative time.
    """

    def __init__(self, url: str, one_way_s: float, way: Way | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise LabError(
                f"The link is to lead to {url!r}; expected a URL with a port, as "
                "http://127.0.0.1:8000."
            )
        if not 0 <= one_way_s <= 10:
            raise LabError(f"The link is to take {one_way_s:g} s one way; expected 0 to 10.")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.way = way or best_way()
        command = [*PLAIN_PYTHON, self.way, str(self._listener.fileno())]
        self._process = Process(
            "The link",
            [*command, parts.hostname, str(parts.port), str(one_way_s)],
            ready=lambda: bool(self._process.processes()),
            pass_fds=[self._listener.fileno()],  # it listens already: what comes now is kept
        )

    def __enter__(self) -> Self:
        try:
            self._process.__enter__()
        finally:
            self._listener.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__()

    def cut(self) -> None:
        """Nothing comes through any more; as when a cable breaks, no end is told."""
        self._signal(signal.SIGSTOP)

    def mend(self) -> None:
        """After `cut`: what was sent meanwhile arrives, and all goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._process.processes():
            process.send_signal(number)
