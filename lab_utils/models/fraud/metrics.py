"""How good a scorer of payments is: over all thresholds, and within what people can look at.

    quality(payments[test], scores)              # Quality: AUC ROC, average precision, …
    at_alert_rate(payments[test], scores, 0.005) # Alerts: what 5 alerts in 1,000 payments catch

AUC ROC: the chance that a fraud is scored above an honest payment, over *all* pairs. A service
looks at a handful of payments in a thousand; most of those pairs never matter to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from lab_utils.errors import LabError
from lab_utils.models.fraud.split import days

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CARDS_A_DAY = 100
"""So many cards the Handbook's investigators look at in a day."""


@dataclass(frozen=True)
class Quality:
    """auc_roc and average_precision: over all thresholds. card_precision: see `card_precision`."""

    auc_roc: float
    average_precision: float
    card_precision: float


@dataclass(frozen=True)
class Alerts:
    """What the highest scores catch, at a fixed share of all payments.

    rate: that share. caught: the share of frauds among them. money_caught: the share of the money
    that frauds took. precision: the share of alerts that are frauds. threshold: the lowest score
    that alerts. of_frauds: for each fraud, in the payments' order, 1 if it alerts, else 0 (between
    the two: its chance, where it is drawn for); their mean is `caught`.
    """

    rate: float
    caught: float
    money_caught: float
    precision: float
    threshold: float
    of_frauds: Floats


def quality(transactions: pd.DataFrame, scores: ArrayLike, cards: int = CARDS_A_DAY) -> Quality:
    """The three figures of the Handbook; a score for each payment, higher for likelier fraud."""
    fraud, score = _both(transactions, scores)
    return Quality(
        float(roc_auc_score(fraud, score)),
        float(average_precision_score(fraud, score)),
        card_precision(transactions, scores, cards),
    )


def card_precision(
    transactions: pd.DataFrame, scores: ArrayLike, cards: int = CARDS_A_DAY
) -> float:
    """Of the `cards` cards with the day's highest scores, the share with a fraud that day; mean
    over days.

    A card that was found once is not looked at again. (The Handbook, chapter 4, *Card Precision
    top-k*.) Raises LabError for fewer than one card.
    """
    if cards < 1:
        raise LabError(f"The number of cards a day is {cards}; expected 1 or more.")
    fraud, score = _both(transactions, scores)
    day, customer = days(transactions), transactions["customer"].to_numpy()
    found = np.zeros(customer.max() + 1, bool)
    shares = []
    for today in np.unique(day):
        rows = (day == today) & ~found[customer]
        highest = pd.DataFrame({"score": score[rows], "fraud": fraud[rows]})
        highest = highest.groupby(customer[rows]).max().nlargest(cards, "score")
        hits = highest.index[highest["fraud"]]
        shares.append(len(hits) / cards)
        found[hits] = True
    return float(np.mean(shares))


def at_alert_rate(transactions: pd.DataFrame, scores: ArrayLike, rate: float) -> Alerts:
    """What is caught if the highest-scored share `rate` of payments raises an alert.

    Of payments with the same score at the threshold, those that alert are drawn by lot: the figures
    are the mean over all draws. Raises LabError for a rate that is not between 0 and 1.
    """
    if not 0 < rate < 1:
        raise LabError(f"The alert rate is {rate}; expected a share between 0 and 1.")
    fraud, score = _both(transactions, scores)
    amount = transactions["amount"].to_numpy()
    alerts = rate * score.size
    threshold = np.sort(score)[::-1][min(int(np.ceil(alerts)), score.size) - 1]
    above, tied = score > threshold, score == threshold
    chance = np.where(above, 1.0, np.where(tied, (alerts - above.sum()) / tied.sum(), 0.0))
    hits = chance * fraud
    return Alerts(
        rate=rate,
        caught=float(hits.sum() / fraud.sum()),
        money_caught=float((hits * amount).sum() / (fraud * amount).sum()),
        precision=float(hits.sum() / alerts),
        threshold=float(threshold),
        of_frauds=chance[fraud],
    )


def roc(transactions: pd.DataFrame, scores: ArrayLike) -> tuple[Floats, Floats]:
    """The ROC curve: shares of honest payments and of frauds above each threshold."""
    fraud, score = _both(transactions, scores)
    false, true, _ = roc_curve(fraud, score)
    return false, true


def caught_by_rate(
    transactions: pd.DataFrame, scores: ArrayLike, highest: float, points: int = 60
) -> tuple[Floats, Floats]:
    """Alert rates, even up to `highest`, and the share of frauds caught at each."""
    rates = np.linspace(0, highest, points + 1)[1:]
    return rates, np.array([at_alert_rate(transactions, scores, r).caught for r in rates])


def _both(
    transactions: pd.DataFrame, scores: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The truth and the scores, as long as each other; there must be frauds and honest payments."""
    fraud = transactions["fraud"].to_numpy(bool)
    score = np.asarray(scores, np.float64).ravel()
    if score.size != fraud.size or not np.isfinite(score).all():
        raise LabError(
            f"{score.size} scores came for {fraud.size} payments; expected a finite one for each."
        )
    if fraud.all() or not fraud.any():
        raise LabError(
            f"{fraud.sum()} of {fraud.size} payments are frauds; expected some, and not all."
        )
    return fraud, score
