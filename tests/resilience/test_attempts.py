import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.errors import LabError
from lab_utils.measure.virtual_clock import run_virtually
from lab_utils.resilience.attempts import Abandoned, TooSlow, hedged, retried, within
from lab_utils.resilience.budget import Budget

Ask = Callable[[], Awaitable[str]]


def takes(seconds: float, answer: str = "yes", error: type[Exception] | None = None) -> Ask:
    async def ask() -> str:
        await asyncio.sleep(seconds)
        if error is not None:
            raise error
        return answer

    return ask


def timed(ask: Ask) -> tuple[str, float]:
    """What came of it (an answer, or the error's name), and when."""

    async def main() -> tuple[str, float]:
        clock = asyncio.get_running_loop().time
        try:
            return await ask(), clock()
        except Exception as error:
            return type(error).__name__, clock()

    return run_virtually(main())


def test_an_answer_in_time_is_the_answer() -> None:
    assert timed(lambda: within(takes(0.01), 0.02)) == ("yes", 0.01)


def test_the_limit_holds_for_one_that_hangs() -> None:
    assert timed(lambda: within(takes(1e9), 0.02)) == ("TooSlow", 0.02)


def test_the_limit_holds_for_one_that_swallows_its_cancellation() -> None:
    async def stubborn() -> str:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
        return "late"

    async def main() -> float:
        with pytest.raises(TooSlow, match="no answer in 20 ms"):
            await within(stubborn, 0.02)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 0.02


def test_one_that_cancels_itself_has_failed() -> None:
    async def quits() -> str:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(Abandoned):
            await within(quits, 1)

    run_virtually(main())


def test_who_asked_may_cancel_and_it_reaches_what_was_asked() -> None:
    reached = []

    async def ask() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            reached.append(asyncio.get_running_loop().time())
            raise
        return "yes"

    async def main() -> None:
        waiting = asyncio.ensure_future(within(ask, 50))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0)

    run_virtually(main())
    assert reached == [1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (takes(0.5, "first"), takes(9, "second"), ("first", 0.5)),
        (takes(9, "first"), takes(0.5, "second"), ("second", 1.5)),
        (takes(2, "first"), takes(9, "second"), ("first", 2)),
        (takes(9, "first"), takes(1, error=OSError), ("first", 9)),
        (takes(0.5, error=KeyError), takes(1, "second"), ("KeyError", 0.5)),
        (takes(3, error=KeyError), takes(1, error=OSError), ("OSError", 3)),
    ],
)
def test_a_hedge_takes_the_first_good_answer(
    first: Ask, second: Ask, expected: tuple[str, float]
) -> None:
    assert timed(lambda: hedged(first, second, after_s=1)) == expected


def test_without_budget_the_second_is_not_asked() -> None:
    budget = Budget(share=0, most=1)
    assert timed(lambda: hedged(takes(9), takes(1), after_s=1, budget=budget)) == ("yes", 2)
    assert timed(lambda: hedged(takes(9), takes(1), after_s=1, budget=budget)) == ("yes", 9)
    assert (budget.earned, budget.taken, budget.refused) == (2, 1, 1)


def failing(times: int) -> tuple[Ask, list[float]]:
    begun_s: list[float] = []

    async def ask() -> str:
        begun_s.append(asyncio.get_running_loop().time())
        if len(begun_s) <= times:
            raise OSError
        return "yes"

    return ask, begun_s


@pytest.mark.parametrize(
    ("times", "outcome", "asked"), [(0, "yes", 1), (2, "yes", 3), (3, "OSError", 3)]
)
def test_a_retry_asks_again_so_often_at_most(times: int, outcome: str, asked: int) -> None:
    ask, begun_s = failing(times)
    result, _ = timed(lambda: retried(ask, attempts=3, budget=None, pause_s=0.1))
    assert (result, len(begun_s)) == (outcome, asked)
    assert all(0 <= gap <= 0.1 * 2**n for n, gap in enumerate(b - a for a, b in pairwise(begun_s)))


def test_a_retry_without_budget_is_not_sent() -> None:
    ask, begun_s = failing(5)
    budget = Budget(share=0, most=1)
    assert timed(lambda: retried(ask, attempts=9, budget=budget, pause_s=0.1))[0] == "OSError"
    assert len(begun_s) == 2


@settings(derandomize=True, deadline=None)
@given(
    share=st.floats(0, 1),
    most=st.floats(1, 50),
    steps=st.lists(st.booleans(), max_size=300),
)
def test_a_budget_is_never_exceeded(share: float, most: float, steps: list[bool]) -> None:
    budget = Budget(share, most)
    for earns in steps:
        budget.earn() if earns else budget.take()
        assert budget.taken <= most + share * budget.earned + 1e-6
    assert budget.taken + budget.refused == steps.count(False)


def test_a_budget_says_what_it_cannot_be() -> None:
    with pytest.raises(LabError, match="share is 2; expected a part of all requests"):
        Budget(2)
    with pytest.raises(LabError, match="most is 0; expected at least 1"):
        Budget(0.1, most=0)
