"""The sequential tests keep the error rates that they state, however often they are looked at."""

import math

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.sequential import KnownShare, SideBySide, peeked, rehearsed

ALPHA, BETA = 0.05, 0.1


@pytest.mark.parametrize(("true", "worse"), [(0.01, False), (0.03, True)])
def test_a_known_share_is_judged_with_the_stated_errors(true: float, worse: bool) -> None:
    ends = rehearsed(
        true, 0.01, 0.03, alpha=ALPHA, beta=BETA, looks=800, answers_a_look=5, canaries=4000
    )
    wrong = (ends.no_worse if worse else ends.worse).mean()
    right = (ends.worse if worse else ends.no_worse).mean()
    # Under its bound, and not idle: a test that never erred would take more answers than it needs.
    assert (BETA if worse else ALPHA) / 3 < wrong < (BETA if worse else ALPHA)
    assert wrong + right > 0.999


@pytest.mark.parametrize("weight", [0.01, 0.25, 0.5])
@pytest.mark.parametrize(("ratio", "true"), [(3, 1), (3, 3), (1 / 3, 1), (1 / 3, 1 / 3)])
def test_two_versions_side_by_side_are_judged_with_the_stated_errors(
    ratio: float, true: float, weight: float
) -> None:
    """Rare counts and common ones; a batch a look, in which the new version has `weight`."""
    random = np.random.default_rng(0)
    for usual in (0.02, 0.2):
        new_answers = random.binomial(round(40 / usual), weight, (300, 400))
        old_answers = round(40 / usual) - new_answers
        new, old = random.binomial(new_answers, usual * true), random.binomial(old_answers, usual)
        verdicts = []
        for one in zip(new, new_answers, old, old_answers, strict=True):
            test = SideBySide(ratio, ALPHA, BETA)
            for look in zip(*(each.tolist() for each in one), strict=True):
                test.add(*look)
                if test.verdict:
                    break
            verdicts.append(test.verdict)
        bound, mistake = (ALPHA, "worse") if true == 1 else (BETA, "no worse")
        # Three standard deviations of a share of 300.
        assert verdicts.count(mistake) / 300 < bound + 3 * math.sqrt(bound * (1 - bound) / 300)
        assert verdicts.count("") < 15


def test_one_test_is_what_the_rehearsal_imagines() -> None:
    bad = np.random.default_rng(7).binomial(20, 0.03, (50, 300))
    ends = rehearsed(
        0.03,
        0.01,
        0.03,
        alpha=ALPHA,
        beta=BETA,
        looks=300,
        answers_a_look=20,
        canaries=50,
        seed=7,
    )
    for row in range(50):
        test, answers = KnownShare(0.01, 0.03, ALPHA, BETA), 0
        for one in bad[row].tolist():
            test.add(one, 20)
            answers += 20
            if test.verdict:
                break
        assert (test.verdict == "worse", answers) == (ends.worse[row], ends.answers[row])


def test_what_happens_to_both_is_held_against_neither() -> None:
    test = SideBySide(3, ALPHA, BETA)
    for _ in range(40):
        test.add(new=50, new_answers=100, old=50, old_answers=100)
    assert test.verdict == "no worse"


def test_a_test_that_has_ended_stays_so() -> None:
    test = KnownShare(0.001, 0.1, ALPHA, BETA)
    test.add(5, 5)
    evidence = test.evidence
    test.add(0, 10_000)
    assert (test.verdict, test.evidence) == ("worse", evidence)


def test_the_way_to_no_worse_is_known() -> None:
    test = KnownShare(0.001, 0.1, ALPHA, BETA)
    assert test.cleared == 0
    test.add(0, 10)
    assert 0.3 < test.cleared < 0.6
    test.add(5, 5)
    assert test.cleared == 0


def test_a_fixed_test_that_is_looked_at_often_errs_often() -> None:
    share = peeked(0.1, looks=50, answers_a_look=400, canaries=4000)
    assert share[0] == pytest.approx(0.05, abs=0.015)
    # Armitage, McPherson and Rowe 1969, table 2: 50 looks at a normal mean at 5 %.
    assert share[-1] == pytest.approx(0.320, abs=0.03)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: KnownShare(0.1, 0.01, ALPHA, BETA), "the worse one larger"),
        (lambda: KnownShare(0.0, 0.01, ALPHA, BETA), "the worse one larger"),
        (lambda: KnownShare(0.01, 0.1, 0, BETA), "two chances above 0"),
        (lambda: SideBySide(3, 0.5, 0.6), "whose sum is below 1"),
        (lambda: SideBySide(1, ALPHA, BETA), "not 1"),
        (lambda: SideBySide(3, ALPHA, BETA).add(3, 2, 0, 0), "3 of 2 answers"),
        (lambda: KnownShare(0.01, 0.1, ALPHA, BETA).add(-1, 2), "-1 of 2 answers"),
    ],
)
def test_what_makes_no_test_is_refused(make, told) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LabError, match=told):
        make()
