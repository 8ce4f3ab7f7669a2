import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.result import LoadResult, Schedule
from lab_utils.measure.queueing import sojourn_s
from lab_utils.simulate.validation import compare, gaps_s

OUTSIDE_S = 0.0005


def times_s(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(8, 0.002 / 8, count)


def live(share: float, slower: float = 1.0) -> LoadResult:
    """What a server with those service times, whose queue is Lindley's, would have shown."""
    rate_rps = share / 0.002
    due_s = poisson(rate_rps, 20_000 / rate_rps, seed=1).due_s
    latencies_s = sojourn_s(due_s, slower * times_s(due_s.size, 2)) + OUTSIDE_S
    return LoadResult(
        tool="made",
        loop="open",
        connections=None,
        duration_s=float(np.max(due_s + latencies_s)),
        answered=due_s.size,
        failures={},
        latencies_s=latencies_s,
        begun_s=due_s,
        schedule=Schedule(due_s, due_s, rate_rps),
    )


def closed(connections: int, service_s: np.ndarray) -> LoadResult:
    done_s = np.cumsum(service_s)
    begun_s = np.concatenate((np.zeros(connections), done_s[:-connections]))
    return LoadResult(
        tool="made",
        loop="closed",
        connections=connections,
        duration_s=float(done_s[-1]),
        answered=done_s.size,
        failures={},
        latencies_s=done_s - begun_s,
        begun_s=begun_s,
    )


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.85])
def test_a_server_as_it_was_measured_agrees(share: float) -> None:
    found = compare(live(share), times_s(20_000, 3), OUTSIDE_S)
    assert set(found.errors) == {"throughput", "p50", "p99"}
    for measured, simulated in found.percentiles_s.values():
        assert simulated.low * 0.97 < measured.median < simulated.high * 1.03
    if share <= 0.7:  # above it one run's P99 is chance, of whatever length a person waits for
        assert found.error < 0.1


def test_a_server_that_has_become_slower_does_not() -> None:
    assert compare(live(0.65, slower=1.2), times_s(2000, 3), OUTSIDE_S).error > 0.15


def test_gaps_are_the_service_times() -> None:
    service_s = times_s(500, 4)
    np.testing.assert_allclose(gaps_s(closed(4, service_s)), service_s[5:])


def test_loads_that_cannot_tell_are_refused() -> None:
    with pytest.raises(LabError, match="closed with 1 connections; expected a closed one of"):
        gaps_s(closed(1, times_s(50, 0)))
    with pytest.raises(LabError, match="kind open"):
        gaps_s(live(0.4))
    with pytest.raises(LabError, match="closed loop with 0 failures; expected an open"):
        compare(closed(4, times_s(50, 0)), times_s(50, 0))
