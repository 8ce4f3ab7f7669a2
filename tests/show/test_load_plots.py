from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.histogram import LatencyHistogram
from lab_utils.measure.interval import Interval
from lab_utils.show import load_plots

Axes = Callable[[], list[Any]]


def legend() -> list[str]:
    return [text.get_text() for text in plt.gcf().legends[0].get_texts()]


def test_every_request_is_a_dot(all_axes: Axes) -> None:
    runs = {"closed": ([0, 1], [5, 6]), "open": ([0, 1, 2], [5, 500, 6])}
    load_plots.latency_over_time(runs, "Latency", xlabel="s")
    assert [len(panel.lines[0].get_xdata()) for panel in all_axes()] == [2, 3]
    assert all_axes()[0].get_ylim()[0] == 0
    assert all_axes()[0].get_ylim()[1] > 500  # the panels share the axis of the slowest
    assert [panel.get_title("left") for panel in all_axes()] == [
        "closed: 2 answers",
        "open: 3 answers",
    ]


def test_the_spectrum_gives_each_nine_the_same_width(all_axes: Axes) -> None:
    latencies_s = np.random.default_rng(1).exponential(0.01, size=10_000)
    histogram = LatencyHistogram.of(latencies_s)
    load_plots.percentile_spectrum({"a": histogram, "b": histogram}, "Spectrum", dashed=["b"])
    panel = all_axes()[0]
    labels = [label.get_text() for label in panel.get_xticklabels()]
    assert labels == ["p0", "p50", "p90", "p99", "p99.9"]
    ticks = list(panel.get_xticks())
    assert ticks[3] - ticks[2] == pytest.approx(ticks[4] - ticks[3])
    assert legend() == ["a (10,000)", "b (10,000)"]
    curves = [line for line in panel.lines if len(line.get_xdata()) > 1]
    assert [curve.get_linestyle() for curve in curves] == ["-", "--"]
    at_99 = np.interp(2, curves[0].get_xdata(), curves[0].get_ydata())
    assert at_99 == pytest.approx(1e3 * histogram.percentile_s(99), rel=0.02)


def test_a_spectrum_of_nothing_is_refused() -> None:
    with pytest.raises(LabError, match="No histogram"):
        load_plots.percentile_spectrum({}, "Nothing")


def test_points_circles_and_models(all_axes: Axes) -> None:
    load_plots.latency_against_load(
        [0.3, 0.8],
        {"p50": [Interval(3, 3, 4, 9)] * 2, "p99": [Interval(9, 8, 11, 9)] * 2},
        {"M/M/1, p99": ([0.1, 0.9], [5, 50])},
        [8, 30],
        "Load",
    )
    assert all_axes()[0].get_yscale() == "log"
    assert set(legend()) == {
        "M/M/1, p99",
        "the same arrivals, ideal queue",
        "p50, measured",
        "p99, measured",
    }


def test_rate_and_latency_stand_side_by_side(all_axes: Axes) -> None:
    load_plots.closed_loop([1, 2], [100, 150], [10, 13.3], "Closed")
    left, right = all_axes()
    assert [bar.get_height() for bar in left.patches] == [100, 150]
    assert [text.get_text() for text in right.texts] == ["10", "13.3"]


def test_a_ladder_a_tool(all_axes: Axes) -> None:
    load_plots.ladders(
        {"ab": {"p50": 4, "worst": 500}, "wrk": {"p50": 4, "p99": 450, "worst": 500}},
        "Ladders",
        xlabel="ms",
    )
    assert [label.get_text() for label in all_axes()[0].get_yticklabels()] == ["ab", "wrk"]
    assert set(legend()) == {"p50", "p99", "worst"}
