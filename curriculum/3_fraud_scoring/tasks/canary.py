"""Task 3: promote, roll back or wait, by the answers of a canary, over many drawn roll-outs.

The versions fail by drawn lots, and their counts are shown again and again, as a roll-out's
controller sees them. A rule is judged by how often it is wrong, over so many roll-outs that one
with the asked error rates is not failed by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab_utils.grade.spec import Answer, Case, FunctionTask, Wrong

from .forms import kind_of

SAYINGS = ("promote", "roll back", "wait")
ROLLOUTS = 80
"""Of each kind, good and bad."""
WRONG_MOST = 0.125
"""Of the roll-outs. About 0.05 is asked, and of 80 with that rate more than 10 go wrong in three of a
thousand cases (the binomial's)."""
BROKEN, BROKEN_SHARE, BROKEN_LOOKS = 5, 0.5, 5
"""Versions that fail half of all, and how many looks may go by until each is rolled back."""
LOOKS = 80
"""The longest a roll-out may take; between two looks the old version fails once on average."""


@dataclass(frozen=True)
class Rollout:
    """kind: "good", "bad" or "broken". said: the last word. looks, answers, failed: until then."""

    kind: str
    said: str
    looks: int
    answers: int
    failed: int


def draw_rollouts(seed: int) -> list[Case]:
    random = np.random.default_rng(seed)
    usual = float(random.uniform(0.002, 0.006))
    return [
        {
            "usual": usual,
            "worse": usual * float(random.uniform(2.0, 2.5)),
            "seed": int(random.integers(2**31)),
        }
    ]


def drive_rollouts(answer: Answer, case: Case) -> list[Rollout]:
    """Each roll-out, look by look, until the answer decides."""
    random = np.random.default_rng(case["seed"])
    usual, worse = case["usual"], case["worse"]
    shares = {"good": usual, "bad": worse, "broken": BROKEN_SHARE}
    kinds = ["good"] * ROLLOUTS + ["bad"] * ROLLOUTS + ["broken"] * BROKEN
    random.shuffle(kinds)
    return [_rollout(answer, usual, worse, kind, shares[kind], random) for kind in kinds]


def _rollout(
    answer: Answer, usual: float, worse: float, kind: str, share: float, random: np.random.Generator
) -> Rollout:
    step, failed, said = round(1 / usual), 0, "wait"
    for look in range(1, LOOKS + 1):
        failed += int(random.binomial(step, share))
        said = _word(answer(usual=usual, worse=worse, answers=look * step, failed=failed))
        if said != "wait":
            return Rollout(kind, said, look, look * step, failed)
    return Rollout(kind, said, LOOKS, LOOKS * step, failed)


def _word(given: Any) -> str:
    if not isinstance(given, str) or given not in SAYINGS:
        named = repr(given[:40]) if isinstance(given, str) else kind_of(given)
        raise Wrong(f'canary returned {named}. Return "promote", "roll back" or "wait".')
    return given


def judge_rollouts(case: Case, output: Sequence[Rollout]) -> None:
    good, bad, broken = (
        [one for one in output if one.kind == kind] for kind in ("good", "bad", "broken")
    )
    promoted = [one for one in bad if one.said == "promote"]
    returned = [one for one in good if one.said == "roll back"]
    waiting = [one for one in good + bad if one.said == "wait"]
    slow = [one for one in broken if one.said != "roll back" or one.looks > BROKEN_LOOKS]
    if len(promoted) > WRONG_MOST * len(bad):
        answers, failed = (
            np.median([getattr(o, what) for o in promoted]) for what in ("answers", "failed")
        )
        raise Wrong(
            f"Of the versions that fail {case['worse'] / case['usual']:.1f} times as often as the "
            f"old one, {len(promoted) / len(bad):.0%} were promoted; about 5 % may be. They had given "
            f"{answers:,.0f} answers, {failed:.0f} of them bad: too few to tell. Wait until the counts "
            "rule the worse share out."
        )
    if len(returned) > WRONG_MOST * len(good):
        raise Wrong(
            f"Of the versions that are as good as the old one, {len(returned) / len(good):.0%} were "
            "rolled back; about 5 % may be. Each look at the counts is another chance to be wrong: "
            "take a test whose error rates hold however often one looks (Wald's)."
        )
    if len(waiting) > WRONG_MOST * len(good + bad):
        raise Wrong(
            f"After {LOOKS} looks, {LOOKS * round(1 / case['usual']):,} answers each, "
            f"{len(waiting) / len(good + bad):.0%} of the roll-outs were still waiting. Decide when the "
            "counts speak clearly enough for one of the two shares."
        )
    if slow:
        raise Wrong(
            f"A version that fails {BROKEN_SHARE:.0%} of all was kept for {slow[0].looks} looks, "
            f"{slow[0].failed:,} bad answers long. Do not wait for a number of answers where the counts "
            "already rule the usual share out."
        )


CANARY = FunctionTask(
    name="canary",
    title="Promote, roll back, or wait",
    points=3,
    function="canary",
    draw=draw_rollouts,
    drive=drive_rollouts,
    judge=judge_rollouts,
)
