from dataclasses import replace

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.simulate.decoding import (
    Engine,
    Generated,
    Requests,
    continuous,
    disaggregated,
    replicas,
    static,
)

ENGINE = Engine(decode_s=lambda batch: 0.01, prefill_s=lambda tokens: 0.001 * tokens, batch_most=8)


def crowd(seed: int = 1, rate_rps: float = 20) -> Requests:
    """Answers of very different lengths, as a chat's are."""
    arrived_s = poisson(rate_rps, 60, seed).due_s
    chance = np.random.default_rng(seed)
    news = np.clip(chance.geometric(1 / 60, arrived_s.size), 1, 500)
    return Requests.of(arrived_s, chance.integers(5, 20, arrived_s.size), news)


def test_one_request_takes_its_prompt_and_its_steps() -> None:
    requests = Requests.of([1.0], 20, 5)
    for found in (continuous(requests, ENGINE), static(requests, ENGINE)):
        assert found.done_s.tolist() == pytest.approx([1 + 0.02 + 4 * 0.01])
        assert found.batch_sizes.tolist() == [1, 1, 1, 1]
    assert continuous(requests, ENGINE).time_to_first_token_s[0] == pytest.approx(0.02)
    assert continuous(requests, ENGINE).time_per_token_s[0] == pytest.approx(0.01)
    assert static(requests, ENGINE).time_to_first_token_s[0] == pytest.approx(0.06)


def test_a_machine_that_slows_down_takes_longer_from_then_on() -> None:
    one = Requests.of([0.0], prompt_tokens=100, new_tokens=11)
    tired = replace(ENGINE, slowness=lambda now_s: 3.0 if now_s >= 0.15 - 1e-9 else 1.0)
    done = continuous(one, tired)
    assert done.first_s[0] == pytest.approx(0.1)  # the prompt
    assert done.done_s[0] == pytest.approx(0.1 + 5 * 0.01 + 5 * 0.03)


def test_equals_that_come_together_gain_nothing_from_continuity() -> None:
    requests = Requests.of([0.0] * 8, 10, 30)
    one, other = static(requests, ENGINE), continuous(requests, ENGINE)
    np.testing.assert_allclose(one.done_s, other.done_s)
    assert one.tokens_per_s == pytest.approx(other.tokens_per_s)


def test_a_static_batch_ends_with_its_longest_answer() -> None:
    requests = Requests.of([0.0, 0.0], 10, [2, 101])
    found = static(requests, ENGINE)
    assert found.done_s.tolist() == pytest.approx([0.02 + 1.0] * 2)
    freed = continuous(requests, ENGINE)
    assert freed.done_s.tolist() == pytest.approx([0.02 + 0.01, 0.02 + 1.0])


def test_a_static_batch_waits_for_company_and_then_goes() -> None:
    requests = Requests.of([0.0, 0.05, 0.3], 10, 2)
    found = static(requests, ENGINE, wait_s=0.1)
    assert found.batch_sizes.tolist() == [2, 1]
    assert found.done_s.tolist() == pytest.approx([0.13, 0.13, 0.42])
    full = static(Requests.of([0.0] * 8, 10, 2), ENGINE, wait_s=100)
    assert full.done_s.max() < 1


def test_a_static_batch_computes_short_answers_to_the_end_of_the_longest() -> None:
    engine = Engine(lambda batch: 0.01 * batch, lambda tokens: 0.001 * tokens, batch_most=2)
    requests = Requests.of([0.0, 0.0, 0.0], [10, 20, 10], [3, 5, 1])
    found = static(requests, engine)
    first_s = 0.03 + 4 * 0.02
    assert found.done_s.tolist() == pytest.approx([first_s] * 2 + [first_s + 0.01])
    assert found.first_s.tolist() == pytest.approx(found.done_s.tolist())
    assert found.batch_sizes.tolist() == [2] * 4
    padded = static(requests, engine, padded_prompts=True)
    assert padded.done_s.tolist() == pytest.approx([0.04 + 0.08] * 2 + [0.12 + 0.01])


def test_an_engine_of_measured_points_joins_them_by_lines() -> None:
    engine = Engine.measured({1: 0.02, 4: 0.05, 8: 0.05}, {100: 0.1, 10: 0.01}, batch_most=16)
    assert [engine.decode_s(n) for n in (1, 2, 4, 6, 16)] == pytest.approx(
        [0.02, 0.03, 0.05, 0.05, 0.05]
    )
    assert [engine.prefill_s(n) for n in (1, 10, 55, 200)] == pytest.approx(
        [0.01, 0.01, 0.055, 0.2]
    )
    with pytest.raises(LabError, match="1 measured points were given; expected at least two"):
        Engine.measured({1: 0.02}, {1: 0.1, 2: 0.2}, 4)


def test_a_newcomer_holds_the_others_up_while_its_prompt_is_read() -> None:
    requests = Requests.of([0.0, 0.015], [10, 500], [4, 1])
    found = continuous(requests, ENGINE)
    assert found.first_s.tolist() == pytest.approx([0.01, 0.02 + 0.5])
    assert found.done_s[0] == pytest.approx(0.02 + 0.5 + 0.02)


def test_prompts_in_pieces_hold_nobody_up() -> None:
    engine = replace(ENGINE, chunk_tokens=101)
    requests = Requests.of([0.0, 0.015], [10, 500], [40, 2])
    found = continuous(requests, engine)
    # Five steps of 100 prompt tokens beside one that writes, then one that both write.
    assert found.first_s.tolist() == pytest.approx([0.01, 0.02 + 5 * 0.11])
    assert found.done_s.tolist() == pytest.approx(
        [0.01 + 39 * 0.01 + 5 * 0.1, 0.02 + 5 * 0.11 + 0.01]
    )


@pytest.mark.parametrize("chunk", [None, 8, 64])
def test_every_token_is_made_once_in_pieces_too(chunk: int | None) -> None:
    requests = crowd()
    found = continuous(requests, replace(ENGINE, chunk_tokens=chunk))
    assert found.batch_sizes.sum() + requests.arrived_s.size == requests.new_tokens.sum()
    assert (found.first_s <= found.done_s).all()


@pytest.mark.parametrize("seed", range(3))
def test_continuous_batching_keeps_the_batch_full(seed: int) -> None:
    requests = crowd(seed)
    one, other = static(requests, ENGINE, wait_s=0.05), continuous(requests, ENGINE)
    for found in (one, other):
        assert not np.isnan(found.done_s).any()
        assert (found.done_s >= found.first_s).all()
    assert other.tokens_per_s > 2 * one.tokens_per_s
    assert np.median(other.latency_s) < np.median(one.latency_s) / 2


def test_every_token_is_made_once() -> None:
    requests = crowd()
    found = continuous(requests, ENGINE)
    assert found.batch_sizes.sum() + requests.arrived_s.size == requests.new_tokens.sum()
    assert found.batch_sizes.max() <= ENGINE.batch_most
    expected_s = 0.01 * found.batch_sizes.size + 0.001 * requests.prompt_tokens.sum()
    assert found.busy_s == pytest.approx(expected_s)


def test_the_cache_is_never_overfull() -> None:
    requests = crowd()
    limit = 600
    tight = Engine(ENGINE.decode_s, ENGINE.prefill_s, 8, cache_tokens=limit)
    found = continuous(requests, tight)
    whole = requests.prompt_tokens + requests.new_tokens
    for at_s in found.first_s[::7]:
        held = whole[(found.first_s <= at_s) & (found.done_s > at_s)].sum()
        assert held <= limit
    assert found.tokens_per_s < continuous(requests, ENGINE).tokens_per_s


def test_who_came_first_is_begun_first() -> None:
    found: Generated = continuous(crowd(), ENGINE)
    assert (np.diff(found.first_s) >= 0).all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(LabError, match="none or not in order"):
        Requests.of([], 1, 1)
    with pytest.raises(LabError, match="A request has 0 prompt tokens"):
        Requests.of([0.0], 0, 1)
    with pytest.raises(LabError, match="The batch holds 0"):
        Engine(ENGINE.decode_s, ENGINE.prefill_s, 0)
    with pytest.raises(LabError, match="A request needs 60 tokens of cache, which holds 50"):
        continuous(Requests.of([0.0], 10, 50), Engine(ENGINE.decode_s, ENGINE.prefill_s, 1, 50))


def free(tokens: int) -> float:
    """A link without limit."""
    return 0.0


def test_gaps_lie_between_the_tokens_of_one_request() -> None:
    requests = Requests.of([0.0, 0.015], [10, 500], [4, 1])
    # The newcomer's 0.5 s of reading fall between the first one's second and third token.
    assert continuous(requests, ENGINE).gaps_s.tolist() == pytest.approx([0.01, 0.51, 0.01])
    assert static(requests, ENGINE).gaps_s.tolist() == [0, 0, 0]


def test_one_machine_of_its_kind_is_the_machine_itself() -> None:
    requests = crowd()
    one, other = replicas(requests, ENGINE, 1), continuous(requests, ENGINE)
    np.testing.assert_array_equal(one.done_s, other.done_s)
    assert one.busy_s == other.busy_s


def test_replicas_take_requests_in_turn() -> None:
    requests = Requests.of([0.0, 0.0, 0.0], [10, 20, 30], [2, 3, 1])
    found = replicas(requests, ENGINE, 2)
    # The first machine reads 10 and 30 together; the second has one to itself.
    assert found.first_s.tolist() == pytest.approx([0.04, 0.02, 0.04])
    assert found.done_s.tolist() == pytest.approx([0.05, 0.04, 0.04])
    assert replicas(requests, ENGINE, 5).first_s.tolist() == pytest.approx([0.01, 0.02, 0.03])


def test_a_reader_hands_over_and_nobody_who_writes_waits_for_it() -> None:
    requests = Requests.of([0.0, 0.005], [10, 500], [4, 2])
    found = disaggregated(requests, ENGINE, 1, 1, lambda tokens: 0.0001 * tokens)
    # Read at 0.010 and 0.510; handed over in 0.001 and 0.050; then a step of 0.010 for each token.
    assert found.token_s[0].tolist() == pytest.approx([0.01, 0.021, 0.031, 0.041])
    assert found.token_s[1].tolist() == pytest.approx([0.51, 0.57])
    assert found.busy_s == pytest.approx(0.51 + 4 * 0.01)


def test_caches_go_over_a_link_one_after_the_other() -> None:
    requests = Requests.of([0.0, 0.0], 10, 2)
    found = disaggregated(requests, ENGINE, 1, 1, lambda tokens: 0.1)
    assert found.first_s.tolist() == pytest.approx([0.01, 0.02])
    assert found.done_s.tolist() == pytest.approx([0.12, 0.22])
    two_links = disaggregated(requests, ENGINE, 2, 1, lambda tokens: 0.1)
    assert two_links.done_s.tolist() == pytest.approx([0.12, 0.12])


def test_an_answer_of_one_token_is_handed_to_nobody() -> None:
    found = disaggregated(Requests.of([0.0, 0.0], 10, 1), ENGINE, 1, 1, lambda tokens: 100.0)
    assert found.done_s.tolist() == pytest.approx([0.01, 0.02])
    assert found.batch_sizes.size == 0


@pytest.mark.parametrize(("readers", "writers"), [(1, 1), (2, 1), (1, 3)])
def test_every_token_is_made_once_by_readers_and_writers(readers: int, writers: int) -> None:
    requests = crowd()
    found = disaggregated(requests, ENGINE, readers, writers, free)
    assert [times.size for times in found.token_s] == requests.new_tokens.tolist()
    assert (found.gaps_s >= 0).all()
    assert found.batch_sizes.sum() + requests.arrived_s.size == requests.new_tokens.sum()


def test_a_kind_of_machine_that_is_missing_is_refused() -> None:
    with pytest.raises(LabError, match="writers is 0; expected at least 1"):
        disaggregated(crowd(), ENGINE, 1, 0, free)
    with pytest.raises(LabError, match="machines is 0"):
        replicas(crowd(), ENGINE, 0)
