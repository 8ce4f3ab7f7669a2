"""A WSGI application behind gunicorn, on a loopback port of its own.

with WebService("lab_utils.serve.resnet_app:create_app()", workers=2, compute_threads=1) as web:
    httpx.post(f"{web.url}/predict", content=jpeg)
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from lab_utils.components.process import Process
from lab_utils.components.sandbox import Sandbox
from lab_utils.errors import LabError
from lab_utils.machine.cores import thread_environment
from lab_utils.serve.gunicorn_config import PRELOAD, READY

BACKLOG = 2048


class WebService:
    """gunicorn, alive only inside the `with` block.

    app: "module:application" or "module:factory()". workers: processes. compute_threads: OpenMP
    and MKL threads in each worker; None leaves the libraries' default, one a core. request_threads:
    requests that one worker takes up at once (gunicorn's gthread). folder: where `app` is imported
    from besides the installed packages. environment: variables added to the service's own.
    preload: modules that are imported once, before the workers are forked from the first process;
    a worker then starts in a fraction of the time and shares their memory. Name modules only:
    what computes before the fork (a model, a session) may hang after it. sandbox: run it in there;
    it is reached through the socket that it inherits, and reaches nobody itself.

    `url` is known inside the block. Every worker has loaded the application by then.
    """

    def __init__(
        self,
        app: str,
        *,
        workers: int,
        compute_threads: int | None,
        request_threads: int = 1,
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
        preload: Sequence[str] = (),
        start_timeout_s: float = 120,
        sandbox: Sandbox | None = None,
    ) -> None:
        for name, value in (("workers", workers), ("request_threads", request_threads)):
            if not isinstance(value, int) or value < 1:
                raise LabError(f"{name} is {value!r}; expected a whole number of at least 1.")
        self.workers = workers
        self.compute_threads = compute_threads
        self.request_threads = request_threads
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        command = [sys.executable, "-m", "gunicorn", app]
        command += ["--bind", f"fd://{self._listener.fileno()}"]
        command += ["--workers", str(workers), "--threads", str(request_threads)]
        command += ["--worker-connections", str(request_threads)]
        command += ["--config", "python:lab_utils.serve.gunicorn_config"]
        variables = thread_environment(compute_threads) | {PRELOAD: " ".join(preload)}
        variables |= environment or {}
        self._process = Process(
            "gunicorn",
            sandbox.command(command) if sandbox else command,
            ready=self._ready,
            environment=sandbox.environment(variables) if sandbox else variables,
            folder=folder,
            pass_fds=[self._listener.fileno()],
            start_timeout_s=start_timeout_s,
        )

    def __enter__(self) -> Self:
        try:
            self._process.__enter__()
        finally:
            self._listener.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__()

    def cpu_s(self) -> float:
        """Processor seconds, user and system, that the service's processes have used so far.

        Raises LabError, with the end of the service's log, where it has stopped.
        """
        if not self._process.alive():
            raise LabError(f"The service has stopped. It said:\n{self._process.tail()}")
        used_s = 0.0
        for process in self._process.processes():
            times = process.cpu_times()
            used_s += times.user + times.system
        return used_s

    def worker_pids(self) -> list[int]:
        """The process numbers of the workers, for looking into them from outside."""
        processes = self._process.processes()
        known = {process.pid for process in processes}
        # gunicorn's first process has another parent: the supervisor.
        return sorted(process.pid for process in processes if process.ppid() in known)

    @property
    def process(self) -> Process:
        """The server's process, for its log and for looking at its workers."""
        return self._process

    def _ready(self) -> bool:
        return self._process.log().count(READY) >= self.workers
