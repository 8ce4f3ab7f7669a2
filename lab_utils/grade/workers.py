"""Worker processes for answers, one for each task of each submission.

with Workers() as workers:
    with workers.answer(cells, "preprocess", limit_s=60) as preprocess:
        preprocess(jpeg=...)

A worker is a process of its own with time limit; it and everything it started are killed when
its block ends. It is not isolated: it may read what this user may read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from lab_utils.components.fork_server import Launch
from lab_utils.components.forked import ForkedProcess, ForkServer, fork
from lab_utils.components.process_tree import end_descendants
from lab_utils.errors import LabError
from lab_utils.grade.session import Session
from lab_utils.machine.cores import available_cores

WORKER = "lab_utils.grade.worker"
PRELOAD = (
    "torch",
    "torchvision",
    "PIL.Image",
    "threadpoolctl",
    "lab_utils.models.resnet",
    "lab_utils.grade.notebook",
)


class Workers:
    """The fork server: started at the first answer, alive until the `with` block ends.

    An answer that kills it ends only itself: the next answer starts it again.
    """

    isolation = "not isolated"
    """What a verdict states about the place where its answer ran."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._server: ForkServer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def answer(
        self, cells: Sequence[Mapping[str, Any]], function: str, limit_s: float
    ) -> Iterator[Callable[..., Any]]:
        """The function that the cells define, in a worker that lives as long as the block.

        Raises what `Session.call` raises: Raised for an exception in a cell, wire.TimeUp when
        cells and calls together take longer than the limit, wire.Closed when the worker ends.
        """
        with self._worker() as channel:
            session = Session(channel, time.monotonic() + limit_s)
            yield session.call(0, list(cells), function)

    @contextlib.contextmanager
    def _worker(self) -> Iterator[socket.socket]:
        with tempfile.TemporaryDirectory(prefix="answer-", ignore_cleanup_errors=True) as folder:
            here, there = socket.socketpair()
            with here:
                with there:
                    process = self._fork(folder, there.fileno())
                try:
                    yield here
                finally:
                    process.kill()
                    if self._server is not None and self._server.pid is not None:
                        end_descendants(self._server.pid)

    def _fork(self, folder: str, descriptor: int) -> ForkedProcess:
        launch = Launch(
            module=WORKER,
            arguments=[],
            environment=dict(os.environ),
            folder=folder,
            threads=available_cores(),
            output=os.devnull,
        )
        try:
            return fork(self._running().address, launch, [descriptor])
        except LabError:  # an earlier answer has killed the server
            self._end()
            return fork(self._running().address, launch, [descriptor])

    def _running(self) -> ForkServer:
        if self._server is None or not self._server.alive():
            self._end()
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="grader-"))
            self._server = self._stack.enter_context(ForkServer(Path(folder), PRELOAD, adopt=True))
            self._server.wait_until_ready()
        return self._server

    def _end(self) -> None:
        self._stack.close()
        self._server = None
