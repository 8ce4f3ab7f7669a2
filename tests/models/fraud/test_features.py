"""Held against a plain loop over all earlier payments, and against the future."""

import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import (
    COUNT_WINDOWS_S,
    DAY_S,
    FEATURES,
    LABEL_DELAY_S,
    RISK_WINDOWS_S,
    is_night,
    is_weekend,
)
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions


@pytest.fixture(scope="module")
def few() -> pd.DataFrame:
    """Few customers, so few frauds: more are marked by lot."""
    found = simulate_transactions(customers=20, terminals=12, days=50, seed=5)
    found["fraud"] = np.random.default_rng(5).random(len(found)) < 0.1
    return found


def plainly(payments: pd.DataFrame, row: int) -> list[float]:
    """One payment's features, from the definition."""
    now = payments.iloc[row]
    past = payments.iloc[: row + 1]
    own = past[past["customer"] == now["customer"]]
    here = past[past["terminal"] == now["terminal"]]
    found = [now["amount"], float(is_weekend(now["time_s"])), float(is_night(now["time_s"]))]
    for window_s in COUNT_WINDOWS_S.values():
        inside = own[own["time_s"] > now["time_s"] - window_s]
        found += [len(inside), inside["amount"].mean()]
    for window_s in COUNT_WINDOWS_S.values():
        found.append((here["time_s"] > now["time_s"] - window_s).sum())
    until_s = now["time_s"] - LABEL_DELAY_S
    for window_s in RISK_WINDOWS_S.values():
        inside = here[(here["time_s"] <= until_s) & (here["time_s"] > until_s - window_s)]
        found.append(inside["fraud"].mean() if len(inside) else 0.0)
    return found


def test_they_are_what_a_plain_loop_finds(few: pd.DataFrame) -> None:
    known = features(few)
    assert tuple(known.columns) == FEATURES
    assert set(known.dtypes) == {np.dtype(np.float32)}
    rows = np.random.default_rng(0).choice(len(few), 150, replace=False)
    expected = np.array([plainly(few, row) for row in rows], np.float32)
    np.testing.assert_allclose(known.to_numpy()[rows], expected, rtol=1e-6)
    assert (expected[:, -1] > 0).any()


def test_the_future_changes_nothing(few: pd.DataFrame) -> None:
    """Cut off after any payment, and its features are the same."""
    known = features(few)
    for end in (1, 40, len(few) // 2):
        pd.testing.assert_frame_equal(features(few.iloc[:end]), known.iloc[:end])


def test_a_label_counts_only_once_it_is_known(few: pd.DataFrame) -> None:
    """Frauds of the last seven days are not known yet."""
    last_s = few["time_s"].iloc[-1]
    changed = few.copy()
    young = few["time_s"] > last_s - LABEL_DELAY_S
    changed.loc[young, "fraud"] = ~few.loc[young, "fraud"]
    pd.testing.assert_frame_equal(features(changed), features(few))
    old = few["time_s"] <= last_s - LABEL_DELAY_S
    changed.loc[old, "fraud"] = ~few.loc[old, "fraud"]
    assert not features(changed).equals(features(few))


def test_edges_of_a_window() -> None:
    """What is exactly a window old does not count; of one second, the earlier counts."""
    times = [0.0, 1.0, DAY_S, DAY_S, DAY_S + 1]
    payments = pd.DataFrame(
        {
            "transaction_id": range(5),
            "time_s": times,
            "customer": 0,
            "terminal": 0,
            "amount": 1.0,
            "fraud": False,
            "scenario": 0,
        }
    )
    assert features(payments)["customer_count_24h"].tolist() == [1, 2, 2, 3, 3]


def test_payments_out_of_order_are_refused(few: pd.DataFrame) -> None:
    with pytest.raises(LabError, match="not in order of time"):
        features(few.iloc[::-1])


def test_no_payments_have_no_features(few: pd.DataFrame) -> None:
    assert features(few.iloc[:0]).shape == (0, len(FEATURES))


def test_an_own_label_is_never_a_feature(few: pd.DataFrame) -> None:
    """Even if all others were known a second later."""
    changed = few.copy()
    changed.loc[few.index[-1], "fraud"] = ~few["fraud"].iloc[-1]
    at_once, other = (features(payments, label_delay_s=1).iloc[-1] for payments in (few, changed))
    pd.testing.assert_series_equal(at_once, other)
    assert not features(few, label_delay_s=1).equals(features(few))
    for delay_s in (0, -1, float("nan"), 8 * DAY_S):
        with pytest.raises(LabError, match="The delay of labels"):
            features(few, label_delay_s=delay_s)
