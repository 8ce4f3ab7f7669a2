"""A measurement is not charged for what the process holds beside it."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from lab_utils.measure.compare import interleaved
from lab_utils.measure.heap import heap_set_aside
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import Send, closed_loop, open_loop


class Held:
    """Only a collection ends it, and then it is counted."""

    ended = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Held.ended += 1


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    gc.collect()
    Held.ended = 0
    yield
    gc.unfreeze()
    gc.collect()


def test_what_was_there_is_left_alone_until_the_end() -> None:
    Held()
    with heap_set_aside():
        gc.collect()
        assert Held.ended == 0
        Held()
        gc.collect()
        assert Held.ended == 1  # made within
    gc.collect()
    assert Held.ended == 2
    assert gc.get_freeze_count() == 0


def test_a_block_within_a_block_ends_nothing() -> None:
    with heap_set_aside():
        with heap_set_aside():
            pass
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()


def test_it_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), heap_set_aside():
        print(1 / 0)
    assert not gc.get_freeze_count()


@pytest.mark.parametrize(
    "load",
    [
        lambda sender: closed_loop(sender, [b""], connections=1, requests=2),
        lambda sender: open_loop(sender, [b""], poisson(rate_rps=500, duration_s=0.02, seed=1)),
    ],
)
def test_load_is_sent_with_the_heap_set_aside(load: Callable[[object], object]) -> None:
    frozen: list[int] = []

    @asynccontextmanager
    async def sender() -> AsyncIterator[Send]:
        async def send(body: bytes) -> str | None:
            frozen.append(gc.get_freeze_count())
            await asyncio.sleep(0)
            return None

        yield send

    load(sender)
    assert frozen
    assert all(frozen)
    assert not gc.get_freeze_count()


def test_runs_that_are_compared_are_made_with_the_heap_set_aside() -> None:
    found = interleaved({"one": gc.get_freeze_count, "two": gc.get_freeze_count}, rounds=2)
    assert all(found["one"] + found["two"])
