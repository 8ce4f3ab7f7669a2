from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show import batch_plots

Axes = Callable[[], list[Any]]


def about(value: float) -> Interval:
    return Interval(value, 0.9 * value, 1.2 * value, 7)


def test_gains_are_drawn_with_the_ideal_and_their_intervals(all_axes: Axes) -> None:
    gains = {1: about(1), 4: about(2.5), 16: about(3)}
    batch_plots.gain_by_batch({"short": gains, "long": {1: about(1)}}, "Gain", ylabel="times")
    (panel,) = all_axes()
    assert [t.get_text() for t in panel.get_legend().get_texts()] == [
        "each for nothing",
        "short",
        "long",
    ]
    ideal, _, short = panel.lines[:3]
    assert list(ideal.get_xdata()) == list(ideal.get_ydata()) == [1, 4, 16]
    assert list(short.get_ydata()) == [1, 2.5, 3]
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1", "4", "16"]


def test_two_panels_over_the_rate(all_axes: Axes) -> None:
    batch_plots.by_rate(
        [10, 90],
        {"no wait": [about(2), about(5)], "waits": [about(20), about(9)]},
        {"no wait": [1, 3], "waits": [1.5, 6]},
        "Delay",
        xlabel="%",
    )
    left, right = all_axes()
    assert [list(line.get_ydata()) for line in right.lines] == [[1, 3], [1.5, 6]]
    assert left.get_ylim()[0] == right.get_ylim()[0] == 0
    assert left.get_ylim()[1] > 20


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(LabError, match="drawn of nothing"):
        batch_plots.gain_by_batch({"short": {}}, "Gain", ylabel="times")
    with pytest.raises(LabError, match=r"Latencies of \['a'\] .* batches of \['b'\] at 1 rates"):
        batch_plots.by_rate([1], {"a": [about(1)]}, {"b": [1]}, "Delay", xlabel="%")
    with pytest.raises(LabError, match="at 2 rates"):
        batch_plots.by_rate([1, 2], {"a": [about(1)]}, {"a": [1]}, "Delay", xlabel="%")
