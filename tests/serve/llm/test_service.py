"""The language-model service as clients see it: a real process, a real engine, real HTTP."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lab_utils.errors import LabError
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.gguf_file import write_seeded
from lab_utils.models.language.seeded import prompt
from lab_utils.serve.llm.engine import Engine
from lab_utils.serve.llm.metrics import SECONDS
from lab_utils.serve.llm.service import LLMService
from tests.started import assert_gone

pytestmark = pytest.mark.alone

SHAPE = Decoder(
    layers=8, width=512, heads=8, cached_heads=8, head_width=64, inner=1408, vocabulary=512
)
"""Small, and slow enough that an answer of LONG tokens outlasts what a test does meanwhile."""
LONG = 4000
PROMPT = list(prompt(SHAPE, 9))
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
PATIENCE_S = 120


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.gguf"
    write_seeded(path, SHAPE, "q8_0")
    return path


@pytest.fixture(scope="module")
def kept(path: Path) -> Iterator[LLMService]:
    """One request at a time, two that may wait: where a test leaves nothing behind."""
    with LLMService(path, threads=1, batch_most=1, queue_most=2, **EXACT) as service:
        yield service


@pytest.fixture
def service(kept: LLMService) -> Iterator[LLMService]:
    yield kept
    until(lambda: figure(kept, "llm_running") == 0)
    assert waiting(kept) == 0
    assert get(kept, "/health").status_code == 200


def server_of(service: LLMService) -> psutil.Process:
    (server,) = (process for process in service.processes() if process.ppid() == service.pid)
    return server


def engine_of(service: LLMService) -> psutil.Process:
    (engine,) = server_of(service).children()
    return engine


def get(service: LLMService, path: str) -> httpx.Response:
    return httpx.get(f"{service.url}{path}", trust_env=False, timeout=PATIENCE_S)


def ask(service: LLMService, **fields: Any) -> httpx.Response:
    said = {"prompt": PROMPT, "new_tokens": 4} | fields
    url = f"{service.url}/generate"
    return httpx.post(url, json=said, trust_env=False, timeout=PATIENCE_S)


@contextmanager
def streaming(service: LLMService, **fields: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """The lines of a stream whose first has come. The client leaves with the block."""
    said = {"prompt": PROMPT, "new_tokens": LONG, "stream": True} | fields
    client = httpx.Client(trust_env=False, timeout=PATIENCE_S)
    with client, client.stream("POST", f"{service.url}/generate", json=said) as response:
        assert response.status_code == 200
        lines = (json.loads(line) for line in response.iter_lines())
        assert "token" in next(lines)
        yield lines


def figures(service: LLMService) -> dict[tuple[str, str], float]:
    """By name and the value of the one label there may be."""
    families = text_string_to_metric_families(get(service, "/metrics").text)
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def figure(service: LLMService, name: str, label: str = "") -> float:
    return figures(service).get((name, label), 0.0)


def waiting(service: LLMService) -> float:
    found = figures(service)
    return found["llm_queue_depth", "0"] + found["llm_queue_depth", "1"]


def until(holds: Callable[[], bool]) -> None:
    """Looks so often, and not until so late: a test may be stopped and go on much later."""
    for _ in range(6000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to hold")


@contextmanager
def clients() -> Iterator[Callable[..., "Future[httpx.Response]"]]:
    with ThreadPoolExecutor(8) as threads:
        yield lambda *args, **fields: threads.submit(ask, *args, **fields)


# ---- answers -------------------------------------------------------------------------------------


def test_an_answer_is_the_engines_whole_or_in_lines(path: Path, service: LLMService) -> None:
    with Engine(path, threads=1, **EXACT) as engine:
        expected = engine.run([PROMPT], new_tokens=12).tokens[0]
    whole = ask(service, new_tokens=12).json()
    assert whole["tokens"] == expected
    assert 0 <= whole["queueing_s"] < whole["first_token_s"] < whole["request_s"]
    lines = [json.loads(line) for line in ask(service, new_tokens=12, stream=True).iter_lines()]
    assert [line["token"] for line in lines[:-1]] == expected
    assert lines[-1]["done"] is True


def test_a_stream_brings_each_token_when_it_is_made(service: LLMService) -> None:
    with streaming(service) as lines:
        for _ in range(20):
            next(lines)
        assert figure(service, "llm_running") == 1


def test_texts_are_read_and_written_where_there_is_a_tokenizer(path: Path, tmp_path: Path) -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: number for number, text in enumerate(alphabet)}
    vocabulary |= {f"<{number}>": number for number in range(len(alphabet), SHAPE.vocabulary)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    file = tmp_path / "tokenizer.json"
    tokenizer.save(str(file))
    with LLMService(path, threads=1, tokenizer=file, **EXACT) as service:
        by_text = ask(service, prompt="Grüße", new_tokens=9).json()
        ids = [vocabulary[letter] for letter in "GrÃ¼ÃŁe"]  # bytes in BPE's alphabet
        by_ids = ask(service, prompt=ids, new_tokens=9).json()
        streamed = ask(service, prompt="Grüße", new_tokens=9, stream=True).text.splitlines()
    assert by_text["tokens"] == by_ids["tokens"]
    assert by_text["text"] == tokenizer.decode(by_text["tokens"])
    pieces = "".join(json.loads(line).get("text", "") for line in streamed)
    assert pieces
    assert by_text["text"].startswith(pieces)  # all but a character that is not whole


# ---- who waits for whom --------------------------------------------------------------------------


def test_a_short_answer_joins_a_long_one_and_leaves_before_it(path: Path) -> None:
    with LLMService(path, threads=1, batch_most=4, **EXACT) as service:
        alone = ask(service).json()["tokens"]
        with streaming(service):
            assert ask(service).json()["tokens"] == alone
            assert figure(service, "llm_running") == 1
        steps = figures(service)
    assert steps["llm_batch_size_bucket", "2.0"] > steps["llm_batch_size_bucket", "1.0"]


def test_a_static_batch_lets_nobody_in_and_ends_together(path: Path) -> None:
    settings: dict[str, Any] = {"batch_most": 4, "batching": "static", **EXACT}
    with LLMService(path, threads=1, **settings) as service, clients() as send:
        before = send(service, new_tokens=1000)
        until(lambda: figure(service, "llm_running") == 1)
        pair = [send(service, new_tokens=tokens) for tokens in (4, 40)]
        until(lambda: waiting(service) == 2)
        assert len(before.result().json()["tokens"]) == 1000
        short, long = (answer.result().json() for answer in pair)
        found = figures(service)
    assert (len(short["tokens"]), len(long["tokens"])) == (4, 40)
    assert short["tokens"] == long["tokens"][:4]
    for answer in (short, long):  # the first word comes with the last
        assert answer["first_token_s"] == answer["request_s"]
        assert answer["queueing_s"] < answer["last_token_s"]
        taken_s = answer["request_s"] - answer["queueing_s"]
        assert taken_s == pytest.approx(short["request_s"] - short["queueing_s"], rel=0.1)
    # Both began in the same step; each one's clock started when it came.
    in_batch_s = [answer["last_token_s"] - answer["queueing_s"] for answer in (short, long)]
    assert in_batch_s[0] < in_batch_s[1]
    assert long["last_token_s"] == long["request_s"]
    assert found["llm_batch_size_bucket", "1.0"] == 1000
    assert found["llm_batch_size_count", ""] == 1040


def test_one_too_many_is_refused_at_once(service: LLMService) -> None:
    before = figure(service, "llm_rejections_total", "queue full")
    with clients() as send:
        with streaming(service):
            two = [send(service) for _ in range(2)]
            until(lambda: waiting(service) == 2)
            refused = ask(service)
            assert figure(service, "llm_running") == 1  # it did not wait for the long one
            assert waiting(service) == 2
        assert [answer.result().status_code for answer in two] == [200, 200]
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["error"].startswith("2 requests wait already")
    assert figure(service, "llm_rejections_total", "queue full") == before + 1


def test_the_urgent_go_first(service: LLMService) -> None:
    ended: list[tuple[str, int]] = []

    def done(name: str) -> Callable[["Future[httpx.Response]"], None]:
        return lambda answer: ended.append((name, answer.result().status_code))

    with clients() as send:
        with streaming(service):
            # The first of them takes long enough to be seen to end last.
            send(service, new_tokens=100).add_done_callback(done("ordinary"))
            until(lambda: waiting(service) == 1)
            send(service, new_tokens=100, priority=1).add_done_callback(done("urgent"))
            until(lambda: figure(service, "llm_queue_depth", "1") == 1)
        until(lambda: len(ended) == 2)
    assert ended == [("urgent", 200), ("ordinary", 200)]


def test_a_deadline_that_passes_in_the_queue_costs_no_step(service: LLMService) -> None:
    before = figures(service)
    with streaming(service):
        late = ask(service, deadline_s=0.5)
        assert figure(service, "llm_running") == 1
    found = figures(service)
    assert late.status_code == 503
    assert "deadline of 0.5 s passed with 0 of 4 tokens" in late.json()["error"]
    name = "llm_tokens_total", "prompt"
    assert found[name] - before[name] == len(PROMPT)  # of the stream alone
    assert figure(service, "llm_rejections_total", "deadline passed") >= 1


def test_a_deadline_that_cannot_be_met_is_refused_before_it_costs_a_step(
    service: LLMService,
) -> None:
    steps = figure(service, "llm_batch_size_count")
    refused = ask(service, new_tokens=LONG, deadline_s=0.05)
    assert refused.status_code == 503
    assert "4000 new tokens take" in refused.json()["error"]
    assert figure(service, "llm_batch_size_count") == steps
    assert figure(service, "llm_rejections_total", "deadline hopeless") == 1


def test_a_deadline_that_passes_in_mid_answer_ends_it(service: LLMService) -> None:
    new_tokens = 200
    deadline_s = 3 * ask(service, new_tokens=new_tokens).json()["request_s"]
    engine = engine_of(service)
    with streaming(service, new_tokens=new_tokens, deadline_s=deadline_s) as lines:
        engine.suspend()
        try:
            *tokens, last = lines
        finally:
            engine.resume()
    assert f"of {new_tokens} tokens written" in last["error"]
    assert len(tokens) < new_tokens - 1
    assert all("token" in line for line in tokens)


# ---- clients that leave --------------------------------------------------------------------------


def test_the_place_and_the_cache_of_a_client_that_leaves_are_free_again(path: Path) -> None:
    with LLMService(path, threads=1, batch_most=2, **EXACT) as service:
        with streaming(service), clients() as send:
            many = list(prompt(SHAPE, 2000))
            with streaming(service, prompt=many, new_tokens=1000):
                third = send(service, new_tokens=2)
                until(lambda: waiting(service) == 1)
                full = figure(service, "llm_cache_usage_ratio")
                assert figure(service, "llm_running") == 2
            assert third.result().status_code == 200  # in the place that has become free
            until(lambda: figure(service, "llm_cache_usage_ratio") < full / 2)
            assert figure(service, "llm_running") == 1
        until(lambda: figure(service, "llm_running") == 0)
        assert figure(service, "llm_disconnects_total") == 2
        still(service)


def test_a_client_that_leaves_without_a_stream_is_let_go(service: LLMService) -> None:
    before = figure(service, "llm_disconnects_total")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{service.url}/generate",
            json={"prompt": PROMPT, "new_tokens": LONG},
            trust_env=False,
            timeout=0.5,
        )
    until(lambda: figure(service, "llm_disconnects_total") == before + 1)
    until(lambda: figure(service, "llm_running") == 0)
    still(service)


def test_a_client_that_leaves_the_queue_is_forgotten(service: LLMService) -> None:
    with streaming(service):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{service.url}/generate",
                json={"prompt": PROMPT, "new_tokens": 4},
                trust_env=False,
                timeout=0.5,
            )
        until(lambda: waiting(service) == 0)
        assert figure(service, "llm_running") == 1


def still(service: LLMService) -> None:
    """No step is made for nobody."""
    until(lambda: figure(service, "llm_running") == 0)
    time.sleep(0.1)  # the step in which the engine frees what was cancelled
    engine = engine_of(service)
    before_s = sum(engine.cpu_times()[:2])
    time.sleep(0.5)
    assert sum(engine.cpu_times()[:2]) - before_s < 0.1


# ---- what is wrong -------------------------------------------------------------------------------


def test_bad_input_is_answered_and_the_service_stays_up(service: LLMService) -> None:
    before = figure(service, "llm_rejections_total", "bad request")
    bad = [
        (b"\xff", "not UTF-8"),
        (b"prompt=1", "not JSON"),
        (json.dumps({"prompt": [], "new_tokens": 1}).encode(), "prompt is empty"),
        (json.dumps({"prompt": [1] * 5000, "new_tokens": 1}).encode(), "prompt has 5000 tokens"),
        (json.dumps({"prompt": [512], "new_tokens": 1}).encode(), "prompt has 512 at place 0"),
        (json.dumps({"prompt": [1], "new_tokens": -1}).encode(), "new_tokens is -1"),
        (json.dumps({"prompt": [1], "new_tokens": 10**9}).encode(), "1000000000 new ones"),
        (json.dumps({"prompt": "a", "new_tokens": 1}).encode(), "no tokenizer"),
    ]
    for body, sentence in bad:
        answer = httpx.post(f"{service.url}/generate", content=body, trust_env=False)
        assert answer.status_code == 400, body
        assert sentence in answer.json()["error"]
    large = httpx.post(f"{service.url}/generate", content=b" " * 2**21, trust_env=False)
    assert (large.status_code, list(large.json())) == (413, ["error"])
    assert figure(service, "llm_rejections_total", "bad request") == before + len(bad) + 1
    assert ask(service).status_code == 200


def test_other_paths_and_verbs_are_told_what_there_is(service: LLMService) -> None:
    for answer, status in ((get(service, "/generate"), 405), (get(service, "/v1"), 404)):
        assert answer.status_code == status
        assert "expected POST /generate" in answer.json()["error"]


# ---- figures -------------------------------------------------------------------------------------


def test_the_figures_count_what_happened(service: LLMService) -> None:
    before = figures(service)
    requests, new_tokens = 3, 7
    for _ in range(requests):
        ask(service, new_tokens=new_tokens)
    found = figures(service)

    def grown(name: str, label: str = "") -> float:
        return found[name, label] - before.get((name, label), 0.0)

    assert grown("llm_tokens_total", "prompt") == requests * len(PROMPT)
    assert grown("llm_tokens_total", "answer") == requests * new_tokens
    assert grown("llm_batch_size_count") == grown("llm_batch_size_sum") == requests * new_tokens
    for name in ("queueing", "time_to_first_token", "request"):
        assert grown(f"llm_{name}_seconds_count") == requests
    assert grown("llm_inter_token_seconds_count") == requests * (new_tokens - 1)
    whole_s, first_s, between_s = (
        grown(f"llm_{name}_seconds_sum")
        for name in ("request", "time_to_first_token", "inter_token")
    )
    assert whole_s == pytest.approx(first_s + between_s)
    ends = [label for name, label in found if name == "llm_request_seconds_bucket"]
    assert [float(end) for end in ends] == [*SECONDS, float("inf")]


# ---- the end -------------------------------------------------------------------------------------


def test_a_drain_finishes_what_was_taken_and_takes_nothing_new(path: Path) -> None:
    with (
        LLMService(path, threads=1, batch_most=1, drain_s=PATIENCE_S, **EXACT) as service,
        clients() as send,
    ):
        with streaming(service, new_tokens=400) as lines:
            waits = send(service)
            until(lambda: waiting(service) == 1)
            server_of(service).send_signal(signal.SIGTERM)
            until(lambda: get(service, "/health").status_code == 503)
            refused = ask(service)
            assert refused.status_code == 503
            assert "takes nothing new" in refused.json()["error"]
            assert "Retry-After" in refused.headers
            rest = list(lines)
        assert sum("token" in line for line in rest) == 399
        assert rest[-1]["done"] is True
        assert len(waits.result().json()["tokens"]) == 4
        until(lambda: not service.alive())


def test_what_a_drain_cannot_finish_is_told_so(path: Path) -> None:
    with LLMService(path, threads=1, batch_most=1, drain_s=0.3, **EXACT) as service:
        with streaming(service) as lines, clients() as send:
            waits = send(service)
            until(lambda: waiting(service) == 1)
            server_of(service).send_signal(signal.SIGTERM)
            assert "not finished in time" in list(lines)[-1]["error"]
            assert waits.result().status_code == 503
        until(lambda: not service.alive())


def test_an_engine_that_dies_is_said_and_ends_the_service(path: Path) -> None:
    with LLMService(path, threads=1, batch_most=1) as service:
        with streaming(service) as lines, clients() as send:
            waits = send(service)
            until(lambda: waiting(service) == 1)
            engine_of(service).kill()
            assert "engine has failed" in list(lines)[-1]["error"]
            assert waits.result().status_code == 500
        until(lambda: not service.alive())
        assert "The engine's process has ended" in service.log()


def test_it_listens_on_loopback_and_ends_with_the_block(path: Path) -> None:
    with LLMService(path, threads=1, drain_s=0.3) as service, streaming(service):
        processes = service.processes()
        listening = [
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == "LISTEN"
        ]
        threading.Timer(0.2, service.stop).start()  # in mid-stream
        until(lambda: not service.alive())
    assert listening == ["127.0.0.1"]
    assert_gone(process.pid for process in processes)


def test_it_ends_with_a_kernel_that_is_killed(path: Path) -> None:
    source = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from lab_utils.serve.llm.service import LLMService\n"
        "service = LLMService(Path(sys.argv[1]), threads=1).__enter__()\n"
        "print(*(process.pid for process in service.processes()), flush=True)\n"
        "time.sleep(600)"
    )
    command = [sys.executable, "-c", source, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        pids = [int(word) for word in kernel.stdout.readline().split()]
        kernel.kill()
    assert pids
    assert_gone(pids)


def test_what_cannot_be_started_is_said(path: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="batch_most is 0; expected a whole number"):
        LLMService(path, batch_most=0)
    with pytest.raises(LabError, match="batching is 'best'; expected continuous or static"):
        LLMService(path, batching="best")  # type: ignore[arg-type]
    with pytest.raises(LabError, match="drain_s is -1; expected seconds"):
        LLMService(path, drain_s=-1)
    with pytest.raises(LabError, match=r"none\.gguf is not there"):
        LLMService(tmp_path / "none.gguf")
    short = tmp_path / "short.gguf"
    short.write_bytes(b"GGUF")
    with (
        pytest.raises(LabError, match=r"stopped before it was ready\. It said:\n.*short\.gguf"),
        LLMService(short, threads=1),
    ):
        pass
