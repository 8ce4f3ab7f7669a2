"""What the language-model service counts, as Prometheus reads it at /metrics.

Latencies are the service's own: they begin when a request has been read, and end when the engine
has given the token. A client waits longer by the way there and back.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    generate_latest,
)

SECONDS = tuple(float(f"{s}e{d}") for d in range(-3, 2) for s in (1, 1.5, 2, 3, 5, 7))
"""Upper ends of the buckets of every latency: 1 ms to 70 s. A quantile is read from one bucket, so
it is wrong by up to that bucket's width: two thirds."""
CLIENT_FAULT = "bad request"
REFUSALS = (
    "queue full",
    "deadline hopeless",
    "deadline passed",
    "cache full",
    "draining",
    "engine failed",
)
"""Why a request that makes sense is not answered to its end: each is the service's failure."""
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


class Metrics:
    """The figures of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def latency(name: str, text: str) -> Histogram:
            return Histogram(f"llm_{name}_seconds", text, buckets=SECONDS, registry=registry)

        self.queue_depth = Gauge(
            "llm_queue_depth", "Requests that wait", ["priority"], registry=registry
        )
        self.start = Gauge(
            "llm_start_seconds", "From nothing to the first request", ["stage"], registry=registry
        )
        self.running = Gauge("llm_running", "Requests in the engine", registry=registry)
        self.cache_usage = Gauge(
            "llm_cache_usage_ratio", "KV cache in use after the last step", registry=registry
        )
        self.batch_size = Histogram(
            "llm_batch_size", "Sequences of each step", buckets=BATCHES, registry=registry
        )
        self.step = Summary(
            "llm_step_seconds",
            "From one step's orders to the next one's, by the sequences in it",
            ["sequences"],
            registry=registry,
        )
        self.queueing = latency("queueing", "From arrival to the engine")
        self.first_token = latency("time_to_first_token", "From arrival to the first token")
        self.inter_token = latency("inter_token", "From one token of an answer to the next")
        self.whole = latency("request", "From arrival to the last token")
        self.tokens = Counter(
            "llm_tokens", "Tokens read (prompt) and written (answer)", ["kind"], registry=registry
        )
        self.rejections = Counter(
            "llm_rejections", "Requests not answered to their end", ["reason"], registry=registry
        )
        self.disconnects = Counter(
            "llm_disconnects", "Clients that left before the end", registry=registry
        )

        # A series that begins with its first count is no rate's: it is there from the start, at 0.
        for priority in ("0", "1"):
            self.queue_depth.labels(priority)
        for kind in ("prompt", "answer"):
            self.tokens.labels(kind)
        for reason in (CLIENT_FAULT, *REFUSALS):
            self.rejections.labels(reason)

    def text(self) -> bytes:
        """The page at /metrics."""
        return generate_latest(self.registry)
