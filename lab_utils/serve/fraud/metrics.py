"""What the gateway counts, as Prometheus reads it at /metrics.

A latency begins when the body has been read and ends when the answer is on disk; a client waits
longer, by the way there and back. The shares that an availability promise is made of are counters:
answers in time and all answers, to be divided by whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (
    0.001,
    0.002,
    0.003,
    0.005,
    0.007,
    0.01,
    0.015,
    0.02,
    0.03,
    0.04,
    0.05,
    0.07,
    0.1,
    0.2,
    0.5,
    1,
)
"""Upper ends of the buckets; the promise of 50 ms is one of them, so it is counted, not guessed."""


class Metrics:
    """The figures of one gateway, in a registry of their own.

    reserve_left: whether the audit log still has its reserve, asked at each look.
    """

    def __init__(self, reserve_left: Callable[[], bool] = lambda: False) -> None:
        self.registry = registry = CollectorRegistry()
        self.latency = Histogram(
            "fraud_answer_seconds", "From body to answer", buckets=SECONDS, registry=registry
        )
        self.answers = Counter(
            "fraud_answers",
            "Payments answered, by who scored them and what came of it",
            ["tier", "decision", "degraded"],
            registry=registry,
        )
        self.repeated = Counter(
            "fraud_repeated", "Payments that had been answered before", registry=registry
        )
        self.refused = Counter(
            "fraud_refused",
            "Bodies without an answer, by the reason",
            ["reason"],
            registry=registry,
        )
        reserve = Gauge("fraud_audit_reserve", "1 while the log has its reserve", registry=registry)
        reserve.set_function(lambda: float(reserve_left()))

    def answered(self, reply: Mapping[str, Any], took_s: float) -> None:
        """Count a reply."""
        self.latency.observe(took_s)
        degraded = str(reply["degraded"]).lower()
        self.answers.labels(reply["tier"], reply["decision"], degraded).inc()
        if reply["repeated"]:
            self.repeated.inc()

    def text(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)
