from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.capacity_plots import bad_minute, by_utilisation

Axes = Callable[[], list[Any]]


def test_a_layout_is_a_line_in_per_cent_under_the_promise(all_axes: Axes) -> None:
    by_utilisation(
        {"one": ([0.5, 0.9], [2, 10]), "many": ([0.5], [1])}, "P99", ylabel="ms", limit=8
    )
    (axes,) = all_axes()
    one, many, limit = axes.lines
    assert one.get_xdata().tolist() == [50, 90]
    assert many.get_label() == "many"
    assert list(limit.get_ydata()) == [8, 8]


def test_a_bad_minute_is_drawn_in_per_cent(all_axes: Axes) -> None:
    bad_minute({"retries": ([0, 1, 2], [1, 0, 0.5])}, (0.5, 1.5), "A storm")
    (axes,) = all_axes()
    assert axes.lines[0].get_ydata().tolist() == [100, 0, 50]


def test_nothing_to_draw_is_one_sentence() -> None:
    with pytest.raises(LabError, match="No layout was given"):
        by_utilisation({}, "", ylabel="")
    with pytest.raises(LabError, match="No run was given"):
        bad_minute({}, (0, 1), "")
