import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.optimize.comparison import (
    Outcome,
    largest_difference,
    speed,
    top1_accuracy,
    top1_agreement,
)

REFERENCE = np.array([[3, 1, 0], [0, 2, 1], [0, 1, 5], [4, 0, 0]], np.float32)


def test_agreement_counts_first_places_and_nothing_else() -> None:
    other = REFERENCE * 0.5
    assert top1_agreement(other, REFERENCE) == 1
    other[1] = [9, 0, 0]
    assert top1_agreement(other, REFERENCE) == 0.75


def test_accuracy_is_against_the_truth() -> None:
    assert top1_accuracy(REFERENCE, np.array([0, 1, 2, 0])) == 1
    assert top1_accuracy(REFERENCE, np.array([0, 1, 0, 1])) == 0.5


def test_the_largest_difference_is_absolute() -> None:
    other = REFERENCE.copy()
    other[2, 2] -= 3
    assert largest_difference(other, REFERENCE) == 3


def test_speed_is_the_reference_divided_by_the_variant() -> None:
    logits = REFERENCE
    outcomes = {"eager": Outcome([0.4] * 8, logits), "fast": Outcome([0.1] * 8, logits)}
    gain = speed(outcomes, "fast")
    assert gain.speed_ratio.median == pytest.approx(4)
    assert gain.verdict == "faster"


def test_logits_that_do_not_match_are_refused() -> None:
    with pytest.raises(LabError, match=r"\(3, 3\) were compared with \(4, 3\)"):
        top1_agreement(REFERENCE[:3], REFERENCE)
    with pytest.raises(LabError, match="two of one shape"):
        largest_difference(REFERENCE[0], REFERENCE[0])
    with pytest.raises(LabError, match="compared with 2 labels"):
        top1_accuracy(REFERENCE, np.array([0, 1]))
    with pytest.raises(LabError, match="one row of logits a label"):
        top1_accuracy(REFERENCE[:0], np.array([], int))
