"""Do scores mean what they say? Of the payments scored at about 0.3, three in ten are frauds.

    bins = reliability(fraud, scores)       # groups of equal size, from low scores to high ones
    bins[-1].said, bins[-1].seen            # the mean score of a group, and its share of frauds
    calibration_error(bins)                 # how far the two lie apart, over all payments

A rank needs no calibration. A sum in money does, and so does a threshold that stays while another
model takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, share

BINS = 20


@dataclass(frozen=True)
class Bin:
    """Payments of like scores. said: their mean score. seen: their share of frauds, 0 to 1."""

    said: float
    seen: Interval

    @property
    def payments(self) -> int:
        """How many there are."""
        return self.seen.n


def reliability(fraud: ArrayLike, scores: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Payments in order of their score, in so many groups of equal size (within one).

    fraud: the truth, one for each score. scores: probabilities, 0 to 1. Raises LabError where the
    two do not fit, a score is no probability, or there are fewer payments than groups.
    """
    truth, score = np.asarray(fraud, bool), np.asarray(scores, np.float64).ravel()
    if truth.shape != score.shape or not ((score >= 0) & (score <= 1)).all():
        raise LabError(
            f"{score.size} scores came for {truth.size} payments; expected a probability, 0 to 1, "
            "for each."
        )
    if not 1 <= bins <= score.size:
        raise LabError(
            f"{score.size} payments were to fill {bins} groups; expected one or more for each."
        )
    groups = np.array_split(np.argsort(score, kind="stable"), bins)
    return [Bin(float(score[g].mean()), share(int(truth[g].sum()), g.size)) for g in groups]


def calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance between what was said and what was seen, weighted by payments.

    The *expected calibration error* of M. P. Naeini, G. Cooper, M. Hauskrecht, 2015, over groups of
    equal size. Raises LabError where there is no group.

    >>> calibration_error(reliability([1, 0, 0, 0], [0.25] * 4, bins=1))
    0.0
    """
    if not bins:
        raise LabError("A calibration error was asked of no groups; expected at least one.")
    payments = sum(group.payments for group in bins)
    apart = sum(group.payments * abs(group.said - group.seen.median) for group in bins)
    return apart / payments
