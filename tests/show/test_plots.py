from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lab_utils.measure.interval import Interval
from lab_utils.models import pictures
from lab_utils.show import plots
from tests.show.conftest import texts

Axes = Callable[[], Any]


def test_each_stage_of_a_waterfall_begins_where_the_last_ended(axes: Axes) -> None:
    stages = {"decode": Interval(0.002, 0.0019, 0.003, 9), "compute": 0.008}
    plots.waterfall(stages, "A request", highlight="compute")
    bars = axes().patches
    assert [bar.get_x() for bar in bars] == pytest.approx([0, 2, 0])
    assert [bar.get_width() for bar in bars] == pytest.approx([2, 8, 10])
    assert texts(axes()) == ["2 ms   20 %", "8 ms   80 %", "10 ms"]
    assert axes().get_xlabel() == "time since the start of the request (ms)"


def test_a_whisker_stays_inside_the_plot(axes: Axes) -> None:
    plots.waterfall({"compute": Interval(1.0, 0.5, 9.0, 9)}, "A noisy request")
    assert axes().get_xlim()[1] > 9.0
    assert "(s)" in axes().get_xlabel()


def test_the_first_of_each_group_stands_out(axes: Axes) -> None:
    plots.cold_and_warm({"first": [9, 1, 1], "again": [2, 1]}, "Cold", Interval(1, 1, 1, 3))
    colours = [bar.get_facecolor() for bar in axes().patches]
    assert colours[0] == colours[3] != colours[1]
    assert [label.get_text() for label in axes().get_xticklabels()] == ["1", "2", "3", "1", "2"]


def test_an_ecdf_names_median_and_count(axes: Axes) -> None:
    plots.ecdf({"waited": [1, 2, 3]}, "Waits", xlabel="seconds")
    labels = [text.get_text() for text in axes().get_legend().get_texts()]
    assert labels == ["waited: median 2, n = 3"]
    assert axes().get_xscale() == "linear"
    plots.ecdf({"waited": [1, 2, 300]}, "Waits", xlabel="seconds")
    assert axes().get_xscale() == "log"


def test_rates_show_every_run(axes: Axes) -> None:
    plots.rates(
        {"one": [3, 4, 5]}, {"one": Interval(4, 3, 5, 3)}, "Rates", xlabel="answers a second"
    )
    dots = [line for line in axes().lines if line.get_marker() == "o"]
    assert list(dots[0].get_xdata()) == [3, 4, 5]


def test_pictures_are_drawn_with_captions(axes: Axes) -> None:
    drawn = pictures.draw(2, seed=1)
    plots.pictures([p.jpeg for p in drawn], [p.label for p in drawn], "Two")
    assert [a.get_xlabel() for a in plt.gcf().axes] == [p.label for p in drawn]


def test_colours_can_be_told_apart_in_grey() -> None:
    """Their lightness differs by more than 4 % of the whole scale, pair by pair of neighbours."""
    rgb = np.array([mpl.colors.to_rgb(colour) for colour in plots.CYCLE[:3]])
    lightness = rgb @ [0.299, 0.587, 0.114]
    assert np.abs(np.diff(lightness)).min() > 0.04
