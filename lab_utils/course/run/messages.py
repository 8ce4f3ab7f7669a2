"""What the runner and its workers say to each other: one line of JSON a message."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Task:
    """One notebook to execute. `executed` and `page` are the files to write."""

    path: str
    executed: str
    page: str
    scale: str
    threads: int | None
    fork_address: str
    cell_timeout_s: float

    def to_line(self) -> bytes:
        """As it goes over the socket."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True)
class Done:
    """How a notebook ended. The error of a cell stands in the executed notebook.

    duration_s: from before the kernel started until it was gone. trouble: why it could not be
    executed or saved at all.
    """

    duration_s: float
    passed: bool
    trouble: str = ""

    def to_line(self) -> bytes:
        """As it goes over the socket."""
        return json.dumps({"done": asdict(self)}).encode() + b"\n"
