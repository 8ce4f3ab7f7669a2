"""Task 4: the chain of tiers, tried live while what it leans on is slow, silent or failing.

The tiers' servers are real ones on loopback that wait in place of computing, in slow motion, so that
a busy machine's moments of delay are small beside a budget. What counts is who answered, and whether
that was in time; both follow from the plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_utils.grade.decision import Curve
from lab_utils.grade.spec import DesignTask, NotComparable, Trial, Wrong
from lab_utils.grade.verdict import Figure
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.models.fraud.tiers import caught
from lab_utils.resilience.drill import Outcome, Step, drill, needed_s
from lab_utils.resilience.practice_server import Fault

PROMISE_S = 0.05
RATE_RPS, LASTS_S, SLOW_MOTION = 300.0, 0.34, 10.0
"""Of the load in each world; in slow motion 30 a second for 3.4 s: three times what it takes until a
breaker has seen its twenty calls fail, so that the median is that of the time after it."""
STORE_S, GPU_S, CPU_S = 0.002, 0.004, 0.008
WAYS: Mapping[str, Mapping[str, float]] = {
    "gpu": {"store": STORE_S, "gpu": GPU_S},
    "gpu_small": {"store": STORE_S, "gpu": GPU_S / 2},
    "cpu": {"store": STORE_S, "cpu": CPU_S},
    "rules_history": {"store": STORE_S},
    "rules": {},
}
PARTS = {"gpu": "GPU servers", "cpu": "CPU servers", "store": "feature store"}
MODELS: Mapping[str, str] = {
    "gpu": "large",
    "gpu_small": "small",
    "cpu": "small",
    "rules_history": "rules",
    "rules": "rules at hand",
}
"""Whose share of frauds each catches; see `models/fraud/tiers`."""
RULES = ("rules_history", "rules")
IN_TIME = Curve(none_at=0.8, full_at=0.95)
"""Of the payments, in the worst of the worlds. A stall of this machine may cost some of them."""
QUICK = Curve(none_at=0.6, full_at=0.75)
"""Of the promised time, what is left over at the median, on average of the worlds with a fault."""
GAINED = Curve(none_at=0.6, full_at=0.95)
"""Of what the best tier that works there catches, on average; where a model works, of what the best
one catches beyond rules with history: without a model a chain gains nothing there."""
CAUGHT_LEAST = 0.7
"""Of the frauds that the best tier that works there would have caught, on average: with less nothing
else counts."""
AVAILABLE_PART, QUICK_PART, GAINED_PART = 0.25, 0.25, 0.5
DISTURBED_S, TRIES = 0.005, 4
"""A drill counts where the machine has added less than that to a wait: 50 ms, in slow motion. The
solution's budgets bear more. What disturbs a drill can only make it worse, so full marks count too."""
FORM: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "deadline_ms": {"type": "number", "minimum": 1, "maximum": 10_000},
        "tiers": {
            "type": "array",
            "minItems": 1,
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "use": {"enum": list(WAYS)},
                    "budget_ms": {"type": "number", "minimum": 1, "maximum": 10_000},
                    "breaker": {"type": "boolean"},
                },
                "required": ["use", "budget_ms", "breaker"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["deadline_ms", "tiers"],
    "additionalProperties": False,
}


def worth(way: str) -> float:
    """The share of frauds that a tier catches."""
    return caught()[MODELS[way]]


@dataclass(frozen=True)
class World:
    """What is broken in it, and how, for the message; parts: of `WAYS`."""

    said: str
    parts: tuple[str, ...]
    fault: Fault

    @property
    def works(self) -> set[str]:
        """The tiers whose parts are all well."""
        return {way for way, needs in WAYS.items() if not set(needs) & set(self.parts)}

    @property
    def possible(self) -> float:
        """The share of frauds that the best of these catches."""
        return max(worth(way) for way in self.works)

    @property
    def rules(self) -> float:
        """That of the best of them which is no model."""
        return max(worth(way) for way in self.works if way in RULES)


@dataclass(frozen=True)
class Found:
    """What came of a drill in one world. in_time, caught: shares of payments and of frauds; gained:
    see `GAINED`; median_s: of those answered."""

    world: World
    in_time: float
    caught: float
    gained: float
    median_s: float


def worlds(seed: int) -> list[World]:
    """A healthy one, one for each thing that may stop answering, and one where it fails at once.

    Which of them are silent and which are slow, and how slow, is drawn.
    """
    random = np.random.default_rng(seed)

    def stops() -> Fault:
        slower = float(random.uniform(30, 60))
        return Fault(silent=True) if random.random() < 0.5 else Fault(slower=slower)

    found = [
        World("nothing was broken", (), Fault()),
        World("the GPU servers did not answer in time", ("gpu",), stops()),
        World("the feature store did not answer in time", ("store",), stops()),
        World("neither GPU nor CPU servers answered in time", ("gpu", "cpu"), stops()),
    ]
    part, share = str(random.choice(list(PARTS))), float(random.uniform(0.6, 1.0))
    said = f"{share:.0%} of the calls to the {PARTS[part]} failed"
    found.append(World(said, (part,), Fault(failing=share)))
    random.shuffle(found)  # type: ignore[arg-type]
    return found


def tried(plan: Mapping[str, Any], seed: int) -> Trial:
    """Half for the frauds that are caught, a quarter each for answers in time and for quick ones;
    nothing where hardly any are in time, or caught."""
    steps = [Step(t["use"], t["budget_ms"] / 1e3, t["breaker"]) for t in plan["tiers"]]
    deadline_s = plan["deadline_ms"] / 1e3
    if (wanted_s := needed_s(steps, WAYS)) > deadline_s + 1e-9:
        raise Wrong(
            f"The tiers may take {1e3 * wanted_s:g} ms, 5 of them kept for what is late, and the "
            f"deadline is {1e3 * deadline_s:g} ms. Give each a budget so that all of them fit."
        )
    for number in range(TRIES):
        trial, disturbed_s = _trial(steps, deadline_s, seed + number)
        if disturbed_s <= DISTURBED_S or trial.share == 1:
            return trial
    raise NotComparable(
        f"Something else kept this machine busy in all of {TRIES} tries, so nothing can be said about "
        "your chain. Close what else runs here and check again."
    )


def _trial(steps: Sequence[Step], deadline_s: float, seed: int) -> tuple[Trial, float]:
    """What came of it, and what the machine has added to a wait."""
    drawn = worlds(seed)
    drilled = drill(
        steps,
        WAYS,
        [dict.fromkeys(world.parts, world.fault) for world in drawn],
        deadline_s=deadline_s,
        promised_s=PROMISE_S,
        due_s=poisson(RATE_RPS, LASTS_S, seed).due_s.tolist(),
        slow_motion=SLOW_MOTION,
    )
    found = [_found(world, each) for world, each in zip(drawn, drilled.outcomes, strict=True)]
    broken = [one for one in found if one.world.parts]
    worst = min(found, key=lambda one: one.in_time)
    left = float(np.mean([1 - min(one.median_s, PROMISE_S) / PROMISE_S for one in broken]))
    gained = float(np.mean([one.gained for one in found]))
    parts = [IN_TIME.share(worst.in_time), QUICK.share(left), GAINED.share(gained)]
    enough = np.mean([one.caught / one.world.possible for one in found]) > CAUGHT_LEAST
    figures = {
        "in time, in the worst world": Figure(interval([100 * worst.in_time]), "%"),
        "median where something is broken": Figure(
            interval([1e3 * one.median_s for one in broken], np.mean), "ms"
        ),
        "frauds, of what the best tiers catch": Figure(interval([100 * gained]), "%"),
    }
    if not parts[0]:
        return Trial(0, _late(steps, worst), figures), drilled.disturbed_s
    if not enough:
        return Trial(0, _uncaught(found), figures), drilled.disturbed_s
    said = [_late(steps, worst)] * (parts[0] < 1) + [_slow(broken)] * (parts[1] < 1)
    said += [_uncaught(found)] * (parts[2] < 1)
    weights = (AVAILABLE_PART, QUICK_PART, GAINED_PART)
    return Trial(float(np.dot(parts, weights)), " ".join(said), figures), drilled.disturbed_s


def _found(world: World, outcomes: Sequence[Outcome]) -> Found:
    answered = [one for one in outcomes if one.way is not None]
    timely = [one for one in answered if one.latency_s <= PROMISE_S]
    got = [worth(one.way) for one in timely if one.way is not None]
    nothing = world.rules if world.rules < world.possible else 0.0
    gains = np.clip((np.array(got) - nothing) / (world.possible - nothing), 0, 1)
    return Found(
        world,
        in_time=len(timely) / len(outcomes),
        caught=min(sum(got) / len(outcomes), world.possible),  # what fails half the time works half
        gained=float(gains.sum()) / len(outcomes),
        median_s=float(np.median([one.latency_s for one in answered])) if answered else PROMISE_S,
    )


def _late(steps: Sequence[Step], worst: Found) -> str:
    said = (
        f"While {worst.world.said}, {worst.in_time:.0%} of the payments had an answer within "
        f"{1e3 * PROMISE_S:g} ms; {IN_TIME.full_at:.0%} are asked."
    )
    if not {step.way for step in steps} & worst.world.works:
        broken = " and ".join(PARTS[part] for part in worst.world.parts)
        return (
            f"{said} Every tier of yours needs what is broken there ({broken}): end with one that "
            "needs nothing."
        )
    return (
        f"{said} Whoever waits for a tier that does not answer has no time left for the next: give "
        f"the whole chain a deadline within the {1e3 * PROMISE_S:g} ms."
    )


def _slow(broken: Sequence[Found]) -> str:
    slowest = max(broken, key=lambda one: one.median_s)
    return (
        f"While {slowest.world.said}, half of the answers took more than "
        f"{1e3 * slowest.median_s:.0f} ms. Do not ask, with every payment, what has not answered the "
        "last twenty."
    )


def _uncaught(found: Sequence[Found]) -> str:
    least = min(found, key=lambda one: one.gained)
    said = (
        f"While {least.world.said}, your chain caught {least.caught:.1%} of the frauds; the best tier "
        f"that still worked would have caught {least.world.possible:.1%}"
    )
    if least.world.rules < least.world.possible:
        said += f", rules alone {least.world.rules:.1%}"
    return (
        f"{said}. Order the tiers by what they catch, give each the time that it needs, and have one "
        "left that does not need what is broken."
    )


FALLBACK = DesignTask(
    name="fallback",
    title="Fall back on what still works",
    points=4,
    function="fallback",
    form=FORM,
    trial=tried,
    alone=True,
)
