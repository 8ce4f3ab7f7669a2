"""What a service may fail: the error budget of an objective, and how fast it is being burnt.

>>> round(error_budget_min(slo=0.9999, days=30), 2)
4.32

For alerts the workbook pairs a long window, that says it matters, with one of a twelfth, that says
it is still going on (`ALERTS`).
"""

from __future__ import annotations

from dataclasses import dataclass

from lab_utils.calculation import Calculation, positive
from lab_utils.errors import LabError

SOURCE = "Google, The Site Reliability Workbook (2018), chapter 5, Alerting on SLOs"


@dataclass(frozen=True)
class Alert:
    """Where the budget burns so fast in both windows, somebody is told.

    budget_share: the part of the budget that is gone when the long window is full of it.
    """

    budget_share: float
    long_h: float
    short_h: float
    page: bool

    def burn_rate(self, days: float = 30) -> float:
        """How many times as fast as the budget allows."""
        return burn_rate(self.budget_share, self.long_h, days)


ALERTS = (
    Alert(0.02, long_h=1, short_h=5 / 60, page=True),
    Alert(0.05, long_h=6, short_h=0.5, page=True),
    Alert(0.10, long_h=72, short_h=6, page=False),
)
"""The workbook's table 5-8, of a budget of 30 days: pages at 14.4 and 6, a ticket at 1."""


def error_budget_min(slo: float, days: float) -> float:
    """Minutes without any answer that the objective allows in so many days: (1 − slo) · days."""
    return (1 - _objective(slo)) * _days(days) * 24 * 60


def error_budget_requests(slo: float, days: float, rate_rps: float) -> float:
    """Bad answers that it allows at this rate: what burns it is requests, not minutes."""
    positive(rate_rps=rate_rps)
    return error_budget_min(slo, days) * 60 * rate_rps


def burn_rate(budget_share: float, window_h: float, days: float) -> float:
    """How many times too fast the budget is spent where this share of it goes in one window.

    >>> round(burn_rate(budget_share=0.02, window_h=1, days=30), 1)
    14.4
    """
    positive(window_h=window_h)
    if not 0 < budget_share <= 1:
        raise LabError(f"budget_share is {budget_share:g}; expected a part of it, above 0 to 1.")
    return budget_share * _days(days) * 24 / window_h


def _objective(slo: float) -> float:
    if not 0 < slo < 1:
        raise LabError(f"slo is {slo:g}; expected a share between 0 and 1, as 0.9999 for 99.99 %.")
    return slo


def _days(days: float) -> float:
    positive(days=days)
    return days


ERROR_BUDGET = Calculation(
    name="error-budget",
    formula="minutes = (1 − slo) · days · 24 · 60",
    inputs={"slo": "the objective, as 0.9999", "days": "of the window, usually 30"},
    result="minutes without any good answer",
    source=SOURCE,
    compute=error_budget_min,
)
ERROR_BUDGET_REQUESTS = Calculation(
    name="error-budget-requests",
    formula="requests = (1 − slo) · days · 24 · 3600 · rate",
    inputs={
        "slo": "the objective, as 0.9999",
        "days": "of the window, usually 30",
        "rate_rps": "requests a second, on average",
    },
    result="requests without a good answer",
    source=SOURCE,
    compute=error_budget_requests,
)
BURN_RATE = Calculation(
    name="burn-rate",
    formula="burn rate = share of the budget · days · 24 / hours of the window",
    inputs={
        "budget_share": "part of the budget that goes in one window, above 0 to 1",
        "window_h": "hours of the window",
        "days": "that the whole budget is for, usually 30",
    },
    result="times as fast as the budget allows",
    source=SOURCE,
    compute=burn_rate,
)
