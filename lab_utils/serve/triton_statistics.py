"""What Triton itself counted of a model, between two moments.

load, seen = counted(server, "guard", lambda: closed_loop(…))
seen.batches, seen.mean_batch, seen.queue_s
counter(server.metrics(), "nv_inference_request_failure", model="guard", reason="REJECTED")
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from lab_utils.components.triton import Triton
from lab_utils.errors import LabError

T = TypeVar("T")
PAUSE_S = 0.05
LONGEST_S = 5.0


@dataclass(frozen=True)
class Counted:
    """What happened to one model's requests.

    answered, failed: requests. executions: calls of the model; the cache's answers need none.
    batches: executions by their size. queue_s: mean seconds of a request in the queue. busy_s: of
    all executions together. cache_hits, cache_misses: look-ups in the response cache; cache_hit_s:
    mean seconds of one that was found; cache_miss_s: of one that was not, its entry included.
    """

    answered: int
    failed: int
    executions: int
    batches: Mapping[int, int]
    queue_s: float
    busy_s: float
    cache_hits: int
    cache_misses: int
    cache_hit_s: float
    cache_miss_s: float

    @property
    def mean_batch(self) -> float:
        """Requests an execution."""
        return sum(size * n for size, n in self.batches.items()) / max(
            1, sum(self.batches.values())
        )

    def shares(self) -> dict[int, float]:
        """Of all requests, the share that was computed in batches of each size, smallest first."""
        total = sum(size * n for size, n in self.batches.items())
        return {size: size * n / total for size, n in sorted(self.batches.items())}


def counted(server: Triton, model: str, load: Callable[[], T]) -> tuple[T, Counted]:
    """What the load gave, and what the server counted of the model meanwhile."""
    before = settled(server, model)
    gave = load()
    return gave, between(before, settled(server, model))


def since_loaded(server: Triton, model: str) -> Counted:
    """What the server has counted of the model from the moment it was loaded."""
    now = settled(server, model)
    nothing = {"count": 0, "ns": 0}
    stats = dict.fromkeys(now["inference_stats"], nothing)
    return between({"execution_count": 0, "inference_stats": stats, "batch_stats": []}, now)


def settled(server: Triton, model: str) -> dict[str, Any]:
    """The model's statistics when they no longer move: they are written after the answer is sent.

    Raises LabError where they go on moving, as somebody else is asking.
    """
    last = server.statistics(model)
    for _ in range(round(LONGEST_S / PAUSE_S)):
        time.sleep(PAUSE_S)
        now = server.statistics(model)
        if now == last:
            return now
        last = now
    raise LabError(f"The statistics of {model} went on moving for {LONGEST_S:g} s; who asks it?")


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> Counted:
    """The difference of two readings of one model."""

    def gained(part: str, what: str) -> int:
        earlier, later = (s["inference_stats"][part][what] for s in (before, after))
        return int(later) - int(earlier)

    def mean_s(part: str) -> float:
        return 1e-9 * gained(part, "ns") / max(1, gained(part, "count"))

    earlier = _sizes(before)
    batches = {size: n - earlier.get(size, 0) for size, n in _sizes(after).items()}
    return Counted(
        answered=gained("success", "count"),
        failed=gained("fail", "count"),
        executions=int(after["execution_count"]) - int(before["execution_count"]),
        batches={size: n for size, n in sorted(batches.items()) if n},
        queue_s=mean_s("queue"),
        busy_s=1e-9 * (_computing_ns(after) - _computing_ns(before)),
        cache_hits=gained("cache_hit", "count"),
        cache_misses=gained("cache_miss", "count"),
        cache_hit_s=mean_s("cache_hit"),
        cache_miss_s=mean_s("cache_miss"),
    )


def _sizes(statistics: Mapping[str, Any]) -> dict[int, int]:
    return {
        int(batch["batch_size"]): int(batch["compute_infer"]["count"])
        for batch in statistics["batch_stats"]
    }


def _computing_ns(statistics: Mapping[str, Any]) -> int:
    return sum(int(batch["compute_infer"]["ns"]) for batch in statistics["batch_stats"])


def counter(metrics: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry these labels, from Prometheus' text.

    Raises LabError where the page has no metric of that name.
    """
    families = {family.name: family for family in text_string_to_metric_families(metrics)}
    family = families.get(name)
    if family is None:
        near = ", ".join(sorted(n for n in families if n.startswith("nv_inference_req")))
        raise LabError(f"Triton has no metric {name!r}; it has {near}, for example.")
    return sum(
        sample.value
        for sample in family.samples
        if all(sample.labels.get(label) == value for label, value in labels.items())
    )
