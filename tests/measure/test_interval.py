import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import interval, ratio_interval


def test_no_samples_are_refused() -> None:
    with pytest.raises(LabError, match="no samples"):
        interval([])


def test_one_sample_is_its_own_interval() -> None:
    got = interval([3.0])
    assert (got.low, got.median, got.high, got.n) == (3.0, 3.0, 3.0, 1)


def test_the_same_samples_give_the_same_interval() -> None:
    samples = np.random.default_rng(1).exponential(size=40)
    assert interval(samples) == interval(samples)


def test_the_interval_covers_the_median_at_its_rate() -> None:
    random = np.random.default_rng(2)
    trials, covered = 300, 0
    for _ in range(trials):
        got = interval(random.exponential(size=30))
        covered += got.low <= np.log(2) <= got.high
    # 95 %, within three standard errors of 300 trials
    assert 0.91 <= covered / trials <= 0.99


def test_the_ratio_is_paired() -> None:
    machine = np.array([1.0, 5.0, 2.0, 9.0, 3.0, 4.0])  # how slow each moment was
    got = ratio_interval(list(2 * machine), list(machine))
    assert (got.low, got.median, got.high) == (2.0, 2.0, 2.0)


def test_the_ratio_interval_covers_the_truth_at_its_rate() -> None:
    """Both of a pair meet the same moment, whose speed varies far more than their own noise."""
    random = np.random.default_rng(6)
    trials, covered = 300, 0
    for _ in range(trials):
        moment = random.lognormal(sigma=1.0, size=30)
        first = 1.2 * moment * random.lognormal(sigma=0.05, size=30)
        second = moment * random.lognormal(sigma=0.05, size=30)
        got = ratio_interval(list(first), list(second))
        covered += got.low <= 1.2 <= got.high
    assert 0.91 <= covered / trials <= 0.99


def test_unpaired_samples_are_refused() -> None:
    with pytest.raises(LabError, match="2 and 1 samples"):
        ratio_interval([1.0, 2.0], [1.0])
