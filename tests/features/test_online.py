"""A store that is down, slow, cold or stale is told as such; nothing is served as zero."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab_utils.components.redis_server import RedisServer
from lab_utils.errors import LabError
from lab_utils.features.memory_store import MemoryStore
from lab_utils.features.online import OnlineFeatures, Served
from lab_utils.features.payment import Payment
from lab_utils.features.redis_store import RedisStore, connect
from lab_utils.features.sqlite_store import SqliteStore
from lab_utils.features.windows import FROM_HISTORY, LATE_S
from lab_utils.models.fraud.feature_names import AT_HAND, DAY_S, FEATURES
from tests.features.conftest import PATIENT_S, new_store
from tests.started import assert_gone

NOW_S = 50 * DAY_S
PAYMENT = Payment(7, NOW_S, 1, 2, 12.5)


def assert_only_at_hand(served: Served, why: str) -> None:
    assert served.why == why
    assert served.missing == FROM_HISTORY
    assert served.told.endswith(".")
    assert np.isnan(served.values[len(AT_HAND) :]).all()
    assert served.values[0] == 12.5
    assert served.stale


def test_redis_that_is_gone() -> None:
    with RedisServer() as server:
        store = RedisStore(server.socket, deadline_s=PATIENT_S)
        store.begin()
        assert OnlineFeatures(store).of(PAYMENT).missing == ()
        pids = [process.pid for process in server.process.processes()]
        assert pids
    assert_gone(pids)
    served = OnlineFeatures(store).of(PAYMENT)
    assert_only_at_hand(served, "down")
    assert served.age_s is None
    assert "score without" in served.told


def test_redis_that_stands_still_and_goes_on(redis_server: RedisServer) -> None:
    store = RedisStore(port=redis_server.port, deadline_s=0.05, prefix="still:")
    patient = RedisStore(port=redis_server.port, deadline_s=PATIENT_S, prefix="still:")
    patient.begin()
    redis_server.pause()
    try:
        assert_only_at_hand(OnlineFeatures(store).of(PAYMENT), "slow")
    finally:
        redis_server.go_on()
    again = OnlineFeatures(patient).of(PAYMENT)
    assert again.missing == ()
    assert dict(zip(FEATURES, again.values, strict=True))["customer_count_7d"] == 1  # not 2


def test_redis_that_was_restarted_without_its_data(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.socket, deadline_s=PATIENT_S, prefix="restarted:")
    served = OnlineFeatures(store).of(PAYMENT)
    assert_only_at_hand(served, "cold")


def test_redis_whose_memory_is_full() -> None:
    with RedisServer(memory_mb=3) as server:
        store = RedisStore(server.socket, deadline_s=PATIENT_S)
        store.begin()
        many = (Payment(n, NOW_S, n, n, 1.0) for n in range(100_000))
        with pytest.raises(LabError, match="cannot be used"):
            store.add(many)
        assert_only_at_hand(OnlineFeatures(store).of(PAYMENT), "down")


def test_sqlite_whose_file_another_process_holds(tmp_path: Path) -> None:
    path = tmp_path / "features.db"
    store = SqliteStore(path, deadline_s=0.01)
    store.begin()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert_only_at_hand(OnlineFeatures(store).of(PAYMENT), "slow")
    other.execute("ROLLBACK")
    other.close()
    assert OnlineFeatures(store).of(PAYMENT).missing == ()


def test_sqlite_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "features.db"
    path.write_text("a letter of many lines\n" * 100)
    with pytest.raises(LabError, match=r"features\.db cannot be used"):
        SqliteStore(path)


def test_what_somebody_else_has_written_into_redis_is_no_event(redis_server: RedisServer) -> None:
    prefix = "written by others:"
    store = RedisStore(redis_server.socket, deadline_s=PATIENT_S, prefix=prefix)
    store.begin()
    with connect(redis_server.socket, timeout_s=PATIENT_S) as client:
        client.zadd(f"{prefix}customer:1", {"no event": NOW_S})
        client.set(f"{prefix}terminal:5", "no set")
    assert_only_at_hand(OnlineFeatures(store).of(PAYMENT), "down")
    assert_only_at_hand(OnlineFeatures(store).of(replace(PAYMENT, customer=3, terminal=5)), "down")


def test_sqlite_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "features.db"
    first = SqliteStore(path, deadline_s=PATIENT_S)
    first.begin()
    first.observe(Payment(6, NOW_S - 60, 1, 2, 1.0))
    first.close()
    served = OnlineFeatures(SqliteStore(path, deadline_s=PATIENT_S)).of(PAYMENT)
    assert dict(zip(FEATURES, served.values, strict=True))["customer_count_1h"] == 2


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_a_store_that_covers_a_day_gives_what_fits_in_a_day(
    kind: str, redis_server: RedisServer
) -> None:
    store = new_store(kind, redis_server)
    store.begin(covers_from_s=NOW_S - 1.5 * DAY_S)
    served = OnlineFeatures(store).of(PAYMENT)
    assert served.why == "cold"
    there = set(FROM_HISTORY) - set(served.missing)
    assert there == {
        "customer_count_1h", "customer_mean_1h", "customer_count_24h", "customer_mean_24h",
        "terminal_count_1h", "terminal_count_24h",
    }  # fmt: skip
    values = dict(zip(FEATURES, served.values, strict=True))
    assert all(np.isnan(values[name]) == (name in served.missing) for name in FEATURES)


def test_the_age_is_told() -> None:
    online = OnlineFeatures(MemoryStore(), stale_after_s=60)
    first = online.of(Payment(1, NOW_S, 1, 2, 1.0))
    assert (first.age_s, first.stale) == (None, True)
    soon = online.of(Payment(2, NOW_S + 60, 3, 4, 1.0))
    assert (soon.age_s, soon.stale) == (60, False)
    later = online.of(Payment(3, NOW_S + 121, 3, 4, 1.0))
    assert (later.age_s, later.stale, later.missing) == (61, True, ())


def test_a_payment_that_comes_days_late_is_told_so() -> None:
    online = OnlineFeatures(MemoryStore())
    online.of(Payment(1, NOW_S + LATE_S + 1, 1, 2, 1.0))
    assert_only_at_hand(online.of(PAYMENT), "late")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": -0.01}, "amount is -0.01"),
        ({"amount": float("nan")}, "amount is nan"),
        ({"amount": 1e300}, "amount is 1e"),
        ({"time_s": float("inf")}, "time_s is inf"),
        ({"time_s": -1.0}, "time_s is -1"),
        ({"customer": -1}, "customer is -1"),
        ({"terminal": 2**63}, "terminal is"),
    ],
)
def test_what_is_no_payment(change: dict[str, float], message: str) -> None:
    given = {"transaction_id": 7, "time_s": NOW_S, "customer": 1, "terminal": 2, "amount": 1.0}
    with pytest.raises(LabError, match=message):
        Payment(**(given | change))  # type: ignore[arg-type]
