"""Redis: the real server, on a loopback port and a Unix socket of its own.

    with RedisServer() as server:
        server.port, server.socket          # for a client
        server.process.processes()          # for looking at, or for SIGSTOP

Nothing is written to disk: what it holds goes with it.
"""

from __future__ import annotations

import re
import signal
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from lab_utils.components.catalogue import needed
from lab_utils.components.ports import free_ports, started
from lab_utils.components.process import Process

MEMORY_MB = 512
TRIES = 5
TAKEN = re.compile("Address already in use")


class RedisServer:
    """The server, alive only inside the `with` block; it computes on one thread.

    memory_mb: a write that needs more is refused with an error, nothing is dropped silently.
    Raises LabError where Redis is not installed or does not start.
    """

    def __init__(self, *, memory_mb: int = MEMORY_MB) -> None:
        self._memory_mb = memory_mb
        self._stack = ExitStack()
        self._process: Process | None = None
        self.port = 0
        self.socket = Path()

    def __enter__(self) -> Self:
        program = needed("redis-server")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-")))
            self.socket = folder / "socket"
            self._process = started(stack, lambda: self._server(program, folder), TAKEN, TRIES)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def process(self) -> Process:
        """The server's process."""
        assert self._process is not None
        return self._process

    def pause(self) -> None:
        """Let it stand still: it is there, its port accepts, and it answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`: it answers what has been asked meanwhile, and goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self.process.processes():
            process.send_signal(number)

    def _server(self, program: Path, folder: Path) -> Process:
        # It can be handed no open socket, so another process may take the port in between.
        (self.port,) = free_ports(1)
        return Process("Redis", self._command(program, folder), ready=self._answers, folder=folder)

    def _command(self, program: Path, folder: Path) -> list[str]:
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "unixsocketperm": 700,
            "dir": folder,
            "save": "",
            "appendonly": "no",
            "maxmemory": f"{self._memory_mb}mb",
            "maxmemory-policy": "noeviction",
        }
        words = [[f"--{name}", str(value)] for name, value in options.items()]
        return [str(program), *(word for pair in words for word in pair)]

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(1)
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(16) == b"+PONG\r\n"
        except OSError:
            return False
