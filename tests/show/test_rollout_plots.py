from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.rollout_plots import Course, answers_needed, courses, false_alarms

COURSE = Course([100, 200, 300], [1, 1, 5], {"bad": [-1.0, -2.0, -9.0], "more": [1, 2, 3]}, (-2, 4))


def test_evidence_stays_within_the_panel_and_weights_are_told(
    all_axes: Callable[[], list[Any]],
) -> None:
    courses({"one": COURSE, "two": COURSE}, "Rollouts")
    first, second = all_axes()
    assert [axes.get_title("left") for axes in (first, second)] == ["one", "two"]
    line = first.get_lines()[0]
    assert line.get_xdata().tolist() == [0, 100, 200, 300]
    assert line.get_ydata().tolist() == pytest.approx([0, -1, -2, -2.7])
    assert {"1", "5", "worse", "no worse"} <= {text.get_text() for text in first.texts}


def test_a_rollout_without_a_look_is_refused() -> None:
    with pytest.raises(LabError, match="of nothing; expected each with a look"):
        courses({"one": Course([], [], {}, (-1, 1))}, "Rollouts")


def test_lines_are_drawn_as_given(all_axes: Callable[[], list[Any]]) -> None:
    false_alarms({"looked at": ([1, 2], [0.05, 0.08])}, 0.05, "Looks")
    (axes,) = all_axes()
    assert axes.get_lines()[0].get_ydata().tolist() == [5, 8]


def test_answers_are_drawn_over_the_ratio(all_axes: Callable[[], list[Any]]) -> None:
    answers_needed({"once": ([2, 10], [20_000, 500])}, "Needed", xlabel="times as many")
    (axes,) = all_axes()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "10"]
