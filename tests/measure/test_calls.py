import time

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.calls import timed


def test_a_slow_call_is_made_once() -> None:
    made: list[int] = []

    def call() -> None:
        made.append(1)
        time.sleep(0.02)

    measure = timed(call, least_s=0.01)
    made.clear()
    assert measure() >= 0.02
    assert len(made) == 1


def test_short_calls_fill_the_time() -> None:
    made: list[int] = []
    measure = timed(lambda: made.append(1), least_s=0.005)
    made.clear()
    start_s = time.perf_counter()
    one_s = measure()
    passed_s = time.perf_counter() - start_s
    assert len(made) > 100
    assert 0 < one_s * len(made) <= passed_s


@pytest.mark.parametrize("least_s", [0.0, -1.0, float("nan")])
def test_no_time_is_refused(least_s: float) -> None:
    with pytest.raises(LabError, match="expected one above 0"):
        timed(lambda: None, least_s)
