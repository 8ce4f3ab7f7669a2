"""A rollout promotes what is no worse and rolls back what is, with the error rates of its plan."""

import math

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.resilience.rollout import Counts, Plan, Rollout, Slo

PLAN = Plan(Slo(usual=0.005, worse=0.05), flagged=3)
FLAGGED = 0.1
A_LOOK = 2000


def roll(plan: Plan, seed: int, bad: float, flagged: float, everywhere: float = 0.002) -> Rollout:
    """Imagined traffic, split by the rollout's weight; `everywhere`: the old one's bad share."""
    random, rollout = np.random.default_rng(seed), Rollout(plan)
    while not rollout.outcome:
        part = 0.5 if plan.steps == (0,) else rollout.weight / 100
        new = int(random.binomial(A_LOOK, part))
        old = A_LOOK - new
        rollout.observe(
            Counts(old, int(random.binomial(old, everywhere)), int(random.binomial(old, FLAGGED))),
            Counts(new, int(random.binomial(new, bad)), int(random.binomial(new, flagged))),
        )
    return rollout


def share(outcome: str, runs: int = 300, **version: float) -> float:
    return sum(roll(PLAN, seed, **version).outcome == outcome for seed in range(runs)) / runs


def test_a_good_version_is_rolled_back_as_rarely_as_stated() -> None:
    assert share("rolled back", bad=0.005, flagged=FLAGGED) <= PLAN.alpha


@pytest.mark.parametrize(
    "version",
    [
        {"bad": 0.05, "flagged": FLAGGED},
        {"bad": 0.002, "flagged": 3 * FLAGGED},
        {"bad": 0.002, "flagged": FLAGGED / 3},
    ],
    ids=["as bad as must not be", "flags three times as many", "flags a third"],
)
def test_a_bad_version_is_promoted_as_rarely_as_stated(version: dict[str, float]) -> None:
    bound = PLAN.beta + 3 * math.sqrt(PLAN.beta * (1 - PLAN.beta) / 300)
    assert share("promoted", **version) <= bound


def test_the_weight_rises_by_the_plan_and_ends_at_100() -> None:
    rollout = roll(PLAN, 1, bad=0.002, flagged=FLAGGED)
    weights = [look.weight for look in rollout.looks]
    assert rollout.outcome == "promoted"
    assert list(dict.fromkeys(weights)) == [1, 5, 25]
    assert weights == sorted(weights)
    assert rollout.weight == 100


def test_the_worst_meet_few() -> None:
    rollout = roll(PLAN, 2, bad=1.0, flagged=FLAGGED)
    assert (rollout.outcome, rollout.reason, rollout.weight) == ("rolled back", "bad answers", 0)
    assert {look.weight for look in rollout.looks} == {1}


def test_a_shadow_changes_no_weight() -> None:
    shadow = roll(PLAN.shadow(), 3, bad=0.002, flagged=FLAGGED)
    assert (shadow.outcome, shadow.weight) == ("promoted", 0)


def test_an_outage_of_both_is_held_against_neither() -> None:
    rollout = Rollout(PLAN)
    rollout.observe(Counts(900, 300, 90), Counts(100, 40, 10))
    assert rollout.outcome == ""
    assert not rollout.looks[0].judged
    assert set(rollout.looks[0].evidence.values()) == {0}


def test_who_cannot_be_told_is_rolled_back() -> None:
    rollout = Rollout(Plan(patience=100))
    rollout.observe(Counts(9900, 0, 0), Counts(100, 0, 0))
    assert rollout.outcome == "rolled back"
    assert rollout.reason == "no verdict after 100 answers"
    with pytest.raises(LabError, match="rolled back already"):
        rollout.observe(Counts(1, 0, 0), Counts(1, 0, 0))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"steps": ()}, "percents that rise"),
        ({"steps": (5, 1)}, "percents that rise"),
        ({"steps": (1, 100)}, "percents that rise"),
        ({"steps": (0, 5)}, "percents that rise"),
        ({"flagged": 1.0}, "a ratio above 1"),
        ({"patience": 0}, "at least one answer"),
        ({"slo": Slo(usual=0.1, worse=0.01)}, "the worse one larger"),
        ({"alpha": 0.0}, "two chances above 0"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict, told: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(LabError, match=told):
        Plan(**change)
