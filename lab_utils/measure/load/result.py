"""What any load generator gives back: failures apart from latencies, percentiles with support."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.measure import percentile as percentiles
from lab_utils.measure.interval import Interval, interval

Loop = Literal["closed", "open"]
LATE_SHARE = 0.01
"""A generator fell behind where more than this share of its sends came a whole gap too late."""


def machine_facts() -> dict[str, Any]:
    """The machine that the load was generated on."""
    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
    }


@dataclass(frozen=True)
class Schedule:
    """When an open-loop generator meant to send each request, and when it did.

    Seconds from the start of the run, one of each a request, failed ones included.
    """

    intended_s: NDArray[np.float64]
    sent_s: NDArray[np.float64]
    rate_rps: float

    @property
    def error_s(self) -> NDArray[np.float64]:
        """How late each request was sent: the generator's own fault, not the service's."""
        return self.sent_s - self.intended_s

    @property
    def fell_behind(self) -> bool:
        """Whether over 1 % of the requests were sent later than the next one was due."""
        return bool(np.mean(self.error_s > 1 / self.rate_rps) > LATE_SHARE)


@dataclass(frozen=True)
class Verdict:
    """What a generator itself says of its run, by its own rules (MLPerf LoadGen does).

    valid: whether it accepts the run. reasons: its rules that the run did not meet, in words.
    queries_missing: how many more it asks for; None where it does not say. figures: the ones by
    which it reports the run, with units in their names.
    """

    valid: bool
    reasons: tuple[str, ...]
    queries_missing: int | None
    figures: Mapping[str, float]

    def __str__(self) -> str:
        said = "VALID" if self.valid else "INVALID"
        return f"{said}: {'; '.join(self.reasons)}" if self.reasons else said


@dataclass(frozen=True)
class LoadResult:
    """One run of a load generator against a service.

    tool: its name and version. loop: "closed" where each connection waits for its answer before
    it sends again; "open" where requests come when they are due. duration_s: from the first send
    to the last answer. answered: requests with a good answer. failures: the others, counted by
    cause. latencies_s: of answered requests only, from the intended time of sending in an open
    loop; None where the tool cannot tell them from those of failed ones. connections: requests in
    flight at most; None without a limit. begun_s: when the clock of each of these latencies began,
    in seconds from the start of the run; None where the tool does not tell. verdict: the
    generator's own, where it gives one. printed_latencies_s: those that the tool's own percentiles
    are of, where it adds some that it has not measured (wrk does). told_s: how long each failed
    request waited until its client knew, from when the clocks of the others begin; None where the
    tool does not tell.
    """

    tool: str
    loop: Loop
    connections: int | None
    duration_s: float
    answered: int
    failures: Mapping[str, int]
    latencies_s: NDArray[np.float64] | None
    begun_s: NDArray[np.float64] | None = None
    schedule: Schedule | None = None
    verdict: Verdict | None = None
    printed_latencies_s: NDArray[np.float64] | None = None
    told_s: NDArray[np.float64] | None = None
    facts: Mapping[str, Any] = field(default_factory=machine_facts)

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return sum(self.failures.values())

    @property
    def requests(self) -> int:
        """All requests that came to an end."""
        return self.answered + self.failed

    @property
    def rate_rps(self) -> float:
        """Good answers a second."""
        return self.answered / self.duration_s if self.duration_s > 0 else 0.0

    @property
    def mean_latency_s(self) -> float:
        """The mean latency of answered requests."""
        return float(np.mean(self._known_latencies()))

    @cached_property
    def median_latency_s(self) -> Interval:
        """The median latency of answered requests with its bootstrap 95 % interval."""
        return interval(self._known_latencies())

    @property
    def in_flight(self) -> float:
        """Requests in flight on average, by Little's law: rate × mean latency (Little 1961)."""
        return self.rate_rps * self.mean_latency_s

    def latency_percentile_s(self, q: float) -> Interval:
        """The q-th percentile of the latency; refused where too few requests support it."""
        return percentiles.percentile(self._known_latencies(), q)

    def as_dict(self) -> dict[str, Any]:
        """The result as a report keeps it: counts, rate, the percentiles that are supported."""
        document: dict[str, Any] = {
            "tool": self.tool,
            "loop": self.loop,
            "connections": self.connections,
            "duration_s": self.duration_s,
            "answered": self.answered,
            "failures": dict(self.failures),
            "rate_rps": self.rate_rps,
            "facts": dict(self.facts),
        }
        if self.latencies_s is not None and self.answered:
            supported = [
                q for q in percentiles.USUAL if percentiles.samples_needed(q) <= self.answered
            ]
            document["latency_s"] = {
                f"p{q:g}": self.latency_percentile_s(q).as_dict() for q in supported
            }
        if self.verdict is not None:
            document["verdict"] = {
                "valid": self.verdict.valid,
                "reasons": list(self.verdict.reasons),
                "queries_missing": self.verdict.queries_missing,
                "figures": dict(self.verdict.figures),
            }
        if self.schedule is not None:
            error_s = self.schedule.error_s
            document["schedule"] = {
                "rate_rps": self.schedule.rate_rps,
                "median_error_s": float(np.median(error_s)),
                "worst_error_s": float(np.max(error_s)),
                "fell_behind": self.schedule.fell_behind,
            }
        return document

    def __str__(self) -> str:
        lines = [
            f"{self.tool}, {self.loop} loop"
            + (f", {self.connections} connections" if self.connections else ""),
            f"  {self.answered} answers in {self.duration_s:.1f} s: {self.rate_rps:.3g} a second",
        ]
        if self.failed:
            causes = ", ".join(f"{count} × {cause}" for cause, count in self.failures.items())
            lines.append(f"  {self.failed} failed: {causes}")
        if self.latencies_s is not None and self.answered:
            median_ms = self.median_latency_s.scaled(1e3)
            lines.append(
                f"  median latency {median_ms:.0f} ms, the slowest {self._slowest_ms():.0f}"
            )
        if self.verdict is not None:
            lines.append(f"  its own verdict: {self.verdict}")
        if self.schedule is not None and self.schedule.fell_behind:
            lines.append("  THE GENERATOR FELL BEHIND its schedule: it measured itself")
        return "\n".join(lines)

    def _slowest_ms(self) -> float:
        return 1e3 * float(np.max(self._known_latencies()))

    def _known_latencies(self) -> NDArray[np.float64]:
        causes = ", ".join(f"{count} × {cause}" for cause, count in self.failures.items())
        if self.answered == 0:
            raise LabError(
                f"A latency was asked of a run without a good answer ({causes or 'none sent'}); "
                "see that the service answers one request first."
            )
        if self.latencies_s is None:
            raise LabError(
                f"{self.tool} mixes the latencies of failed requests ({causes}) with the others, "
                "so none can be given; mend the failures, or use a generator that keeps them apart."
            )
        return self.latencies_s
