"""Cheats on the clock: each has the machine to itself, as every timing has."""

import pytest

from lab_utils.grade.workers import Workers
from tests.grade.attacks import timings
from tests.grade.attacks.attack import Attack
from tests.grade.attacks.test_attacks import (
    assert_defeated,
    assert_fools_the_naive,
    earned,
    name,
    needs_sandbox,
)

pytestmark = pytest.mark.alone
each = pytest.mark.parametrize("attack", timings.ATTACKS, ids=name)


def test_an_honest_answer_is_fast_enough(workers: Workers) -> None:
    assert earned(timings.attack("honest", timings.HONEST, ""), workers) == (3, "")


@each
def test_a_cheat_on_the_clock_earns_nothing(attack: Attack, workers: Workers) -> None:
    assert_defeated(attack, workers)


@needs_sandbox
@each
def test_a_naive_grader_falls_for_it(attack: Attack, workers: Workers) -> None:
    assert_fools_the_naive(attack, workers)
