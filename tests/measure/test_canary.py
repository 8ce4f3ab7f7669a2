import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.canary import sequential, two_proportions

USUAL, WORSE, ALPHA, POWER = 0.05, 0.08, 0.05, 0.8


def test_the_fixed_test_has_its_error_rates() -> None:
    """Canaries of that size, many times over, judged by the two-proportion z test."""
    n = int(two_proportions(USUAL, WORSE))
    random = np.random.default_rng(0)

    def rolled_back(share: float) -> float:
        old, new = random.binomial(n, USUAL, 20_000) / n, random.binomial(n, share, 20_000) / n
        mean = (old + new) / 2
        return float(np.mean(np.abs(new - old) > 1.959964 * np.sqrt(2 * mean * (1 - mean) / n)))

    assert rolled_back(USUAL) == pytest.approx(ALPHA, abs=0.01)
    assert rolled_back(WORSE) == pytest.approx(POWER, abs=0.015)


def test_walds_test_takes_as_many_on_average() -> None:
    random = np.random.default_rng(1)
    bad = random.random((2000, 6000)) < WORSE
    step = np.where(bad, np.log(WORSE / USUAL), np.log((1 - WORSE) / (1 - USUAL)))
    told = np.cumsum(step, axis=1)
    ended = (told > np.log(POWER / ALPHA)) | (told < np.log((1 - POWER) / (1 - ALPHA)))
    assert ended.any(axis=1).all()
    # The overshoot that the formula leaves out makes real tests a little longer.
    ratio = (1 + ended.argmax(axis=1)).mean() / sequential(USUAL, WORSE)
    assert 0.97 < ratio < 1.15


@pytest.mark.parametrize("shares", [(0.2, 0.1), (0, 0.1), (0.1, 1), (0.1, 0.1)])
def test_shares_that_make_no_question_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(LabError, match="expected two between 0 and 1, the worse one larger"):
        two_proportions(*shares)
    with pytest.raises(LabError, match="the worse one larger"):
        sequential(*shares)
