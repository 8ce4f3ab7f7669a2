"""Time that the host took from the cores."""

import time
from itertools import chain, repeat

import pytest

from lab_utils.machine.stolen import ABOUT_S, EVERY_S, Stolen, stolen_s


def test_the_kernels_count_does_not_fall() -> None:
    assert 0 <= stolen_s() <= stolen_s()


def test_what_was_taken_is_known_about_its_moment_and_not_at_others() -> None:
    counts = chain([1.0, 1.0, 1.25], repeat(1.25))
    with Stolen(lambda: next(counts)) as stolen:
        begun_s = time.time()
        time.sleep(10 * EVERY_S)
    taken_at_s = begun_s + 2 * EVERY_S
    assert stolen.near_s(taken_at_s) == pytest.approx(0.25)
    assert stolen.near_s(begun_s - 10) == 0
    assert stolen.near_s(begun_s + 10) == 0
    assert ABOUT_S > EVERY_S  # or a moment between two looks would be near neither
