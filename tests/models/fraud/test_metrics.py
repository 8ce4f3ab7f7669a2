import numpy as np
import pandas as pd
import pytest

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import DAY_S
from lab_utils.models.fraud.metrics import (
    at_alert_rate,
    card_precision,
    caught_by_rate,
    quality,
    roc,
)


def made(fraud: list[int], customer: list[int], day: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time_s": DAY_S * np.array(day),
            "customer": customer,
            "amount": 10.0 * (1 + np.arange(len(fraud))),
            "fraud": np.array(fraud, bool),
        }
    )


def test_auc_roc_is_the_chance_of_a_right_order() -> None:
    rng = np.random.default_rng(0)
    payments = made(list(rng.random(200) < 0.3), list(range(200)), [0] * 200)
    scores = np.round(rng.random(200) + 0.3 * payments["fraud"], 1)  # with ties, each half a chance
    fraud, honest = scores[payments["fraud"]], scores[~payments["fraud"]]
    difference = fraud.to_numpy()[:, None] - honest.to_numpy()
    chance = (difference > 0).mean() + (difference == 0).mean() / 2
    assert quality(payments, scores, cards=5).auc_roc == pytest.approx(chance)


def test_a_card_counts_once_a_day_and_is_found_once() -> None:
    """Day 0: cards 0 and 1 are highest, 0 has a fraud. Day 1: 0 is known; 2 and 1 are highest."""
    payments = made([1, 0, 0, 0, 1, 1, 0, 0], [0, 0, 1, 2, 0, 2, 1, 3], [0] * 4 + [1] * 4)
    scores = [0.1, 0.9, 0.8, 0.2, 0.9, 0.8, 0.7, 0.1]
    assert card_precision(payments, scores, cards=2) == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_alerts_catch_frauds_and_money() -> None:
    payments = made([1, 0, 1, 0, 0, 0, 0, 1, 0, 0], list(range(10)), [0] * 10)
    alerts = at_alert_rate(payments, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], rate=0.3)
    assert alerts.caught == pytest.approx(2 / 3)
    assert alerts.precision == pytest.approx(2 / 3)
    assert alerts.money_caught == pytest.approx((10 + 30) / (10 + 30 + 80))
    assert alerts.threshold == 7
    assert alerts.of_frauds.tolist() == [1, 1, 0]


def test_equal_scores_alert_by_lot() -> None:
    """A scorer that says the same of everything catches as many frauds as alerts by chance."""
    payments = made([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], list(range(10)), [0] * 10)
    alerts = at_alert_rate(payments, np.zeros(10), rate=0.3)
    assert alerts.caught == pytest.approx(0.3)
    assert alerts.precision == pytest.approx(0.2)
    # Two are sure, the third is one of eight.
    alerts = at_alert_rate(payments, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1], rate=0.3)
    assert alerts.caught == pytest.approx(2 / 8 / 2)
    assert alerts.of_frauds == pytest.approx([1 / 8, 1 / 8])


def test_the_curves_go_through_the_figures() -> None:
    payments = made([1, 0, 1, 0, 0, 0, 0, 1, 0, 0], list(range(10)), [0] * 10)
    scores = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    false, true = roc(payments, scores)
    assert np.trapezoid(true, false) == pytest.approx(quality(payments, scores, 1).auc_roc)
    rates, caught = caught_by_rate(payments, scores, highest=0.3, points=3)
    assert rates.tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert caught.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(LabError, match="expected a share"):
        at_alert_rate(made([1, 0], [0, 1], [0, 0]), [0, 1], rate)


@pytest.mark.parametrize("scores", [[0.1], [0.1, float("nan")]])
def test_scores_that_do_not_fit_are_refused(scores: list[float]) -> None:
    with pytest.raises(LabError, match="expected a finite one for each"):
        quality(made([1, 0], [0, 1], [0, 0]), scores)


def test_payments_of_one_kind_are_refused() -> None:
    with pytest.raises(LabError, match="expected some, and not all"):
        at_alert_rate(made([0, 0], [0, 1], [0, 0]), [0, 1], 0.5)
