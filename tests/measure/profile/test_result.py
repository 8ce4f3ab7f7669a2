import pytest

from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, Row, frame, positive, rows_of_stacks

STACKS = {
    ("main", "decode"): 1.0,
    ("main", "compute"): 2.0,
    ("main", "compute", "conv"): 6.0,
    ("main",): 1.0,
}


def profile() -> Profile:
    return Profile("a tool 1.0", "time", rows_of_stacks(STACKS), ("the rest",), 20.0, STACKS)


def test_self_time_ends_a_stack_and_total_time_stands_anywhere_in_one() -> None:
    rows = {row.name: (row.self_s, row.total_s) for row in profile().rows}
    assert rows == {"conv": (6, 6), "compute": (2, 8), "decode": (1, 1), "main": (1, 10)}


def test_a_function_that_calls_itself_counts_once() -> None:
    rows = rows_of_stacks({("walk", "walk", "walk"): 3.0})
    assert rows == (Row("walk", 3.0, 3.0),)


def test_the_top_is_by_self_time_and_shares_are_of_what_was_accounted_for() -> None:
    p = profile()
    assert [row.name for row in p.top(2)] == ["conv", "compute"]
    assert p.total_s == 10
    assert p.share(p.rows[0]) == 0.6
    assert p.share_of("compute") == 0.8
    assert p.seen == 0.5


def test_without_stacks_a_share_is_the_rows_total() -> None:
    p = Profile("a tool", "time", (Row("compute", 6, 8), Row("other", 4, 10)), (), 10.0)
    assert p.share_of("compute") == 0.8


def test_groups_add_up() -> None:
    rows = (Row("a [Conv]", 3, 3, 2, 10), Row("b [Conv]", 2, 2, 1), Row("c [Add]", 1, 1, 4))
    grouped = Profile("a tool", "time", rows, (), 6.0).grouped(lambda n: n.split("[")[1])
    assert grouped.rows == (Row("Conv]", 5, 5, 3, 10), Row("Add]", 1, 1, 4, None))


def test_what_nobody_saw_is_refused_with_what_was_seen() -> None:
    with pytest.raises(LabError, match=r"a tool 1\.0 saw nothing named 'gpu'; .*conv, compute"):
        profile().share_of("gpu")


def test_as_text_it_says_what_passed_and_what_was_accounted_for() -> None:
    text = str(profile())
    assert "10.000 s accounted for, 20.000 s passed" in text
    assert "60.0%" in text.splitlines()[3]
    assert text.splitlines()[3].endswith("conv")


def test_a_short_file_name_is_kept_whole() -> None:
    assert frame("f", "program.py", 3) == "f (program.py:3)"


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_nonsense_is_refused(value: float) -> None:
    with pytest.raises(LabError, match=r"The rate is .*; expected a number above 0"):
        positive("The rate", value)
