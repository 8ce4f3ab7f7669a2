"""Gradient-boosted trees for payments, with LightGBM.

    booster = train(known[train], fraud[train])
    booster.predict(known[test])       # probabilities of fraud

Frauds are a hundredth of the payments, so the settings are calm ones: small trees, slow steps,
leaves of a hundred payments. What is scored is a rank; the classes are not reweighted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.models.fraud.labels import checked

if TYPE_CHECKING:
    import lightgbm

TREES = 100
SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 1.0,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def train(
    known: pd.DataFrame, fraud: ArrayLike, *, trees: int = TREES, threads: int = 1, seed: int = 0
) -> lightgbm.Booster:
    """Learn from payments whose truth is known. known: a column a feature; fraud: a label each.

    The same for the same payments, seed and threads. Raises LabError where the payments hold no
    fraud, or nothing else, and where LightGBM cannot be loaded.
    """
    try:
        import lightgbm
    except OSError as error:  # its wheel brings no libgomp
        raise LabError(
            f"LightGBM cannot be loaded ({error}); expected the system's libgomp.so.1, on Debian "
            "and Ubuntu the package libgomp1."
        ) from None

    truth = checked(known, fraud)
    data = lightgbm.Dataset(
        known.to_numpy(np.float32), truth, feature_name=[str(name) for name in known.columns]
    )
    return lightgbm.train(
        {**SETTINGS, "seed": seed, "num_threads": threads}, data, num_boost_round=trees
    )


def first(booster: lightgbm.Booster, count: int) -> lightgbm.Booster:
    """A booster of the first `count` of its trees: smaller, quicker, and as good as those are."""
    import lightgbm

    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=count))
