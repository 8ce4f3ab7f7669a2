from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.chaos_plots import budget, under_faults

SPELLS = [("A replica is killed", 101.0, 103.0), ("A clock is wrong", 105.0, 106.0)]
TIMES = [100.0, 102.0, 104.0]


def test_each_figure_has_a_panel_and_each_fault_its_number(
    all_axes: Callable[[], list[Any]],
) -> None:
    under_faults({"in time": (TIMES, [1, 0.5, 1]), "flagged": (TIMES, [0, 0, 0])}, SPELLS, "Seen")
    first, second = all_axes()
    assert [axes.get_title("left") for axes in (first, second)] == ["in time", "flagged"]
    (line,) = first.lines
    assert line.get_xdata().tolist() == [0, 2, 4]
    assert line.get_ydata().tolist() == [100, 50, 100]
    assert [text.get_text() for text in first.texts] == ["1", "2"]
    assert "2 A clock is wrong" in second.get_xlabel()


def test_the_budget_begins_at_nothing_and_a_page_is_drawn(
    all_axes: Callable[[], list[Any]],
) -> None:
    rates = ([100, 102], [0, 5000])
    budget(rates, (TIMES, [0, 0.1, 0.1]), SPELLS, "Burnt", page_at=14.4, days=30)
    above, beneath = all_axes()
    assert above.lines[0].get_ydata() == [14.4, 14.4]
    assert beneath.lines[0].get_ydata().tolist() == [0, 10, 10]
    assert beneath.get_ylabel() == "% of 30 days' budget"


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(LabError, match="expected a figure and a fault"):
        under_faults({}, SPELLS, "Seen")
    with pytest.raises(LabError, match="No burn rate was given"):
        budget(([], []), ([], []), SPELLS, "Burnt", page_at=14.4, days=30)
