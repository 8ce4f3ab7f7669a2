"""Calls that take what a script says, and the grader's own record of them.

A latency that an answer took around a call is at least the time from the call's coming in to its
result's going out, and at most the time from the result before it to the call after it. Both bounds
hold on any machine, however busy, so a right answer is never failed for a machine's bad moment.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from lab_utils.grade.spec import Answer


class CallRecord:
    """When each call came in and its result went out, in seconds; kept outside the answer's reach.

    Each call sleeps, so no processor time is needed.
    """

    def __init__(self) -> None:
        self.came: list[float] = []
        self.went: list[float] = []
        self.began = self.ended = math.nan

    def drive(self, answer: Answer, **arguments: Any) -> Any:
        """What the answer returned; its beginning and its end are recorded, too."""
        self.began = time.perf_counter()
        output = answer(**arguments)
        self.ended = time.perf_counter()
        return output

    def sleep(self, seconds: float) -> int:
        """One call, that takes this long. Returns its place among all."""
        self.came.append(time.perf_counter())
        time.sleep(seconds)
        self.went.append(time.perf_counter())
        return len(self.went) - 1

    def least_s(self, i: int) -> float:
        """The shortest that call i can have seemed to its caller."""
        return self.went[i] - self.came[i]

    def most_s(self, i: int) -> float:
        """The longest that call i can have seemed to its caller, timed on its own."""
        before = self.went[i - 1] if i else self.began
        after = self.came[i + 1] if i + 1 < len(self.came) else self.ended
        return after - before


Call = Callable[[], str]
"""What an answer is given to call."""
