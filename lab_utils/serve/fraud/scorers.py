"""Scorers for what is not about scoring: small, quickly learned, the same each time.

    scorers = small_scorers()
    FraudService(scorers.models(folder), scorers.rules, scorers.policy, audit=…)

Boosted trees and, for the last tier, rules that need nothing but the payment itself, both learned
from a week of a small simulated town. What a good scorer is, lesson 3.1 says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from lab_utils.files import write_bytes
from lab_utils.models.fraud import rules, trees
from lab_utils.models.fraud.feature_names import AT_HAND
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.rules import RuleEngine
from lab_utils.models.fraud.split import by_time
from lab_utils.models.fraud.transactions import simulate_transactions
from lab_utils.optimize.fraud_scorers import Scorer, of_trees
from lab_utils.serve.fraud.policy import Policy

CUSTOMERS, DAYS, TEST_FROM_DAY = 500, 28, 21
REVIEWED, DECLINED, LARGE = 0.005, 0.002, 0.05
"""Shares of the payments: that raise an alert, that are declined of these, that count as large."""


@dataclass(frozen=True)
class SmallScorers:
    """trees: an ONNX file's content, of all features. rules: of the payment alone. policy: its
    thresholds follow from the week after the one that was learned from."""

    trees: bytes
    rules: RuleEngine
    policy: Policy

    def models(self, folder: Path) -> dict[str, Path]:
        """The tiers as `FraudService` takes them; writes the file into the folder."""
        path = folder / "trees.onnx"
        write_bytes(path, self.trees)
        return {"cpu": path}


@cache
def small_scorers() -> SmallScorers:
    """Made once in a process, in about a second."""
    payments = simulate_transactions(CUSTOMERS, 2 * CUSTOMERS, DAYS, seed=3)
    known, fraud = features(payments), payments["fraud"]
    train, test = by_time(payments, TEST_FROM_DAY)
    content = of_trees(trees.train(known[train], fraud[train]))
    found = Scorer(content)(known[test].to_numpy(np.float32))
    review, decline = (float(np.quantile(found, 1 - part)) for part in (REVIEWED, DECLINED))
    large = float(np.quantile(payments["amount"][test], 1 - LARGE))
    ruler = rules.learn(known[train][list(AT_HAND)], fraud[train])
    return SmallScorers(content, ruler, Policy(decline, review, large))
