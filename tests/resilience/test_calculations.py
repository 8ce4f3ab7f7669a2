"""Figures from outside, and the formulas against what they are formulas of."""

import json

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.laws import fan_out_slow_share
from lab_utils.resilience.availability import availability
from lab_utils.resilience.error_budget import ALERTS, error_budget_min, error_budget_requests
from lab_utils.resilience.hedging import (
    RecentPercentile,
    hedged_latency_s,
    hedged_slow_share,
    hedged_utilisation,
)
from tests.conftest import Lab

RANDOM = np.random.default_rng(7)
TRIALS = 200_000


def agrees(found: float, expected: float) -> bool:
    """Whether a share of all trials is within four standard errors."""
    return abs(found - expected) <= 4 * np.sqrt(expected * (1 - expected) / TRIALS)


@pytest.mark.parametrize(("tiers", "in_series", "shared"), [(1, 3, 1.0), (3, 1, 1.0), (2, 2, 0.9)])
def test_availability_is_what_drawn_parts_have(tiers: int, in_series: int, shared: float) -> None:
    parts = RANDOM.random((TRIALS, tiers, in_series)) < 0.8
    works = parts.all(axis=2).any(axis=1) & (RANDOM.random(TRIALS) < shared)
    assert agrees(works.mean(), availability(0.8, tiers, in_series, shared))


def test_no_number_of_tiers_is_better_than_what_they_share() -> None:
    assert availability(0.99, tiers=50, shared=0.999) <= 0.999


def test_the_workbooks_windows_and_minutes() -> None:
    # The Site Reliability Workbook, table 5-8; the minutes are its appendix's availability table.
    assert [round(alert.burn_rate(), 1) for alert in ALERTS] == [14.4, 6.0, 1.0]
    assert [alert.long_h / alert.short_h for alert in ALERTS] == pytest.approx([12] * 3)
    assert error_budget_min(0.999, 30) == pytest.approx(43.2)
    assert error_budget_min(0.9999, 30) == pytest.approx(4.32)
    assert error_budget_requests(0.9999, 30, 100_000) == pytest.approx(25.92e6)


def test_a_hedge_is_the_faster_of_two_from_its_moment_on() -> None:
    first, second = RANDOM.exponential(size=(2, TRIALS))
    after_s = float(np.quantile(first, 0.95))
    took_s = hedged_latency_s(first, second, after_s)
    # P(a > t) · P(after + b > t), the tail of exponential times.
    expected = np.exp(-4.0) * np.exp(-(4.0 - after_s))
    assert agrees(float(np.mean(took_s > 4.0)), expected)
    assert np.array_equal(took_s[first <= after_s], first[first <= after_s])


def test_hedging_undoes_the_fan_out_where_servers_are_slow_independently() -> None:
    slow = RANDOM.random((2, 2000, 100)) < 0.01
    found = slow.all(axis=0).any(axis=1).mean()
    assert abs(found - hedged_slow_share(0.01, 100)) < 4 * np.sqrt(0.01 / 2000)
    assert hedged_slow_share(0.01, 100, together=1) == pytest.approx(fan_out_slow_share(100, 0.01))


def test_the_percentile_is_not_moved_by_calls_cut_short() -> None:
    moment = RecentPercentile(95, start_s=9.0, last=2000)
    latencies = RANDOM.exponential(size=2000)
    true = float(np.quantile(latencies, 0.95))
    for latency in latencies:
        moment.add(min(latency, true + 0.01))  # the hedge was faster
    assert moment() == pytest.approx(true, rel=0.02)


def test_the_percentile_waits_for_enough() -> None:
    moment = RecentPercentile(95, start_s=9.0)
    for _ in range(19):
        moment.add(0.1)
    assert moment() == 9.0
    moment.add(0.1)
    assert moment() == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["availability", "each=0.99", "in_series=1", "tiers=2", "shared=1"], 0.9999),
        (["error-budget", "slo=0.9999", "days=30"], 4.32),
        (["error-budget-requests", "slo=0.999", "days=1", "rate_rps=10"], 864),
        (["burn-rate", "budget_share=0.05", "window_h=6", "days=30"], 6),
        (["hedge", "slow_share=0.01", "servers=100", "together=0"], 0.00995),
        (["hedge-load", "utilisation=0.8", "percentile=95"], 0.84),
    ],
)
def test_calc_gives_them(arguments: list[str], result: float, lab_here: Lab) -> None:
    document = json.loads(lab_here("calc", *arguments, "--json").stdout)
    assert document["result"] == pytest.approx(result, rel=1e-3)
    assert document["source"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: availability(1.2), "each is 1.2; expected a share"),
        (lambda: availability(0.9, tiers=1.5), "tiers is 1.5; expected a whole number"),
        (lambda: error_budget_min(99.99, 30), "slo is 99.99; expected a share between 0 and 1"),
        (lambda: error_budget_min(0.99, 0), "days is 0; expected a number above 0"),
        (lambda: hedged_slow_share(2, 10), "slow_share is 2; expected a part"),
        (lambda: hedged_utilisation(0.8, 100), "percentile is 100; expected a number between"),
        (lambda: hedged_latency_s([1], [1, 2], 1), "1 first and 2 second latencies"),
    ],
)
def test_bad_input_is_one_sentence(wrong: object, sentence: str) -> None:
    assert callable(wrong)
    with pytest.raises(LabError, match=sentence):
        wrong()
