import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile import cprofile, prices, pyspy

pytestmark = pytest.mark.alone


def test_work_runs_once_and_its_seconds_are_given() -> None:
    ran = []
    assert prices.nothing(lambda: ran.append(1)) >= 0
    assert prices.under_pytorch(lambda: ran.append(2), stacks=False) >= 0
    pyspy.let_profilers_in()
    try:
        assert prices.under_pyspy(lambda: ran.append(3)) >= 0
    except LabError as error:
        pytest.skip(str(error))
    assert ran == [1, 2, 3]


def test_the_tight_loop_makes_the_calls_that_it_says() -> None:
    assert prices.tight_loop() == prices.CALLS
    rows = cprofile.profile(prices.tight_loop).rows
    assert max(row.calls or 0 for row in rows) == prices.CALLS
