"""The way to a far place: a loopback port whose other end is another port, some time away.

    with DelayLink(service.url, one_way_s=0.010) as link:
        httpx.get(f"{link.url}/health")     # 20 ms later than from service.url; 40 at first
        link.cut()                          # nothing comes through, and nobody is told

The delay is real and needs no rights and no kernel module (`tc netem` needs both). It is a delay
alone: no loss, no limit of bandwidth. Timers are as fine as a millisecond, so a little is added.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from lab_utils.components.process import Process
from lab_utils.errors import LabError

PROGRAM = Path(__file__).with_name("delay_link_process.py")
BACKLOG = 2048


class DelayLink:
    """A link to a server, alive only inside the `with` block.

    url: of the server, `http://host:port`, which need not be there yet. one_way_s: how long a byte
    is under way; a new connection waits for a way there and back first. Raises LabError for what is
    no such URL and for a negative time.
    """

    def __init__(self, url: str, one_way_s: float) -> None:
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
        command = [sys.executable, "-I", "-S", str(PROGRAM), str(self._listener.fileno())]
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
