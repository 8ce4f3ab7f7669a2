from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show.variant_plots import operators, scoreboard, search, shares
from tests.show.conftest import overlap, texts

COUNTS = {"eager": {"Conv": 53, "BatchNorm": 53, "ReLU": 49}, "engine": {"Conv + ReLU": 53}}
MB = {"eager": 270.0, "engine": 95.0}


def test_a_bar_is_as_long_as_its_graph_has_operators(all_axes: Callable[[], list[Any]]) -> None:
    operators(COUNTS, MB, "Fused")
    left, right = all_axes()
    assert texts(left) == ["53", "53", "49", "155", "53", "53"]
    assert [bar.get_x() for bar in left.patches[:4]] == [0, 53, 106, 0]
    assert [bar.get_width() for bar in right.patches] == [270, 95]


def test_shares_begin_where_the_last_one_ended(all_axes: Callable[[], list[Any]]) -> None:
    shares({"eager": {"conv": 27.5, "rest": 26}, "engine": {"conv": 28}}, "Time", xlabel="ms")
    [drawn] = all_axes()
    assert [bar.get_x() for bar in drawn.patches[:3]] == [0, 27.5, 0]
    assert texts(drawn) == ["27.5", "26", "53.5", "28", "28"]
    assert [t.get_text() for t in drawn.figure.legends[0].get_texts()] == ["conv", "rest"]


def test_a_key_of_long_names_stays_within_the_picture(axes: Callable[[], Any]) -> None:
    names = [f"a part with quite a long name {i}" for i in range(5)]
    shares({"eager": dict.fromkeys(names, 1.0)}, "Time", xlabel="ms")
    drawn = axes().figure
    key, picture = drawn.legends[0].get_window_extent(), drawn.bbox
    assert picture.x0 <= key.x0 < key.x1 <= picture.x1


def test_a_scoreboard_marks_the_reference_and_keeps_its_texts_apart(
    all_axes: Callable[[], list[Any]],
) -> None:
    names = ["eager", "a rather long variant", "another"]
    columns = {
        heading: {name: Interval(1 + i, 0.5 + i, 1.6 + i, 9) for i, name in enumerate(names)}
        for heading in ("times as fast", "same top 1 (%)", "ready after (s)", "memory (MB)", "MB")
    }
    scoreboard(columns, "Choices", mark="eager")
    assert [label.get_text() for label in all_axes()[0].get_yticklabels()] == [
        "eager *",
        *names[1:],
    ]
    assert not overlap(text for axis in all_axes() for text in [*axis.texts, axis.title])


def test_a_single_column_keeps_its_heading_beside_the_title(
    all_axes: Callable[[], list[Any]],
) -> None:
    scoreboard({"MB on disk": {"eager": 2.0, "engine": 1.0}}, "The same weights")
    [drawn] = all_axes()
    assert drawn.get_title("left") == "MB on disk"
    assert drawn.figure.get_suptitle() == "The same weights"


def test_rows_that_do_not_match_are_refused() -> None:
    with pytest.raises(LabError, match="the same graphs"):
        operators(COUNTS, {"eager": 1.0}, "Fused")
    with pytest.raises(LabError, match="the same rows"):
        scoreboard({"a": {"x": 1.0}, "b": {"y": 1.0}}, "Choices")
    with pytest.raises(LabError, match="at least one row"):
        scoreboard({}, "Choices")
    for nothing in ({}, {"eager": {}}):
        with pytest.raises(LabError, match="of nothing"):
            shares(nothing, "Time", xlabel="ms")


def test_a_search_shows_every_program_that_ran_and_the_best_so_far(
    axes: Callable[[], list[Any]],
) -> None:
    search([None, 8.0, 5.0, None, 6.0, 2.5], {"library": 1.0}, "A search")
    drawn = axes()
    tried, best, library = drawn.lines
    assert list(tried.get_xdata()) == [2, 3, 5, 6]
    assert list(best.get_ydata()) == [8, 5, 5, 2.5]
    assert set(library.get_ydata()) == {1.0}
    assert library.get_label() == "library: 1 ms"
    with pytest.raises(LabError, match="no program ran"):
        search([None], {}, "A search")
