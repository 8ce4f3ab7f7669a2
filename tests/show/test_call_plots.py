from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show import call_plots


def about(value: float) -> Interval:
    return Interval(value, 0.9 * value, 1.2 * value, 7)


def test_chains_their_line_and_the_scorers(axes: Callable[[], Any]) -> None:
    call_plots.by_operators(
        {1: about(9e-6), 20: about(2e-5)}, (8e-6, 5e-7), {"student": (8, about(1.5e-5))}, "Calls"
    )
    panel = axes()
    line = panel.lines[0]
    assert list(line.get_xdata()) == [0, 20]
    assert list(line.get_ydata()) == pytest.approx([8, 18])
    labels = panel.get_legend_handles_labels()[1]
    assert labels == ["operators without work", "student"]
    drawn = [container.lines[0] for container in panel.containers]
    assert list(drawn[0].get_ydata()) == pytest.approx([9, 20])
    assert list(drawn[1].get_xdata()) == [8]


def test_no_chain_is_refused() -> None:
    with pytest.raises(LabError, match="drawn of none"):
        call_plots.by_operators({}, (0, 0), {}, "Calls")
