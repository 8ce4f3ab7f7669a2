"""Worker processes for answers, one for each task of each submission.

with Workers() as workers:
    with workers.answer(cells, "preprocess", limit_s=60) as preprocess:
        preprocess(jpeg=...)

A worker is a process of its own with time limit; it and everything it started are killed when
its block ends. It is not isolated: it may read what this user may read.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.grade.forkserver import READY, end_descendants
from lab_utils.grade.session import Session

START_LIMIT_S = 120


class Workers:
    """The fork server: started at the first answer, alive until the `with` block ends.

    An answer that kills it ends only itself: the next answer starts it again.
    """

    isolation = "not isolated"
    """What a verdict states about the place where its answer ran."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._server: Process | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
            channel = self._fork(folder) or self._fork(folder)
            if channel is None:
                raise LabError("The grading worker ends as soon as it starts; run ./lab doctor.")
            with channel:
                try:
                    yield channel
                finally:
                    for process in self._running()[0].processes()[:1]:
                        end_descendants(process.pid)

    def _fork(self, folder: str) -> socket.socket | None:
        """Our end of a new worker's socket; None where the fork server turns out to be dead."""
        _, control = self._running()
        here, there = socket.socketpair()
        with there:
            try:
                socket.send_fds(control, [folder.encode()], [there.fileno()])
                if control.recv(8):
                    return here
            except OSError:
                pass
        here.close()
        self._stack.close()
        self._server = None
        return None

    def _running(self) -> tuple[Process, socket.socket]:
        if self._server is None or self._control is None or not self._server.alive():
            self._stack.close()
            control, remote = socket.socketpair()
            self._stack.enter_context(control)
            with remote:
                # -P: what an answer leaves in the current folder is never imported here.
                command = [sys.executable, "-P", "-m", "lab_utils.grade.forkserver"]
                server = Process(
                    "the grading worker",
                    [*command, str(remote.fileno())],
                    ready=lambda: READY in server.log(),
                    pass_fds=[remote.fileno()],
                    start_timeout_s=START_LIMIT_S,
                    stop_timeout_s=1,
                )
                self._stack.enter_context(server)
            self._server, self._control = server, control
        return self._server, self._control
