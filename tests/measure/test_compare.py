import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.compare import PAIRS_NEEDED, compare, difference, interleaved


def test_runs_are_interleaved_and_no_one_always_goes_first() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in "ABC"}
    interleaved(runs, rounds=4)
    assert "".join(order) == "ABCCBAABCCBA"


def test_results_of_one_round_are_paired() -> None:
    clock = iter(range(100))
    results = interleaved({"A": lambda: next(clock), "B": lambda: next(clock)}, rounds=3)
    assert results == {"A": [0, 3, 4], "B": [1, 2, 5]}


def test_the_watch_sees_every_round() -> None:
    seen: list[int] = []

    def watch(rounds):  # type: ignore[no-untyped-def]
        for number in rounds:
            seen.append(number)
            yield number

    interleaved({"A": lambda: None}, rounds=3, watch=watch)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("first", "higher_is_faster", "verdict"),
    [(2.0, False, "slower"), (0.5, False, "faster"), (2.0, True, "faster"), (0.5, True, "slower")],
)
def test_a_clear_difference_is_seen_through_common_noise(
    first: float, higher_is_faster: bool, verdict: str
) -> None:
    moments = np.random.default_rng(3).lognormal(
        sigma=1.5, size=8
    )  # far larger than the difference
    got = compare(list(first * moments), list(moments), higher_is_faster=higher_is_faster)
    assert got.verdict == verdict
    assert got.speed_ratio.median == pytest.approx(2.0 if verdict == "faster" else 0.5)


def test_too_few_pairs_are_undecided_however_clear() -> None:
    got = compare([9.0] * 5, [1.0] * 5, higher_is_faster=True)
    assert got.verdict == "undecided"
    assert "1 fewer than a verdict needs" in got.reason


def test_six_pairs_are_the_fewest_that_can_decide() -> None:
    # All on one side by chance, either side: 2 · 2⁻ⁿ.
    assert 2 * 0.5**PAIRS_NEEDED <= 0.05 < 2 * 0.5 ** (PAIRS_NEEDED - 1)


def test_nothing_is_seldom_called_something() -> None:
    random = np.random.default_rng(5)
    trials, wrong = 300, 0
    for _ in range(trials):
        first, second = random.lognormal(sigma=0.2, size=(2, 12))
        got = compare(list(first), list(second), higher_is_faster=True)
        wrong += got.verdict != "undecided"
    assert wrong / trials <= 0.10  # 5 %, and the bootstrap of so few is a little narrow


def test_the_difference_is_paired() -> None:
    assert difference([11.0, 21.0, 31.0], [10.0, 20.0, 30.0]).median == 1.0
    with pytest.raises(LabError, match="2 and 1 samples"):
        difference([1.0, 2.0], [1.0])


def test_looking_after_every_round_finds_something_in_nothing() -> None:
    """Why the number of rounds is fixed first."""
    random = np.random.default_rng(8)
    trials, wrong = 60, 0
    for _ in range(trials):
        first, second = random.lognormal(sigma=0.2, size=(2, 30))
        wrong += any(
            compare(list(first[:n]), list(second[:n]), higher_is_faster=True).verdict != "undecided"
            for n in range(PAIRS_NEEDED, 31)
        )
    assert wrong / trials > 0.10
