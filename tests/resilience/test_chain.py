import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_utils.errors import LabError
from lab_utils.measure.virtual_clock import run_virtually
from lab_utils.resilience.breaker import breaker
from lab_utils.resilience.budget import Budget
from lab_utils.resilience.bulkhead import Bulkhead
from lab_utils.resilience.chain import Answer, Chain, Hedge, Retries, Tier
from lab_utils.resilience.deadline import Deadline
from lab_utils.resilience.hedging import RecentPercentile

DEADLINE_S = 0.05
Behaviour = tuple[str, float]
Ask = Callable[[int], Awaitable[float]]


async def behave(kind: str, seconds: float) -> float:
    """One call of a tier that does what its kind says after so many seconds."""
    if kind == "swallows":
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return 0.5
    if kind == "hangs":
        await asyncio.Event().wait()
    await asyncio.sleep(seconds)
    if kind == "fails":
        raise OSError("no")
    if kind == "cancels itself":
        raise asyncio.CancelledError
    return math.nan if kind == "nonsense" else 0.5


def tier_of(behaviours: Sequence[Behaviour]) -> Ask:
    """Its calls behave like these in turn."""
    calls = iter(range(10**9))

    async def ask(request: int) -> float:
        return await behave(*behaviours[next(calls) % len(behaviours)])

    return ask


def rules(request: int) -> float:
    return 0.0


def run(
    chain: Chain[int, float], requests: int = 1, gap_s: float = 0.0, deadline_s: float | None = None
) -> list[Answer[float]]:
    async def main() -> list[Answer[float]]:
        asked = []
        for number in range(requests):
            deadline = None if deadline_s is None else Deadline.after(deadline_s)
            asked.append(asyncio.ensure_future(chain.answer(number, deadline)))
            await asyncio.sleep(gap_s)
        return list(await asyncio.gather(*asked))

    return run_virtually(main())


def chain_of(*tiers: Tier[int, float], **options: Any) -> Chain[int, float]:
    return Chain(tiers, last=rules, deadline_s=DEADLINE_S, **options)


def gpu(*behaviours: Behaviour, **options: Any) -> Tier[int, float]:
    return Tier("gpu", tier_of(behaviours), 0.02, accept=math.isfinite, **options)


def cpu(*behaviours: Behaviour, **options: Any) -> Tier[int, float]:
    return Tier("cpu", tier_of(behaviours), 0.02, accept=math.isfinite, **options)


KINDS = ("answers", "fails", "hangs", "swallows", "cancels itself", "nonsense")
behaviours = st.lists(st.tuples(st.sampled_from(KINDS), st.floats(0, 0.1)), min_size=1, max_size=6)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(first=behaviours, second=behaviours, gap_s=st.floats(0, 0.03), places=st.integers(1, 5))
def test_every_request_gets_exactly_one_answer_in_time(
    first: list[Behaviour], second: list[Behaviour], gap_s: float, places: int
) -> None:
    hedges, retries = Budget(0.05, most=2), Budget(0.1, most=3)
    inside = Bulkhead(places)
    chain = chain_of(
        gpu(
            *first,
            breaker=breaker("gpu", calls=4, open_s=0.2),
            bulkhead=inside,
            hedge=Hedge(RecentPercentile(95, start_s=0.01), hedges),
            retries=Retries(3, retries),
        ),
        cpu(*second, bulkhead=Bulkhead(places)),
        most_inside=20,
    )
    answers = run(chain, requests=40, gap_s=gap_s)
    assert len(answers) == 40
    for answer in answers:
        assert answer.latency_s <= DEADLINE_S + 1e-9
        assert math.isfinite(answer.value)
        assert answer.degraded == (answer.tier != "gpu") == bool(answer.reason)
        assert inside.inside <= places
    assert hedges.taken <= 2 + 0.05 * hedges.earned
    assert retries.taken <= 3 + 0.1 * retries.earned


def test_a_tier_in_place_is_asked_in_the_task_of_its_caller() -> None:
    asked_in: list[asyncio.Task[Any] | None] = []

    async def computes(request: float) -> float:
        asked_in.append(asyncio.current_task())
        return request

    async def main(in_place: bool) -> bool:
        tier = Tier("cpu", computes, 0.02, in_place=lambda: in_place)
        answer = await chain_of(tier).answer(7.0)
        assert (answer.value, answer.tier, answer.degraded) == (7.0, "cpu", False)
        return asked_in.pop() is asyncio.current_task()

    assert asyncio.run(main(True))
    assert not asyncio.run(main(False))


@pytest.mark.parametrize("kind", ["fails", "nonsense"])
def test_a_tier_in_place_that_gives_no_answer_is_passed_over(kind: str) -> None:
    tier = gpu((kind, 0), in_place=lambda: True, breaker=breaker("gpu", calls=2, open_s=9))
    answers = run(chain_of(tier, cpu(("answers", 0))), requests=3)
    assert [answer.tier for answer in answers] == ["cpu"] * 3
    assert answers[-1].reason == "gpu: breaker open"


@pytest.mark.parametrize(
    ("behaviour", "reason", "latency_s"),
    [
        (("answers", 0.005), "", 0.005),
        (("fails", 0.005), "gpu: failed: OSError", 0.015),
        (("hangs", 0), "gpu: no answer in 20 ms", 0.03),
        (("answers", 0.5), "gpu: no answer in 20 ms", 0.03),
        (("swallows", 0), "gpu: no answer in 20 ms", 0.03),
        (("cancels itself", 0.005), "gpu: failed: Abandoned", 0.015),
        (("nonsense", 0.005), "gpu: failed: ValueError", 0.015),
    ],
)
def test_an_answer_says_who_gave_it_and_why(
    behaviour: Behaviour, reason: str, latency_s: float
) -> None:
    (answer,) = run(chain_of(gpu(behaviour), cpu(("answers", 0.01))))
    assert answer.tier == ("cpu" if reason else "gpu")
    assert answer.reason == reason
    assert answer.latency_s == pytest.approx(latency_s)


def test_the_last_tier_answers_where_all_others_do_not() -> None:
    (answer,) = run(chain_of(gpu(("hangs", 0)), cpu(("fails", 0))))
    assert (answer.tier, answer.value, answer.degraded) == ("rules", 0.0, True)
    assert answer.reasons == (("gpu", "no answer in 20 ms"), ("cpu", "failed: OSError"))


def test_a_deadline_handed_on_is_kept() -> None:
    (answer,) = run(chain_of(gpu(("hangs", 0)), cpu(("answers", 0.01))), deadline_s=0.02)
    assert answer.reasons == (("gpu", "no answer in 15 ms"), ("cpu", "no time left"))
    assert answer.latency_s == pytest.approx(0.015)


def test_a_breaker_saves_the_time_of_a_tier_that_does_not_answer() -> None:
    tier = gpu(("hangs", 0), breaker=breaker("gpu", calls=4, open_s=1))
    answers = run(chain_of(tier, cpu(("answers", 0.01))), requests=20, gap_s=0.05)
    assert {answer.reason for answer in answers[:4]} == {"gpu: no answer in 20 ms"}
    assert {answer.reason for answer in answers[4:]} == {"gpu: breaker open"}
    assert answers[-1].latency_s == pytest.approx(0.01)


def test_an_impatient_caller_opens_no_breaker() -> None:
    tier = gpu(("answers", 0.01), breaker=breaker("gpu", calls=4, open_s=1))
    chain = chain_of(tier, cpu(("answers", 0.01)))
    hurried = run(chain, requests=20, gap_s=0.05, deadline_s=0.01)
    assert {answer.reasons[0] for answer in hurried} == {("gpu", "no answer in 5 ms")}
    assert run(chain)[0].tier == "gpu"


def test_what_was_given_up_keeps_its_place_until_it_ends() -> None:
    places = Bulkhead(2)
    chain = chain_of(gpu(("swallows", 0), bulkhead=places), cpu(("answers", 0.001)))
    answers = run(chain, requests=5, gap_s=0.03)
    assert [answer.reason for answer in answers[:2]] == ["gpu: no answer in 20 ms"] * 2
    assert {answer.reason for answer in answers[2:]} == {"gpu: full"}
    assert places.refused == 3


def test_full_is_not_the_tiers_failure() -> None:
    tier = gpu(("answers", 0.015), bulkhead=Bulkhead(1), breaker=breaker("gpu", calls=2, open_s=9))
    answers = run(chain_of(tier, cpu(("answers", 0.001))), requests=10, gap_s=0.001)
    assert [answer.reason for answer in answers[1:]] == ["gpu: full"] * 9
    assert tier.breaker is not None
    assert tier.breaker.snapshot().failed_calls == 0


def test_too_many_inside_are_answered_at_once_by_the_last() -> None:
    chain = chain_of(gpu(("answers", 0.01)), most_inside=3)
    answers = run(chain, requests=5)
    assert [answer.tier for answer in answers] == ["gpu"] * 3 + ["rules"] * 2
    assert answers[-1].latency_s == 0
    assert answers[-1].reason == "gpu: shed: too many inside"


def test_a_hedge_is_sent_to_another_after_the_percentile() -> None:
    other = tier_of([("answers", 0.002)])
    hedge = Hedge(0.005, Budget(0.05, most=2), other)
    answers = run(chain_of(gpu(("hangs", 0), hedge=hedge)), requests=4, gap_s=0.1)
    assert [answer.tier for answer in answers] == ["gpu", "gpu", "rules", "rules"]
    assert answers[0].latency_s == pytest.approx(0.007)


@pytest.mark.parametrize(
    ("behaviour", "deadline_s", "moment_s"),
    [
        (("answers", 0.002), None, 0.002),
        (("hangs", 0), None, 0.02),  # cut off when its budget was spent: late, whatever it was
        (("hangs", 0), 0.008, 0.01),  # cut off by its caller before the moment: says nothing
    ],
)
def test_the_moment_of_a_hedge_follows_the_tiers_own_latencies(
    behaviour: Behaviour, deadline_s: float | None, moment_s: float
) -> None:
    hedge: Hedge[int, float] = Hedge(RecentPercentile(95, start_s=0.01), Budget(0, most=1))
    assert hedge.budget.take()  # none is left, so that each call is seen as it is
    run(chain_of(gpu(behaviour, hedge=hedge)), requests=40, gap_s=0.05, deadline_s=deadline_s)
    assert hedge.now_s == pytest.approx(moment_s)


def test_a_retry_is_made_within_the_tiers_budget() -> None:
    retries = Retries(3, Budget(0.1, most=5), pause_s=0.001)
    tier = gpu(("fails", 0.001), ("answers", 0.001), retries=retries)
    (answer,) = run(chain_of(tier))
    assert (answer.tier, answer.degraded) == ("gpu", False)
    assert answer.latency_s <= 0.003


def test_the_callers_cancellation_is_no_failure_and_no_answer() -> None:
    tier = gpu(("hangs", 0), breaker=breaker("gpu", calls=1, open_s=9), bulkhead=Bulkhead(1))
    chain = chain_of(tier, most_inside=1)

    async def main() -> None:
        asked = asyncio.ensure_future(chain.answer(0))
        await asyncio.sleep(0.001)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await asyncio.sleep(0.001)

    run_virtually(main())
    assert tier.breaker is not None
    assert tier.bulkhead is not None
    assert chain.doorway is not None
    assert tier.breaker.snapshot().total_calls == 0
    assert (tier.bulkhead.inside, chain.doorway.inside) == (0, 0)


def test_what_the_last_tier_raises_is_raised() -> None:
    def broken(request: int) -> float:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(Chain([gpu(("fails", 0))], last=broken, deadline_s=DEADLINE_S))


def test_budgets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(LabError, match="need 65 ms, more than the deadline of 50 ms"):
        chain_of(
            gpu(("answers", 0)), cpu(("answers", 0)), Tier("more", tier_of([("fails", 0)]), 0.02)
        )


def test_a_last_tier_that_must_be_awaited_is_refused() -> None:
    async def awaited(request: int) -> float:
        return 0.0

    with pytest.raises(LabError, match="is a coroutine; expected a plain function"):
        Chain([], last=awaited, deadline_s=1)  # type: ignore[arg-type]
