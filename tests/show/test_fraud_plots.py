from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show import fraud_plots

Axes = Callable[[], list[Any]]


def about(value: float) -> Interval:
    return Interval(value, 0.9 * value, 1.2 * value, 7)


def test_the_budget_is_marked_and_looked_at_closely(all_axes: Axes) -> None:
    roc = {"trees": ([0, 0.1, 1], [0, 0.8, 1]), "rules": ([0, 0.5, 1], [0, 0.6, 1])}
    alerts = {"trees": ([0.001, 0.005], [0.1, 0.4]), "rules": ([0.001, 0.005], [0.1, 0.3])}
    fraud_plots.caught(roc, alerts, 0.005, "Caught")
    left, right = all_axes()
    assert [line.get_label() for line in left.lines[:2]] == ["trees", "rules"]
    assert list(right.lines[0].get_ydata()) == pytest.approx([10, 40])
    assert right.get_xlim() == pytest.approx((0, 2))
    assert right.lines[2].get_xdata()[0] == pytest.approx(0.5)


def test_times_are_in_microseconds(all_axes: Axes) -> None:
    fraud_plots.time_by_batch({"trees": {1: about(1e-5), 1000: about(1e-6)}}, "Time")
    (panel,) = all_axes()
    assert list(panel.lines[0].get_ydata()) == pytest.approx([10, 1])
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(LabError, match=r"ROC curves of \['a'\] .* alerts of \['b'\]"):
        fraud_plots.caught({"a": ([0], [0])}, {"b": ([0], [0])}, 0.01, "Caught")
    with pytest.raises(LabError, match="drawn of nothing"):
        fraud_plots.time_by_batch({"trees": {}}, "Time")


def test_what_was_learned_stands_over_what_it_was_learned_from(all_axes: Axes) -> None:
    caught = {"labels": {500: about(0.1), 2_000: about(0.3)}, "teacher": {500: about(0.4)}}
    fraud_plots.learned(caught, "Learned", level=("the teacher itself", 0.5))
    (panel,) = all_axes()
    drawn = [container.lines[0] for container in panel.containers]
    assert list(drawn[0].get_xdata()) == [500, 2_000]
    assert list(drawn[0].get_ydata()) == pytest.approx([10, 30])
    assert panel.get_legend_handles_labels()[1][0] == "the teacher itself"
    assert any(list(line.get_ydata()) == pytest.approx([50, 50]) for line in panel.lines)


def test_scores_stand_against_what_was_seen(all_axes: Axes) -> None:
    none = Interval(0, 0, 0.01, 100)
    groups = {"teacher": [(0.001, none), (0.2, about(0.3))], "student": [(0.1, about(0.1))]}
    fraud_plots.reliability(groups, "Reliability")
    left, right = all_axes()
    assert [panel.get_title(loc="left") for panel in (left, right)] == ["teacher", "student"]
    dots = left.lines[1]  # after the diagonal; a group without a fraud has no dot
    assert (list(dots.get_xdata()), list(dots.get_ydata())) == ([0.2], [0.3])
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")


def test_nothing_is_not_drawn() -> None:
    with pytest.raises(LabError, match="drawn of nothing"):
        fraud_plots.learned({"labels": {}}, "Learned", level=("all", 0.5))
    with pytest.raises(LabError, match="of nothing"):
        fraud_plots.reliability({}, "Reliability")
