"""An attack: the cell that a learner would hand in, and what becomes of it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

from lab_utils.grade.spec import Task
from tests.grade.conftest import DOUBLE

RIGHT = "def double(x):\n    return 2 * x"
FRIEND = "PORT_OF_A_FRIEND"
"""Stands in a cell for the port of a server that knows the answer, on the loopback interface."""


@dataclass(frozen=True)
class Attack:
    """A cell and the sentence, as a regular expression, that shows that it was defeated.

    naive: what it does to the grader of `naive.py`, which runs in the learner's own process:
    "fooled" gives it full marks, "stopped" never comes to a verdict. None where only this course's
    own machinery is its aim. task: with the same function name as the naive grader's.
    """

    name: str
    cell: str
    said: str
    naive: Literal["fooled", "stopped"] | None = "fooled"
    task: Task = DOUBLE
    limit_s: float = 10

    def source(self, port: int = 0) -> str:
        """The cell as it is handed in; where the port is known, with that of the friend."""
        return textwrap.dedent(self.cell).strip().replace(FRIEND, str(port) if port else FRIEND)
