import time

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.busy import ROUNDS, keep_busy

pytestmark = pytest.mark.alone


def test_a_load_that_sleeps_is_not_busy() -> None:
    load = keep_busy(lambda: time.sleep(0.01), cores=1, duration_s=0.05)
    assert load.busy.median < 0.5
    assert load.calls_per_s.median <= 100  # no sleep is shorter than asked for
    assert load.busy.n == load.calls_per_s.n == ROUNDS


def test_a_load_that_computes_is_busier_than_one_that_sleeps() -> None:
    computes = keep_busy(lambda: sum(range(10_000)), cores=1, duration_s=0.1)
    sleeps = keep_busy(lambda: time.sleep(0.01), cores=1, duration_s=0.1)
    assert computes.busy.median > 2 * sleeps.busy.median


def test_half_of_two_cores_is_half() -> None:
    one = keep_busy(lambda: sum(range(10_000)), cores=1, duration_s=0.1).busy.median
    two = keep_busy(lambda: sum(range(10_000)), cores=2, duration_s=0.1).busy.median
    assert two < 0.75 * one


@pytest.mark.parametrize(("cores", "duration_s"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_nonsense_is_refused(cores: int, duration_s: float) -> None:
    with pytest.raises(LabError, match="expected numbers above 0"):
        keep_busy(lambda: None, cores, duration_s)
