import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.agreement import BOTH, FIRST, SECOND, agreement, alerts, copied

FIRST_SCORES = [9, 8, 7, 6, 0, 0, 0, 0, 0, 0]
SECOND_SCORES = [9, 0, 7, 0, 8, 6, 0, 0, 0, 0]


@pytest.fixture
def payments() -> pd.DataFrame:
    scenario = [0, 0, 2, 1, 3, 0, 0, 0, 0, 1]
    return pd.DataFrame({"scenario": scenario, "fraud": np.array(scenario) > 0})


def test_each_alert_stands_once_by_who_raised_it_and_what_it_was(payments: pd.DataFrame) -> None:
    found = agreement(payments, FIRST_SCORES, SECOND_SCORES, rate=0.4)
    kinds = ["honest", "scenario 1", "scenario 2", "scenario 3"]
    assert found == {
        BOTH: dict(zip(kinds, [1, 0, 1, 0], strict=True)),
        FIRST: dict(zip(kinds, [1, 1, 0, 0], strict=True)),
        SECOND: dict(zip(kinds, [1, 0, 0, 1], strict=True)),
    }


def test_false_alarms_of_the_first_that_the_second_repeats(payments: pd.DataFrame) -> None:
    found = copied(payments, FIRST_SCORES, SECOND_SCORES, rate=0.4)
    assert (found.median, found.n) == (0.5, 2)
    assert copied(payments, FIRST_SCORES, FIRST_SCORES, rate=0.4).median == 1


def test_as_many_alert_as_the_rate_says_also_among_equals() -> None:
    assert alerts(np.zeros(1_000), 0.005).nonzero()[0].tolist() == [0, 1, 2, 3, 4]


def test_what_does_not_fit_is_refused(payments: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="10 and 9 scores came for 10 payments"):
        agreement(payments, FIRST_SCORES, FIRST_SCORES[1:], rate=0.4)
    with pytest.raises(LabError, match="at least one alert"):
        alerts(FIRST_SCORES, 0.01)
    with pytest.raises(LabError, match="no false alarm"):
        copied(payments.assign(fraud=True), FIRST_SCORES, SECOND_SCORES, rate=0.4)
