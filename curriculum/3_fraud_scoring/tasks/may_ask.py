"""Task 1: a circuit breaker, in front of a tier that falls ill and recovers, at drawn times.

Time is simulated, so nothing here depends on the machine. What the answer says decides what is
asked, and what was asked is all that it learns: there is nothing to compute beforehand.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lab_utils.grade.spec import Answer, Case, FunctionTask, Wrong

from .forms import yes_or_no

RATE_RPS = 100.0
SHOWN = 30
"""Of the calls that have ended, the answer sees so many."""
NOISE = 0.03
"""The share of calls that fail while the tier is well. None does just after it has recovered: whether a
probe meets one there is no merit and no fault."""
ILLNESSES, WELL_FOR_S, ILL_FOR_S = 3, (3.5, 7.0), (3.0, 6.0)
"""How often it falls ill, how long it is well before that, and how long ill."""
WELL_S, ILL_S = 0.005, 0.1
"""A call takes so long; an ill tier's is given up after the second."""
GRACE_S = 1.5
"""From the fall until it must be noticed, and from the recovery until it must be used again."""
TRIES_S = 0.5
"""So often it should be tried again."""
ASKED_WELL, ASKED_ILL, ASKED_AGAIN = 0.95, 0.08, 0.9
"""Shares of requests for which the tier may be asked. One probe at a time, each half second, asks it
for about two requests in a hundred while it is ill."""
PROBES_MOST = 5
"""Calls inside at once, while it is tried again."""


@dataclass(frozen=True)
class Seen:
    """Of one request: when it came, whether the tier was asked, and how many calls were inside."""

    at_s: float
    asked: bool
    inside: int


def draw_illnesses(seed: int) -> list[Case]:
    random = np.random.default_rng(seed)
    now_s, ill = 0.0, []
    for _ in range(ILLNESSES):
        falls_s = now_s + float(random.uniform(*WELL_FOR_S))
        now_s = falls_s + float(random.uniform(*ILL_FOR_S))
        ill.append((falls_s, now_s))
    ends_s = now_s + WELL_FOR_S[0]
    count = int(RATE_RPS * ends_s)
    due_s = np.sort(random.uniform(0, ends_s, count))
    unlucky = random.random(count) < NOISE
    for _, recovers_s in ill:
        unlucky &= abs(due_s - recovers_s) > GRACE_S
    return [
        {
            "due_s": due_s.tolist(),
            "unlucky": unlucky.tolist(),
            "ill": ill,
        }
    ]


def drive_breaker(answer: Answer, case: Case) -> list[Seen]:
    """Every request, one after the other; the tier is asked where the answer says so."""
    inside: list[tuple[float, bool]] = []
    calls: list[dict[str, Any]] = []
    seen = []
    for at_s, unlucky in zip(case["due_s"], case["unlucky"], strict=True):
        while inside and inside[0][0] <= at_s:
            ended_s, ok = heapq.heappop(inside)
            calls.append({"ended_s": ended_s, "ok": ok})
        said = answer(calls=calls[-SHOWN:], inside=len(inside), now_s=at_s)
        asked = yes_or_no("may_ask", said)
        seen.append(Seen(at_s, asked, len(inside)))
        if asked:
            ill = any(falls_s <= at_s < recovers_s for falls_s, recovers_s in case["ill"])
            heapq.heappush(inside, (at_s + (ILL_S if ill else WELL_S), not (ill or unlucky)))
    return seen


def judge_breaker(case: Case, output: Sequence[Seen]) -> None:
    first_s = case["ill"][0][0]
    well = [one for one in output if one.at_s < first_s]
    ill, again = [], []
    for (falls_s, recovers_s), (next_s, _) in pairwise([*case["ill"], (math.inf, math.inf)]):
        ill.append([one for one in output if falls_s + GRACE_S <= one.at_s < recovers_s])
        again.append([one for one in output if recovers_s + GRACE_S <= one.at_s < next_s])
    _judge_parts(well, max(ill, key=_asked), min(again, key=_asked))


def _judge_parts(well: Sequence[Seen], ill: Sequence[Seen], again: Sequence[Seen]) -> None:
    """The worst of the times in which it was ill, and of those in which it was well again."""
    if _asked(well) < ASKED_WELL:
        raise Wrong(
            f"While the tier was well, and {NOISE:.0%} of its calls failed by chance, it was asked "
            f"for {_asked(well):.0%} of the requests; at least {ASKED_WELL:.0%} is expected. Open "
            "on a share of many calls, not on the first failures."
        )
    probes = max((one.inside + 1 for one in ill if one.asked), default=0)
    if _asked(ill) > ASKED_ILL and probes > PROBES_MOST and _pauses(ill):
        raise Wrong(
            f"The tier was still ill when it was tried again, and {probes} calls were inside at "
            f"once; at most {PROBES_MOST} may. Let a probe pass only while no other is inside."
        )
    if _asked(ill) > ASKED_ILL:
        raise Wrong(
            f"From {GRACE_S:g} s after the tier had fallen ill it was still asked for "
            f"{_asked(ill):.0%} of the requests; at most {ASKED_ILL:.0%} is expected. Stop asking "
            "where half of the last calls failed."
        )
    if not any(one.asked for one in again):
        raise Wrong(
            "The tier had recovered and was never asked again. Nobody learns that a tier is well "
            f"without a call to it: let one pass every {TRIES_S:g} s, and close when they succeed."
        )
    if _asked(again) < ASKED_AGAIN:
        raise Wrong(
            f"From {GRACE_S:g} s after the tier had recovered it was asked for {_asked(again):.0%} "
            f"of the requests; at least {ASKED_AGAIN:.0%} is expected. Where the last probe "
            "succeeded, let the next one follow at once."
        )


def _asked(seen: Sequence[Seen]) -> float:
    return sum(one.asked for one in seen) / len(seen)


def _pauses(seen: Sequence[Seen]) -> bool:
    """Whether the answer had stopped asking, for a while at least."""
    longest = streak = 0
    for one in seen:
        streak = 0 if one.asked else streak + 1
        longest = max(longest, streak)
    return longest >= TRIES_S * RATE_RPS / 4


MAY_ASK = FunctionTask(
    name="may_ask",
    title="Stop asking, and ask again",
    points=3,
    function="may_ask",
    draw=draw_illnesses,
    drive=drive_breaker,
    judge=judge_breaker,
)
