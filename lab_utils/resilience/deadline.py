"""When an answer is of no use any more: one moment for a whole request, handed on with it.

    deadline = Deadline.after(0.05)
    deadline.left_s                     # what is left for whoever is asked next

A limit for each step adds up to more than anybody wants to wait; a deadline does not.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Self

from lab_utils.calculation import positive


@dataclass(frozen=True)
class Deadline:
    """A moment on the running event loop's clock, in seconds."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """So long from now. Raises LabError unless that is above 0."""
        positive(seconds=seconds)
        return cls(asyncio.get_running_loop().time() + seconds)

    @property
    def left_s(self) -> float:
        """Seconds left; 0 where it has passed."""
        return max(0.0, self.at_s - asyncio.get_running_loop().time())
