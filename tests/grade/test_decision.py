"""How often the rule is wrong, found by trying it on noise that has no mercy."""

import math

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.grade import services, timed
from lab_utils.grade.decision import Curve, Look, Plan, curve_of, needed, stand

BAR = 2.0
PLANS = {"functions": timed.PLAN, "services": services.PLAN}


def ratios_under_load(true: float, pairs: int, chance: np.random.Generator) -> np.ndarray:
    """Pairs in random order on a machine whose slowness comes in bursts and has a heavy tail.

    The log of the slowness jumps with Student's t of 2 degrees of freedom (infinite variance) and
    remembers: a burst lasts several blocks. Each of a pair's two blocks meets its own moment.
    """
    jumps = chance.standard_t(2, 2 * pairs) * 0.15
    slow, now = np.empty(2 * pairs), 0.0
    for i, jump in enumerate(jumps):
        now = 0.7 * now + jump
        slow[i] = now
    first, second = slow[::2], slow[1::2]
    swapped = np.where(chance.random(pairs) < 0.5, 1, -1)
    return true * np.exp(swapped * (first - second))


def rates(plan: Plan, true: float, trials: int, seed: int) -> dict[str, float]:
    chance = np.random.default_rng(seed)
    got = {"above": 0, "below": 0, "tie": 0}
    for _ in range(trials):
        ratios = ratios_under_load(true, plan.longest, chance)
        got[plan.side(list(ratios), BAR) or "tie"] += 1
    return {name: count / trials for name, count in got.items()}


def most(rate: float, trials: int) -> float:
    """A rate, and four standard deviations of its estimate."""
    return rate + 4 * math.sqrt(rate * (1 - rate) / trials)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_at_the_bar_a_side_is_wrong_no_more_often_than_stated(plan: Plan) -> None:
    got = rates(plan, BAR, 3000, seed=1)
    assert got["above"] <= most(plan.error_rate, 3000)
    assert got["below"] <= most(plan.error_rate, 3000)
    assert got["tie"] > 0.9  # and the tie rule is what decides there


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_away_from_the_bar_it_is_wrong_less_often(plan: Plan) -> None:
    assert rates(plan, 1.8, 2000, seed=2)["above"] <= plan.error_rate
    assert rates(plan, 2.2, 2000, seed=3)["below"] <= plan.error_rate


def test_a_look_after_every_pair_would_be_wrong_far_more_often() -> None:
    peeking = Plan(tuple(Look(n, 0.01) for n in range(7, 73)))
    got = rates(peeking, BAR, 1000, seed=4)
    assert got["above"] + got["below"] > 4 * timed.PLAN.error_rate


def test_what_is_far_from_the_bar_takes_few_pairs() -> None:
    assert stand([9.0] * 3, curve_of(BAR), timed.PLAN) is not None
    assert stand([0.9] * 3, curve_of(BAR), timed.PLAN) is not None  # less than half of the bar
    assert stand([3.9] * 8, curve_of(BAR), timed.PLAN) is None
    assert stand([3.9] * 9, curve_of(BAR), timed.PLAN) is not None


def test_only_the_planned_looks_count() -> None:
    """Eight above, then one below: the look at nine cannot tell, nor can any later pair alone."""
    plan = Plan((Look(9, 0.004), Look(18, 0.004)))
    ratios = [3.0] * 8 + [1.0]
    assert plan.side(ratios, BAR) is None
    assert plan.side([*ratios, 3.0, 3.0, 3.0], BAR) is None
    assert plan.side([*ratios, *[3.0] * 9], BAR) == "above"


def test_the_first_look_that_tells_is_the_one_that_counts() -> None:
    plan = Plan((Look(9, 0.004), Look(18, 0.004)))
    assert plan.side([3.0] * 9 + [1.0] * 9, BAR) == "above"


@pytest.mark.parametrize(("ratio", "share"), [(1.99, 0.0), (2.0, 1.0), (2.01, 1.0)])
def test_a_tie_goes_by_the_median(ratio: float, share: float) -> None:
    plan = Plan((Look(7, 0.008),))
    close = [ratio - 0.02, ratio + 0.02, ratio] * 2 + [ratio]
    standing = stand(close, curve_of(BAR), plan)
    assert standing is not None
    assert (standing.share, standing.decided) == (share, False)


@pytest.mark.parametrize(
    ("ratio", "share"), [(1.2, 0), (1.5, 0), (1.625, 0.25), (1.75, 0.5), (2, 1), (3, 1)]
)
def test_a_curve_is_linear_between_its_ends(ratio: float, share: float) -> None:
    assert Curve(1.5, 2.0).share(ratio) == pytest.approx(share)


def test_on_a_curve_both_ends_have_to_be_told_apart() -> None:
    plan = Plan((Look(7, 0.008), Look(14, 0.008)))
    between = stand([1.75] * 7, Curve(1.5, 2.0), plan)
    assert between is not None
    assert (between.share, between.decided) == (0.5, True)
    across = [1.9, 2.1, 1.9, 2.1, 1.9, 2.1, 1.9]
    assert stand(across, Curve(1.5, 2.0), plan) is None
    longest = stand(across * 2, Curve(1.5, 2.0), plan)
    assert longest is not None
    assert longest.share == pytest.approx(0.8)
    assert not longest.decided


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(LabError, match=r"4 pairs cannot decide at a level of 0\.01"):
        Look(4, 0.01)
    with pytest.raises(LabError, match=r"A curve from 2 to 1\.5"):
        Curve(2.0, 1.5)


@pytest.mark.parametrize(("pairs", "level"), [(9, 0.004), (18, 0.002), (72, 0.00225)])
def test_the_count_that_is_needed_is_the_least_that_is_rare_enough(
    pairs: int, level: float
) -> None:
    def chance(least: int) -> float:
        return sum(math.comb(pairs, k) for k in range(least, pairs + 1)) / 2**pairs

    count = needed(pairs, level)
    assert chance(count) <= level < chance(count - 1)
