import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.optimize.comparison import (
    Outcome,
    agreement,
    largest_difference,
    lead,
    logit_error,
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


def test_agreement_may_count_only_what_the_reference_is_sure_of() -> None:
    other = REFERENCE.copy()
    other[1] = [9, 0, 0]  # the reference leads there by the least: 0.42
    everything, sure = agreement(other, REFERENCE), agreement(other, REFERENCE, sure_by=0.5)
    assert (everything.median, everything.n) == (0.75, 4)
    assert (sure.median, sure.n) == (1, 3)
    assert sure.low < 0.6  # three pictures promise little
    with pytest.raises(LabError, match="On no picture"):
        agreement(other, REFERENCE, sure_by=0.99)


def test_the_lead_is_that_of_the_probabilities() -> None:
    both = np.exp(REFERENCE) / np.exp(REFERENCE).sum(1, keepdims=True)
    assert lead(REFERENCE) == pytest.approx([p[-1] - p[-2] for p in np.sort(both, axis=1)])


def test_the_error_of_logits_is_that_of_the_median_picture() -> None:
    other = REFERENCE * np.array([[1.1], [1.2], [1.3], [2]], np.float32)
    error = logit_error(other, REFERENCE)
    assert error.median == pytest.approx(0.25)
    assert error.n == 4


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
