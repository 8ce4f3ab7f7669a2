"""What any profiler gives back: who held the clock, how long, and what the tool could not see.

A profile accounts for some of the time that passed, never for all of it. `total_s` is what it
accounts for, `elapsed_s` what passed by the wall clock; the difference is the first thing to look
at, and `blind_to` says where it may have gone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab_utils.errors import LabError

Stack = tuple[str, ...]
"""Names from the outermost caller to the one that held the clock."""


@dataclass(frozen=True)
class Row:
    """One function, operator or range.

    self_s: seconds in itself. total_s: with what it called. calls: None where a tool samples.
    memory_bytes: what it allocated less what it freed; None where a tool does not look.
    """

    name: str
    self_s: float
    total_s: float
    calls: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Profile:
    """Where the time went, as one tool saw it.

    tool: name and version. counts: which seconds these are (whose clock, whose threads). rows:
    the largest self time first. elapsed_s: wall-clock seconds of what was profiled. stacks: self
    seconds by call stack, empty where the tool does not know them. trace: the file a viewer opens.
    """

    tool: str
    counts: str
    rows: tuple[Row, ...]
    blind_to: tuple[str, ...]
    elapsed_s: float
    stacks: Mapping[Stack, float] = field(default_factory=dict)
    trace: Path | None = None

    @property
    def total_s(self) -> float:
        """Seconds that the tool accounts for: the sum of all self times."""
        return math.fsum(row.self_s for row in self.rows)

    @property
    def seen(self) -> float:
        """Accounted seconds for each second that passed; over 1 where several threads count."""
        return self.total_s / self.elapsed_s

    def top(self, count: int = 10) -> tuple[Row, ...]:
        """The rows with the largest self time."""
        return self.rows[:count]

    def share(self, row: Row) -> float:
        """The row's own part (0 to 1) of the accounted time."""
        return row.self_s / self.total_s

    def share_of(self, text: str) -> float:
        """The part (0 to 1) of the accounted time in what is named so, callees included.

        text: part of a name, such as "compute" or "resnet_request.py". By stacks where there are
        any, so that nothing counts twice; else the largest matching row's total.

        Raises LabError where no name contains it.
        """
        matching = [row for row in self.rows if text in row.name]
        if not matching:
            largest = ", ".join(row.name for row in self.top(5))
            raise LabError(
                f"{self.tool} saw nothing named {text!r}; its largest rows are: {largest}."
            )
        if self.stacks:
            inside = (s for stack, s in self.stacks.items() if any(text in name for name in stack))
            return math.fsum(inside) / self.total_s
        return max(row.total_s for row in matching) / self.total_s

    def grouped(self, group: Callable[[str], str]) -> Profile:
        """The same profile with rows of equal `group(name)` added up (nodes to their operator).

        A group's total time is the sum of its self times.
        """
        members: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            members[group(row.name)].append(row)
        rows = [
            Row(
                name,
                self_s := math.fsum(row.self_s for row in rows),
                self_s,
                _sum(row.calls for row in rows),
                _sum(row.memory_bytes for row in rows),
            )
            for name, rows in members.items()
        ]
        return Profile(self.tool, self.counts, largest_first(rows), self.blind_to, self.elapsed_s)

    def __str__(self) -> str:
        lines = [
            f"{self.tool}: {self.counts}",
            f"{self.total_s:.3f} s accounted for, {self.elapsed_s:.3f} s passed",
            f"{'self':>9} {'share':>6} {'total':>9} {'calls':>8}  name",
        ]
        for row in self.top():
            calls = "" if row.calls is None else f"{row.calls:,}"
            lines.append(
                f"{1e3 * row.self_s:6.1f} ms {self.share(row):6.1%} {1e3 * row.total_s:6.1f} ms "
                f"{calls:>8}  {row.name}"
            )
        return "\n".join(lines)


def largest_first(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows in the order of a `Profile`."""
    return tuple(sorted(rows, key=lambda row: row.self_s, reverse=True))


def rows_of_stacks(
    stacks: Mapping[Stack, float], calls: Mapping[str, int] | None = None
) -> tuple[Row, ...]:
    """One row a name: self time where it ends a stack, total time wherever it stands in one."""
    self_s: dict[str, float] = defaultdict(float)
    total_s: dict[str, float] = defaultdict(float)
    for stack, seconds in stacks.items():
        self_s[stack[-1]] += seconds
        for name in set(stack):
            total_s[name] += seconds
    return largest_first(
        Row(name, self_s[name], total_s[name], None if calls is None else calls.get(name, 0))
        for name in total_s
    )


def frame(function: str, file: str, line: int) -> str:
    """A function's name as all profilers here write it; of the file, its last two parts.

    >>> frame("_conv_forward", "/usr/lib/torch/nn/modules/conv.py", 546)
    '_conv_forward (modules/conv.py:546)'
    """
    return f"{function} ({'/'.join(Path(file).parts[-2:])}:{line})"


def positive(what: str, value: float) -> None:
    """Raises LabError where `value` is not a number above 0."""
    if not value > 0 or not math.isfinite(value):
        raise LabError(f"{what} is {value}; expected a number above 0.")


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
