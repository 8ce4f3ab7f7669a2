"""A process that answers one question at a time, and sleeps in between.

    with AskedProcess("Doubler", [sys.executable, "-I", "doubler.py"]) as process:
        process.told                     # the first message, sent when it is ready
        process.ask({"number": 21})      # {"doubled": 42}

The process is given a socket as its last argument and speaks through it:

    line = multiprocessing.connection.Connection(int(sys.argv[-1]))
    line.send({"ready": True})           # or {"error": "one sentence"}
    while True: line.send(answer(line.recv()))

Messages are pickled. Between two environments they hold Python's own objects only (numbers, text,
bytes, lists, dictionaries): another numpy may not be able to read this one's arrays.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Self

import psutil

from lab_utils.command import last_words
from lab_utils.components.process import Process
from lab_utils.errors import LabError

ANSWER_WITHIN_S = 300.0


class AskedProcess:
    """The process, alive only inside the `with` block.

    name: what messages call it. environment: the whole environment, default this process's. told:
    the first message. Raises LabError where it ends or sends an error before it is ready.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        answer_within_s: float = ANSWER_WITHIN_S,
    ) -> None:
        self.name = name
        self.told: dict[str, Any] = {}
        self._answer_within_s = answer_within_s
        ours, theirs = socket.socketpair()
        self._theirs = theirs
        self._line = Connection(ours.detach())
        self._process = Process(
            f"The process of {name}",
            [*command, str(theirs.fileno())],
            ready=lambda: self._line.poll(0),
            environment=environment,
            pass_fds=[theirs.fileno()],
            start_timeout_s=answer_within_s,
        )

    def __enter__(self) -> Self:
        try:
            self._process.__enter__()
        finally:
            self._theirs.close()
        try:
            self.told = self._hear()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        self._process.__exit__()

    def ask(self, question: Any) -> dict[str, Any]:
        """Its answer. Raises LabError with its own sentence, or where it does not answer."""
        try:
            self._line.send(question)
        except OSError:
            raise self._ended() from None
        return self._hear()

    def log(self) -> str:
        """All that it has printed so far."""
        return self._process.log()

    def processes(self) -> list[psutil.Process]:
        """The process and what it has started, for looking at."""
        return self._process.processes()

    def _hear(self) -> dict[str, Any]:
        try:
            if not self._line.poll(self._answer_within_s):
                raise LabError(f"{self.name} did not answer in {self._answer_within_s:g} s.")
            said: dict[str, Any] = self._line.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if "error" in said:
            raise LabError(said["error"])
        return said

    def _ended(self) -> LabError:
        return LabError(f"The process of {self.name} ended: {last_words(self._process.log())}")
