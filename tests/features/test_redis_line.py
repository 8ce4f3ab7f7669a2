"""Over a line, Redis says the same, to many at once; and whatever becomes of it, they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from lab_utils.components.redis_server import RedisServer
from lab_utils.features.awaited import AwaitedFeatures, InThreads, OverALine
from lab_utils.features.memory_store import MemoryStore
from lab_utils.features.online import OnlineFeatures, Served
from lab_utils.features.payment import Payment, payments
from lab_utils.features.redis_line import Answers, RedisLine
from lab_utils.features.redis_store import RedisStore, connect
from lab_utils.features.store import StoreError
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.models.fraud.features import features as offline_features
from lab_utils.models.fraud.transactions import simulate_transactions
from tests.features.conftest import NUMBERS, PATIENT_S
from tests.features.test_online import NOW_S, PAYMENT, assert_only_at_hand

T = TypeVar("T")


def in_a_loop(features: AwaitedFeatures, ask: Callable[[AwaitedFeatures], Awaitable[T]]) -> T:
    async def main() -> T:
        async with asyncio.timeout(60):
            try:
                return await ask(features)
            finally:
                features.close()

    return asyncio.run(main())


def new(socket: Path) -> OverALine:
    """Of an empty store that covers all there ever was."""
    store = RedisStore(socket, deadline_s=PATIENT_S, prefix=f"line {next(NUMBERS)}:")
    store.begin()
    return OverALine(store, socket)


async def once(features: AwaitedFeatures) -> Served:
    return await features.begin(PAYMENT)


def test_in_order_they_are_the_offline_ones(socket: Path) -> None:
    transactions = simulate_transactions(customers=20, terminals=12, days=12, seed=3)
    some = list(payments(transactions))

    async def ask(features: AwaitedFeatures) -> list[Served]:
        return [await features.begin(payment) for payment in some]

    found = in_a_loop(new(socket), ask)
    assert {served.missing for served in found} == {()}
    values = np.array([served.values for served in found])
    np.testing.assert_array_equal(values, offline_features(transactions).to_numpy())


def test_asked_all_at_once_each_gets_its_own(socket: Path) -> None:
    """Redis works in the order of asking, so it is as if they had come one by one."""
    some = [replace(PAYMENT, transaction_id=n, customer=n % 7, terminal=n % 5) for n in range(300)]
    online = OnlineFeatures(MemoryStore())
    online.store.begin()

    async def ask(features: AwaitedFeatures) -> list[Served]:
        return await asyncio.gather(*map(features.begin, some))

    found = in_a_loop(new(socket), ask)
    expected = [online.of(payment).values for payment in some]
    np.testing.assert_array_equal([served.values for served in found], expected)


def test_of_any_store_in_threads(socket: Path) -> None:
    store = MemoryStore()
    store.begin()
    served = in_a_loop(InThreads(store, threads=2), once)
    np.testing.assert_array_equal(served.values, in_a_loop(new(socket), once).values)


def test_who_gives_up_takes_nobody_elses_answer(socket: Path) -> None:
    async def ask(features: AwaitedFeatures) -> list[Served]:
        given_up = features.begin(replace(PAYMENT, transaction_id=8))
        after = [features.begin(replace(PAYMENT, transaction_id=n)) for n in (9, 10)]
        given_up.cancel()
        return [await one for one in after]

    counts = [
        served.values[FEATURES.index("customer_count_1h")] for served in in_a_loop(new(socket), ask)
    ]
    assert counts == [2, 3]


def test_redis_that_is_gone() -> None:
    with RedisServer() as server:
        features = new(server.socket)

        async def ask(features: AwaitedFeatures) -> None:
            assert (await once(features)).missing == ()
            server.pause()
            waiting = [features.begin(PAYMENT) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(one.done() for one in waiting)
            for process in server.process.processes():
                process.kill()
            for one in waiting:
                assert_only_at_hand(await one, "down")
            assert_only_at_hand(await once(features), "down")
            assert_only_at_hand(await once(features), "down")

        in_a_loop(features, ask)


def test_redis_that_stands_still_and_goes_on(redis_server: RedisServer) -> None:
    async def ask(features: AwaitedFeatures) -> None:
        assert (await once(features)).missing == ()
        redis_server.pause()
        try:
            waiting = features.begin(PAYMENT)
            done, _ = await asyncio.wait({waiting}, timeout=0.1)
            assert not done
        finally:
            redis_server.go_on()
        again = await waiting
        assert again.missing == ()
        assert dict(zip(FEATURES, again.values, strict=True))["customer_count_7d"] == 1  # not 2

    in_a_loop(new(redis_server.socket), ask)


def test_a_connection_that_is_silent_is_given_up_and_another_one_made(
    redis_server: RedisServer,
) -> None:
    async def ping(line: RedisLine) -> Answers:
        said: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        line.ask([("PING",)], said.set_result)
        return await said

    async def main() -> None:
        line = RedisLine(redis_server.socket, silent_s=0.2)
        assert await ping(line) == [b"PONG"]
        await asyncio.sleep(0.3)  # nobody waits, so nobody is silent
        redis_server.pause()
        try:
            for _ in range(2):
                said = await ping(line)
                assert isinstance(said, StoreError)
                assert said.trouble == "slow"
                assert "silent for 0.2 s" in str(said)
        finally:
            redis_server.go_on()
        assert await ping(line) == [b"PONG"]
        line.close()
        line.close()

    asyncio.run(main())


def test_redis_that_was_restarted_without_its_data(socket: Path) -> None:
    store = RedisStore(socket, deadline_s=PATIENT_S, prefix=f"line {next(NUMBERS)}:")
    assert_only_at_hand(in_a_loop(OverALine(store, socket), once), "cold")


def test_redis_whose_memory_is_full() -> None:
    with RedisServer(memory_mb=3) as server:
        features = new(server.socket)
        with pytest.raises(StoreError, match="cannot be used"):
            features.store.add(Payment(n, NOW_S, n, n, 1.0) for n in range(100_000))
        assert_only_at_hand(in_a_loop(features, once), "down")


def test_what_somebody_else_has_written_into_redis_is_no_event(socket: Path) -> None:
    async def ask(features: AwaitedFeatures) -> None:
        assert_only_at_hand(await once(features), "down")
        assert_only_at_hand(await features.begin(replace(PAYMENT, customer=3, terminal=5)), "down")
        other = await features.begin(replace(PAYMENT, customer=4, terminal=6))
        assert other.missing == ()  # nobody else is in trouble

    features = new(socket)
    prefix = features.store._prefix
    with connect(socket, timeout_s=PATIENT_S) as client:
        client.zadd(f"{prefix}customer:1", {"no event": NOW_S})
        client.set(f"{prefix}terminal:5", "no set")
    in_a_loop(features, ask)


@pytest.mark.parametrize(
    "says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+one\r\n+more than was asked for\r\n"]
)
def test_who_does_not_speak_as_redis_does(tmp_path: Path, says: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        await reader.read()
        writer.close()

    async def main() -> list[Any]:
        path = tmp_path / "other.sock"
        said: list[Any] = []
        async with await asyncio.start_unix_server(other, path):
            line = RedisLine(path)
            line.ask([("PING",), ("PING",)] if says[:1] == b"H" else [("PING",)], said.append)
            await asyncio.sleep(0.2)
            line.ask([("PING",)], said.append)
            await asyncio.sleep(0.2)
            line.close()
        return said

    said = asyncio.run(main())
    assert len(said) == 2
    if says[:1] == b"H":
        assert all(isinstance(one, StoreError) and one.trouble == "down" for one in said)
        assert "does not speak as Redis does" in str(said[0])
