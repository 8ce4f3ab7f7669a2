"""Feast's training rows are the offline features; it serves those of the payment before."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from lab_utils.components.redis_server import RedisServer
from lab_utils.errors import LabError
from lab_utils.features.feast_store import Feast
from lab_utils.models.fraud.feature_names import CUSTOMER, DAY_S, RISK, TERMINAL
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions

NAMES = [*CUSTOMER, *TERMINAL, *RISK]
UNTIL_S = 19 * DAY_S


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    return simulate_transactions(customers=20, terminals=15, days=20, seed=2)


@pytest.fixture(scope="module")
def feast(redis_server: RedisServer, transactions: pd.DataFrame) -> Iterator[Feast]:
    with Feast(redis_server.port) as started:
        started.define(transactions, features(transactions))
        started.materialize(0, UNTIL_S)
        yield started


def test_a_training_row_is_what_was_known_at_its_time(
    feast: Feast, transactions: pd.DataFrame
) -> None:
    asked = transactions[::7]
    found = feast.training_set(asked)
    expected = features(transactions).loc[asked.index, NAMES]
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_row_asked_between_two_payments_is_the_earlier_ones(
    feast: Feast, transactions: pd.DataFrame
) -> None:
    """Point in time, not the nearest and not the newest."""
    offline = features(transactions)
    row = transactions.index[transactions["customer"] == transactions["customer"][100]][3]
    asked = transactions.loc[[row]].assign(time_s=transactions["time_s"][row] + 0.5)
    found = feast.training_set(asked)
    assert found.loc[row, "customer_count_7d"] == offline.loc[row, "customer_count_7d"]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_online_are_the_newest_values_written(
    kind: str, feast: Feast, transactions: pd.DataFrame
) -> None:
    before = transactions["time_s"] < UNTIL_S
    offline = features(transactions)
    newest = offline[before].groupby(transactions["customer"][before])["customer_mean_7d"].last()
    asked = transactions[~before][:10]
    read = feast.read(kind, asked)  # type: ignore[arg-type]
    expected = newest.reindex(asked["customer"]).to_numpy()
    np.testing.assert_array_equal(read.values["customer_mean_7d"], expected)
    assert read.seconds.shape == (10,)
    assert (read.seconds > 0).all()


def test_who_was_never_seen_is_missing_and_not_zero(feast: Feast) -> None:
    nobody = pd.DataFrame({"customer": [10**6], "terminal": [10**6]})
    assert feast.read("redis", nobody).values.isna().all(axis=None)


def test_what_feast_refuses_is_told_in_its_words(feast: Feast) -> None:
    asked = pd.DataFrame({"customer": [1], "terminal": [1]})
    with pytest.raises(LabError, match="Feast could not answer"):
        feast.read("postgres", asked)  # type: ignore[arg-type]
