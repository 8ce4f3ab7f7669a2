import asyncio
from collections.abc import Iterator

import pytest

from lab_utils.errors import LabError
from lab_utils.resilience.attempts import TooSlow, within
from lab_utils.resilience.practice import PracticeServers, Refused, asking


@pytest.fixture(scope="module")
def servers() -> Iterator[PracticeServers]:
    with PracticeServers(count=3, slots=1) as started:
        yield started


def test_one_place_serves_one_after_the_other(servers: PracticeServers) -> None:
    async def main() -> list[str]:
        order: list[str] = []

        async def client(name: str, seconds: float) -> None:
            await asking(servers.url(0))(seconds)
            order.append(name)

        first = asyncio.ensure_future(client("long", 0.2))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, client("short", 0.0))
        return order

    before = servers.received(0)
    assert asyncio.run(main()) == ["long", "short"]
    assert servers.received(0) - before == 2


def test_faults_come_and_go(servers: PracticeServers) -> None:
    async def ask(limit_s: float = 20) -> None:
        ask = asking(servers.url(1))
        await within(lambda: ask(0.0), limit_s)

    servers.fault(1, failing=1)
    with pytest.raises(Refused, match="status 500"):
        asyncio.run(ask())
    servers.fault(1, silent=True)
    with pytest.raises(TooSlow):
        asyncio.run(ask(0.1))
    servers.fault(1)
    asyncio.run(ask())


def test_one_that_is_stopped_refuses_the_connection() -> None:
    with PracticeServers() as gone:
        ask = asking(gone.url())
        gone.stop()
        with pytest.raises(ConnectionError):
            asyncio.run(ask_once(ask))


async def ask_once(ask: object) -> None:
    assert callable(ask)
    await ask(0.0)


def test_there_is_no_fourth_of_three(servers: PracticeServers) -> None:
    with pytest.raises(LabError, match="Server 3 was asked for; expected 0 to 2"):
        servers.url(3)
