"""What is planted is found: by rows exactly, by distributions only where they move."""

import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.features.memory_store import MemoryStore
from lab_utils.features.online import OnlineFeatures
from lab_utils.features.planted import (
    SlowAtTimes,
    as_of_last_payment,
    in_local_time,
    zero_for_missing,
)
from lab_utils.features.replay import replay
from lab_utils.features.skew import ACT, drift, rows_differing, stability_index
from lab_utils.features.windows import FROM_HISTORY
from lab_utils.models.fraud.feature_names import AT_HAND, FEATURES
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    return simulate_transactions(customers=40, terminals=30, days=30, seed=1)


@pytest.fixture(scope="module")
def offline(transactions: pd.DataFrame) -> pd.DataFrame:
    return features(transactions)


def online(share: float = 0.0) -> OnlineFeatures:
    return OnlineFeatures(SlowAtTimes(MemoryStore(), share))


def test_last_payments_values_are_those_of_the_row_before(
    transactions: pd.DataFrame, offline: pd.DataFrame
) -> None:
    log = replay(transactions, online(), serve=as_of_last_payment(online()))
    before = offline.groupby(transactions["customer"])["customer_count_7d"].shift()
    pd.testing.assert_series_equal(log["customer_count_7d"], before, check_exact=True)
    before = offline.groupby(transactions["terminal"])["terminal_risk_7d"].shift()
    pd.testing.assert_series_equal(log["terminal_risk_7d"], before, check_exact=True)
    differing = rows_differing(log, offline)
    assert differing["customer_count_7d"] > 0.5
    assert (differing[list(AT_HAND)] == 0).all()


def test_local_time_changes_the_clock_features_alone(
    transactions: pd.DataFrame, offline: pd.DataFrame
) -> None:
    stream = online()
    log = replay(transactions, stream, serve=in_local_time(stream.of, ahead_h=-5))
    differing = rows_differing(log, offline)
    assert set(differing.index[differing > 0]) == {"is_weekend", "is_night"}
    assert drift(offline, log)["is_night"] > ACT


def test_zeros_stand_where_nothing_was_told(
    transactions: pd.DataFrame, offline: pd.DataFrame
) -> None:
    told = replay(transactions, online(share=0.3))
    filled_stream = online(share=0.3)  # the same payments fail
    filled = replay(transactions, filled_stream, serve=zero_for_missing(filled_stream.of))
    lacking = told["customer_count_7d"].isna()
    assert 0.2 < lacking.mean() < 0.4
    assert (filled.loc[lacking, list(FROM_HISTORY)] == 0).all(axis=None)
    pd.testing.assert_frame_equal(filled[~lacking], offline[~lacking], check_exact=True)


def test_the_index_of_known_shares() -> None:
    expected = np.repeat([0.0, 1.0], [50, 50])
    found = np.repeat([0.0, 1.0], [80, 20])
    by_hand = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert stability_index(expected, found) == pytest.approx(by_hand)
    assert stability_index(expected, expected) == 0
    missing = np.where(np.arange(100) < 30, np.nan, expected)
    assert stability_index(expected, missing) > ACT


def test_an_index_cannot_see_what_is_wrong_row_by_row() -> None:
    random = np.random.default_rng(0)
    values = pd.DataFrame({"amount": random.gamma(2.0, size=1000)})
    shuffled = pd.DataFrame({"amount": random.permutation(values["amount"])})
    assert drift(values, shuffled)["amount"] == 0
    assert rows_differing(shuffled, values)["amount"] > 0.9


def test_what_cannot_be_laid_beside_each_other(offline: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="same payments and features in the same order"):
        rows_differing(offline[1:], offline)
    with pytest.raises(LabError, match="0 and 1 values"):
        stability_index([], [1.0])


def test_a_missing_value_is_the_same_as_a_missing_value() -> None:
    table = pd.DataFrame(np.full((3, len(FEATURES)), np.nan), columns=list(FEATURES))
    assert (rows_differing(table, table) == 0).all()
