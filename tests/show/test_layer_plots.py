from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.layer_plots import by_layer, trade_off

LAYERS = ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1", "fc"]
FAST = (Interval(3, 2.8, 3.3, 9), Interval(98, 92, 99.5, 64))


def test_layers_stand_in_their_order_beneath_their_stage(axes: Callable[[], Any]) -> None:
    series = {
        "weights": {name: 1.0 + i for i, name in enumerate(LAYERS)},
        "output": {name: 9.0 - i for i, name in enumerate(LAYERS)},
    }
    by_layer(series, "Errors", ylabel="%", mark={"fc": "weights"})
    first, second = axes().lines[:2]
    assert list(first.get_ydata()) == [1, 2, 3, 4, 5]
    assert list(second.get_ydata()) == [9, 8, 7, 6, 5]
    placed = {text.get_text(): text.xy for text in axes().texts}
    assert [placed[stage][0] for stage in ("conv1", "layer1", "layer2")] == [0, 1.5, 3]
    names = [text.get_text() for text in axes().texts]
    assert names == ["conv1", "layer1", "layer2", "fc", "fc"]  # the last is the mark
    assert axes().texts[-1].xy == (4, 5)


def test_a_variant_stands_at_its_figures_with_both_intervals(axes: Callable[[], Any]) -> None:
    trade_off({"fast": FAST}, "Choice", xlabel="times", ylabel="%")
    [container] = axes().containers
    point, _, bars = container.lines
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (3, 98)
    across, up = (bar.get_segments()[0] for bar in bars)
    assert [x for x, _ in across] == [2.8, 3.3]
    assert [y for _, y in up] == [92, 99.5]


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(LabError, match="the same in every series"):
        by_layer({"a": {"conv1": 1.0}, "b": {"fc": 1.0}}, "Errors", ylabel="%")
    with pytest.raises(LabError, match="at least one layer"):
        by_layer({}, "Errors", ylabel="%")
    with pytest.raises(LabError, match="of nothing"):
        trade_off({}, "Choice", xlabel="times", ylabel="%")
