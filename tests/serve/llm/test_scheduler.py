"""What the scheduler orders between two steps, with a step that the test makes itself."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lab_utils.serve.llm.messages import Orders, Report
from lab_utils.serve.llm.metrics import Metrics
from lab_utils.serve.llm.request import Asked, Refused
from lab_utils.serve.llm.scheduler import News, Scheduler, Ticket

Answer = Callable[[Orders], Report]


def report(*news: tuple[int, list[int], str], more: bool = False) -> Report:
    return Report(0.0, 0.0, len(news), 0.0, list(news), more)


def stepped(
    answer: Answer, batch_most: int, test: Callable[[Scheduler], Awaitable[None]]
) -> list[Orders]:
    """Run the test beside a scheduler; gives all that was ordered."""
    ordered: list[Orders] = []

    async def step(orders: Orders) -> Report:
        ordered.append(orders)
        await asyncio.sleep(0)
        return answer(orders)

    async def run() -> None:
        scheduler = Scheduler(step, Metrics(), batch_most=batch_most, queue_most=8)
        loop = asyncio.create_task(scheduler.run())
        await asyncio.wait_for(test(scheduler), 20)
        loop.cancel()

    asyncio.run(run())
    return ordered


def test_the_place_of_one_who_left_is_given_away_a_step_later() -> None:
    """The engine frees it in that step; a newcomer who finds none would be taken for too large."""
    first, second = Ticket(Asked([1], 5, stream=True)), Ticket(Asked([2], 1))

    def answer(orders: Orders) -> Report:
        if [number for number, _, _ in orders.begin] == [2]:
            return report((2, [9], "FINISHED"))
        return report((1, [7], "RUNNING"), more=True) if not orders.cancel else report()

    async def test(scheduler: Scheduler) -> None:
        scheduler.submit(first)
        scheduler.submit(second)
        assert await first.inbox.get() == News([7], last=False)
        scheduler.leave(first)
        assert await second.inbox.get() == News([9], last=True)

    ordered = stepped(answer, 1, test)
    (leaving,) = (place for place, orders in enumerate(ordered) if orders.cancel)
    assert ordered[leaving] == Orders(begin=[], cancel=[1])
    assert ordered[leaving + 1] == Orders(begin=[(2, [2], 1)], cancel=[])


def test_one_who_leaves_in_the_step_that_ends_the_answer_is_not_cancelled_again() -> None:
    ticket, other = Ticket(Asked([1], 1)), Ticket(Asked([1], 1))

    async def test(scheduler: Scheduler) -> None:
        scheduler.submit(ticket)
        await asyncio.sleep(0)  # the step is under way
        scheduler.leave(ticket)
        scheduler.submit(other)
        await other.inbox.get()

    ordered = stepped(
        lambda orders: report(*((n, [3], "FINISHED") for n, _, _ in orders.begin)), 1, test
    )
    assert [number for orders in ordered for number, _, _ in orders.begin] == [1, 2]
    assert not any(orders.cancel for orders in ordered)


def test_what_finds_no_room_in_the_cache_is_refused() -> None:
    ticket = Ticket(Asked([1, 2], 3))

    async def test(scheduler: Scheduler) -> None:
        scheduler.submit(ticket)
        refusal = await ticket.inbox.get()
        assert isinstance(refusal, Refused)
        assert (refusal.status, refusal.reason) == (503, "cache full")
        assert "no room for 2 + 3 tokens" in str(refusal)

    stepped(lambda orders: report((1, [], "IGNORED")), 1, test)


def test_a_step_that_fails_is_said_to_all_who_wait_and_all_who_come() -> None:
    tickets = [Ticket(Asked([1], 5)) for _ in range(2)]

    def answer(orders: Orders) -> Report:
        raise RuntimeError("no memory")

    async def test(scheduler: Scheduler) -> None:
        for ticket in tickets:
            scheduler.submit(ticket)
        for ticket in tickets:  # one in the engine, one before it
            refusal = await ticket.inbox.get()
            assert isinstance(refusal, Refused)
            assert refusal.status == 500
        with pytest.raises(Refused, match="The engine has failed"):
            scheduler.submit(Ticket(Asked([1], 5)))

    stepped(answer, 1, test)
