from collections.abc import Callable
from typing import Any

import numpy as np

from lab_utils.show import llm_plots


def test_a_place_is_taken_again_when_it_is_free() -> None:
    begun_s, done_s = [0.0, 0.0, 1.0, 2.0, 2.5], [2.0, 1.0, 3.0, 4.0, 2.6]
    assert llm_plots.lanes(begun_s, done_s) == [0, 1, 1, 0, 2]


def test_no_two_bars_of_a_lane_overlap() -> None:
    chance = np.random.default_rng(4)
    begun_s = np.sort(chance.uniform(0, 10, 300))
    done_s = begun_s + chance.exponential(0.3, 300)
    lanes = np.array(llm_plots.lanes(begun_s, done_s))
    for lane in set(lanes):
        mine = lanes == lane
        assert (begun_s[mine][1:] >= done_s[mine][:-1]).all()
    crowded = max(np.sum((begun_s <= at_s) & (done_s > at_s)) for at_s in begun_s)
    assert lanes.max() + 1 == crowded


def test_a_bar_for_each_answer_and_panels_of_one_scale(all_axes: Callable[[], list[Any]]) -> None:
    runs = {
        "static": ([0, 0], [1, 2], [2, 2]),
        "continuous": ([0, 1], [1, 2], [1, 2]),
    }
    llm_plots.places(runs, 2, "Places")
    panels = all_axes()
    assert [panel.get_title(loc="left") for panel in panels] == ["static", "continuous"]
    pale = [
        sum(path.get_extents().width for path in bars.get_paths())
        for bars in panels[0].collections
        if bars.get_alpha() == llm_plots.PALE
    ]
    assert pale == [1, 0]  # the short answer waits for the long one
    assert {panel.get_xlim() for panel in panels} == {(0.0, 2.0)}


def test_measured_points_have_their_lines_colour(axes: Callable[[], Any]) -> None:
    llm_plots.latency_by_rate(
        {"one": ([1, 2], [0.1, 0.2]), "other": ([1, 2], [0.2, 0.4])},
        {"other": ([1.5], [0.3])},
        "Rate",
        ylabel="P99 (s)",
        limit_s=0.25,
    )
    lines = {line.get_label(): line for line in axes().lines}
    assert lines["other"].get_color() == lines["other, measured"].get_color()
    assert lines["other"].get_color() != lines["one"].get_color()
    assert list(lines["other, measured"].get_ydata()) == [0.3]


def test_answers_and_a_stream_are_drawn_as_given(all_axes: Callable[[], list[Any]]) -> None:
    llm_plots.latency_by_length({"static": ([1, 10], [1, 2])}, "Length", ylabel="s")
    assert list(all_axes()[0].lines[0].get_xdata()) == [1, 10]
    llm_plots.stream([0.1, 0.2, 0.9], [0.3], "Stream")
    steps, moment = all_axes()[0].lines
    assert list(steps.get_ydata()) == [1, 2, 3]
    assert list(moment.get_xdata()) == [0.3, 0.3]


def test_what_came_has_the_colour_of_what_was_foretold(axes: Callable[[], Any]) -> None:
    llm_plots.foretold(
        {"one": ([0, 1], [1.0, 2.0]), "other": ([0, 1], [2.0, 3.0])},
        {"other": ([0.5], [2.4]), "third": ([0.5], [1.4])},
        "Foretold",
        xlabel="share",
        ylabel="times",
        reference=1,
    )
    lines = {line.get_label(): line for line in axes().lines}
    assert lines["other"].get_color() == lines["other, foretold"].get_color()
    assert len({lines[name].get_color() for name in ("one, foretold", "other", "third")}) == 3
    assert list(lines["third"].get_ydata()) == [1.4]
    assert list(axes().lines[-1].get_ydata()) == [1, 1]
