"""Worker processes for answers, one for each task of each submission.

with Workers() as workers:
    with workers.answer(cells, "preprocess", limit_s=60) as preprocess:
        preprocess(jpeg=...)

A worker runs in a sandbox (`components/sandbox.py`) where the host allows one: no network, no
files but the libraries and the course's models, nothing of other answers. Elsewhere it is a plain
process that may read what this user may read, and every verdict says so. Either way it has a time
limit and a share of the machine, and it and all that it started are killed when its block ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lab_utils.components import sandbox
from lab_utils.components.fork_server import Launch
from lab_utils.components.forked import ForkedProcess, ForkServer, fork
from lab_utils.components.process_tree import end_descendants
from lab_utils.components.sandbox import Sandbox
from lab_utils.components.watch import Share, Watch, descendants
from lab_utils.errors import LabError
from lab_utils.grade import wire
from lab_utils.grade.session import Session, number_of
from lab_utils.machine.cores import available_cores

WORKER = "lab_utils.grade.worker"
PRELOAD = (
    "torch",
    "PIL.Image",
    "threadpoolctl",
    "lab_utils.models.resnet",
    "lab_utils.grade.notebook",
)


@dataclass(frozen=True)
class Running:
    """An answer's function, loaded. pid: its process. server: the one that it was forked from."""

    session: Session
    function: Callable[..., Any]
    pid: int
    server: int

    def processes(self) -> list[int]:
        """The answer's process and whatever it has started."""
        return descendants(self.server)


def isolation() -> str:
    """What a verdict states about the place where its answer ran: "isolated", or why not."""
    refused = sandbox.refusal()
    return f"not isolated: {refused}" if refused else "isolated"


class Workers:
    """The fork server: started at the first answer, alive until the `with` block ends.

    share: what an answer and all that it starts may take. An answer that kills the server ends
    only itself: the next answer starts it again.
    """

    def __init__(self, share: Share = Share()) -> None:  # noqa: B008  frozen
        self.share = share
        self.sandboxed = not sandbox.refusal()
        self.isolation = isolation()
        self._stack = contextlib.ExitStack()
        self._server: ForkServer | None = None
        self._shared: Path | None = None
        self._beside: Workers | None = None
        self._lent: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end()
        finally:
            if self._beside is not None:
                self._beside.__exit__()

    @property
    def beside(self) -> Workers:
        """A second server with the same settings, for what runs beside an answer."""
        if self._beside is None:
            self._beside = Workers(self.share)
            self._beside.sandboxed, self._beside.isolation = self.sandboxed, self.isolation
        return self._beside

    @property
    def server_pid(self) -> int | None:
        """The process that answers are forked from, None while there is none."""
        return None if self._server is None else self._server.pid

    @contextlib.contextmanager
    def answer(
        self, cells: Sequence[Mapping[str, Any]], function: str, limit_s: float
    ) -> Iterator[Callable[..., Any]]:
        """The function that the cells define, in a worker that lives as long as the block.

        Raises what `Session.call` raises: Raised for an exception in a cell, wire.TimeUp when
        cells and calls together take longer than the limit, wire.Closed when the worker ends.
        Raises Greedy where the answer took more than its share.
        """
        with self.running(cells, function, limit_s) as running:
            yield running.function

    @contextlib.contextmanager
    def running(
        self,
        cells: Sequence[Mapping[str, Any]],
        function: str,
        limit_s: float,
        threads: int | None = None,
    ) -> Iterator[Running]:
        """The same function with its session and its processes, for whoever times it.

        threads: its libraries' compute threads, default one a core.
        """
        with self._worker(threads) as (channel, pid, watch):
            session = Session(channel, time.monotonic() + limit_s, wire.MAX_ANSWER_BYTES)
            try:
                made = session.call(0, list(cells), function)
                number_of(made)
                assert self.server_pid is not None
                yield Running(session, made, pid, self.server_pid)
            except (wire.Closed, wire.TimeUp):
                watch.check()
                raise

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder that answers may write, at the same path as here; removed after the block."""
        self._running()
        assert self._shared is not None
        folder = Path(tempfile.mkdtemp(dir=self._shared))
        self._lent = folder
        try:
            yield folder
        finally:
            self._lent = None
            self._clear()

    @contextlib.contextmanager
    def _worker(self, threads: int | None = None) -> Iterator[tuple[socket.socket, int, Watch]]:
        here, there = socket.socketpair()
        with here:
            with there:
                process = self._fork(there.fileno(), threads or available_cores())
            server = self.server_pid
            if server is None:
                raise wire.Closed
            inside = descendants(server) if self.sandboxed else []
            pid = inside[0] if inside else process.pid  # a sandbox has numbers of its own
            with Watch(server, self.share, self._shared) as watch:
                try:
                    yield here, pid, watch
                finally:
                    process.drop()
                    end_descendants(server)
                    self._clear()

    def _fork(self, descriptor: int, threads: int) -> ForkedProcess:
        try:
            return fork(self._running().address, self._launch(threads), [descriptor])
        except LabError:  # an earlier answer has killed the server
            self._end()
            return fork(self._running().address, self._launch(threads), [descriptor])

    def _launch(self, threads: int) -> Launch:
        environment = dict(os.environ)
        return Launch(
            module=WORKER,
            arguments=[],
            environment=Sandbox.environment(environment) if self.sandboxed else environment,
            folder=sandbox.PRIVATE[0] if self.sandboxed else str(self._shared),
            threads=threads,
            output=os.devnull,
        )

    def start(self) -> None:
        """Begin to load what answers import, without waiting for it."""
        if self._server is None or not self._server.alive():
            self._end()
            own = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-"))
            self._shared = Path(own) / "answers"
            self._shared.mkdir()
            self._stack.callback(self._clear)
            place = Sandbox(writable=(self._shared,)) if self.sandboxed else None
            self._server = self._stack.enter_context(
                ForkServer(Path(own), PRELOAD, adopt=True, sandbox=place)
            )

    def _running(self) -> ForkServer:
        self.start()
        assert self._server is not None
        self._server.wait_until_ready()
        return self._server

    def _clear(self) -> None:
        """Remove what answers left in the folder that they may write, but for one that is lent."""
        left = [p for p in self._shared.iterdir() if p != self._lent] if self._shared else []
        if left:  # not by Python's own means: these go down into any depth of folders
            shared = str(self._shared)
            for command in (["chmod", "-R", "u+rwX", shared], ["rm", "-rf", *map(str, left)]):
                subprocess.run(command, capture_output=True, check=False)

    def _end(self) -> None:
        self._stack.close()
        self._server = self._shared = None
