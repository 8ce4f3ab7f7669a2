"""What every learner here takes: features by name, and a label for each payment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lab_utils.errors import LabError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def checked(known: pd.DataFrame, fraud: ArrayLike) -> NDArray[np.bool_]:
    """The labels, one for each row of `known`. Raises LabError where they do not fit, or where
    there is nothing to learn: no fraud, or nothing else."""
    truth = np.asarray(fraud, bool)
    if truth.shape != (len(known),) or truth.all() or not truth.any():
        raise LabError(
            f"{truth.size} labels, {truth.sum()} of them frauds, came for {len(known)} payments; "
            "expected a label for each, some of frauds and some not."
        )
    return truth
