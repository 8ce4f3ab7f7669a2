"""What a gateway is made of, trained on simulated payments: for benches, lessons and experiments.

with RedisServer() as redis:
    world = trained(folder)
    world.fill(RedisStore(redis.socket))
    with FraudService({"cpu": world.trees}, world.rules, world.policy, …) as service:
        for body in world.bodies():
            httpx.post(f"{service.url}/score", content=body)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lab_utils.features.payment import Payment, payments
from lab_utils.features.store import Store
from lab_utils.files import write_bytes
from lab_utils.models.fraud import rules, trees
from lab_utils.models.fraud.feature_names import AT_HAND, DAY_S, LABEL_DELAY_S
from lab_utils.models.fraud.features import features
from lab_utils.models.fraud.rules import RuleEngine
from lab_utils.models.fraud.split import by_time
from lab_utils.models.fraud.transactions import LARGE_AMOUNT, simulate_transactions
from lab_utils.optimize.fraud_scorers import of_trees
from lab_utils.serve.fraud.policy import Policy

CUSTOMERS, TERMINALS = 1_000, 2_000
DAYS, TEST_FROM_DAY = 28, 21
REVIEWED, DECLINED = 0.005, 0.001
"""Shares of the payments learned from that score so high."""
SMALLER = 10
"""The other version's number of trees."""


@dataclass(frozen=True)
class Trained:
    """trees, smaller: ONNX files of two versions of the scorer. rules: the last tier. past: what
    came before, with labels. coming: the payments of the week after, in their order."""

    trees: Path
    smaller: Path
    rules: RuleEngine
    policy: Policy
    past: pd.DataFrame
    coming: tuple[Payment, ...]

    def fill(self, store: Store) -> None:
        """Put the past into a store, with the frauds that are known by now."""
        now_s = self.coming[0].time_s
        known = self.past[self.past["fraud"] & (self.past["time_s"] <= now_s - LABEL_DELAY_S)]
        store.add(payments(self.past), payments(known))
        store.begin()

    def stream(self) -> Iterator[Payment]:
        """Payments without end, no two with one number: week after week what came in the first."""
        week_s = (DAYS - TEST_FROM_DAY) * DAY_S
        turn, number = 0, self.coming[0].transaction_id
        while True:
            for payment in self.coming:
                time_s = payment.time_s + turn * week_s
                yield replace(payment, transaction_id=number, time_s=time_s)
                number += 1
            turn += 1

    def bodies(self) -> Iterator[bytes]:
        """The stream as the gateway takes it over HTTP."""
        return (json.dumps(asdict(payment)).encode() for payment in self.stream())


def trained(folder: Path, *, seed: int = 0) -> Trained:
    """Train all of it, which takes some seconds; the files go to `folder`."""
    table = simulate_transactions(CUSTOMERS, TERMINALS, DAYS, seed)
    known = features(table)
    train, _ = by_time(table, TEST_FROM_DAY)
    booster = trees.train(known[train], table["fraud"][train], seed=seed)
    files = {"trees.onnx": trees.TREES, "smaller.onnx": SMALLER}
    for name, count in files.items():
        write_bytes(folder / name, of_trees(trees.first(booster, count)))
    scores = booster.predict(known[train].to_numpy(np.float32))
    review_from, decline_from = np.quantile(scores, [1 - REVIEWED, 1 - DECLINED])
    past = table["time_s"] < TEST_FROM_DAY * DAY_S
    return Trained(
        trees=folder / "trees.onnx",
        smaller=folder / "smaller.onnx",
        rules=rules.learn(known[train][list(AT_HAND)], table["fraud"][train]),
        policy=Policy(float(decline_from), float(review_from), LARGE_AMOUNT),
        past=table[past],
        coming=tuple(payments(table[~past])),
    )
