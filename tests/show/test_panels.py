from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.show.panels import Panel, Query, draw
from tests.show.conftest import texts

GAP = np.nan


@dataclass(frozen=True)
class Given:
    labels: dict[str, str]
    times_s: Any
    values: Any


def given(values: Sequence[float], **labels: str) -> Given:
    return Given(labels, 100 + np.arange(len(values), dtype=float), np.array(values))


ANSWERS = {
    "level": [given([1, GAP, 3, 4], instance="a"), given([5, 6, 7, 8], instance="b")],
    "share": [given([0.1, 0.2, 0.3, 0.2])],
    "never": [],
    "gaps": [given([GAP, GAP])],
}
LEVEL = Panel("Levels", "suffix: litres", (Query("level", "tank {{ instance }}{{none}}"),), "")
SHARE = Panel("Share", "percentunit", (Query("share", "full"),), "", limit=0.5)
NEVER = Panel("Never", "s", (Query("never", "x"), Query("gaps", "y")), "")


def test_each_panel_has_its_series_with_their_labels_and_units(
    all_axes: Callable[[], list[Any]],
) -> None:
    draw(
        (LEVEL, SHARE, NEVER, LEVEL),
        ANSWERS.__getitem__,
        "Tanks",
        start_s=100,
        marks={"begun": 102},
    )
    levels, share, never, _, *spare = all_axes()
    assert [line.get_label() for line in levels.lines[:2]] == ["tank a", "tank b"]
    assert list(levels.lines[1].get_xdata()) == [0, 1, 2, 3]
    assert levels.get_ylabel() == "litres"
    assert levels.lines[2].get_xdata()[0] == 2
    assert "begun" in texts(levels)
    assert share.lines[0].get_ydata() == pytest.approx([10, 20, 30, 20])
    assert (share.get_ylabel(), share.lines[1].get_ydata()[0]) == ("%", 50)
    assert share.get_ylim()[1] > 50
    assert texts(share) == ["alert: 50"]
    assert texts(never) == ["no data"]
    assert never.get_ylabel() == "seconds"
    assert [one.get_visible() for one in spare] == [False, False]


def test_what_cannot_be_drawn_is_refused(all_axes: Callable[[], list[Any]]) -> None:
    with pytest.raises(LabError, match="No panel was given"):
        draw((), ANSWERS.__getitem__, "Tanks", start_s=0)
    with pytest.raises(LabError, match="The unit is 'miles'; expected one of s, percentunit"):
        draw((Panel("", "miles", (), ""),), ANSWERS.__getitem__, "Tanks", start_s=0)
