"""The runner's side of a worker process, and of the step that gets ready what lessons load."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.components.fork_server import Launch
from lab_utils.components.forked import ForkedProcess, fork
from lab_utils.course.run.messages import Task
from lab_utils.course.run.state import NotebookRun

STOP_S = 3.0
LAST_WORDS_LINES = 5
PREPARE = "lab_utils.course.run.prepare"


class Worker:
    """A process that executes notebooks, in a session of its own so that Ctrl-C spares it.

    `run` is the notebook at work, None when idle.
    """

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self.run: NotebookRun | None = None
        self._log = log
        self._received = b""
        log.touch()
        self.connection, theirs = socket.socketpair()
        command = [sys.executable, "-m", "lab_utils.course.run.worker", str(theirs.fileno())]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, str(log)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
                start_new_session=True,
            )
        theirs.close()
        self.connection.setblocking(False)

    def execute(self, run: NotebookRun, task: Task) -> None:
        """Hand it a notebook."""
        self.run = run
        self.connection.setblocking(True)  # a task is small, and the worker idle
        try:
            self.connection.sendall(task.to_line())
        except OSError:
            pass  # it has ended; reading from it says so
        finally:
            self.connection.setblocking(False)

    def messages(self) -> Iterator[dict[str, Any]]:
        """What it said since the last call; {"ended": why} when it has ended."""
        try:
            received = self.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            yield {"ended": self._why()}
            return
        *lines, self._received = (self._received + received).split(b"\n")
        yield from map(json.loads, lines)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def ask_to_stop(self) -> None:
        """Have it kill its kernel, save and go."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """Wait until it has ended, or end it."""
        self.connection.close()  # an idle worker takes that as the end
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _why(self) -> str:
        status = self._process.wait()
        said = last_words(self._log)
        return f"The process that ran it ended with status {status}. {said}".strip()


class PrepareProcess:
    """The preparing process: forked where that is possible, plain otherwise.

    environments, saved_models: those that it makes, by name.
    """

    def __init__(
        self,
        fork_address: str,
        log: Path,
        threads: int,
        environments: Sequence[str],
        saved_models: Sequence[str],
    ) -> None:
        self._log = log
        environment = dict(os.environ)
        arguments = [",".join(environments), ",".join(saved_models)]
        self._process: ForkedProcess | subprocess.Popen[bytes]
        if fork_address:
            launch = Launch(PREPARE, arguments, environment, os.getcwd(), threads, str(log))
            self._process = fork(fork_address, launch)
        else:
            with log.open("wb") as output:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", PREPARE, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """The last line it printed."""
        return last_words(self._log, lines=1)

    def close(self) -> None:
        """End it if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def last_words(log: Path, lines: int = LAST_WORDS_LINES) -> str:
    """The end of a log, "" where it is empty or missing."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])
