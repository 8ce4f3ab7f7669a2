"""One service with a queue, worked out event by event: batches, priorities, limits, replicas.

    served = simulate(poisson(80, 600).due_s, lambda batch: 0.02 + 0.005 * len(batch),
                      Station(servers=2, batch_most=8, batch_wait_s=0.01))
    served.sojourn_s, served.batch_sizes, served.outcomes

A server takes the most urgent requests that wait, up to `batch_most` of them. With fewer than that
it waits for company until the oldest has waited `batch_wait_s`: Triton's `max_queue_delay`. With
`slots` a server has several batches in hand at a time, as continuous batching has requests. With a
`Scaling` the number of servers follows an autoscaler, which sees the queue every few seconds; a new
server needs `start_s` before it answers.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError
from lab_utils.measure.queueing import in_order
from lab_utils.simulate.hpa import SYNC_S, Autoscaler

ANSWERED, REJECTED, EXPIRED = 0, 1, 2
"""What became of a request: EXPIRED waited longer than its deadline and was not begun."""
Service = Callable[[Sequence[int]], float]
"""Seconds for one batch, from the numbers of its requests (their places in the arrivals)."""


@dataclass(frozen=True)
class Station:
    """servers: that answer `slots` batches at a time. queue_most: that may wait; None: any.

    deadline_s: how long a request may wait; None: for ever.
    """

    servers: int = 1
    batch_most: int = 1
    batch_wait_s: float = 0.0
    queue_most: int | None = None
    deadline_s: float | None = None
    slots: int = 1

    def __post_init__(self) -> None:
        if min(self.servers, self.slots, self.batch_most) < 1 or not self.batch_wait_s >= 0:
            raise LabError(
                f"The station has {self.servers} servers of {self.slots} slots and batches of "
                f"{self.batch_most} after {self.batch_wait_s:g} s; expected at least 1 of each, "
                "and 0 s or more."
            )


@dataclass(frozen=True)
class Moment:
    """What an autoscaler may see. busy: slots; replicas: asked for; ready: of these, started."""

    queued: int
    busy: int
    ready: int
    replicas: int


@dataclass(frozen=True)
class Scaling:
    """seen: the metric, from the moment; the default is the length of the queue.

    zero_after_s: with nobody there for so long, no replica is left, and the look after the next
    arrival starts `least` again, as KEDA does it (`cooldownPeriod`). None: never.
    """

    autoscaler: Autoscaler
    start_s: float
    seen: Callable[[Moment], Any] = lambda moment: moment.queued
    every_s: float = SYNC_S
    zero_after_s: float | None = None


@dataclass(frozen=True)
class Served:
    """What became of each request, in the order of arrival; times in seconds, NaN where none.

    replicas, queue: (time, number) at each change.
    """

    arrived_s: NDArray[np.float64]
    begun_s: NDArray[np.float64]
    done_s: NDArray[np.float64]
    outcomes: NDArray[np.int8]
    batch_sizes: NDArray[np.int_]
    server_s: float
    replicas: list[tuple[float, int]]
    queue: list[tuple[float, int]]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which requests were."""
        answered: NDArray[np.bool_] = self.outcomes == ANSWERED
        return answered

    @property
    def sojourn_s(self) -> NDArray[np.float64]:
        """From arrival to answer, of those that were answered."""
        return (self.done_s - self.arrived_s)[self.answered]

    @property
    def wait_s(self) -> NDArray[np.float64]:
        """From arrival to the start of its batch, of those that were answered."""
        return (self.begun_s - self.arrived_s)[self.answered]

    @property
    def replica_s(self) -> float:
        """Seconds of replicas that were asked for, starting ones included: what is paid for.

        From the first arrival to the last answer.
        """
        times_s, numbers = (
            np.asarray(seen, dtype=float) for seen in zip(*self.replicas, strict=True)
        )
        lasted_s = np.diff(np.append(times_s, max(np.nanmax(self.done_s), times_s[-1])))
        return float(numbers @ lasted_s)

    @property
    def throughput_rps(self) -> float:
        """Answers a second, from the first arrival to the last answer."""
        return float(self.answered.sum() / (np.nanmax(self.done_s) - self.arrived_s[0]))


def simulate(
    arrived_s: ArrayLike,
    service: Service,
    station: Station = Station(),
    priorities: ArrayLike | None = None,
    scaling: Scaling | None = None,
) -> Served:
    """Work it out, to the last answer.

    arrived_s: in order. priorities: one each, 0 the most urgent; equals are served as they came,
    and nothing that has begun is interrupted. Raises LabError where the arrivals are none or not in
    order.
    """
    arrivals = in_order(arrived_s)
    urgency = np.zeros(arrivals.size, int) if priorities is None else np.asarray(priorities, int)
    if urgency.shape != arrivals.shape or urgency.min() < 0:
        raise LabError(
            f"There are {urgency.size} priorities for {arrivals.size} arrivals; expected one each, "
            "0 or more."
        )
    return _Run(arrivals, urgency, service, station, scaling).served()


@dataclass(order=True)
class _Event:
    at_s: float
    order: int
    happen: Callable[[], None] = field(compare=False)


class _Run:
    """The state of one simulation, and what each kind of event does to it."""

    def __init__(
        self,
        arrivals: NDArray[np.float64],
        urgency: NDArray[np.int_],
        service: Service,
        station: Station,
        scaling: Scaling | None,
    ) -> None:
        self._arrivals, self._urgency = arrivals, urgency
        self._service, self._station, self._scaling = service, station, scaling
        self._queues: list[deque[int]] = [deque() for _ in range(int(urgency.max()) + 1)]
        self._queued = 0
        self._begun_s = np.full(arrivals.size, np.nan)
        self._done_s = np.full(arrivals.size, np.nan)
        self._outcomes = np.full(arrivals.size, EXPIRED, np.int8)
        self._batch_sizes: list[int] = []
        self._busy, self._server_s = 0, 0.0
        self._replicas = station.servers
        self._starting_until_s: list[float] = []
        self._active_s = float(arrivals[0])
        self._events: list[_Event] = []
        self._count = itertools.count()
        self._now_s = 0.0
        self._wake_s = np.inf
        self._left = arrivals.size
        self._replicas_seen = [(float(arrivals[0]), self._replicas)]
        self._queue_seen: list[tuple[float, int]] = []

    def served(self) -> Served:
        """Run until every request is answered or has been given up."""
        if self._scaling is not None:
            self._at(float(self._arrivals[0]), self._look)
        next_arrival = 0
        while self._left:
            if next_arrival < self._arrivals.size and (
                not self._events or self._arrivals[next_arrival] <= self._events[0].at_s
            ):
                self._now_s = float(self._arrivals[next_arrival])
                self._arrive(next_arrival)
                next_arrival += 1
            else:
                event = heapq.heappop(self._events)
                self._now_s = event.at_s
                event.happen()
            self._begin()
        return Served(
            self._arrivals,
            self._begun_s,
            self._done_s,
            self._outcomes,
            np.asarray(self._batch_sizes, dtype=int),
            self._server_s,
            self._replicas_seen,
            self._queue_seen,
        )

    def _at(self, at_s: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, _Event(at_s, next(self._count), happen))

    @property
    def _ready(self) -> int:
        return self._replicas - len(self._starting_until_s)

    @property
    def _full(self) -> bool:
        return self._busy >= self._ready * self._station.slots

    def _arrive(self, number: int) -> None:
        most = self._station.queue_most
        if most is not None and self._queued >= most and self._full:
            self._outcomes[number] = REJECTED
            self._left -= 1
            return
        self._queues[self._urgency[number]].append(number)
        self._note_queue(1)

    def _begin(self) -> None:
        """Start batches as long as a slot is free and enough requests wait, or long enough."""
        while self._queued and not self._full:
            self._expire()
            if not self._queued:
                return
            oldest_s = min(float(self._arrivals[q[0]]) for q in self._queues if q)
            due_s = oldest_s + self._station.batch_wait_s
            if self._queued < self._station.batch_most and self._now_s < due_s:
                if due_s < self._wake_s or self._wake_s <= self._now_s:
                    self._wake_s = due_s
                    self._at(due_s, lambda: None)  # whoever comes first begins it
                return
            self._serve(self._take())

    def _take(self) -> list[int]:
        batch: list[int] = []
        for queue in self._queues:
            while queue and len(batch) < self._station.batch_most:
                batch.append(queue.popleft())
        self._note_queue(-len(batch))
        return batch

    def _serve(self, batch: list[int]) -> None:
        duration_s = self._service(batch)
        if not duration_s >= 0:
            raise LabError(f"A batch takes {duration_s:g} s; expected 0 or more.")
        self._busy += 1
        self._server_s += duration_s
        self._batch_sizes.append(len(batch))
        self._begun_s[batch] = self._now_s
        self._done_s[batch] = self._now_s + duration_s
        self._outcomes[batch] = ANSWERED
        self._at(self._now_s + duration_s, lambda: self._done(len(batch)))

    def _done(self, count: int) -> None:
        self._busy -= 1
        self._left -= count

    def _expire(self) -> None:
        """Give up those that have waited longer than they may; they are first in their queues."""
        if self._station.deadline_s is None:
            return
        since_s = self._now_s - self._station.deadline_s
        for queue in self._queues:
            while queue and self._arrivals[queue[0]] < since_s:
                queue.popleft()
                self._note_queue(-1)
                self._left -= 1

    def _look(self) -> None:
        """The autoscaler looks, and servers begin to start or stop."""
        assert self._scaling is not None
        moment = Moment(self._queued, self._busy, self._ready, self._replicas)
        if self._queued or self._busy:
            self._active_s = self._now_s
        wanted = self._wanted(moment)
        if wanted != self._replicas:
            self._scale(wanted)
        self._at(self._now_s + self._scaling.every_s, self._look)

    def _wanted(self, moment: Moment) -> int:
        assert self._scaling is not None
        scaling, zero_after_s = self._scaling, self._scaling.zero_after_s
        if zero_after_s is not None:
            if moment.replicas == 0:
                return scaling.autoscaler.least if moment.queued else 0
            if self._now_s - self._active_s >= zero_after_s:
                return 0
        seen = scaling.seen(moment)
        return scaling.autoscaler.decide(self._now_s, moment.replicas, seen).replicas

    def _scale(self, wanted: int) -> None:
        assert self._scaling is not None
        change = wanted - self._replicas
        self._replicas = wanted
        self._replicas_seen.append((self._now_s, wanted))
        if change > 0:
            until_s = self._now_s + self._scaling.start_s
            self._starting_until_s += [until_s] * change
            self._at(until_s, self._started)
        elif change < 0:
            # The ones that are still starting go first, the latest before the others. What the
            # others have begun, they end.
            kept = max(len(self._starting_until_s) + change, 0)
            del self._starting_until_s[kept:]

    def _started(self) -> None:
        self._starting_until_s = [s for s in self._starting_until_s if s > self._now_s]

    def _note_queue(self, change: int) -> None:
        self._queued += change
        self._queue_seen.append((self._now_s, self._queued))
