import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import constant, poisson
from lab_utils.measure.queueing import mm1_sojourn_s, sojourn_s


def test_coordinated_omission_is_arithmetic() -> None:
    """A request every 10 ms for 10 s, 1 ms of service, frozen once for 500 ms (Tene's figures).

    The closed loop's client waits for its answer, so it has one late one, whenever it asks.
    """
    service_s = np.full(1000, 0.001)
    service_s[499] += 0.5
    opened_s = sojourn_s(constant(100, 10).due_s, service_s)
    closed_s = service_s
    assert np.quantile(closed_s, 0.99) == pytest.approx(0.001)
    assert 0.411 <= np.quantile(opened_s, 0.99) <= 0.420
    assert [opened_s.max(), closed_s.max()] == pytest.approx([0.501, 0.501])


def test_the_mm1_sojourn_of_theory_and_of_the_queue_agree() -> None:
    assert mm1_sojourn_s(1, 0.9, 99) == pytest.approx(46.05, abs=0.005)
    due_s = poisson(0.7, 4_000_000, seed=1).due_s
    service_s = np.random.default_rng(2).exponential(1.0, size=due_s.size)
    for q in (50, 90, 99):
        simulated_s = np.quantile(sojourn_s(due_s, service_s), q / 100)
        assert simulated_s == pytest.approx(mm1_sojourn_s(1, 0.7, q), rel=0.05)


def test_the_mean_wait_is_that_of_pollaczek_and_khinchine() -> None:
    """M/D/1: the mean wait is ρ · S / (2 · (1 − ρ)), half of that of M/M/1."""
    due_s = poisson(0.8, 400_000, seed=3).due_s
    waits_s = sojourn_s(due_s, 1.0) - 1.0
    assert waits_s.mean() == pytest.approx(0.8 / (2 * 0.2), rel=0.05)


@pytest.mark.parametrize(
    ("due_s", "service_s", "message"),
    [([], 1, "none or not in order"), ([1, 0], 1, "not in order"), ([0, 1], -1, "negative")],
)
def test_nonsense_queues_are_refused(due_s: list[float], service_s: float, message: str) -> None:
    with pytest.raises(LabError, match=message):
        sojourn_s(due_s, service_s)


@pytest.mark.parametrize(
    ("service_s", "utilisation", "percentile", "message"),
    [
        (0, 0.5, 99, "service_s is 0"),
        (1, 1, 99, "grows without end"),
        (1, -0.1, 99, "from 0 to below 1"),
        (1, 0.5, 100, "between 0 and 100"),
    ],
)
def test_nonsense_models_are_refused(
    service_s: float, utilisation: float, percentile: float, message: str
) -> None:
    with pytest.raises(LabError, match=message):
        mm1_sojourn_s(service_s, utilisation, percentile)
