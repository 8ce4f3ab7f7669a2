"""Where one request's time goes: named stages, then many requests' stages as intervals.

    timeline = Timeline()
    for jpeg in pictures:
        stages = Stages()
        with stages.stage("preprocess"):
            inputs = preprocess(jpeg)
        with stages.stage("compute"):
            outputs = network(inputs)
        timeline.add(stages)
    timeline.intervals_s()          # {"preprocess": Interval, "compute": Interval}
    timeline.share("compute")       # of each request's own total

A service sends a request's stages to its client in a `Server-Timing` header (W3C), and
`Stages.from_server_timing` reads them there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, interval

ENTRY = re.compile(r"([^\s;,]+)\s*(?:;[^;,]*?)*;\s*dur\s*=\s*\"?([0-9.eE+-]+)")


@dataclass
class Stages:
    """One request's stages, in the order in which they first began.

    A stage entered twice counts the sum. `synchronise` is called before each clock reading: give
    `torch.cuda.synchronize` where the work runs on a GPU, or a stage ends when its work has only
    been handed over.
    """

    synchronise: Callable[[], object] | None = None
    durations_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent in the `with` block, also where it raises."""
        start = self._now()
        try:
            yield
        finally:
            self.durations_s[name] = self.durations_s.get(name, 0.0) + self._now() - start

    @property
    def total_s(self) -> float:
        """The sum of the stages."""
        return sum(self.durations_s.values())

    def server_timing(self) -> str:
        """The stages as the value of a `Server-Timing` header, in milliseconds."""
        return ", ".join(f"{name};dur={1e3 * s:.3f}" for name, s in self.durations_s.items())

    @classmethod
    def from_server_timing(cls, header: str) -> Stages:
        """The stages that a service reported; those without a duration are left out.

        >>> Stages.from_server_timing("decode;dur=2.5, compute;dur=118").durations_s
        {'decode': 0.0025, 'compute': 0.118}
        """
        found = {name: float(ms) / 1e3 for name, ms in ENTRY.findall(header)}
        if not found:
            raise LabError(
                f"The Server-Timing header is {header!r}; expected stages such as "
                '"compute;dur=118.2", in milliseconds.'
            )
        return cls(durations_s=found)

    def _now(self) -> float:
        if self.synchronise is not None:
            self.synchronise()
        return time.perf_counter()


class Timeline:
    """The stages of many requests."""

    def __init__(self, requests: Iterable[Stages] = ()) -> None:
        self.requests = list(requests)

    def __len__(self) -> int:
        return len(self.requests)

    def add(self, stages: Stages) -> None:
        """Keep one more request."""
        self.requests.append(stages)

    @property
    def names(self) -> list[str]:
        """Every stage that occurred, in the order of its first occurrence."""
        return list(
            dict.fromkeys(name for request in self.requests for name in request.durations_s)
        )

    def durations_s(self, name: str) -> NDArray[np.float64]:
        """One duration a request; 0 where a request had no such stage."""
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise LabError(f"The stage {name!r} was not measured; measured are: {known}.")
        return np.array([request.durations_s.get(name, 0.0) for request in self.requests])

    @property
    def totals_s(self) -> NDArray[np.float64]:
        """The sum of the stages, one a request."""
        return np.array([request.total_s for request in self.requests])

    def intervals_s(self) -> dict[str, Interval]:
        """The median duration of every stage, with its 95 % interval."""
        return {name: interval(self.durations_s(name)) for name in self.names}

    def share(self, name: str) -> Interval:
        """The stage's part (0 to 1) of its own request's total: median and 95 % interval.

        Taken request by request, so that a slow moment of the machine, which stretches all stages
        of a request, cancels.
        """
        durations_s = self.durations_s(name)  # first, for its error message
        return interval(durations_s / self.totals_s)
