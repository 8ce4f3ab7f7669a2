"""Were the features that were served those that training would have computed? Two ways to ask.

    rows_differing(logged, offline)     # the same payments on both sides: exact
    drift(trained_on, logged)           # two populations: what is left where rows cannot be matched

The first needs a log of what was served and the offline features *of the same payments*. It finds
every difference and names the rows. The second compares distributions, so it cannot see a feature
that is wrong for each payment and right on average; and it also rises when the world changes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lab_utils.errors import LabError

BINS = 10
LEAST_SHARE = 1e-4
"""An empty bin is taken for so much, or the index would be infinite."""
WATCH, ACT = 0.1, 0.25
"""The usual readings of a population stability index (Siddiqi, *Credit Risk Scorecards*, 2006)."""


def rows_differing(logged: pd.DataFrame, offline: pd.DataFrame) -> pd.Series:
    """For each column the share of rows (0 to 1) that are not the same number, bit by bit.

    A missing value equals a missing value. Raises LabError where the two do not have the same rows
    and columns in the same order.
    """
    if not (logged.index.equals(offline.index) and logged.columns.equals(offline.columns)):
        raise LabError(
            f"A log of {logged.shape[0]} rows and {logged.shape[1]} columns was laid beside "
            f"offline features of {offline.shape[0]} and {offline.shape[1]}; expected the same "
            "payments and features in the same order."
        )
    served, trained = logged.to_numpy(), offline.to_numpy()
    same = (served == trained) | (np.isnan(served) & np.isnan(trained))
    return pd.Series(1 - same.mean(axis=0), index=logged.columns)


def drift(expected: pd.DataFrame, found: pd.DataFrame) -> pd.Series:
    """The population stability index of each column of `found`, against `expected`."""
    return pd.Series(
        {name: stability_index(expected[name], found[name]) for name in expected.columns}
    )


def stability_index(expected: ArrayLike, found: ArrayLike, bins: int = BINS) -> float:
    """Σ (q − p) · ln(q / p) over bins of equal share p of `expected`; missing values are a bin.

    Values that many payments share (small counts, zero) fall into one bin each. 0 for the same
    distribution; from `ACT` on it is usually called a shift. (Siddiqi 2006; the sum is Jeffreys'
    divergence.) Raises LabError for an empty side.

    >>> stability_index([0, 1, 2, 3], [3, 2, 1, 0])
    0.0
    """
    before, now = np.asarray(expected, float).ravel(), np.asarray(found, float).ravel()
    if not before.size or not now.size:
        raise LabError(
            f"A stability index was asked of {before.size} and {now.size} values; expected some on "
            "both sides."
        )
    told = before[~np.isnan(before)]
    edges = np.unique(np.quantile(told, np.arange(1, bins) / bins)) if told.size else np.empty(0)
    p, q = (_shares(values, edges) for values in (before, now))
    return float(np.sum((q - p) * np.log(q / p)))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share in each bin: up to an edge and above the one before, the rest, the missing."""
    missing = np.isnan(values)
    places = np.where(missing, edges.size + 1, np.searchsorted(edges, values, side="left"))
    return np.maximum(np.bincount(places, minlength=edges.size + 2) / values.size, LEAST_SHARE)
