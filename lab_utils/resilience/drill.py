"""A chain of tiers, rehearsed live on servers of which some are broken.

    found = drill(
        [Step("model", 0.015), Step("rules", 0.005)],
        ways={"model": {"store": 0.002, "gpu": 0.004}, "rules": {}},
        worlds=[{}, {"store": Fault(silent=True)}],
        deadline_s=0.05, promised_s=0.05, due_s=poisson(300, 0.25).due_s, slow_motion=10,
    )
    found.outcomes[0], found.disturbed_s

A way to an answer asks the parts that it needs, one after the other; one that needs nothing answers
at once. Each world has servers of its own for all parts, with its own faults, and all worlds run
side by side. In slow motion everything, the load too, takes so many times as long: what a busy
machine adds to a wait is small beside what the plan itself makes of it. All times given and
returned are those before the slowing down.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from lab_utils.errors import LabError
from lab_utils.resilience.breaker import breaker
from lab_utils.resilience.chain import RESERVE_S, Chain, Tier
from lab_utils.resilience.practice import PracticeServers, asking
from lab_utils.resilience.practice_server import Fault

Way = Mapping[str, float]
"""The parts that an answer takes, in order → how long each works on it, in seconds."""
CONTROL_EVERY_S = 0.05
"""On the real clock: so often the control asks a server of its own, which is idle and well."""
SLOTS = 256
"""Of each server: nobody waits there for anybody else."""
CALLS, OPEN_S = 20, 0.2
"""Of each breaker: it opens where half of so many calls failed, and tries again after so long."""


@dataclass(frozen=True)
class Step:
    """A tier of the chain: the way that it takes, its budget, whether a breaker guards it."""

    way: str
    budget_s: float
    guarded: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one request got. way: that answered; None: nobody did. latency_s: inf where none came
    before the drill's end."""

    way: str | None
    latency_s: float


@dataclass(frozen=True)
class Drill:
    """outcomes: of each world, in the order in which the requests were due. disturbed_s: the most
    that the control waited; that was the machine's doing, not the plan's."""

    outcomes: list[list[Outcome]]
    disturbed_s: float


def needed_s(steps: Sequence[Step], ways: Mapping[str, Way]) -> float:
    """What the steps may take until the last has answered: budgets, and the reserve for the last
    where that needs nothing."""
    waited = _before_last(steps, ways)
    return sum(step.budget_s for step in waited) + RESERVE_S


def drill(
    steps: Sequence[Step],
    ways: Mapping[str, Way],
    worlds: Sequence[Mapping[str, Fault]],
    *,
    deadline_s: float,
    promised_s: float,
    due_s: Sequence[float],
    slow_motion: float = 1.0,
) -> Drill:
    """What each request gets, in each world.

    worlds: the faults of each, by part. deadline_s: of the chain. promised_s: so long after the
    last request the drill ends, whatever is still on its way. Raises LabError for budgets that do
    not fit before the deadline, and for a way or a part that is not there.
    """
    parts = sorted({part for way in ways.values() for part in way})
    wrong = [step.way for step in steps if step.way not in ways]
    wrong += [part for faults in worlds for part in faults if part not in parts]
    if wrong or not steps:
        raise LabError(
            f"The drill has {len(steps)} steps and names {', '.join(wrong) or 'nothing unknown'}; "
            f"expected at least one step, of the ways {', '.join(ways)} and the parts "
            f"{', '.join(parts)}."
        )
    with PracticeServers(count=len(parts) * len(worlds) + 1, slots=SLOTS) as servers:
        urls: list[dict[str, str]] = []
        for world, faults in enumerate(worlds):
            places = {part: world * len(parts) + n for n, part in enumerate(parts)}
            for part, fault in faults.items():
                servers.fault(places[part], **asdict(fault))
            urls.append({part: servers.url(place) for part, place in places.items()})

        async def main() -> Drill:
            control = asyncio.create_task(_control(servers.url(len(parts) * len(worlds))))
            outcomes = await asyncio.gather(
                *(
                    _world(
                        _chain(steps, ways, each, deadline_s, slow_motion),
                        due_s,
                        promised_s,
                        slow_motion,
                    )
                    for each in urls
                )
            )
            control.cancel()
            return Drill(outcomes, await control / slow_motion)

        with ThreadPoolExecutor(1) as thread:  # in a notebook's own a loop is running already
            return thread.submit(asyncio.run, main()).result()


def _before_last(steps: Sequence[Step], ways: Mapping[str, Way]) -> Sequence[Step]:
    """Those that may be waited for: a last one that needs nothing answers at once."""
    return steps if ways[steps[-1].way] else steps[:-1]


def _chain(
    steps: Sequence[Step],
    ways: Mapping[str, Way],
    urls: Mapping[str, str],
    deadline_s: float,
    slow: float,
) -> Chain[int, str | None]:
    asks = {part: asking(url) for part, url in urls.items()}

    def taking(way: str) -> Callable[[int], Awaitable[str | None]]:
        async def ask(_: int) -> str | None:
            for part, work_s in ways[way].items():
                await asks[part](slow * work_s)
            return way

        return ask

    waited = _before_last(steps, ways)
    tiers: list[Tier[int, str | None]] = [
        Tier(
            f"{number} {step.way}",
            taking(step.way),
            budget_s=slow * step.budget_s,
            breaker=breaker(step.way, calls=CALLS, open_s=slow * OPEN_S) if step.guarded else None,
        )
        for number, step in enumerate(waited, 1)
    ]
    last = None if len(waited) == len(steps) else steps[-1].way
    return Chain(
        tiers, last=lambda _: last, deadline_s=slow * deadline_s, reserve_s=slow * RESERVE_S
    )


async def _world(
    chain: Chain[int, str | None], due_s: Sequence[float], promised_s: float, slow: float
) -> list[Outcome]:
    async def one(number: int, due: float) -> Outcome:
        await asyncio.sleep(slow * due)
        answer = await chain.answer(number)
        return Outcome(answer.value, answer.latency_s / slow)

    tasks = [asyncio.create_task(one(number, due)) for number, due in enumerate(due_s)]
    done, late = await asyncio.wait(tasks, timeout=slow * (max(due_s) + promised_s))
    for task in late:
        task.cancel()
    return [task.result() if task in done else Outcome(None, math.inf) for task in tasks]


async def _control(url: str) -> float:
    """The longest wait, in seconds, for an answer that takes no time; ends when it is cancelled."""
    ask, clock, longest_s = asking(url), asyncio.get_running_loop().time, 0.0
    due_s = clock()
    try:
        while True:
            await asyncio.sleep(max(0.0, due_s - clock()))
            await ask(0.0)
            longest_s = max(longest_s, clock() - due_s)
            due_s = max(due_s + CONTROL_EVERY_S, clock())
    except asyncio.CancelledError:
        return max(longest_s, clock() - due_s)
