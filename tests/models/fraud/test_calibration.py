import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.calibration import Bin, calibration_error, reliability


def test_scores_that_mean_what_they_say_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(40_000)
    bins = reliability(rng.random(40_000) < scores, scores, 10)
    assert [one.payments for one in bins] == [4_000] * 10
    assert [one.said for one in bins] == sorted(one.said for one in bins)
    assert sum(one.seen.low <= one.said <= one.seen.high for one in bins) >= 8
    assert calibration_error(bins) < 0.02


def test_the_same_rank_on_another_scale_is_off_by_what_it_is_off() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(40_000)
    fraud = rng.random(40_000) < truth
    bins = reliability(fraud, truth**2, 10)
    # ∫ (t − t²) over 0 to 1
    assert calibration_error(bins) == pytest.approx(1 / 6, abs=0.02)


def test_a_group_counts_by_its_payments() -> None:
    bins = reliability([0, 0, 0, 1, 1], [0.1, 0.1, 0.1, 0.9, 0.9], bins=2)
    assert [(one.payments, one.seen.median) for one in bins] == [(3, 0), (2, 1)]
    assert calibration_error(bins) == pytest.approx(0.1)
    assert isinstance(bins[0], Bin)


@pytest.mark.parametrize(
    ("fraud", "scores", "bins"),
    [
        ([1, 0], [0.5], 1),
        ([1], [1.5], 1),
        ([1], [float("nan")], 1),
        ([1], [0.5], 2),
        ([1], [0.5], 0),
    ],
)
def test_what_does_not_fit_is_refused(fraud: list[int], scores: list[float], bins: int) -> None:
    with pytest.raises(LabError, match="expected"):
        reliability(fraud, scores, bins)
    with pytest.raises(LabError, match="no groups"):
        calibration_error([])
