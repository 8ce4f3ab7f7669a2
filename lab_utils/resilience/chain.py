"""The fallback chain: the best tier that answers in time, and always an answer.

    chain = Chain(
        [Tier("gpu", ask_gpu, budget_s=0.020, breaker=breaker("gpu", calls=20, open_s=1)),
         Tier("cpu", ask_cpu, budget_s=0.020, bulkhead=Bulkhead(64))],
        last=rules, deadline_s=0.050,
    )
    answer = await chain.answer(transaction)
    answer.value, answer.tier, answer.degraded, answer.reason

A tier is any async callable; it may fail, hang, or swallow its cancellation. The last one is a
plain function in this process that needs nothing from outside. It is called when no time is left
for another, so it must be quick, and it must not fail: what it raises is a fault of the program and
is raised from `answer` as it is, never made into an answer.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lab_utils.calculation import positive
from lab_utils.errors import LabError
from lab_utils.resilience.attempts import Ask, TooSlow, hedged, retried, within
from lab_utils.resilience.breaker import CircuitBreaker, CircuitOpenError
from lab_utils.resilience.budget import Budget
from lab_utils.resilience.bulkhead import Bulkhead
from lab_utils.resilience.deadline import Deadline
from lab_utils.resilience.hedging import RecentPercentile

Q = TypeVar("Q")
T = TypeVar("T")
RESERVE_S = 0.005
"""Kept for the last tier: what it takes, and what the event loop is late."""
LEAST_S = 0.001
"""With less left a tier is not asked: it would work for nobody."""


class _Uncounted(BaseException):
    """No answer, and nothing that the tier can be blamed for.

    Not an Exception, as a cancellation is none: so no breaker counts it and nobody asks again.
    """


@dataclass(frozen=True)
class Hedge(Generic[Q, T]):
    """Ask again, elsewhere, where no answer has come `after_s` seconds after the first.

    after_s: fixed, or the percentile of the tier's own latencies as it is now. budget: at most its
    share of requests is sent twice. another: who is asked the second time; the tier itself, by
    default (behind it may be more than one server).
    """

    after_s: RecentPercentile | float
    budget: Budget
    another: Callable[[Q], Awaitable[T]] | None = None

    @property
    def now_s(self) -> float:
        """Seconds after which the second one is sent."""
        return self.after_s if isinstance(self.after_s, float | int) else self.after_s()

    def took(self, seconds: float, *, answered: bool) -> None:
        """Keep what a call took. One that was cancelled counts where it was late already."""
        if isinstance(self.after_s, RecentPercentile) and (answered or seconds >= self.after_s()):
            self.after_s.add(seconds)


@dataclass(frozen=True)
class Retries:
    """Ask again after a failure, at once or after a drawn pause, as long as the budget lasts."""

    attempts: int
    budget: Budget
    pause_s: float = 0.002


@dataclass(frozen=True)
class Tier(Generic[Q, T]):
    """One way to an answer.

    ask: gives it, or raises. budget_s: how long it may take, attempts and hedges together.
    accept: says no to an answer of no use (a score that is not a number), which is then a failure.
    bulkhead: how many of its calls may be inside, given up or not. in_place: whether it computes in
    the event loop now and waits for nothing. Then no limit could end it, so it is asked without the
    task and the timer that a limit needs (three turns of the loop), once, and without a hedge.
    """

    name: str
    ask: Callable[[Q], Awaitable[T]]
    budget_s: float
    breaker: CircuitBreaker | None = None
    bulkhead: Bulkhead | None = None
    hedge: Hedge[Q, T] | None = None
    retries: Retries | None = None
    accept: Callable[[T], bool] = field(default=lambda answer: True)
    in_place: Callable[[], bool] = field(default=lambda: False)

    async def answer(self, request: Q, limit_s: float) -> T:
        """Its answer within `limit_s`; raises what was in the way of one."""
        with self.breaker or nullcontext():
            if self.in_place():
                return await self._once(self.ask, request)
            try:
                return await within(self._asking(request), limit_s)
            except TooSlow as slow:
                if limit_s < self.budget_s:  # an impatient caller opens no breaker
                    raise _Uncounted(str(slow)) from None
                raise

    def _asking(self, request: Q) -> Ask[T]:
        def once() -> Awaitable[T]:
            return self._once(self.ask, request)

        asking: Ask[T] = once
        if (hedge := self.hedge) is not None:
            another = hedge.another or self.ask

            def twice() -> Awaitable[T]:
                return hedged(
                    once,
                    lambda: self._once(another, request),
                    after_s=hedge.now_s,
                    budget=hedge.budget,
                )

            asking = twice
        if (retries := self.retries) is None:
            return asking
        return lambda: retried(
            asking,
            attempts=retries.attempts,
            budget=retries.budget,
            pause_s=retries.pause_s,
        )

    async def _once(self, ask: Callable[[Q], Awaitable[T]], request: Q) -> T:
        """One call; its place in the bulkhead is held until it has really ended."""
        if self.bulkhead is not None and not self.bulkhead.enter():
            raise _Uncounted("full")
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        try:
            answer = await ask(request)
        except asyncio.CancelledError:
            if self.hedge is not None:
                self.hedge.took(clock() - begun_s, answered=False)
            raise
        finally:
            if self.bulkhead is not None:
                self.bulkhead.leave()
        if self.hedge is not None:
            self.hedge.took(clock() - begun_s, answered=True)
        if not self.accept(answer):
            raise ValueError("an answer of no use")
        return answer


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a request gets: exactly one of these.

    value: the answer. tier: who gave it. degraded: whether that was not the first tier. reasons:
    why each tier before it did not, in order, as (tier, in a few words). latency_s: from the call
    of `answer` to here.
    """

    value: T
    tier: str
    degraded: bool
    reasons: tuple[tuple[str, str], ...]
    latency_s: float

    @property
    def reason(self) -> str:
        """The reasons in one line; empty where nothing was in the way."""
        return "; ".join(f"{tier}: {cause}" for tier, cause in self.reasons)


class Chain(Generic[Q, T]):
    """Tiers in order, the best first, and a last one that always answers.

    last: a plain function. deadline_s: for a request that brings none. most_inside: with so many
    requests inside, the next one is answered by `last` at once (load shedding: a queue here would
    only make all of them late). reserve_s: kept for `last`.

    Raises LabError where the budgets do not fit before the deadline: then a slow first tier would
    take the second one's time, and the fallback would be there in name only.
    """

    def __init__(
        self,
        tiers: Sequence[Tier[Q, T]],
        *,
        last: Callable[[Q], T],
        last_name: str = "rules",
        deadline_s: float,
        reserve_s: float = RESERVE_S,
        most_inside: int | None = None,
    ) -> None:
        positive(deadline_s=deadline_s, **{f"budget_s of {t.name}": t.budget_s for t in tiers})
        if inspect.iscoroutinefunction(last):
            raise LabError(
                f"The last tier, {last_name}, is a coroutine; expected a plain function: what is "
                "awaited may not come."
            )
        needed_s = sum(tier.budget_s for tier in tiers) + reserve_s
        if needed_s > deadline_s + 1e-9:
            raise LabError(
                f"The tiers' budgets and the reserve need {1e3 * needed_s:g} ms, more than the "
                f"deadline of {1e3 * deadline_s:g} ms; give each tier less, or ask fewer."
            )
        self.tiers = tuple(tiers)
        self.last = last
        self.last_name = last_name
        self.deadline_s = deadline_s
        self.reserve_s = reserve_s
        self.doorway = Bulkhead(most_inside) if most_inside is not None else None

    async def answer(self, request: Q, deadline: Deadline | None = None) -> Answer[T]:
        """The answer, by the deadline (default: `deadline_s` from now).

        Late by what `last` takes beyond the reserve, and by what the event loop is blocked. Where
        the caller cancels, the tiers are cancelled and CancelledError is raised.
        """
        begun_s = asyncio.get_running_loop().time()
        deadline = deadline or Deadline(begun_s + self.deadline_s)
        if self.doorway is None:
            return await self._answer(request, deadline, begun_s)
        if not self.doorway.enter():
            reasons = [(tier.name, "shed: too many inside") for tier in self.tiers[:1]]
            return self._last(request, reasons, begun_s)
        try:
            return await self._answer(request, deadline, begun_s)
        finally:
            self.doorway.leave()

    async def _answer(self, request: Q, deadline: Deadline, begun_s: float) -> Answer[T]:
        reasons: list[tuple[str, str]] = []
        for tier in self.tiers:
            limit_s = min(tier.budget_s, deadline.left_s - self.reserve_s)
            if limit_s < LEAST_S:
                reasons.append((tier.name, "no time left"))
                continue
            try:
                value = await tier.answer(request, limit_s)
            except CircuitOpenError:
                reasons.append((tier.name, "breaker open"))
            except (TooSlow, _Uncounted) as said:
                reasons.append((tier.name, str(said)))
            except Exception as error:
                reasons.append((tier.name, f"failed: {type(error).__name__}"))
            else:
                return self._made(value, tier.name, reasons, begun_s)
        return self._last(request, reasons, begun_s)

    def _last(self, request: Q, reasons: list[tuple[str, str]], begun_s: float) -> Answer[T]:
        return self._made(self.last(request), self.last_name, reasons, begun_s)

    def _made(
        self, value: T, tier: str, reasons: list[tuple[str, str]], begun_s: float
    ) -> Answer[T]:
        latency_s = asyncio.get_running_loop().time() - begun_s
        return Answer(value, tier, bool(reasons), tuple(reasons), latency_s)
