from pathlib import Path

import pytest

from lab_utils.features.awaited import InThreads, OverALine
from lab_utils.features.payment import Payment
from lab_utils.features.redis_store import RedisStore, connect
from lab_utils.features.round_trips import (
    Bytes,
    processor_seconds,
    seconds,
    server_seconds,
    store_values,
    ways_to_read,
)
from tests.features.conftest import PATIENT_S

VALUES = {f"feature_{number}": number / 3 for number in range(15)}


def test_all_ways_read_the_same(socket: Path) -> None:
    client = connect(socket, timeout_s=PATIENT_S)
    store_values(client, VALUES)
    ways = ways_to_read(client, list(VALUES))
    assert len(ways) == 4
    for way in ways.values():
        assert way() == list(VALUES.values())


def test_the_server_accounts_for_less_than_the_client_waits(socket: Path) -> None:
    client = connect(socket, timeout_s=PATIENT_S)
    store_values(client, VALUES)
    each = ways_to_read(client, list(VALUES))["one GET each"]
    inside = server_seconds(client, each, calls=50)
    assert 0 < inside < seconds(each, calls=50).mean()


def test_bytes_are_a_whole_answer_each_time(socket: Path) -> None:
    client = connect(socket, timeout_s=PATIENT_S)
    client.set("long", "x" * 300_000)
    trip = Bytes(socket, [["GET", "long"], ["PING"]])
    assert trip.expected == 300_000 + len("$300000\r\n\r\n+PONG\r\n")
    for _ in range(3):
        trip()
    trip.close()
    with pytest.raises(OSError, match=r"closed|descriptor"):
        trip()


def test_of_many_at_once_each_is_asked_about(socket: Path) -> None:
    some = [Payment(number, 1e6, number % 3, number % 2, 1.0) for number in range(40)]
    for number in range(2):
        store = RedisStore(socket, deadline_s=PATIENT_S, prefix=f"counted {number}:")
        features = OverALine(store, socket) if number else InThreads(store, threads=3)
        took_s = processor_seconds(features, some, at_once=4)
        assert 0 < took_s < 1
        assert store.transactions() == set(range(40))
