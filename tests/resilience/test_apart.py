import asyncio
import threading
import time

import pytest

from lab_utils.resilience.apart import OwnLoop, Threads
from lab_utils.resilience.bulkhead import Bulkhead
from lab_utils.resilience.chain import Chain, Tier

FOR_EVER_S = 20.0
"""A test that waits for what it must not wait for takes as long, and says so by an order."""


def test_a_thread_that_never_returns_does_not_hold_the_answer() -> None:
    release, ended = threading.Event(), []

    def blocks(request: int) -> float:
        release.wait(FOR_EVER_S)
        ended.append(request)
        return 1.0

    places = Bulkhead(1)

    async def main(tier: Threads[int, float]) -> None:
        chain = Chain([Tier("gpu", tier, 0.02, bulkhead=places)], last=float, deadline_s=0.05)
        answer = await chain.answer(0)
        assert (answer.tier, ended) == ("rules", [])
        assert places.inside == 1  # it is still at work
        assert (await chain.answer(1)).reason == "gpu: full"
        release.set()
        while places.inside:
            await asyncio.sleep(0.001)
        assert ended == [0]

    with Threads(blocks, threads=1) as tier:
        asyncio.run(main(tier))


def test_work_that_no_thread_has_begun_is_taken_back() -> None:
    release, begun = threading.Event(), []

    def blocks(request: int) -> int:
        begun.append(request)
        release.wait(FOR_EVER_S)
        return request

    async def main(tier: Threads[int, int]) -> None:
        first = asyncio.ensure_future(tier(1))
        while not begun:
            await asyncio.sleep(0.001)
        second = asyncio.ensure_future(tier(2))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        release.set()
        assert await first == 1

    with Threads(blocks, threads=1) as tier:
        asyncio.run(main(tier))
    assert begun == [1]


def test_a_coroutine_that_blocks_its_loop_blocks_no_other() -> None:
    release = threading.Event()

    async def blocks(request: int) -> float:
        release.wait(FOR_EVER_S)
        return 1.0

    async def main(tier: OwnLoop[int, float]) -> None:
        chain = Chain([Tier("gpu", tier, 0.02)], last=float, deadline_s=0.05)
        answers = await asyncio.gather(*(chain.answer(n) for n in range(3)))
        assert [answer.tier for answer in answers] == ["rules"] * 3
        assert not release.is_set()
        release.set()
        assert (await chain.answer(3)).tier in ("gpu", "rules")

    with OwnLoop(blocks) as tier:
        asyncio.run(main(tier))


def test_the_same_coroutine_without_a_loop_of_its_own_holds_everybody() -> None:
    """What cannot be promised: no deadline holds where the loop itself stands still."""
    order = []

    async def blocks(request: int) -> float:
        time.sleep(0.1)
        order.append("the tier is done")
        return 1.0

    async def main() -> None:
        chain = Chain([Tier("gpu", blocks, 0.02)], last=float, deadline_s=0.05)
        await chain.answer(0)
        order.append("an answer")

    asyncio.run(main())
    assert order == ["the tier is done", "an answer"]


def test_what_a_tier_raises_comes_back() -> None:
    async def fails(request: int) -> float:
        raise KeyError

    async def main() -> None:
        with OwnLoop(fails) as own, Threads({}.__getitem__, threads=1) as threads:
            with pytest.raises(KeyError):
                await own(1)
            with pytest.raises(KeyError):
                await threads(1)

    asyncio.run(main())
