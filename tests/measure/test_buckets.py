import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram

from lab_utils.components.prometheus import Prometheus
from lab_utils.errors import LabError
from lab_utils.measure.buckets import (
    bucket_counts,
    exponential_edges,
    histogram_quantile,
    read_from_buckets,
)
from tests.scraped import needs_prometheus, page

RNG = np.random.default_rng(5)
EDGES = {
    "default": Histogram.DEFAULT_BUCKETS[:-1],
    "two": (0.1, 2.0),
    "exponential": exponential_edges(3, 0.001, 10),
}
LATENCIES = {
    "log-normal": RNG.lognormal(-2, 1, 2000),
    "none": np.array([]),
    "one": np.array([0.3]),
    "on an edge": np.array([0.1] * 50 + [0.25] * 50),
    "beyond the last": np.array([30.0] * 5),
    "all in the first": np.full(7, 0.001),
    "two heaps": np.array([0.02] * 95 + [4.0] * 5),
}
QUANTILES = (0, 0.001, 0.5, 0.9, 0.95, 0.99, 0.999, 1)


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    registry = CollectorRegistry()
    for name, edges in EDGES.items():
        histogram = Histogram(name, "…", ["latencies"], registry=registry, buckets=edges)
        for which, latencies_s in LATENCIES.items():
            child = histogram.labels(which)
            for latency_s in latencies_s:
                child.observe(latency_s)
    with page(registry) as url, Prometheus({"a": url}, every_s=0.5) as running:
        running.until_scraped()
        yield running


@needs_prometheus
@pytest.mark.parametrize("which", LATENCIES)
@pytest.mark.parametrize("name", EDGES)
def test_quantiles_are_those_of_the_real_prometheus(
    prometheus: Prometheus, name: str, which: str
) -> None:
    edges: Sequence[float] = EDGES[name]
    counts = bucket_counts(LATENCIES[which], edges)
    for q in QUANTILES:
        real = prometheus.number(f'histogram_quantile({q}, {name}_bucket{{latencies="{which}"}})')
        ours = histogram_quantile(q, edges, counts)
        assert ours == pytest.approx(real, rel=1e-12, nan_ok=True), q


def test_the_reading_is_wrong_by_less_than_its_bucket_is_wide() -> None:
    latencies_s = LATENCIES["log-normal"]
    for edges in EDGES.values():
        reading = read_from_buckets(latencies_s, edges, 0.99)
        assert reading.lowest_s < reading.true.median <= reading.highest_s
        assert reading.lowest_s <= reading.read_s <= reading.highest_s
        assert reading.error == pytest.approx(reading.read_s / reading.true.median - 1)


def test_the_finer_the_buckets_the_smaller_the_error() -> None:
    latencies_s = LATENCIES["log-normal"]
    for schema in (0, 2, 4, 6):
        edges = exponential_edges(schema, 1e-3, 100)
        reading = read_from_buckets(latencies_s, edges, 0.99)
        assert abs(reading.error) < 2**2**-schema - 1


def test_beyond_the_last_edge_the_last_edge_is_read() -> None:
    reading = read_from_buckets([0.05] * 450 + [30.0] * 50, (0.1, 1.0), 0.99)
    assert (reading.read_s, reading.lowest_s, reading.highest_s) == (1.0, 1.0, math.inf)
    assert reading.true.median == 30


def test_exponential_edges_grow_by_their_factor_and_cover_what_was_asked() -> None:
    edges = exponential_edges(3, 0.001, 10)
    assert np.diff(np.log2(edges)) == pytest.approx(1 / 8)
    assert edges[0] <= 0.001 < edges[1]
    assert edges[-2] < 10 <= edges[-1]
    assert exponential_edges(-1, 1, 16) == (1, 4, 16)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(LabError, match="459 are needed"):
        read_from_buckets([0.1] * 100, (0.1, 1.0), 0.99)
    for edges in ((), (1.0, 1.0), (0.0, 1.0), (1.0, math.inf)):
        with pytest.raises(LabError, match="expected growing ones above 0, the last one finite"):
            bucket_counts([0.1], edges)
    with pytest.raises(LabError, match="q is 99; expected a quantile from 0 to 1"):
        histogram_quantile(99, (1.0,), (1, 2))
    for counts in ((1,), (2, 1), (1, 2, 3)):
        with pytest.raises(LabError, match="expected one for each and one for all"):
            histogram_quantile(0.5, (1.0,), counts)
    for asked in ((9, 0.1, 1), (0, 0, 1), (0, 2, 1), (0, 1, math.inf)):
        with pytest.raises(LabError, match="expected a schema from -4 to 8"):
            exponential_edges(*asked)
