"""The same models in SimPy: what the compiled engine is checked against, and compared with.

SimPy runs each request as a Python generator, so its model is a page that can be read and believed,
at some tens of thousands of events a second. `queue` is the plain one, written as SimPy's own
examples are; `chain` has tiers with deadlines and clients that try again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import simpy
from numpy.typing import ArrayLike

from lab_utils.simulate.regions.model import Fleet, Floats

Work = Callable[[int, int, int], float]
"""Seconds that a request's attempt (from 1) takes at a tier: (request, tier, attempt) → s."""
Steps = Generator[Any, Any, None]


def queue(
    arrived_s: ArrayLike, service_s: ArrayLike, servers: int, woken_s: ArrayLike | None = None
) -> Floats:
    """When each request is done: one queue, first come first served.

    woken_s: what each takes where it finds a server idle; None: the same.
    """
    arrivals, services, first = (
        np.asarray(times_s, float).tolist()
        for times_s in (arrived_s, service_s, service_s if woken_s is None else woken_s)
    )
    done_s = np.full(len(arrivals), np.nan)
    env = simpy.Environment()
    resource = simpy.Resource(env, servers)

    def request(number: int) -> Steps:
        idle = resource.count < servers
        with resource.request() as turn:
            yield turn
            yield env.timeout(first[number] if idle else services[number])
        done_s[number] = env.now

    def source() -> Steps:
        for number, at_s in enumerate(arrivals):
            yield env.timeout(at_s - env.now)
            env.process(request(number))

    env.process(source())
    env.run()
    return done_s


def chain(arrived_s: ArrayLike, fleet: Fleet, work: Work) -> tuple[Floats, list[int]]:
    """When each request is answered, and by which tier: NaN and −1 for none.

    One region, each tier with one queue; clients without hedging, backoff or a retry budget.
    """
    arrivals = np.asarray(arrived_s, float).tolist()
    done_s, by = np.full(len(arrivals), np.nan), [-1] * len(arrivals)
    env = simpy.Environment()
    pools = [simpy.Resource(env, tier.servers) for tier in fleet.tiers]
    clients = fleet.clients

    def job(pool: simpy.Resource, lasts_s: float, left: simpy.Event, done: simpy.Event) -> Steps:
        """One visit; it ends what it has begun, whether anybody waits for it or not."""
        with pool.request() as turn:
            yield turn | left if clients.cancel else turn
            if not turn.triggered:
                return
            yield env.timeout(lasts_s)
        done.succeed()

    def attempt(number: int, of: int, given_up: simpy.Event, answer: simpy.Event) -> Steps:
        for place, (tier, pool) in enumerate(zip(fleet.tiers, pools, strict=True)):
            left, done = env.event(), env.event()
            env.process(job(pool, work(number, place, of), left, done))
            waited = done | given_up
            if tier.deadline_s < np.inf:
                waited = waited | env.timeout(tier.deadline_s)
            yield waited
            if done.triggered:
                if not given_up.triggered:
                    answer.succeed(place)
                return
            left.succeed()
            if given_up.triggered:
                return

    def request(number: int) -> Steps:
        for of in range(1, clients.attempts + 1):
            given_up, answer = env.event(), env.event()
            env.process(attempt(number, of, given_up, answer))
            if clients.timeout_s < np.inf:
                yield answer | env.timeout(clients.timeout_s)
            else:
                yield answer
            if answer.triggered:
                done_s[number], by[number] = env.now, int(answer.value or 0)
                return
            given_up.succeed()

    def source() -> Steps:
        for number, at_s in enumerate(arrivals):
            yield env.timeout(at_s - env.now)
            env.process(request(number))

    env.process(source())
    env.run()
    return done_s, by
