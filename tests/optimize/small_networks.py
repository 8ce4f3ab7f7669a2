"""Small scorers of payments, trained for a moment, and payments of all sizes for them."""

from functools import cache

import numpy as np
import pandas as pd

from lab_utils.models.fraud.network import STUDENT, TEACHER, PaymentNetwork, fit

FEATURES = 15
WIDTHS = {"student": STUDENT, "teacher": TEACHER, "uneven": (32, 16)}


@cache
def rows() -> np.ndarray:
    """Features over decades, and what no payment should have: zeros and a negative number."""
    made = np.random.default_rng(0).lognormal(1, 2, (300, FEATURES)).astype(np.float32)
    made[0], made[1, 3] = 0, -5
    return made


@cache
def network(name: str) -> PaymentNetwork:
    known = pd.DataFrame(rows())
    fraud = (known[0] > known[0].median()) & (known[1] > known[1].median())
    return fit(PaymentNetwork(WIDTHS[name], FEATURES), known, fraud, epochs=100)
