from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.roofline import roofline
from tests.show.conftest import overlap

PEAKS = {"fp32": 350e9, "bf16": 330e9, "int8": 1400e9}
POINTS = {"Conv2d": [(45.0, 220e9), (160.0, 300e9)], "Linear": [(0.5, 16e9)]}


def test_roofs_meet_at_the_ridge_and_points_lie_where_they_were_measured(
    axes: Callable[[], Any],
) -> None:
    roofline(PEAKS, 35e9, POINTS, "Layers")
    lines = axes().lines
    assert [line.get_xdata()[0] for line in lines[:3]] == pytest.approx(
        [10, 330 / 35, 40], rel=1e-6
    )
    slope = lines[3]
    assert slope.get_ydata() / slope.get_xdata() == pytest.approx([35, 35])
    assert list(lines[4].get_xdata()) == [45, 160]
    assert list(lines[4].get_ydata()) == pytest.approx([220, 300])
    assert (axes().get_xscale(), axes().get_yscale()) == ("log", "log")
    assert [t.get_text() for t in axes().get_legend().get_texts()] == list(POINTS)


@pytest.mark.parametrize(
    "peaks",
    [
        PEAKS,
        {"fp32": 350e9},
        {"fp32": 100e9, "bf16": 101e9, "int8": 102e9},
        {"fp32": 60e12, "bf16": 800e12, "int8": 1600e12},
    ],
)
def test_no_two_labels_overlap(axes: Callable[[], Any], peaks: dict[str, float]) -> None:
    roofline(peaks, 35e9, POINTS, "Layers")
    assert len(axes().texts) >= 2
    assert not overlap(axes().texts)
    names = " ".join(text.get_text() for text in axes().texts)
    assert all(name in names for name in peaks)


def test_a_point_that_has_no_place_is_refused() -> None:
    with pytest.raises(LabError, match="above 0: it is logarithmic"):
        roofline(PEAKS, 35e9, {"a view": [(0.0, 1e9)]}, "Layers")


def test_a_plot_without_a_roof_is_refused() -> None:
    with pytest.raises(LabError, match="without a peak"):
        roofline({}, 35e9, POINTS, "Layers")
