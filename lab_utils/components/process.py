"""Start a real server, wait until it is ready, and stop it whatever happens.

    with Process("gunicorn", ["gunicorn", ...], ready=lambda: answers(url)) as server:
        ...

The server ends with the `with` block, with the kernel that started it, and with Ctrl-C: a
supervisor process (`supervisor.py`) watches over it from outside.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from lab_utils.errors import LabError

SUPERVISOR = Path(__file__).with_name("supervisor.py")
POLL_S = 0.05
LOG_TAIL_LINES = 15
LOG_BYTES = 8 * 2**20
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+(?=[/\s])")  # what follows says that it is whole


class Process:
    """A server process and everything it starts, alive only inside the `with` block.

    name: what messages call it. command: program and arguments. ready: called every 50 ms until
    it returns true. environment: the whole environment, default this process's. pass_fds: open
    file descriptors the server inherits (a bound socket, so that no port is ever raced for).
    reason: finds in a log why the server did not start, where that is not at its end.

    Raises LabError with the end of the server's log when it stops before it is ready, or is not
    ready in `start_timeout_s`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        ready: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        pass_fds: Sequence[int] = (),
        start_timeout_s: float = 60,
        stop_timeout_s: float = 5,
        reason: Callable[[str], str | None] = lambda log: None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._ready = ready
        self._environment = environment
        self._folder = folder
        self._pass_fds = tuple(pass_fds)
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._reason = reason
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self._url = ""

    def __enter__(self) -> Self:
        interpreter = [sys.executable, "-S", "-E", str(SUPERVISOR), str(self._stop_timeout_s)]
        self._supervisor = subprocess.Popen(
            interpreter + self._command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=None if self._environment is None else dict(self._environment),
            cwd=self._folder,
            pass_fds=self._pass_fds,
            start_new_session=True,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            self._log.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._log.close()

    def stop(self) -> None:
        """End the server and its children; does nothing where they have ended already."""
        if self._supervisor is None:
            return
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.close()
        self._supervisor.wait()

    @property
    def pid(self) -> int | None:
        """The process of which the server and all that it starts descend; None before it starts."""
        return None if self._supervisor is None else self._supervisor.pid

    def alive(self) -> bool:
        """Whether the server is still running."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def log(self) -> str:
        """What the server has printed so far; of very much, the last part."""
        # pread: the server writes at the offset that this file and its own share.
        size = os.fstat(self._log.fileno()).st_size
        start = max(0, size - LOG_BYTES)
        return os.pread(self._log.fileno(), size - start, start).decode(errors="replace")

    @property
    def url(self) -> str:
        """The loopback address that the server has printed, as `http://127.0.0.1:6006`.

        Empty before it has, which `ready` may wait for.
        """
        if not self._url and (found := ADDRESS.search(self.log())):
            self._url = found.group()
        return self._url

    def processes(self) -> list[psutil.Process]:
        """The server's process and its children (a web server's workers), for looking at."""
        if self._supervisor is None or not self.alive():
            return []
        children: list[psutil.Process] = psutil.Process(self._supervisor.pid).children(
            recursive=True
        )
        return children

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while not self._ready():
            if not self.alive():
                raise LabError(f"{self.name} stopped before it was ready. It said:\n{self._why()}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"{self.name} was not ready in {self._start_timeout_s:g} s. "
                    f"It said:\n{self._why()}"
                )
            time.sleep(POLL_S)

    def _why(self) -> str:
        return self._reason(self.log()) or self.tail()

    def tail(self) -> str:
        """The last lines that the server has printed, for a message."""
        lines = self.log().strip().splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(lines) if lines else "(nothing)"
