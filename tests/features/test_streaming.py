"""Features that are kept up to date payment by payment are those that training computes at once."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lab_utils.components.redis_server import RedisServer
from lab_utils.features.online import OnlineFeatures
from lab_utils.features.payment import Payment, payments
from lab_utils.features.replay import replay
from lab_utils.features.windows import LATE_S, aggregates
from lab_utils.models.fraud.feature_names import (
    COUNT_WINDOWS_S,
    DAY_S,
    FEATURES,
    HOUR_S,
    LABEL_DELAY_S,
    RISK_WINDOWS_S,
)
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.transactions import simulate_transactions
from tests.features.conftest import new_store

KINDS = ("memory", "sqlite", "redis")
EXAMPLES = {"memory": 60, "sqlite": 25, "redis": 25}
EDGES_S = (
    *COUNT_WINDOWS_S.values(),
    LABEL_DELAY_S,
    *(LABEL_DELAY_S + window_s for window_s in RISK_WINDOWS_S.values()),
)
START_S = 40 * DAY_S
TIMES = st.builds(
    lambda edge_s, beside_s: START_S - edge_s + beside_s,
    st.sampled_from((0.0, HOUR_S / 2, *EDGES_S)),
    st.sampled_from((-1.0, 0.0, 0.0, 1.0)),
)
"""Just before, on and just after the edges of windows that end at START_S; many ties."""
ROWS = st.lists(
    st.tuples(
        TIMES, st.integers(0, 1), st.integers(0, 1), st.integers(0, 30_000), st.booleans(),
        st.floats(0, LATE_S),
    ),
    min_size=1,
    max_size=16,
)  # fmt: skip


def table(rows: list[tuple[float, int, int, int, bool, float]]) -> pd.DataFrame:
    """Payments in order, with how late each comes; the last one ends all windows at START_S."""
    rows = [*rows, (START_S, 0, 0, 1000, False, 0.0)]
    ordered = sorted(rows, key=lambda row: row[0])
    columns = list(zip(*ordered, strict=True))
    return pd.DataFrame(
        {
            "transaction_id": np.arange(len(rows)),
            "time_s": columns[0],
            "customer": columns[1],
            "terminal": columns[2],
            "amount": np.array(columns[3]) / 100,
            "fraud": columns[4],
            "late_s": columns[5],
        }
    )


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Bit by bit, in every column."""
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def every(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],  # a smaller example would take minutes to find
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_in_order_they_are_the_offline_ones(kind: str, redis_server: RedisServer) -> None:
    @every(EXAMPLES[kind])
    @given(ROWS)
    def holds(rows: list[tuple[float, int, int, int, bool, float]]) -> None:
        transactions = table(rows)
        log = replay(transactions, OnlineFeatures(new_store(kind, redis_server)))
        assert_same(log, features(transactions))

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_out_of_order_they_are_the_offline_ones_of_what_has_arrived(
    kind: str, redis_server: RedisServer
) -> None:
    @every(EXAMPLES[kind] // 2)
    @given(ROWS)
    def holds(rows: list[tuple[float, int, int, int, bool, float]]) -> None:
        transactions = table(rows)
        online = OnlineFeatures(new_store(kind, redis_server))
        stream = list(payments(transactions))
        arrived: list[int] = []
        for row in np.argsort(transactions["time_s"] + transactions["late_s"], kind="stable"):
            arrived.append(row)
            if transactions["fraud"][row]:
                online.store.known_fraud(stream[row])
            served = online.of(stream[row])
            assert served.missing == ()
            expected = features(transactions.loc[sorted(arrived)]).loc[row]
            np.testing.assert_array_equal(served.values, expected.to_numpy())

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_a_payment_that_comes_again_counts_once(kind: str, redis_server: RedisServer) -> None:
    transactions = simulate_transactions(customers=8, terminals=6, days=12, seed=3)
    online = OnlineFeatures(new_store(kind, redis_server))
    twice = replay(
        transactions,
        online,
        serve=lambda payment: [online.of(payment), online.of(payment)][1],
    )
    assert_same(twice, features(transactions))


@pytest.mark.parametrize("kind", KINDS)
def test_two_months_with_frauds(kind: str, redis_server: RedisServer) -> None:
    """Long enough for events to be dropped, filled in one go until the last week."""
    transactions = simulate_transactions(customers=20, terminals=15, days=60, seed=5)
    from_s = 53 * DAY_S
    online = OnlineFeatures(new_store(kind, redis_server))
    log = replay(transactions, online, served_from_s=from_s)
    expected = features(transactions)[transactions["time_s"] >= from_s]
    assert (expected["terminal_risk_30d"] > 0).any()
    assert_same(log, expected)


def test_edges_of_a_window(redis_server: RedisServer) -> None:
    """An event exactly as old as the window is out; one of the same second that came later is."""
    now = Payment(5, START_S, 1, 1, 10.0)
    others = [
        Payment(1, START_S - HOUR_S, 1, 1, 1.0),  # out of 1 h
        Payment(2, START_S - HOUR_S + 1, 1, 1, 2.0),
        Payment(4, START_S, 1, 1, 4.0),
        Payment(6, START_S, 1, 1, 8.0),  # came later
    ]
    for kind in KINDS:
        store = new_store(kind, redis_server)
        store.add(others)
        values = dict(zip(FEATURES, OnlineFeatures(store).of(now).values.tolist(), strict=True))
        assert values["customer_count_1h"] == values["terminal_count_1h"] == 3
        assert values["customer_mean_1h"] == np.float32(16 / 3)
        assert values["customer_count_24h"] == 4


def test_without_a_delay_a_payments_own_label_is_not_used() -> None:
    store = new_store("memory", None)  # type: ignore[arg-type]
    first, second = Payment(1, START_S, 1, 1, 10.0), Payment(2, START_S + 60, 1, 1, 10.0)
    for fraud in (first, second):
        store.known_fraud(fraud)
    store.observe(first)
    history = store.observe(second)
    assert aggregates(second, history, label_delay_s=0)[-1] == 1.0  # one before it, a fraud
    assert aggregates(first, history, label_delay_s=0)[-1] == 0.0
    assert math.isclose(aggregates(second, history)[-1], 0.0)
