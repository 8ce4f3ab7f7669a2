"""One count, kept in several regions that tell each other later: four ways, played on one stream.

    stream = Stream(time_s, region, delay_s=0.04)
    played(stream, LastWriterWins).final      # what each region says when all has been told
    played(stream, Events).read               # what each payment was told when it came

Each region adds its own payments at once and sends a message to the others, which arrives
`delay_s` later; while the link is cut it waits. A message may arrive twice: a sender that has no
acknowledgement sends again.

| way | what is sent | comes twice | both write within the delay |
|---|---|---|---|
| `LastWriterWins` | the new count, with its time | harmless | one of them is lost |
| `Increments` | "one more" | counts twice | right |
| `Counters` | each region's own count | harmless | right |
| `Events` | the payment's number | harmless | right |

The last two are conflict-free replicated data types, a grow-only counter and a grow-only set
(Shapiro, Preguiça, Baquero and Zawirski, *Conflict-free Replicated Data Types*, SSS 2011). A
counter cannot forget a payment when its hour has passed; a set of payments with their times can,
which is why the stores of this package keep events.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError


class Kept(Protocol):
    """One region's copy of the count."""

    def __init__(self, region: int) -> None: ...

    def add(self, time_s: float, number: int) -> Any:
        """Count a payment of this region's own; gives the message for the others."""

    def hear(self, message: Any) -> None:
        """Take up another region's message."""

    @property
    def count(self) -> int:
        """How many there are, as far as is known here."""


class LastWriterWins:
    """The number itself; of two, the one that was written later."""

    def __init__(self, region: int) -> None:
        self._region, self.count = region, 0
        self._written = (-np.inf, region)

    def add(self, time_s: float, number: int) -> Any:
        """See `Kept`."""
        self.count += 1
        self._written = (time_s, self._region)
        return self._written, self.count

    def hear(self, message: Any) -> None:
        """See `Kept`."""
        written, count = message
        if written > self._written:
            self._written, self.count = written, count


class Increments:
    """The number, and "one more" to the others."""

    def __init__(self, region: int) -> None:
        self.count = 0

    def add(self, time_s: float, number: int) -> Any:
        """See `Kept`."""
        self.count += 1
        return 1

    def hear(self, message: Any) -> None:
        """See `Kept`."""
        self.count += message


class Counters:
    """A number for each region, which only that region raises; the largest heard of counts."""

    def __init__(self, region: int) -> None:
        self._region, self._own = region, {region: 0}

    @property
    def count(self) -> int:
        """See `Kept`."""
        return sum(self._own.values())

    def add(self, time_s: float, number: int) -> Any:
        """See `Kept`."""
        self._own[self._region] += 1
        return self._region, self._own[self._region]

    def hear(self, message: Any) -> None:
        """See `Kept`."""
        region, count = message
        self._own[region] = max(count, self._own.get(region, 0))


class Events:
    """The payments themselves, each one once."""

    def __init__(self, region: int) -> None:
        self._numbers: set[int] = set()

    @property
    def count(self) -> int:
        """See `Kept`."""
        return len(self._numbers)

    def add(self, time_s: float, number: int) -> Any:
        """See `Kept`."""
        self._numbers.add(number)
        return number

    def hear(self, message: Any) -> None:
        """See `Kept`."""
        self._numbers.add(message)


WAYS: dict[str, type[Kept]] = {
    "the number, last writer wins": LastWriterWins,
    "increments": Increments,
    "a counter for each region": Counters,
    "the payments themselves": Events,
}


@dataclass(frozen=True)
class Stream:
    """Payments that one count is of. time_s: in order; region: where each was made, from 0.

    delay_s: until another region has heard of it. cut_s: from when to when no message gets through;
    those of that time arrive at its end. again: the share of messages that arrive twice, drawn with
    `seed`. Raises LabError for times out of order, no payment, or a delay or share that is none.
    """

    time_s: ArrayLike
    region: ArrayLike
    delay_s: float
    cut_s: tuple[float, float] = (0.0, 0.0)
    again: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        times_s, regions = np.asarray(self.time_s, float), np.asarray(self.region)
        if not times_s.size or times_s.shape != regions.shape or (np.diff(times_s) < 0).any():
            raise LabError(
                f"{times_s.size} times and {regions.size} regions were given; expected as many of "
                "both, one or more, the times in order."
            )
        if not (self.delay_s >= 0 and 0 <= self.again <= 1):
            raise LabError(
                f"delay_s is {self.delay_s:g} and again {self.again:g}; expected 0 or more "
                "seconds, and a share of 0 to 1."
            )


@dataclass(frozen=True, eq=False)
class Played:
    """final: each region's count when all messages have arrived. read: for each payment, the count
    in its region with itself in it. true: the same, of somebody who sees all regions at once."""

    final: NDArray[np.int64]
    read: NDArray[np.int64]
    true: NDArray[np.int64]

    @property
    def short(self) -> float:
        """The share of payments that were told another number than the true one."""
        return float(np.mean(self.read != self.true))


def played(stream: Stream, way: type[Kept]) -> Played:
    """The stream, from its first payment to the arrival of its last message."""
    times_s = np.asarray(stream.time_s, float)
    regions = np.asarray(stream.region).astype(int)
    copies = [way(region) for region in range(int(regions.max()) + 1)]
    twice = np.random.default_rng(stream.seed).random(times_s.size) < stream.again
    under_way: list[tuple[float, int, int, Any]] = []  # when, order of sending, to whom, what
    read = np.empty(times_s.size, np.int64)

    def arrive(until_s: float) -> None:
        while under_way and under_way[0][0] <= until_s:
            _, _, to, message = heapq.heappop(under_way)
            copies[to].hear(message)

    for number, (time_s, region) in enumerate(zip(times_s, regions, strict=True)):
        arrive(float(time_s))
        message = copies[region].add(float(time_s), number)
        read[number] = copies[region].count
        sent_s = stream.cut_s[1] if stream.cut_s[0] <= time_s < stream.cut_s[1] else time_s
        for to in range(len(copies)):
            for copy in range(1 + int(twice[number])) if to != region else ():
                due_s = float(sent_s) + (1 + copy) * stream.delay_s
                heapq.heappush(under_way, (due_s, 2 * number + copy, to, message))
    arrive(np.inf)
    final = np.array([copy.count for copy in copies])
    return Played(final, read, np.arange(1, times_s.size + 1))
