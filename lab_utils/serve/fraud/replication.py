"""What one region has answered becomes known to another: its audit log, read on and on.

    with Replication(west, east, delay_s=0.01) as copying:
        …
        copying.until_done()

Active-active without a lock: each region scores with what it knows now, and hears of the rest a
little later. What is copied are payments, each one once and for good, never a number made of them.
So it does not matter in which order they come, or whether one comes twice: both stores end up with
the same set, and with the same count in every window.

What is *not* the same meanwhile: a region scores without the payments that are still under way.
And a payment that was sent to two regions is in both logs, perhaps with two decisions; `twice`
finds it.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from lab_utils.errors import LabError
from lab_utils.features.payment import Payment
from lab_utils.features.store import Store
from lab_utils.serve.fraud.audit_file import replayed

EVERY_S = 0.02


class Regional(Protocol):
    """A region, as far as copying needs it; `store` raises LabError while there is none.

    up: whether it sends anything. What it had sent before arrives all the same.
    """

    audit: Path
    up: bool

    @property
    def store(self) -> Store:
        """Where its features come from."""


class Replication:
    """Copies `source`'s log into `target`'s store while the `with` block lasts.

    delay_s: how long a payment is under way at least; it is sent within another `EVERY_S`. Where
    the log cannot be read or the store be written, what is due waits until it can.
    """

    def __init__(self, source: Regional, target: Regional, delay_s: float) -> None:
        if not 0 <= delay_s < math.inf:
            raise LabError(f"delay_s is {delay_s:g}; expected 0 or more seconds.")
        self._source, self._target, self._delay_s = source, target, delay_s
        self._under_way: deque[tuple[float, list[Payment]]] = deque()
        self._read = self._copied = 0
        self._ending, self._cut = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="replication", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def copied(self) -> int:
        """Entries of the log that are in the other store by now."""
        return self._copied

    def cut(self) -> None:
        """The link between the regions fails: nothing more is read."""
        self._cut.set()

    def mend(self) -> None:
        """After `cut`: it goes on where it was."""
        self._cut.clear()

    def until_done(self, within_s: float = 30.0) -> int:
        """Return when all that is in the log now has been copied; gives how many entries that is.

        Raises LabError where it is not in that time.
        """
        wanted = len(paid(self._source.audit))
        for _ in range(math.ceil(within_s / EVERY_S)):
            if self._copied >= wanted:
                return wanted
            time.sleep(EVERY_S)
        raise LabError(
            f"{self._copied} of {wanted} payments were copied in {within_s:g} s; is the other "
            "region up?"
        )

    def _run(self) -> None:
        while not self._ending.wait(EVERY_S):
            try:
                self._step()
            except LabError:  # a region is down: what is due stays where it is
                continue

    def _step(self) -> None:
        now_s = time.monotonic()
        sends = self._source.up and not self._cut.is_set()
        if sends and (new := paid(self._source.audit, self._read)):
            self._read += len(new)
            self._under_way.append((now_s + self._delay_s, new))
        while self._under_way and self._under_way[0][0] <= now_s:
            some = self._under_way[0][1]
            self._target.store.add(some)
            self._under_way.popleft()
            self._copied += len(some)


def paid(log: Path, after: int = 0) -> list[Payment]:
    """The payments of an audit log but the first `after`. Raises LabError where there is none."""
    return [Payment(**json.loads(entry.asked)) for entry in replayed(log, after)]


def twice(logs: Sequence[Path]) -> tuple[int, int]:
    """How many transactions are in more than one log, and how many of them were decided unlike.

    Each log has a transaction once. Which of two answers the client got, no log knows.
    """
    decisions: dict[int, list[str]] = {}
    for log in logs:
        for entry in replayed(log):
            said = json.loads(entry.answered)["decision"]
            decisions.setdefault(entry.transaction_id, []).append(said)
    several = [found for found in decisions.values() if len(found) > 1]
    return len(several), sum(len(set(found)) > 1 for found in several)
