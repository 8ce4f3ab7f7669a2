import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, interval, ratio_interval, ratio_of_sums, share


def test_no_samples_are_refused() -> None:
    with pytest.raises(LabError, match="no samples"):
        interval([])


def test_one_sample_is_its_own_interval() -> None:
    got = interval([3.0])
    assert (got.low, got.median, got.high, got.n) == (3.0, 3.0, 3.0, 1)


@pytest.mark.parametrize(
    ("median", "said"),
    [
        (1435.2, "1,435 [1,400 to 1,450]"),
        (999.7, "1,000 [1,400 to 1,450]"),
        (0.01234, "0.0123 [1,400 to 1,450]"),
    ],
)
def test_a_person_reads_no_exponents(median: float, said: str) -> None:
    assert f"{Interval(median, 1400, 1450, 9)}" == said
    assert f"{Interval(median, 1400, 1450, 9):.0f}".endswith("[1400 to 1450]")


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


def test_a_share_has_the_interval_of_wilson() -> None:
    """Wilson 1927: (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)."""
    n, p, z = 50, 0.9, 1.959964
    middle, spread = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    got = share(45, 50)
    assert (got.median, got.n) == (0.9, 50)
    assert (got.low, got.high) == pytest.approx(
        ((middle - spread) / (1 + z**2 / n), (middle + spread) / (1 + z**2 / n)), rel=1e-5
    )


def test_a_share_of_all_is_not_certain() -> None:
    assert share(64, 64).high == 1
    assert 0.9 < share(64, 64).low < 0.95
    for successes, n in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(LabError, match="expected 0 to n"):
            share(successes, n)


def test_a_ratio_of_sums_is_not_a_mean_of_ratios() -> None:
    """Cost and queries of two days: the busy day counts as much as it has queries."""
    found = ratio_of_sums([10, 10], [1, 99])
    assert found.median == 0.2
    assert found.low < 0.2 < found.high
    assert found.n == 2


def test_a_ratio_of_sums_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        queries = chance.uniform(50, 150, 40)
        costs = 3 * queries + chance.normal(0, 40, 40)
        found = ratio_of_sums(list(costs), list(queries))
        inside += found.low <= 3 <= found.high
    assert 0.88 < inside / 200 < 0.99


@pytest.mark.parametrize(("above", "below"), [([1], [1, 2]), ([], []), ([1, 2], [0, 0])])
def test_a_ratio_of_what_cannot_be_divided_is_refused(
    above: list[float], below: list[float]
) -> None:
    with pytest.raises(LabError, match="expected one of each a pair"):
        ratio_of_sums(above, below)
