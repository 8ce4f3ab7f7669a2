from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.memory_plots import growth


def test_points_and_lines_begin_with_the_first_user(axes: Callable[[], Any]) -> None:
    measured = {"8 bits": {100: 5e6, 200: 8e6}, "16 bits": {100: 1e6, 200: 6e6}}
    growth(measured, {"8 bits": 2e4, "16 bits": 4e4}, "Growth")
    lines = {line.get_label(): line for line in axes().lines}
    assert list(lines["8 bits, measured"].get_ydata()) == [0, 3]
    assert list(lines["16 bits, by the formula"].get_ydata()) == [0, 4]
    assert list(lines["16 bits, measured"].get_xdata()) == [100, 200]


@pytest.mark.parametrize(
    ("measured", "slopes"),
    [({"a": {1: 1.0, 2: 2.0}}, {"b": 1.0}), ({"a": {1: 1.0}}, {"a": 1.0})],
)
def test_what_cannot_be_drawn_is_refused(
    measured: dict[str, dict[int, float]], slopes: dict[str, float]
) -> None:
    with pytest.raises(LabError, match="the same names, and at least two points"):
        growth(measured, slopes, "Growth")
