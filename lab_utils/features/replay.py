"""The stream of a day, or of two months, played to a store as it came.

    log = replay(transactions, online, served_from_s=37 * DAY_S)

The log is what a service would have kept: for each payment the features with which it was scored.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lab_utils.errors import LabError
from lab_utils.features.online import OnlineFeatures, Served
from lab_utils.features.payment import Payment, payments
from lab_utils.models.fraud.feature_names import FEATURES, LABEL_DELAY_S


def replay(
    transactions: pd.DataFrame,
    online: OnlineFeatures,
    *,
    labels_after_s: float = LABEL_DELAY_S,
    served_from_s: float = 0.0,
    serve: Callable[[Payment], Served] | None = None,
) -> pd.DataFrame:
    """The served features of the payments from `served_from_s` on, columns FEATURES, their index.

    transactions: with `fraud`, in order of time; those before are recorded and not served.
    labels_after_s: a fraud is told to the store so long after it happened. serve: what is asked in
    the place of `online.of`. Raises LabError where the payments are not in order.
    """
    time_s = transactions["time_s"].to_numpy(np.float64)
    if (np.diff(time_s) < 0).any():
        raise LabError("The payments are not in order of time; expected them sorted by time_s.")
    serve = serve or online.of
    stream = list(payments(transactions))
    frauds = [p for p, fraud in zip(stream, transactions["fraud"], strict=True) if fraud]
    first = int(np.searchsorted(time_s, served_from_s))
    known = int(np.searchsorted([f.time_s for f in frauds], served_from_s - labels_after_s))
    online.store.add(stream[:first], frauds[:known])
    rows = np.empty((len(stream) - first, len(FEATURES)), np.float32)
    for row, payment in enumerate(stream[first:]):
        while known < len(frauds) and frauds[known].time_s + labels_after_s <= payment.time_s:
            online.store.known_fraud(frauds[known])
            known += 1
        rows[row] = serve(payment).values
    return pd.DataFrame(rows, columns=list(FEATURES), index=transactions.index[first:])
