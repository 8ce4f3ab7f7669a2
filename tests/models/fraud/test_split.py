import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import DAY_S
from lab_utils.models.fraud.split import at_random, blocked, by_time, days


def test_the_delay_lies_between(payments: pd.DataFrame) -> None:
    train, test = by_time(payments, test_from_day=53)
    assert set(days(payments[train])) == set(range(39, 46))
    assert set(days(payments[test])) == set(range(53, 60))


def test_a_card_is_blocked_once_its_fraud_is_known() -> None:
    """Fraud on day 3: known on day 10, so blocked from day 11 on, the Handbook's rule."""
    day = np.arange(14)
    card = pd.DataFrame({"time_s": DAY_S * day, "customer": 0, "fraud": day == 3})
    assert days(card[blocked(card, since_day=0)]).tolist() == [11, 12, 13]
    assert not blocked(card, since_day=4).any()


def test_the_test_holds_no_card_known_to_be_compromised(payments: pd.DataFrame) -> None:
    train, test = by_time(payments, test_from_day=53)
    known = set(payments[train & payments["fraud"]]["customer"])
    assert known
    assert not known & set(payments[test]["customer"])


def test_by_lot_days_are_on_both_sides(payments: pd.DataFrame) -> None:
    of = days(payments) >= 39
    train, test = at_random(payments, of, share=0.5, seed=0)
    assert ((train | test) == of).all()
    assert not (train & test).any()
    assert train.sum() == pytest.approx(test.sum(), rel=0.02)
    assert set(days(payments[train])) == set(days(payments[test]))


@pytest.mark.parametrize("day", [13, 54, 99])
def test_days_that_are_not_there_are_refused(payments: pd.DataFrame, day: int) -> None:
    with pytest.raises(LabError, match="The payments cover 60 days"):
        by_time(payments, test_from_day=day)
