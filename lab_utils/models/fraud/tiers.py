"""What the tiers of a fallback chain are worth: the share of frauds that each one catches.

    caught()                    # {"large": 0.66…, "small": …, "rules": …, "rules at hand": …}

Measured, not assumed: all learn from the same simulated weeks and are judged on later ones, as in
lesson 3.1, with the same share of payments that may raise an alert. The figures are kept in a file,
so that nobody waits for them; `python -m lab_utils.models.fraud.tiers` measures and writes them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache

from lab_utils.files import ROOT, write_text
from lab_utils.models.fraud import rules, trees
from lab_utils.models.fraud.feature_names import AT_HAND
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.metrics import at_alert_rate
from lab_utils.models.fraud.split import by_time
from lab_utils.models.fraud.transactions import simulate_transactions

ALERT_RATE = 0.02
"""The share of payments that may raise an alert."""
CUSTOMERS, TERMINALS, DAYS, WEEKS, SEED = 1_500, 3_000, 70, 3, 36
"""Of the payments: enough for the order of the tiers, few enough for three seconds."""
SMALL_TREES = 10


KEPT = ROOT / "data/fraud/caught.csv"
HEAD = f"""\
# The share of all frauds that each tier alerts to, with {ALERT_RATE:.0%} of the payments as alerts:
# {CUSTOMERS:,} simulated customers, learned in {7 * WEEKS} days, judged in {7 * WEEKS} later ones.
# Written by python -m lab_utils.models.fraud.tiers; the same on every machine.
"""


@cache
def caught() -> Mapping[str, float]:
    """The share of all frauds, 0 to 1, that are among each tier's alerts, as `measured` found it.

    large, small: trees with all features, many and few. rules: learned, with all features. rules
    at hand: learned, with what the payment itself says and nothing else.
    """
    lines = (line for line in KEPT.read_text().splitlines() if not line.startswith("#"))
    return {row["tier"]: float(row["caught"]) for row in csv.DictReader(lines)}


def measured() -> dict[str, float]:
    """The same, learned and judged anew, in some seconds."""
    payments = simulate_transactions(CUSTOMERS, TERMINALS, DAYS, SEED)
    known, fraud = features(payments), payments["fraud"]
    train, test = by_time(payments, DAYS - 7 * WEEKS, 7 * WEEKS, 7 * WEEKS)
    learned, judged, few = known[train], known[test], list(AT_HAND)
    scores = {
        "large": trees.train(learned, fraud[train]).predict(judged),
        "small": trees.train(learned, fraud[train], trees=SMALL_TREES).predict(judged),
        "rules": rules.learn(learned, fraud[train]).scores(judged),
        "rules at hand": rules.learn(learned[few], fraud[train]).scores(judged[few]),
    }
    return {
        name: at_alert_rate(payments[test], each, ALERT_RATE).caught
        for name, each in scores.items()
    }


def main() -> None:
    """Measure, and write the file."""
    rows = "".join(f"{name},{share:.4f}\n" for name, share in measured().items())
    write_text(KEPT, HEAD + "tier,caught\n" + rows)


if __name__ == "__main__":
    main()
