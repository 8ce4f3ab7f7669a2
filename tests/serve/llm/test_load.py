"""Load on the real service: every request is accounted for, and times fit together."""

from collections.abc import Iterator

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import constant, of_times
from lab_utils.measure.load.lengths import Lengths
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import write_seeded
from lab_utils.serve.llm.chat import chat, visits
from lab_utils.serve.llm.load import bodies, in_turn, streamed, streamed_beside, when_due
from lab_utils.serve.llm.service import LLMService
from lab_utils.serve.llm.step_times import step_times
from lab_utils.simulate import decoding

pytestmark = pytest.mark.alone

SHAPE = Decoder(
    layers=4, width=256, heads=4, cached_heads=4, head_width=64, inner=704, vocabulary=512
)
PLACES = 4


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLMService]:
    path = tmp_path_factory.mktemp("model") / "small.gguf"
    write_seeded(path, SHAPE, "q8_0")
    with LLMService(path, threads=1, batch_most=PLACES, queue_most=2) as service:
        yield service


def test_each_answer_has_its_own_times(service: LLMService) -> None:
    lengths = Lengths.of([5, 50, 5, 9], [1, 8, 30, 2])
    served = when_due(service, SHAPE, constant(rate_rps=20, duration_s=0.2), lengths)
    assert served.load.failed == 0
    assert served.number.tolist() == [0, 1, 2, 3]
    assert served.new_tokens.tolist() == lengths.new_tokens.tolist()
    assert (served.queueing_s <= served.first_token_s).all()
    assert (served.first_token_s <= served.latency_s).all()
    assert (served.begun_s < served.done_s).all()
    assert served.time_per_token_s.size == 3  # one answer is a single token
    assert served.tokens_per_s == pytest.approx(41 / served.load.duration_s)


def test_refusals_are_told_apart_and_lose_nobody(service: LLMService) -> None:
    count = 24
    at_once = of_times(np.linspace(0, 1e-3, count))
    lengths = Lengths.of([5] * count, [40] * count)
    served = when_due(service, SHAPE, at_once, lengths, priority=[0, 1] * (count // 2))
    assert set(served.load.failures) == {"status 429"}
    assert served.load.answered + served.load.failed == count
    assert PLACES + 2 <= served.load.answered < count
    assert set(served.number) < set(range(count))
    assert served.load.told_s is not None
    assert np.median(served.load.told_s) < np.median(served.latency_s)


def test_a_closed_loop_never_has_more_in_flight_than_clients(service: LLMService) -> None:
    served = in_turn(service, SHAPE, Lengths.of([5] * 12, [10] * 12), connections=3)
    assert served.load.answered == 12
    for at_s in served.begun_s:
        assert np.sum((served.begun_s <= at_s) & (served.done_s > at_s)) <= 3


def test_a_stream_is_seen_as_it_comes_also_beside_others(service: LLMService) -> None:
    token_s = streamed(service, SHAPE, prompt_tokens=5, new_tokens=20)
    assert token_s.size == 20
    assert (np.diff(token_s) >= 0).all()
    assert token_s[0] < token_s[-1]
    token_s, came_s = streamed_beside(
        service, SHAPE, 60, Lengths.of([300, 300], [1, 1]), every_s=0.02
    )
    assert token_s.size == 60
    assert came_s == sorted(came_s)
    assert len(came_s) == 2


def test_a_refused_stream_ends_with_the_services_own_sentence(service: LLMService) -> None:
    with pytest.raises(LabError, match="the model's context holds"):
        streamed(service, SHAPE, prompt_tokens=5000, new_tokens=1)


def test_step_times_feed_a_simulation(service: LLMService) -> None:
    times = step_times(service, SHAPE, (1, PLACES), past_tokens=16, prompts=(8, 2048), rounds=3)
    assert 0 < times.prefill_s[8] < times.prefill_s[2048]
    assert min(times.decode_s.values()) > 0
    engine = decoding.Engine.measured(times.decode_s, times.prefill_s, PLACES)
    assert engine.decode_s(PLACES) == times.decode_s[PLACES]


def test_fields_are_one_for_all_or_one_each() -> None:
    lengths = Lengths.of([2, 3], [4, 5])
    one, other = bodies(SHAPE, lengths, {"priority": [0, 1], "deadline_s": 2.5})
    assert b'"priority": 0, "deadline_s": 2.5' in one
    assert b'"priority": 1, "deadline_s": 2.5' in other
    assert one != bodies(SHAPE, lengths, {"priority": [0, 1], "deadline_s": 2.5})[1]


def test_the_crowd_is_the_recorded_one_shortened() -> None:
    whole, shortened = chat(1500, 1, 1), chat(1500, 32, 8)
    assert whole.prompt_tokens.mean() / shortened.prompt_tokens.mean() == pytest.approx(
        32, rel=0.02
    )
    spread = [c.new_tokens.std() / c.new_tokens.mean() for c in (whole, shortened)]
    assert spread[0] == pytest.approx(spread[1], rel=0.03)
    assert chat(3000, 1, 1).new_tokens[1500:].tolist() == whole.new_tokens.tolist()
    came = visits(100, rate_rps=7)
    assert came.due_s.size == 100
    assert 99 / came.due_s[-1] == pytest.approx(7)
    with pytest.raises(LabError, match="1501 visits were asked for; expected 2 to 1500"):
        visits(1501, 1)


def test_lengths_and_arrivals_must_match(service: LLMService) -> None:
    with pytest.raises(LabError, match="5 arrivals and 2 lengths were given"):
        when_due(service, SHAPE, constant(10, 0.5), Lengths.of([1, 1], [1, 1]))
