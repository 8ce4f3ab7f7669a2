from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.show.maps import heat, maps


def test_maps_share_one_scale_and_say_their_largest(
    all_axes: Callable[[], list[Any]],
) -> None:
    frame = np.zeros((6, 8))
    frame[0] = 2.0
    maps({"folded": frame, "right": np.zeros((6, 8))}, "Where", label="difference")
    left, right = all_axes()[:2]
    assert [image.get_clim() for axis in (left, right) for image in axis.images] == [(0, 2)] * 2
    assert "at most 2" in left.get_title(loc="left")
    assert "nothing" in right.get_title(loc="left")


def test_what_is_no_plane_is_refused() -> None:
    for wrong in ({}, {"line": np.zeros(3)}, {"nothing": np.zeros((0, 3))}):
        with pytest.raises(LabError, match="expected planes"):
            maps(wrong, "Where", label="difference")


def test_a_table_of_colours_has_its_numbers(all_axes: Callable[[], list[Any]]) -> None:
    heat({"a fault": {"amount": 0.0, "count": 80.0}, "another": {"amount": 3.5, "count": 0}}, "T")
    [axes] = all_axes()
    assert [text.get_text() for text in axes.texts] == ["0", "3.5", "80", "0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["amount", "count"]


def test_a_table_with_holes_is_refused() -> None:
    for wrong in ({}, {"a": {}}, {"a": {"x": 1.0}, "b": {"y": 1.0}}):
        with pytest.raises(LabError, match="the same rows in every column"):
            heat(wrong, "T")
