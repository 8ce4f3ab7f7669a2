"""A conversation between the grader and an answer: either side calls functions of the other.

The grader calls the answer; the answer may call back what it was given (a service to be timed,
for example), so the clock and the bookkeeping stay with the grader. One call is answered before
the next begins, except for calls that the called function makes itself.
"""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab_utils.grade import wire

NOT_PLAIN = "NotPlain"
"""The `kind` of a Raised whose function gave a value that cannot cross."""
NUMBER = "_number"
"""Where a stand-in keeps the number of its function."""
CELL = "<cell "
"""How the file name of an answer's cell begins in a traceback: `<cell 3>`."""


class Raised(Exception):  # noqa: N818  it says what the other side did
    """The other side's function raised.

    kind: the exception's class name. text: its message. cell, line: where in the answer's
    notebook, 0 where that is not known.
    """

    def __init__(self, kind: str, text: str, cell: int = 0, line: int = 0) -> None:
        super().__init__(f"{kind}: {text}" if text else kind)
        self.kind, self.text, self.cell, self.line = kind, text, cell, line


class Session:
    """One end of the conversation on a connected socket.

    `deadline` (`time.monotonic()`, or None for no limit) bounds every wait for the other side;
    past it, `call` raises `wire.TimeUp`. most_bytes: of a message from the other side.
    """

    def __init__(
        self,
        channel: socket.socket,
        deadline: float | None = None,
        most_bytes: int = wire.MAX_BYTES,
    ) -> None:
        self._channel = channel
        self._most_bytes = most_bytes
        self._exported: dict[int, Callable[..., Any]] = {}
        self.deadline = deadline

    def export(self, function: Callable[..., Any]) -> int:
        """Let the other side call this function; gives the number it is called by."""
        number = len(self._exported)
        self._exported[number] = function
        return number

    def stand_in(self, number: int) -> Callable[..., Any]:
        """The other side's function of that number, to be called like any other."""

        def remote(*arguments: Any, **named: Any) -> Any:
            return self.call(number, *arguments, **named)

        setattr(remote, NUMBER, number)
        return remote

    def call(self, number: int, *arguments: Any, **named: Any) -> Any:
        """Call the other side's function and give what it returns.

        Raises Raised where the function did; wire.TimeUp, wire.Closed or wire.WireError where
        the other side does not answer as it should.
        """
        self._send(_call(number, arguments, named))
        while True:
            message = self._receive()
            if "call" in message:
                self._answer(message)
            elif "error" in message:
                raise _raised(message["error"])
            elif "value" in message:
                return message["value"]
            else:
                raise wire.WireError("malformed message")

    def prepared(self, number: int, named: Mapping[str, Any]) -> bytes:
        """The bytes of a call, for `exchange`: nothing is left to do but to send them."""
        return wire.joined(wire.pack(_call(number, (), named), self.export))

    def exchange(self, call: bytes) -> list[bytes]:
        """Send a prepared call and wait for its frames, unread: what a clock may be held to.

        Raises wire.TimeUp and wire.Closed.
        """
        wire.send_joined(self._channel, call, self.deadline)
        return wire.receive(self._channel, self.deadline, self._most_bytes)

    def value(self, frames: Sequence[bytes]) -> Any:
        """What an exchange gave. Raises as `call` does; nothing is called back."""
        message = wire.unpack(frames, self.stand_in)
        if isinstance(message, dict) and "error" in message:
            raise _raised(message["error"])
        if not isinstance(message, dict) or "value" not in message:
            raise wire.WireError("malformed message")
        return message["value"]

    def serve(self) -> None:
        """Answer calls until the other side has gone."""
        try:
            while True:
                self._answer(self._receive())
        except wire.Closed:
            return

    def _answer(self, message: Mapping[str, Any]) -> None:
        try:
            function = self._exported[message["call"]]
            value = function(*message["arguments"], **message["named"])
            frames = wire.pack({"value": value}, self.export)
        except wire.WireError as error:
            frames = self._error(NOT_PLAIN, str(error))
        except (wire.Closed, wire.TimeUp):
            raise
        except Exception as error:
            cell, line = _place(error)
            frames = self._error(type(error).__name__, str(error), cell, line)
        wire.send(self._channel, frames, self.deadline)

    def _error(self, kind: str, text: str, cell: int = 0, line: int = 0) -> list[bytes]:
        error = {"kind": kind, "text": text, "cell": cell, "line": line}
        return wire.pack({"error": error}, self.export)

    def _send(self, value: Any) -> None:
        wire.send(self._channel, wire.pack(value, self.export), self.deadline)

    def _receive(self) -> dict[str, Any]:
        message = wire.unpack(
            wire.receive(self._channel, self.deadline, self._most_bytes), self.stand_in
        )
        if not isinstance(message, dict):
            raise wire.WireError("malformed message")
        return message


def number_of(function: object) -> int:
    """The number of a stand-in. Raises wire.WireError for what is none."""
    number = getattr(function, NUMBER, None)
    if not isinstance(number, int):
        raise wire.WireError("malformed message")
    return number


def _call(number: int, arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    return {"call": number, "arguments": list(arguments), "named": dict(named)}


def _place(error: BaseException) -> tuple[int, int]:
    """The cell and line, in the answer, that an exception came from."""
    if isinstance(error, SyntaxError) and str(error.filename).startswith(CELL):
        return int(str(error.filename)[len(CELL) : -1]), error.lineno or 0
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(CELL):
            return int(frame.filename[len(CELL) : -1]), frame.lineno or 0
    return 0, 0


def _raised(error: Any) -> Raised:
    try:
        cell, line = int(error["cell"]), int(error["line"])
        return Raised(str(error["kind"])[:100], str(error["text"])[:1000], cell, line)
    except (TypeError, KeyError, ValueError):
        raise wire.WireError("malformed message") from None
