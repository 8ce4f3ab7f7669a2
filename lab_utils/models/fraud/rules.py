"""Rules that a person can read, learned from payments, scored in plain Python.

    engine = learn(known[train][list(AT_HAND)], fraud[train])
    print(engine)               # if amount > 220: 0.99 …
    engine.score({"amount": 250.0, "is_weekend": 0, "is_night": 1})

The last tier of a fallback: when models and stores are gone, somebody must still answer. Rules on
`AT_HAND`, the payment's own fields, ask no store and no other process, so what took those away
cannot take the rules. The rules are the leaves of a shallow decision tree; each payment falls under
exactly one, or under none, and none means "nothing found".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lab_utils.errors import LabError
from lab_utils.models.fraud.labels import checked

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEPTH, LEAST = 4, 30
"""No rule has more conditions, or stands on fewer payments."""
FIGURES = 4
"""A threshold is rounded to so many figures before it is used: what is printed is what runs."""


@dataclass(frozen=True)
class Condition:
    """A feature is over the threshold, or (over: False) at most that."""

    feature: str
    over: bool
    threshold: float

    def holds(self, payment: Mapping[str, float]) -> bool:
        """Whether it does, for features by name."""
        return (payment[self.feature] > self.threshold) == self.over

    def __str__(self) -> str:
        return f"{self.feature} {'>' if self.over else '≤'} {self.threshold:g}"


@dataclass(frozen=True)
class Rule:
    """If all conditions hold, the payment scores `score`: the share of frauds when it was learned,
    as if one more fraud and one more honest payment had been seen (Laplace)."""

    conditions: tuple[Condition, ...]
    score: float

    def holds(self, payment: Mapping[str, float]) -> bool:
        """Whether all conditions do."""
        return all(condition.holds(payment) for condition in self.conditions)

    def __str__(self) -> str:
        return f"if {' and '.join(map(str, self.conditions))}: {self.score:.2g}"


@dataclass(frozen=True)
class RuleQuality:
    """What one rule does on given payments. precision: NaN where it never fires."""

    rule: Rule
    fires: float
    """The share of payments."""
    precision: float
    recall: float


@dataclass(frozen=True)
class RuleEngine:
    """Rules, the highest score first. features: what a payment must bring. otherwise: the score
    where no rule holds."""

    rules: tuple[Rule, ...]
    features: tuple[str, ...]
    otherwise: float

    def score(self, payment: Mapping[str, float]) -> float:
        """The probability of fraud, from features by name; others may be there and are not read.

        Raises LabError where one is missing or is no number: nothing is approved in silence.
        """
        for name in self.features:
            value = payment.get(name)
            if value is None or not math.isfinite(value):
                raise LabError(
                    f"The payment's {name} is {value}; the rules expect a number for each of "
                    f"{', '.join(self.features)}."
                )
        return next((r.score for r in self.rules if r.holds(payment)), self.otherwise)

    def scores(self, known: pd.DataFrame) -> NDArray[np.float64]:
        """The scores of many payments at once; columns as for `learn`."""
        found = np.full(len(known), self.otherwise)
        for rule, fires in zip(self.rules, self._fires(known), strict=True):
            found[fires] = rule.score
        return found

    def measured(self, known: pd.DataFrame, fraud: ArrayLike) -> list[RuleQuality]:
        """Each rule's share of payments, precision and recall on these payments."""
        truth = np.asarray(fraud, bool)
        return [
            RuleQuality(
                rule,
                fires=float(fires.mean()),
                precision=float(truth[fires].mean()) if fires.any() else math.nan,
                recall=float(truth[fires].sum() / max(truth.sum(), 1)),
            )
            for rule, fires in zip(self.rules, self._fires(known), strict=True)
        ]

    def _fires(self, known: pd.DataFrame) -> list[NDArray[np.bool_]]:
        columns = {name: known[name].to_numpy(np.float64) for name in self.features}
        fires = []
        for rule in self.rules:
            holds = np.ones(len(known), bool)
            for condition in rule.conditions:
                holds &= (columns[condition.feature] > condition.threshold) == condition.over
            fires.append(holds)
        return fires

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rules), f"otherwise: {self.otherwise:.2g}"])


def learn(
    known: pd.DataFrame, fraud: ArrayLike, depth: int = DEPTH, least: int = LEAST
) -> RuleEngine:
    """Rules from payments whose truth is known. known: a column a feature; fraud: as many labels.

    Leaves in which frauds are rarer than among all payments make no rule: together they are
    "otherwise". Raises LabError where the payments hold no fraud, or nothing else.
    """
    from sklearn.tree import DecisionTreeClassifier

    truth = checked(known, fraud)
    names = tuple(map(str, known.columns))
    tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, random_state=0)
    tree.fit(known.to_numpy(np.float64), truth)
    drafts = RuleEngine(
        tuple(Rule(conditions, 0.0) for conditions in _leaves(tree.tree_, names) if conditions),
        names,
        0.0,
    )
    rules, rest = [], np.ones(truth.size, bool)
    for rule, fires in zip(drafts.rules, drafts._fires(known), strict=True):
        if fires.any() and truth[fires].mean() > truth.mean():
            rules.append(Rule(rule.conditions, _laplace(truth[fires])))
            rest &= ~fires
    rules.sort(key=lambda rule: -rule.score)
    used = {condition.feature for rule in rules for condition in rule.conditions}
    return RuleEngine(
        tuple(rules), tuple(name for name in names if name in used), _laplace(truth[rest])
    )


def _laplace(truth: NDArray[np.bool_]) -> float:
    return float((truth.sum() + 1) / (truth.size + 2))


def _leaves(
    tree: object, names: Sequence[str], node: int = 0, above: tuple[Condition, ...] = ()
) -> list[tuple[Condition, ...]]:
    """Each leaf's conditions, at most one of each kind for a feature."""
    feature, left = tree.feature[node], tree.children_left[node]  # type: ignore[attr-defined]
    if left < 0:
        return [_tightest(above)]
    threshold = float(f"{tree.threshold[node]:.{FIGURES}g}")  # type: ignore[attr-defined]
    right = tree.children_right[node]  # type: ignore[attr-defined]
    return [
        leaf
        for child, over in ((left, False), (right, True))
        for leaf in _leaves(
            tree, names, child, (*above, Condition(names[feature], over, threshold))
        )
    ]


def _tightest(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Of several bounds of one feature on one side, the one that says it all."""
    kept: dict[tuple[str, bool], Condition] = {}
    for condition in conditions:
        key = condition.feature, condition.over
        known = kept.get(key)
        tighter = max if condition.over else min
        if known is None or tighter(known.threshold, condition.threshold) != known.threshold:
            kept[key] = condition
    return tuple(kept.values())
