"""What is done with a scored payment, and how long it may take: one policy for all tiers.

A score becomes a decision: `decline` from one threshold on, `review` from a lower one on, else
`approve`. A degraded answer knows less, so it never approves a large payment: from `review_amount`
on somebody looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_utils.calculation import positive
from lab_utils.errors import LabError

Decision = Literal["approve", "review", "decline"]


@dataclass(frozen=True)
class Policy:
    """Thresholds on the probability of fraud, and the times a payment may take.

    decline_from, review_from: probabilities. review_amount: from it on no degraded one approves.
    deadline_s: from the payment's coming in to its answer's going to the log. features_s, model_s:
    of it, for the store and for the model.
    """

    decline_from: float
    review_from: float
    review_amount: float
    deadline_s: float = 0.050
    features_s: float = 0.010
    model_s: float = 0.020

    def __post_init__(self) -> None:
        positive(deadline_s=self.deadline_s, features_s=self.features_s, model_s=self.model_s)
        if not 0 <= self.review_from <= self.decline_from <= 1:
            raise LabError(
                f"The thresholds are review_from {self.review_from:g} and decline_from "
                f"{self.decline_from:g}; expected 0 ≤ review_from ≤ decline_from ≤ 1."
            )

    def decision(self, probability: float, amount: float, degraded: bool) -> Decision:
        """What is done with a payment of this amount."""
        if probability >= self.decline_from:
            return "decline"
        if probability >= self.review_from or (degraded and amount >= self.review_amount):
            return "review"
        return "approve"
