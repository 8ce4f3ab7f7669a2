"""The examples are those of Kubernetes' documentation and enhancement proposals."""

import itertools

import pytest

from lab_utils.errors import LabError
from lab_utils.simulate.hpa import (
    HPA,
    SCALE_DOWN,
    SYNC_S,
    Autoscaler,
    Metric,
    Pod,
    Policy,
    Rules,
    Tolerance,
    average_value,
    pods,
    value,
)

NOW = Rules((Policy("Percent", 900, 60),), window_s=0)
"""KEP-853, story 1: as fast as possible."""
AT_ONCE = Rules(SCALE_DOWN.policies, window_s=0)


def steps(hpa: Autoscaler, seen: float, replicas: int, count: int, every_s: float) -> list[int]:
    """The replicas after each of `count` looks at a metric that stays as it is."""
    found = []
    for i in range(count):
        replicas = hpa.decide(i * every_s, replicas, seen).replicas
        found.append(replicas)
    return found


@pytest.mark.parametrize(
    ("replicas", "seen", "target", "expected"),
    [
        (50, 90, 75, 60),  # the release announcement of 1.33
        (3, 200, 100, 6),  # "if the current metric value is 200m and the desired 100m, doubled"
        (4, 50, 100, 2),  # "if 50m, halved"
        (10, 109, 100, 10),  # within a tenth
        (10, 110, 100, 10),  # the tenth itself still is
        (10, 111, 100, 12),
        (10, 90, 100, 10),
        (10, 89, 100, 9),
    ],
)
def test_the_documented_ratios(replicas: int, seen: float, target: float, expected: int) -> None:
    assert HPA({"replicas": replicas, "value": seen, "target": target}) == expected
    assert value(target)(replicas, seen, Tolerance()) == expected
    ready = [Pod(seen)] * replicas
    assert pods(target)(replicas, ready, Tolerance()) == expected


def test_a_total_is_shared_among_the_replicas() -> None:
    queue = average_value(target=5)
    assert queue(2, 30, Tolerance()) == 6
    assert queue(6, 32, Tolerance()) == 6  # 32 ÷ 30 is within the tolerance
    assert queue(6, 32, Tolerance(up=0)) == 7
    assert queue(6, 0, Tolerance()) == 0


def test_each_direction_has_a_tolerance_of_its_own() -> None:
    """KEP-4951: 5 % down, none up."""
    chosen = Tolerance(up=0, down=0.05)
    metric = value(100)
    assert metric(50, 101, chosen) == 51
    assert metric(50, 96, chosen) == 50
    assert metric(50, 94, chosen) == 47


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([Pod(200), Pod(200), Pod(None)], 4),  # 400 ÷ 3 ÷ 100 · 3
        ([Pod(150), Pod(None), Pod(None)], 3),  # with 0 for both it would be fewer: unchanged
        ([Pod(10), Pod(10), Pod(None)], 2),  # the missing one counts as if at the target
        ([Pod(80), Pod(None), Pod(None)], 3),  # 280 ÷ 300 is within the tolerance
        ([Pod(300), Pod(500, ready=False), Pod(None, ready=False)], 3),  # 300 ÷ 300
        ([Pod(900), Pod(500, ready=False), Pod(None, ready=False)], 9),
        ([Pod(50), Pod(500, ready=False)], 1),  # not ready: left out before fewer
    ],
)
def test_what_is_not_known_makes_the_change_smaller(seen: list[Pod], expected: int) -> None:
    assert pods(100)(len(seen), seen, Tolerance()) == expected


def test_no_figure_at_all_is_refused_and_no_metric_changes_nothing() -> None:
    with pytest.raises(LabError, match="No ready pod has a figure"):
        pods(100)(2, [Pod(None), Pod(3, ready=False)], Tolerance())
    decision = Autoscaler(1, 10, value(1)).decide(0, 4, None)
    assert (decision.replicas, decision.because) == (4, "no metric")


def test_fewer_replicas_wait_for_the_greatest_wish_of_five_minutes() -> None:
    hpa = Autoscaler(1, 20, average_value(target=1))
    replicas, history = 10, []
    for i in range(23):
        seen = 10 if i == 0 else 4
        replicas = hpa.decide(i * SYNC_S, replicas, seen).replicas
        history.append(replicas)
    assert history[:20] == [10] * 20  # the wish for 10 is 285 s old
    assert history[20:] == [4, 4, 4]  # 300 s old: no longer within the window


def test_more_replicas_wait_for_the_least_wish_of_their_window() -> None:
    hpa = Autoscaler(1, 20, average_value(1), up=Rules(NOW.policies, window_s=60))
    wishes = [2, 9, 9, 9, 9]
    replicas = 2
    history = [replicas := hpa.decide(i * 30, replicas, w).replicas for i, w in enumerate(wishes)]
    assert history == [2, 2, 9, 9, 9]


def test_ten_per_cent_or_four_pods_a_minute() -> None:
    """The documentation's example: 80 to 10 replicas, 8 in the first minute, and 8 of 72 next."""
    down = Rules((Policy("Pods", 4, 60), Policy("Percent", 10, 60)), window_s=0)
    found = steps(Autoscaler(1, 100, average_value(1), down=down), 10, 80, 20, every_s=60)
    assert found[:3] == [72, 64, 57]
    below = [a - b for a, b in itertools.pairwise(found) if a <= 40 and b > 10]
    assert set(below) == {4}
    assert found[-1] == 10


def test_a_period_counts_what_has_changed_within_it() -> None:
    down = Rules((Policy("Pods", 4, 60),), window_s=0)
    found = steps(Autoscaler(1, 100, average_value(1), down=down), 10, 30, 9, every_s=15)
    assert found == [26, 26, 26, 26, 22, 22, 22, 22, 18]


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        (NOW, [10, 100, 1000]),  # story 1: 900 % a minute
        (Rules((Policy("Pods", 1, 60),), window_s=0), [2, 3, 4]),  # story 4: slowly
        (Rules(NOW.policies, 0, select="Disabled"), [1, 1, 1]),
        (Rules((Policy("Percent", 900, 60), Policy("Pods", 4, 60)), 0, "Max"), [10, 100, 1000]),
        (Rules((Policy("Percent", 900, 60), Policy("Pods", 4, 60)), 0, "Min"), [5, 9, 13]),
    ],
)
def test_the_stories_of_the_proposal(up: Rules, expected: list[int]) -> None:
    assert steps(Autoscaler(1, 1000, average_value(1), up=up), 5000, 1, 3, every_s=60) == expected


def test_the_defaults_double_or_add_four_and_let_go_at_once_after_the_window() -> None:
    hpa = Autoscaler(1, 1000, average_value(1), down=AT_ONCE)
    assert steps(hpa, 900, 1, 5, every_s=15) == [5, 10, 20, 40, 80]
    assert hpa.decide(600, 80, 3).replicas == 3


def test_the_limits_are_named_where_they_decide() -> None:
    hpa = Autoscaler(2, 8, average_value(1), up=NOW, down=AT_ONCE)
    assert hpa.decide(0, 4, 100).because == "maxReplicas"
    assert hpa.decide(60, 8, 0).because == "minReplicas"
    assert (hpa.decide(90, 1, 0).replicas, hpa.decide(91, 0, 99).replicas) == (2, 0)
    slow = Autoscaler(1, 100, average_value(1))
    assert slow.decide(0, 2, 50).because == "the policies for more replicas"
    assert slow.decide(15, 6, 2).because == "the stabilisation window"
    assert slow.decide(15, 6, 8).because == "the metric"


@pytest.mark.parametrize("metric", [average_value, value, pods])
def test_bad_numbers_are_refused(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(LabError, match="target is 0; expected a number above 0"):
        metric(0)
    with pytest.raises(LabError, match="The replicas are 3 to 2"):
        Autoscaler(3, 2, value(1))
    with pytest.raises(LabError, match="A policy allows 0 in 15 s"):
        Policy("Pods", 0, 15)
    with pytest.raises(LabError, match="value is -1; expected 0 or more"):
        HPA({"replicas": 1, "value": -1, "target": 1})


def test_a_metric_is_any_function_of_the_same_form() -> None:
    always: Metric = lambda replicas, seen, tolerance: seen  # noqa: E731
    assert Autoscaler(1, 10, always, up=NOW).decide(0, 1, 7).replicas == 7
