from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, rows_of_stacks
from lab_utils.show import profiles

STACKS = {
    ("<module> (a.py:1)", "main (a.py:1)", "decode (a.py:2)"): 1.0,
    ("<module> (a.py:1)", "main (a.py:1)", "compute (a.py:3)"): 2.0,
    ("<module> (a.py:1)", "main (a.py:1)", "compute (a.py:3)", "conv2d (built-in)"): 7.0,
    ("<module> (a.py:1)", "idle (a.py:9)"): 0.001,
}
PROFILE = Profile(
    "a tool 1.0", "wall-clock time", rows_of_stacks(STACKS, {"main (a.py:1)": 2}), (), 12.0, STACKS
)
Axes = Callable[[], Any]


def boxes(axes: Any) -> list[tuple[float, float, float]]:
    return [(p.get_x(), p.get_y(), round(p.get_width(), 3)) for p in axes.patches]


def test_callees_lie_beneath_their_caller_as_wide_as_their_share(axes: Axes) -> None:
    profiles.flame_graph(PROFILE, "A request")
    assert boxes(axes()) == [(0, 0, 1), (0, 1, 0.9), (0, 2, 0.7), (0.9, 1, 0.1)] or [
        b[1:] for b in boxes(axes())
    ] == [(0, 1.0), (1, 0.9), (2, 0.7), (1, 0.1)]
    assert [t.get_text() for t in axes().texts] == [
        "main (a.py:1)",
        "compute (a.py:3)",
        "conv2d (built-in)",
        "decode",
    ]


def test_what_stands_out_has_another_colour(axes: Axes) -> None:
    profiles.flame_graph(PROFILE, "A request", highlight=["conv2d"])
    colours = [p.get_facecolor() for p in axes().patches]
    assert colours[2] != colours[0] == colours[1] == colours[3]


def test_it_may_begin_lower_down_and_end_earlier(axes: Axes) -> None:
    profiles.flame_graph(PROFILE, "Compute", since="compute", levels=1)
    assert [t.get_text() for t in axes().texts] == ["compute (a.py:3)"]
    assert "share of 9 s" in axes().get_xlabel()


def test_without_stacks_or_matches_it_says_what_to_do() -> None:
    bare = Profile("cProfile", "time", PROFILE.rows, (), 12.0)
    with pytest.raises(LabError, match="cProfile keeps no call stacks"):
        profiles.flame_graph(bare, "A request")
    with pytest.raises(LabError, match="No stack holds 'gpu'"):
        profiles.flame_graph(PROFILE, "A request", since="gpu")


def test_the_table_has_the_top_rows_with_shares() -> None:
    page = profiles._Table(PROFILE, 2)._repr_html_()
    assert "70.0 %" in page
    assert "conv2d (built-in)" in page
    assert "decode" not in page
    assert "12\N{NO-BREAK SPACE}s passed" in page


def test_in_a_terminal_the_table_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    profiles.top_table(PROFILE)
    assert "70.0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "width", "text"),
    [
        ("conv2d (a/b.py:1)", 0.5, "conv2d (a/b.py:1)"),
        ("conv2d (a/b.py:1)", 0.08, "conv2d"),
        ("a_long_function_name (a/b.py:1)", 0.08, "a_long_…"),
        ("conv2d (a/b.py:1)", 0.01, ""),
    ],
)
def test_names_fit_their_box(name: str, width: float, text: str) -> None:
    assert profiles._fitting(name, width) == text


def test_parts_of_a_whole_add_up_to_it_and_name_their_share(axes: Axes) -> None:
    bars = {"before": {"work": 3.0, "wait": 1.0}, "after": {"work": 3.0, "wait": 0.01}}
    profiles.parts(bars, "States", xlabel="share")
    widths = [round(p.get_width(), 3) for p in axes().patches]
    assert widths == [0.75, 0.25, 0.997, 0.003]
    assert [t.get_text() for t in axes().texts] == ["75 %", "25 %", "100 %"]
    profiles.parts(bars, "States", xlabel="seconds", whole=False)
    assert axes().get_xlim() == (0, 4)


def test_an_empty_bar_is_refused() -> None:
    with pytest.raises(LabError, match="The bar 'after' holds nothing"):
        profiles.parts({"after": {}}, "States", xlabel="share")
