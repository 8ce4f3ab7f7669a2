"""Who waits, who goes next, who is let go: all that happens between two steps of the engine.

    scheduler = Scheduler(engine.step, Metrics(), batch_most=16, queue_most=64)
    running = asyncio.create_task(scheduler.run())
    scheduler.submit(ticket := Ticket(asked))      # then await ticket.inbox.get()
    scheduler.leave(ticket)                        # the client has gone

*Continuous* batching fills each place as it becomes free, the urgent first. *Static* batching is
what one call of a library's `generate` does: those who wait are taken as a batch, all of it is
computed until the longest answer is done, and then all have theirs.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from lab_utils.serve.llm.messages import Batching, Orders, Report
from lab_utils.serve.llm.metrics import Metrics
from lab_utils.serve.llm.request import Asked, Refused

STEPS_KEPT = 64
"""Recent steps, whose fastest says what a deadline must allow."""


@dataclass(frozen=True)
class News:
    """The tokens of one step, one as a rule; `last` ends the answer."""

    tokens: list[int]
    last: bool


@dataclass(eq=False)
class Ticket:
    """A request on its way. inbox: what becomes of it, in one piece unless it is a stream.

    Times are of `time.monotonic`. begun_s: NaN before its turn. token_s: when each token was ready
    to be sent. written_s: when the last of them was computed, which in a static batch is earlier.
    held: tokens that are not in the inbox yet.
    """

    asked: Asked
    arrived_s: float = field(default_factory=time.monotonic)
    begun_s: float = math.nan
    token_s: list[float] = field(default_factory=list)
    written_s: float = math.nan
    held: list[int] = field(default_factory=list)
    inbox: asyncio.Queue[News | Refused] = field(default_factory=asyncio.Queue)

    @property
    def deadline_s(self) -> float | None:
        """When its answer has become worthless."""
        return None if self.asked.deadline_s is None else self.arrived_s + self.asked.deadline_s


class Scheduler:
    """A bounded queue of two priorities before an engine, and the loop that steps it.

    step: one step of the engine. batch_most: requests in the engine at once. queue_most: requests
    that wait beyond those that the next step takes. step_s: durations of steps seen so far.
    """

    def __init__(
        self,
        step: Callable[[Orders], Awaitable[Report]],
        metrics: Metrics,
        *,
        batch_most: int,
        queue_most: int,
        batching: Batching = "continuous",
        step_s: Iterable[float] = (),
    ) -> None:
        self._step, self._metrics = step, metrics
        self._batch_most, self._queue_most = batch_most, queue_most
        self._static = batching == "static"
        self._waiting: dict[int, deque[Ticket]] = {1: deque(), 0: deque()}  # the urgent first
        self._running: dict[int, Ticket] = {}
        self._cancel: list[int] = []
        self._number = 0
        self._work = asyncio.Event()
        self._ended: Refused | None = None
        self._step_s = deque(step_s, maxlen=STEPS_KEPT)

    def submit(self, ticket: Ticket) -> None:
        """Let a request wait for its turn.

        Raises Refused at once where the queue is full (429), or where the answer cannot be there
        by its deadline (503).
        """
        if self._ended:
            raise self._ended
        self._refuse_hopeless(ticket)
        if sum(map(len, self._waiting.values())) >= self._queue_most + self._free():
            raise Refused(
                429,
                "queue full",
                f"{self._queue_most} requests wait already, which is all that may; ask again "
                "later.",
                retry_after_s=self._until_room_s(),
            )
        self._waiting[ticket.asked.priority].append(ticket)
        self._show()
        self._work.set()

    def leave(self, ticket: Ticket) -> None:
        """Forget a request wherever it is; does nothing where it is over."""
        queue = self._waiting[ticket.asked.priority]
        if ticket in queue:
            queue.remove(ticket)
        for number in [n for n, running in self._running.items() if running is ticket]:
            del self._running[number]
            self._cancel.append(number)
            self._work.set()
        self._show()

    def end(self, refusal: Refused) -> None:
        """Tell this to everybody who is left and to all who come."""
        if self._ended:
            return
        self._ended = refusal
        for ticket in [*self._waiting[1], *self._waiting[0], *self._running.values()]:
            ticket.inbox.put_nowait(refusal)

    async def run(self) -> None:
        """Step while there is work. Raises what `step` raises, when all have been told."""
        try:
            while True:
                await self._work.wait()
                begun_s = time.monotonic()
                orders = self._orders()
                report = await self._step(orders)
                self._take_in(report, read_prompts=bool(orders.begin))
                if report.batch:
                    step_s = self._metrics.step.labels(str(report.batch))
                    step_s.observe(time.monotonic() - begun_s)
                if not (report.more or self._cancel or self._running or self._any_waits()):
                    self._work.clear()
        except Exception:
            self.end(Refused(500, "engine failed", "The engine has failed; start it again."))
            raise

    def _orders(self) -> Orders:
        taken: dict[int, Ticket] = {}
        for _ in range(self._free()):
            ticket = self._next()
            if ticket is None:
                break
            ticket.begun_s = time.monotonic()
            self._number += 1
            taken[self._number] = ticket
            self._metrics.queueing.observe(ticket.begun_s - ticket.arrived_s)
            self._metrics.tokens.labels("prompt").inc(len(ticket.asked.prompt))
        self._running |= taken
        longest = max((ticket.asked.new_tokens for ticket in taken.values()), default=0)
        begin = [
            (number, list(t.asked.prompt), longest if self._static else t.asked.new_tokens)
            for number, t in taken.items()
        ]
        cancel, self._cancel = self._cancel, []
        self._show()
        return Orders(begin, cancel)

    def _next(self) -> Ticket | None:
        """The first of those who wait that can still be served in time."""
        for queue in self._waiting.values():
            while queue:
                ticket = queue.popleft()
                try:
                    self._refuse_hopeless(ticket)
                except Refused as refusal:
                    ticket.inbox.put_nowait(refusal)
                else:
                    return ticket
        return None

    def _take_in(self, report: Report, read_prompts: bool) -> None:
        if report.batch:
            self._metrics.batch_size.observe(report.batch)
        self._metrics.cache_usage.set(report.cache_usage)
        if not read_prompts:  # a step that reads says nothing about those that write
            self._step_s.append(report.step_s)
        for number, tokens, status in report.news:
            last = status != "RUNNING"
            if last:
                self._cancel = [other for other in self._cancel if other != number]
            ticket = self._running.get(number)
            if ticket is None:  # it was left during the step
                continue
            if last:
                del self._running[number]
            self._hold(ticket, tokens, last, report.ended_s)
            if status == "IGNORED":
                ticket.inbox.put_nowait(_no_room(ticket))
            elif last or (tokens and ticket.asked.stream and not self._static):
                ticket.inbox.put_nowait(News(ticket.held, last))
                ticket.held = []
        self._show()

    def _hold(self, ticket: Ticket, tokens: list[int], last: bool, ended_s: float) -> None:
        """Keep the tokens until they are sent; measure them when they can be."""
        ready, wanted = len(tokens), ticket.asked.new_tokens
        ticket.held += tokens
        if self._static:
            if math.isnan(ticket.written_s) and len(ticket.held) >= wanted:
                ticket.written_s = ended_s
            del ticket.held[wanted:]
            ready = len(ticket.held) if last else 0
        elif tokens:
            ticket.written_s = ended_s
        self._measure(ticket, ready, ended_s)

    def _measure(self, ticket: Ticket, tokens: int, ended_s: float) -> None:
        for _ in range(tokens):
            if ticket.token_s:
                self._metrics.inter_token.observe(ended_s - ticket.token_s[-1])
            else:
                self._metrics.first_token.observe(ended_s - ticket.arrived_s)
            ticket.token_s.append(ended_s)
        self._metrics.tokens.labels("answer").inc(tokens)
        if tokens and len(ticket.token_s) == ticket.asked.new_tokens:
            self._metrics.whole.observe(ended_s - ticket.arrived_s)

    def _any_waits(self) -> bool:
        return any(self._waiting.values())

    def _free(self) -> int:
        """Places that the next step can fill."""
        # The engine frees a cancelled request's place at the end of its next step. A newcomer that
        # finds no place in a step in which nobody else is computed is taken for one too large.
        taken = len(self._running) + len(self._cancel)
        if self._static and taken:
            return 0
        return self._batch_most - taken

    def _refuse_hopeless(self, ticket: Ticket) -> None:
        """Raise Refused where the deadline cannot be met, though every step were the fastest."""
        if ticket.deadline_s is None:
            return
        left_s = ticket.deadline_s - time.monotonic()
        least_s = ticket.asked.new_tokens * min(self._step_s, default=0.0)
        if left_s <= 0 or least_s > left_s:
            raise Refused(
                503,
                "deadline hopeless",
                f"{ticket.asked.new_tokens} new tokens take {least_s:.2g} s or more here, and "
                f"{max(left_s, 0):.2g} s are left; ask for fewer, or give more time.",
            )

    def _until_room_s(self) -> int:
        """Whole seconds until those who wait are served, if steps go on as fast as the fastest."""
        tokens = sum(t.asked.new_tokens for queue in self._waiting.values() for t in queue)
        return max(1, math.ceil(tokens / self._batch_most * min(self._step_s, default=0.0)))

    def _show(self) -> None:
        for priority, queue in self._waiting.items():
            self._metrics.queue_depth.labels(str(priority)).set(len(queue))
        self._metrics.running.set(len(self._running))


def _no_room(ticket: Ticket) -> Refused:
    asked = ticket.asked
    return Refused(
        503,
        "cache full",
        f"The KV cache has no room for {len(asked.prompt)} + {asked.new_tokens} tokens beside "
        "the others; ask for fewer, or give the service a larger cache.",
    )
