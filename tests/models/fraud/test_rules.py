import math

import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import AT_HAND
from lab_utils.models.fraud.rules import Condition, Rule, RuleEngine, learn
from lab_utils.models.fraud.split import by_time
from lab_utils.models.fraud.transactions import LARGE_AMOUNT

ENGINE = RuleEngine(
    (
        Rule((Condition("amount", True, 220.0),), 0.98),
        Rule((Condition("amount", True, 50.0), Condition("risk", True, 0.5)), 0.7),
    ),
    ("amount", "risk"),
    0.01,
)


@pytest.mark.parametrize(
    ("amount", "risk", "score"),
    [(221, 0, 0.98), (220, 0.6, 0.7), (50, 0.6, 0.01), (220, 0.5, 0.01)],
)
def test_the_first_rule_that_holds_decides(amount: float, risk: float, score: float) -> None:
    assert ENGINE.score({"amount": amount, "risk": risk}) == score


def test_it_reads_as_it_runs() -> None:
    assert str(ENGINE) == (
        "if amount > 220: 0.98\nif amount > 50 and risk > 0.5: 0.7\notherwise: 0.01"
    )


@pytest.mark.parametrize("risk", [None, math.nan, math.inf])
def test_a_payment_that_lacks_a_feature_is_not_approved(risk: float | None) -> None:
    payment = {"amount": 1.0} | ({} if risk is None else {"risk": risk})
    with pytest.raises(LabError, match=r"The payment's risk is .*; the rules expect a number"):
        ENGINE.score(payment)


def test_precision_and_recall_are_counted() -> None:
    known = pd.DataFrame({"amount": [300, 300, 100, 100, 10], "risk": [0, 0, 0.9, 0.9, 0]})
    large, risky = ENGINE.measured(known, [1, 0, 1, 1, 1])
    assert (large.fires, large.precision, large.recall) == (0.4, 0.5, 0.25)
    assert (risky.fires, risky.precision, risky.recall) == (0.4, 1.0, 0.5)
    never = ENGINE.measured(known[:2], [1, 0])[1]
    assert math.isnan(never.precision)


def test_scenario_1_is_learned_from_the_payment_alone(
    payments: pd.DataFrame, known: pd.DataFrame
) -> None:
    train, test = by_time(payments, test_from_day=53)
    engine = learn(known[train][list(AT_HAND)], payments["fraud"][train])
    best = engine.rules[0]
    limits = [c.threshold for c in best.conditions if c.feature == "amount" and c.over]
    assert limits == pytest.approx([LARGE_AMOUNT], rel=0.02)
    quality = engine.measured(known[test], payments["fraud"][test])[0]
    assert quality.precision > 0.9
    found = payments[test]["scenario"][engine.scores(known[test]) == best.score]
    assert (found == 1).sum() > 0.9 * (payments[test]["scenario"] == 1).sum()


def test_one_by_one_as_all_at_once(payments: pd.DataFrame, known: pd.DataFrame) -> None:
    train, test = by_time(payments, test_from_day=53)
    engine = learn(known[train], payments["fraud"][train], depth=5)
    some = known[test].iloc[::97]
    singly = [engine.score(dict(zip(some.columns, row, strict=True))) for row in some.to_numpy()]
    np.testing.assert_array_equal(engine.scores(some), singly)
    assert len(set(singly)) > 3


def test_no_two_rules_fire_and_each_beats_the_base_rate(
    payments: pd.DataFrame, known: pd.DataFrame
) -> None:
    train, _ = by_time(payments, test_from_day=53)
    truth = payments["fraud"][train]
    engine = learn(known[train], truth, depth=5)
    measured = engine.measured(known[train], truth)
    fires = np.array(engine._fires(known[train]))
    assert fires.sum(axis=0).max() == 1
    assert all(one.precision > truth.mean() for one in measured)
    assert all(len(one.rule.conditions) <= 5 for one in measured)
    scores = [rule.score for rule in engine.rules]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("fraud", [[0, 0], [1, 1], [1], [0, 1, 0]])
def test_labels_that_teach_nothing_are_refused(fraud: list[int]) -> None:
    with pytest.raises(LabError, match="expected a label for each"):
        learn(pd.DataFrame({"amount": [1.0, 2.0]}), fraud)
