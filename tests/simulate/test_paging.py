import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.lengths import Lengths
from lab_utils.simulate.paging import Occupancy, buffers, pages


def step_by_step(lengths: Lengths, set_aside) -> Occupancy:  # type: ignore[no-untyped-def]
    """Every sequence in each of its steps, one by one."""
    filled = reserved = steps = 0
    for prompt, new in zip(lengths.prompt_tokens, lengths.new_tokens, strict=True):
        for written in range(1, new + 1):
            filled += prompt + written
            reserved += set_aside(prompt + written)
            steps += 1
    return Occupancy(int(filled), int(reserved), steps)


@pytest.fixture
def lengths() -> Lengths:
    chance = np.random.default_rng(3)
    return Lengths.of(chance.integers(1, 300, 40), chance.geometric(1 / 30, 40))


@pytest.mark.parametrize("block", [1, 16, 32, 100])
def test_pages_by_the_formula_and_by_counting(lengths: Lengths, block: int) -> None:
    counted = step_by_step(lengths, lambda tokens: block * int(np.ceil(tokens / block)))
    assert pages(lengths, block) == counted


def test_buffers_by_the_formula_and_by_counting(lengths: Lengths) -> None:
    assert buffers(lengths, 1000) == step_by_step(lengths, lambda tokens: 1000)


def test_one_sequence_by_hand() -> None:
    """Prompt 3, answer 2: 4 tokens, then 5. Blocks of 4: one, then two."""
    one = Lengths.of([3], [2])
    assert pages(one, 4) == Occupancy(filled=9, reserved=12, steps=2)
    assert buffers(one) == Occupancy(filled=9, reserved=10, steps=2)
    assert buffers(one, 10) == Occupancy(filled=9, reserved=20, steps=2)
    assert buffers(one, 10).share == pytest.approx(0.45)
    assert buffers(one, 10).users(100) == pytest.approx(10)


def test_pages_of_one_token_waste_nothing_and_an_oracle_little(lengths: Lengths) -> None:
    assert pages(lengths, 1).share == 1
    shares = [pages(lengths, block).share for block in (1, 16, 64, 256)]
    assert shares == sorted(shares, reverse=True)
    assert buffers(lengths, lengths.longest).share < buffers(lengths).share < 1


def test_what_cannot_be_is_refused(lengths: Lengths) -> None:
    with pytest.raises(LabError, match="Buffers of 10 tokens were asked for, and a sequence has"):
        buffers(lengths, 10)
    with pytest.raises(LabError, match="block is 0; expected a number above 0"):
        pages(lengths, 0)
    with pytest.raises(LabError, match="cache_tokens is 0"):
        pages(lengths, 32).users(0)
