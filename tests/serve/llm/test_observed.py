"""What a monitor sees of a real service."""

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import write_seeded
from lab_utils.models.language.seeded import prompt
from lab_utils.serve.llm.messages import Settings
from lab_utils.serve.llm.observed import (
    Pace,
    Steps,
    paced,
    scraped,
    start_stages,
    steps_so_far,
    watched,
)
from lab_utils.serve.llm.service import LLMService

pytestmark = pytest.mark.alone

SHAPE = Decoder(
    layers=8, width=512, heads=8, cached_heads=8, head_width=64, inner=1408, vocabulary=512
)
ASKED = {"prompt": list(prompt(SHAPE, 9)), "new_tokens": 64}
SLOTS, MORE = 2, 3


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.gguf"
    write_seeded(path, SHAPE, "q8_0")
    return path


@pytest.fixture(scope="module")
def service(path: Path) -> Iterator[LLMService]:
    with LLMService(path, threads=1, batch_most=SLOTS, queue_most=MORE) as service:
        yield service


def test_the_stages_of_a_start_make_up_the_start(service: LLMService) -> None:
    stages = start_stages(service)
    assert list(stages) == ["service's libraries", "engine's libraries", "weights", "warm-up"]
    assert all(seconds > 0 for seconds in stages.values())


def test_a_crowd_fills_the_places_and_the_rest_of_it_waits(service: LLMService) -> None:
    alone = watched(service, 1, ASKED, for_s=1.0, settle_s=0.5)
    assert 0.5 <= alone.running <= 1
    assert alone.waiting < 0.5
    crowd = watched(service, SLOTS + MORE, ASKED, for_s=1.0, settle_s=0.5)
    assert crowd.running == pytest.approx(SLOTS, abs=0.3)
    assert crowd.waiting == pytest.approx(MORE, abs=0.6)
    assert 0.05 < crowd.busy <= 1.05  # what other work leaves it
    assert crowd.answers_per_s > 0
    # Each of the users in the engine gets a token in each step.
    per_s = crowd.answers_per_s * 64 * crowd.token_s
    assert per_s == pytest.approx(SLOTS, rel=0.3)


def test_steps_are_counted_by_the_sequences_in_them(service: LLMService) -> None:
    before, tokens = steps_so_far(service), scraped(service)["llm_inter_token_seconds_sum"]
    httpx.post(f"{service.url}/generate", json=ASKED, trust_env=False, timeout=60)
    after = steps_so_far(service)
    assert after.count[1] - before.count.get(1, 0) == ASKED["new_tokens"]
    (step_s,) = after.mean_s(since=before).values()
    between_s = scraped(service)["llm_inter_token_seconds_sum"] - tokens
    assert step_s == pytest.approx(between_s / (64 - 1), rel=0.3)


def test_the_mean_step_since_an_earlier_look() -> None:
    earlier, later = Steps({1: 2.0}, {1: 1}), Steps({1: 5.0, 4: 3.0, 2: 0.0}, {1: 3, 4: 2, 2: 0})
    assert later.mean_s(since=earlier) == {1: 1.5, 4: 1.5}


def test_slowness_is_the_machines_and_not_the_batches() -> None:
    looks = [
        Steps({1: 0.0, 8: 0.0}, {1: 0, 8: 0}),
        Steps({1: 1.0, 8: 0.0}, {1: 10, 8: 0}),  # 0.1 s a step, alone
        Steps({1: 1.0, 8: 2.0}, {1: 10, 8: 10}),  # 0.2 s, in a full batch
        Steps({1: 1.0, 8: 2.0}, {1: 10, 8: 10}),  # nobody was there
        Steps({1: 4.0, 8: 2.0}, {1: 20, 8: 10}),  # three times as slow, alone
    ]
    pace = Pace([0.0, 1.0, 3.0, 4.0, 7.0], looks)
    assert pace.mean_s() == {1: 0.2, 8: 0.2}
    slowness = pace.slowness()
    assert [slowness(now_s) for now_s in (0.5, 2.0, 3.5, 5.0, 99.0)] == [0.5, 1.0, 1.0, 1.5, 1.5]


def test_a_runs_pace_holds_its_steps(service: LLMService) -> None:
    with paced(service, every_s=0.05) as pace:
        httpx.post(f"{service.url}/generate", json=ASKED, trust_env=False, timeout=60)
    seen = pace()
    assert len(seen.looked_s) == len(seen.steps) >= 2
    ((_, steps),) = seen.steps[-1].since(seen.steps[0]).values()
    assert steps == ASKED["new_tokens"]


def test_when_it_has_been_watched_nobody_is_left(service: LLMService) -> None:
    watched(service, SLOTS + 1, ASKED | {"new_tokens": 4000}, for_s=0.3, settle_s=0.2)
    deadline_s = time.monotonic() + 20
    while scraped(service)["llm_running"] and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert scraped(service)["llm_running"] == scraped(service)["llm_queue_depth"] == 0


def test_users_who_are_sent_away_are_an_error(service: LLMService) -> None:
    with pytest.raises(LabError, match=r"sent a user away: .*requests wait already"):
        watched(service, SLOTS + MORE + 4, ASKED, for_s=1.0)
    with pytest.raises(LabError, match="0 users were to ask"):
        watched(service, 0, ASKED, for_s=1.0)


def test_a_container_gives_it_its_address(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    settings = Settings(
        path=str(path), threads=1, batch_most=1, queue_most=1, batching="continuous", cache_gb=1,
        tokenizer=None, drain_s=0, host="127.0.0.1", port=port,
    )  # fmt: skip
    command = [sys.executable, "-m", "lab_utils.serve.llm.app", settings.json()]
    server = Process("service", command, ready=lambda: bool(server.url))
    with server:
        assert server.url == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
