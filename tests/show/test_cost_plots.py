from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show import cost_plots
from tests.show.conftest import overlap, texts


def test_a_line_for_each_fleet_and_the_break_even_named(axes: Callable[[], Any]) -> None:
    cost_plots.cost_by_load(
        [1, 10, 100], {"small": [3, 2, 1], "large": [9, 1, 0.1]}, "Load", ylabel="USD",
        break_even=20,
    )  # fmt: skip
    small, large, mark = axes().lines
    assert list(large.get_ydata()) == [9, 1, 0.1]
    assert list(mark.get_xdata()) == [20, 20]
    assert small.get_color() != large.get_color()
    assert texts(axes()) == [" 20 an hour"]


def test_readings_stand_beside_their_figures(axes: Callable[[], Any]) -> None:
    cost_plots.readings(
        {"tagged": 0.2, "effective": 1.1, "the whole invoice": 9}, "Bill", xlabel="USD",
        right="effective",
    )  # fmt: skip
    assert texts(axes()) == ["0.2", "1.1", "9"]
    assert not overlap(axes().texts)
    dots = axes().lines[:3]
    assert len({dot.get_color() for dot in dots}) == 2
    with pytest.raises(LabError, match="all above 0"):
        cost_plots.readings({"nothing": 0}, "Bill", xlabel="USD")


def test_an_hour_that_had_no_query_leaves_a_gap(
    all_axes: Callable[[], list[Any]],
) -> None:
    cost_plots.by_day_and_hour(
        [1, 2, 3], [float("inf"), 4.0], Interval(2, 1.5, 2.5, 3), "Month", ylabel="USD"
    )
    left, right = all_axes()
    assert [bar.get_height() for bar in left.patches[:3]] == [1, 2, 3]
    assert [bar.get_height() for bar in right.patches[:2]] == [
        pytest.approx(float("nan"), nan_ok=True),
        4,
    ]
    assert right.get_ylim()[1] < 10
