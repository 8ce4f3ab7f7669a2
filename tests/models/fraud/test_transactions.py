"""Against what the Handbook publishes of its own data, and against its laws."""

import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import DAY_S
from lab_utils.models.fraud.transactions import COLUMNS, LARGE_AMOUNT, simulate_transactions


def test_its_form(payments: pd.DataFrame) -> None:
    assert tuple(payments.columns) == COLUMNS
    assert (payments["transaction_id"] == np.arange(len(payments))).all()
    assert payments["time_s"].is_monotonic_increasing
    assert payments["time_s"].between(0, 60 * DAY_S).all()
    assert payments["customer"].between(0, 4_999).all()
    assert payments["terminal"].between(0, 9_999).all()
    assert (payments["amount"] >= 0).all()
    assert (payments["fraud"] == (payments["scenario"] > 0)).all()


def test_the_handbooks_payments_and_frauds_a_day(payments: pd.DataFrame) -> None:
    """1,754,155 payments in 183 days; 1,792 frauds among 201,295 in days 115 to 135."""
    by_day = payments.groupby(payments["time_s"] // DAY_S)
    assert by_day.size().mean() == pytest.approx(1_754_155 / 183, rel=0.03)
    settled = payments[payments["time_s"] >= 28 * DAY_S]
    assert settled["fraud"].mean() == pytest.approx(1_792 / 201_295, rel=0.15)


def test_each_scenario_keeps_its_law(payments: pd.DataFrame) -> None:
    by = {number: payments[payments["scenario"] == number] for number in range(4)}
    assert (by[1]["amount"] > LARGE_AMOUNT).all()
    assert (by[0]["amount"] <= LARGE_AMOUNT).all()
    assert min(len(found) for found in by.values()) > 100
    # Scenario 2: a terminal has nothing but frauds while it is broken into.
    one = by[2]["terminal"].mode()[0]
    times = by[2].loc[by[2]["terminal"] == one, "time_s"]
    between = payments[
        (payments["terminal"] == one) & payments["time_s"].between(times.min(), times.max())
    ]
    assert between["fraud"].mean() > 0.9
    # Scenario 3: a card's frauds are five times its other payments.
    others = by[0].groupby("customer")["amount"].mean()
    ratio = by[3]["amount"].to_numpy() / others.reindex(by[3]["customer"]).to_numpy()
    assert np.nanmean(ratio) == pytest.approx(5, rel=0.15)


def test_a_customer_stays_within_reach(payments: pd.DataFrame) -> None:
    """π · 5² of 100² holds 79 of 10,000 terminals; fewer near the map's edge."""
    used = payments.groupby("customer")["terminal"].nunique()
    assert 20 < used.mean() < 79


def test_the_seed_decides_everything() -> None:
    first, again, other = (simulate_transactions(50, 100, 5, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first["amount"].equals(other["amount"].reindex(first.index))


def test_a_tenth_of_the_customers_falls_to_fraud_as_often() -> None:
    """The share of frauds does not depend on how many customers there are."""
    few = simulate_transactions(customers=500, terminals=1_000, days=120, seed=3)
    assert few[few["time_s"] >= 28 * DAY_S]["fraud"].mean() == pytest.approx(
        1_792 / 201_295, rel=0.3
    )


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_to_simulate_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(LabError, match="expected 1 or more"):
        simulate_transactions(*numbers, seed=0)
