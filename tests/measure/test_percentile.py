import math

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.percentile import highest_supported, percentile, samples_needed


def test_samples_needed_are_those_of_mlperf() -> None:
    # LoadGen's early stopping: none over a p99; and with one over, p99 and p90.
    assert samples_needed(99) == 459
    assert samples_needed(99, over=1) == 662
    assert samples_needed(90, over=1) == 64


@pytest.mark.parametrize("q", [50, 75, 90, 95, 99, 99.9])
def test_with_none_over_it_is_the_closed_formula(q: float) -> None:
    assert samples_needed(q) == math.ceil(math.log(0.01) / math.log(q / 100))


def test_low_percentiles_need_as_many_as_high_ones() -> None:
    assert samples_needed(1) == samples_needed(99)


@pytest.mark.parametrize(("count", "missing"), [(0, 459), (9, 450), (458, 1)])
def test_too_few_samples_are_refused_with_the_number_missing(count: int, missing: int) -> None:
    with pytest.raises(LabError, match=rf"\b{missing} are missing"):
        percentile(np.ones(count), 99)


def test_the_refusal_offers_what_the_samples_support() -> None:
    with pytest.raises(LabError, match="ask for at most the p90"):
        percentile(np.arange(72), 99)
    assert highest_supported(72) == 90
    assert highest_supported(6) is None


def test_enough_samples_are_not_refused() -> None:
    assert percentile(np.arange(459), 99).median == pytest.approx(453.42)


@pytest.mark.parametrize("q", [0, 100, -5, 250])
def test_a_percentile_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(LabError, match="between 0 and 100"):
        percentile(np.arange(1000), q)


@pytest.mark.parametrize(("q", "n"), [(50, 25), (90, 60), (99, 500)])
def test_the_interval_covers_the_truth_at_its_rate(q: float, n: int) -> None:
    random = np.random.default_rng(4)
    truth = -math.log(1 - q / 100)  # of a standard exponential
    covered = 0
    for _ in range(400):
        got = percentile(random.exponential(size=n), q)
        covered += got.low <= truth <= got.high
    assert covered / 400 >= 0.93  # 95 %, less three standard errors of 400 trials
