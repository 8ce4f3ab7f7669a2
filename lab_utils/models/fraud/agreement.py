"""Where two scorers raise alerts: together, or one of them alone, and for what.

    table = agreement(payments[test], teacher_scores, student_scores, rate=0.005)
    table["both"]["scenario 1"]             # payments
    copied(payments[test], teacher_scores, student_scores, rate=0.005)   # of its false alarms

Two scorers may catch as many frauds and not the same ones: a figure each does not tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

BOTH, FIRST, SECOND = "both", "the first alone", "the second alone"


def alerts(scores: ArrayLike, rate: float) -> NDArray[np.bool_]:
    """Which payments alert if the highest-scored share `rate` of them does.

    Of equal scores the earlier payments alert. Raises LabError for a rate that is not between 0
    and 1, or one so low that nothing alerts.
    """
    score = np.asarray(scores, np.float64).ravel()
    count = round(rate * score.size)
    if not 0 < rate < 1 or count < 1:
        raise LabError(
            f"The alert rate is {rate} of {score.size} payments; expected a share between 0 and 1 "
            "that makes at least one alert."
        )
    chosen = np.zeros(score.size, bool)
    chosen[np.argsort(-score, kind="stable")[:count]] = True
    return chosen


def agreement(
    payments: pd.DataFrame, first: ArrayLike, second: ArrayLike, rate: float
) -> dict[str, dict[str, int]]:
    """Alerts of both, of the first alone and of the second alone, each by what the payments were.

    payments: with `scenario` (0: honest). first, second: a score for each of them. The inner keys
    are "honest", "scenario 1", … in this order; all are there.
    """
    one, other = _both(payments, first, second, rate)
    scenario = payments["scenario"].to_numpy()
    names = {0: "honest"} | {n: f"scenario {n}" for n in range(1, int(scenario.max(initial=0)) + 1)}
    parts = {BOTH: one & other, FIRST: one & ~other, SECOND: other & ~one}
    return {
        part: {name: int((rows & (scenario == n)).sum()) for n, name in names.items()}
        for part, rows in parts.items()
    }


def copied(payments: pd.DataFrame, first: ArrayLike, second: ArrayLike, rate: float) -> Interval:
    """Of the first scorer's false alarms, the share (0 to 1) that the second raises as well.

    Raises LabError where the first has none.
    """
    one, other = _both(payments, first, second, rate)
    false = one & ~payments["fraud"].to_numpy(bool)
    if not false.any():
        raise LabError("The first scorer raises no false alarm; expected at least one to copy.")
    return share(int((false & other).sum()), int(false.sum()))


def _both(
    payments: pd.DataFrame, first: ArrayLike, second: ArrayLike, rate: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    one, other = alerts(first, rate), alerts(second, rate)
    if not one.size == other.size == len(payments):
        raise LabError(
            f"{one.size} and {other.size} scores came for {len(payments)} payments; expected one "
            "each for every payment."
        )
    return one, other
