"""A plan against the first version: both are asked the same, and what happened is counted."""

from collections.abc import Iterator

import numpy as np
import pytest

from lab_utils.measure.load.result import LoadResult
from lab_utils.models.decoder import Decoder
from lab_utils.serve.llm import contest as contests
from lab_utils.serve.llm.contest import Contest, Plan, Rush, contest, drawn
from lab_utils.serve.llm.load import Served

SHAPE = Decoder(
    layers=2, width=128, heads=4, cached_heads=2, head_width=32, inner=256, vocabulary=512
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contest]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFERENCE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(contests, "BLOCK_S", 0.2)
        plan = Plan("q4_0", "continuous", batch_most=4, queue_most=8, first="chat")
        with contest(plan, threads=1, shape=SHAPE) as both:
            both.warm_up()
            yield both


@pytest.mark.alone
def test_both_answer_and_their_rates_are_told_apart(two: Contest) -> None:
    base_rps, plan_rps = two.pair(seed=3)
    assert 0 < base_rps < plan_rps  # the engine is in C++, the first version's loop in Python


@pytest.mark.alone
def test_a_load_that_it_can_bear_is_answered_whole(two: Contest) -> None:
    _, plan_rps = two.pair(seed=4)
    served = two.steady(plan_rps / 4, count=40, seed=5)
    assert served.load.failed == 0
    assert served.load.answered == served.latency_s.size >= 25


@pytest.mark.alone
def test_in_a_rush_some_are_refused_nobody_is_lost_and_chats_go_first(two: Contest) -> None:
    _, plan_rps = two.pair(seed=6)
    rush = two.rush(6 * plan_rps, lasts_s=1.5, seed=7)
    assert set(rush.served.load.failures) == {"status 429"}
    assert rush.is_chat.size == rush.served.load.answered
    assert 0 < rush.is_chat.sum() < rush.is_chat.size
    assert rush.waited_s(chats=True) < rush.waited_s(chats=False)


def test_requests_are_drawn_anew_and_may_be_had_again() -> None:
    once, again, other = drawn(50, 1), drawn(50, 1), drawn(50, 2)
    assert np.array_equal(once.new_tokens, again.new_tokens)
    assert not np.array_equal(once.new_tokens, other.new_tokens)
    assert once.longest < 256


def test_a_rush_tells_chats_from_reports() -> None:
    latency_s = np.array([0.5, 3.0, 5.0, 5.0])
    load = LoadResult("test", "open", None, 5.0, 4, {}, latency_s)
    served = Served(load, np.arange(4), np.ones(4, int), latency_s / 2, *[latency_s] * 3)
    rush = Rush(served, np.array([True, True, False, False]))
    assert (rush.late(True, 2.0), rush.late(False, 4.0), rush.late(False, 6.0)) == (0.5, 1.0, 0.0)
    assert (rush.waited_s(True), rush.waited_s(False)) == (0.875, 2.5)
    nobody = Rush(served, np.ones(4, bool))
    assert (nobody.late(False, 1.0), nobody.waited_s(False)) == (0.0, 0.0)
