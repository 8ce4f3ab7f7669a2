"""The real server on a repository written by hand; what it was told is seen to happen."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from lab_utils.components.triton import Triton
from lab_utils.errors import LabError
from lab_utils.serve.triton_repository import (
    ModelConfig,
    QueuePolicy,
    Tensor,
    WarmUp,
    write_model,
)

WORK_S = 0.05
CODE = f"""
import time
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({WORK_S})
        answers = []
        for request in requests:
            values = triton.get_input_tensor_by_name(request, "VALUES").as_numpy()
            answers.append(triton.InferenceResponse([triton.Tensor("DOUBLED", 2 * values)]))
        return answers
"""
INPUTS, OUTPUTS = [Tensor("VALUES", "FP32", (2,))], [Tensor("DOUBLED", "FP32", (2,))]
MODELS = {
    "batched": {"batch_wait_us": 50_000, "warm_up": WarmUp(3)},
    "ranked": {"batch_most": 1, "priorities": 2},
    "bounded": {"batch_most": 1, "queue": QueuePolicy(size_most=2)},
    "hurried": {"batch_most": 1, "queue": QueuePolicy(timeout_us=20_000)},
    "cached": {"cache": True},
}


def model(folder: Path, name: str, code: str = CODE, **settings: Any) -> None:
    write_model(folder, ModelConfig(name, INPUTS, OUTPUTS, **settings), code)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    repository = tmp_path_factory.mktemp("repository")
    for name, settings in MODELS.items():
        model(repository, name, **settings)
    with Triton(repository) as running:
        yield running


@pytest.fixture
def ask(server: Triton) -> Callable[..., httpx.Response]:
    def ask(name: str, values: tuple[float, float] = (1, 2), **parameters: int) -> httpx.Response:
        document = {
            "inputs": [{"name": "VALUES", "shape": [1, 2], "datatype": "FP32", "data": values}],
            "parameters": parameters,
        }
        return httpx.post(f"{server.url}/v2/models/{name}/infer", json=document, timeout=30)

    return ask


def counts(server: Triton, name: str) -> dict[int, int]:
    batches = server.statistics(name)["batch_stats"]
    return {b["batch_size"]: b["compute_infer"]["count"] for b in batches}


def test_it_was_warmed_up_before_it_was_ready(server: Triton) -> None:
    assert server.statistics("ranked")["execution_count"] == 0
    assert counts(server, "batched")[1] >= 3


def test_it_answers_and_batches_what_comes_together(
    server: Triton, ask: Callable[..., httpx.Response]
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda i: ask("batched", (i, 10 * i)), range(8)))
    given = [answer.json()["outputs"][0]["data"] for answer in answers]
    assert given == [[2 * i, 20 * i] for i in range(8)]
    assert max(counts(server, "batched")) > 1
    assert 'nv_inference_count{model="batched",version="1"}' in server.metrics()


def test_the_urgent_overtake_those_that_wait(ask: Callable[..., httpx.Response]) -> None:
    done: dict[str, float] = {}

    def timed(who: str, priority: int) -> None:
        assert ask("ranked", priority=priority).status_code == 200
        done[who] = time.monotonic()

    with ThreadPoolExecutor(25) as threads:
        for i in range(24):
            threads.submit(timed, f"usual {i}", 2)
        time.sleep(2 * WORK_S)
        threads.submit(timed, "urgent", 1)  # a busy machine may send it later than it should
    overtaken = [who for who, at_s in done.items() if at_s > done["urgent"]]
    assert len(overtaken) >= 5


def test_a_full_queue_and_a_long_wait_are_refused(ask: Callable[..., httpx.Response]) -> None:
    for name, sign in (("bounded", "maximum queue size"), ("hurried", "imeout")):
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _, name=name: ask(name), range(8)))  # type: ignore[misc]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert 0 < len(refused) < 8
        assert all(sign in answer.text for answer in refused)


def test_a_request_may_ask_for_less_patience_than_its_model_has_and_only_where_it_has_some(
    server: Triton, ask: Callable[..., httpx.Response]
) -> None:
    # Two may miss each other on a busy machine, of eight some wait; the bounded queue holds two.
    for name, count, refused in (("hurried", 8, True), ("bounded", 2, False)):
        with ThreadPoolExecutor(count) as threads:
            answers = list(threads.map(lambda _, n=name: ask(n, timeout=1), range(count)))  # type: ignore[misc]
        assert any(answer.status_code != 200 for answer in answers) == refused


def test_an_equal_request_comes_from_the_cache(
    server: Triton, ask: Callable[..., httpx.Response]
) -> None:
    first, again, other = ask("cached"), ask("cached"), ask("cached", (3, 4))
    assert first.json()["outputs"] == again.json()["outputs"] != other.json()["outputs"]
    statistics = server.statistics("cached")["inference_stats"]
    assert (statistics["cache_hit"]["count"], statistics["cache_miss"]["count"]) == (1, 2)


def test_a_model_that_is_not_there_is_named(server: Triton) -> None:
    with pytest.raises(LabError, match="Triton has no statistics of 'nobody'"):
        server.statistics("nobody")


@pytest.mark.parametrize(
    ("code", "sign"),
    [("raise RuntimeError('no weights')", "no weights"), ("def broken(:", "SyntaxError|invalid")],
)
def test_a_model_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, code: str, sign: str
) -> None:
    model(tmp_path, "broken", code)
    before = {process.pid for process in psutil.process_iter()}
    with pytest.raises(LabError, match=sign), Triton(tmp_path):
        pass
    left = [p for p in psutil.process_iter(["name"]) if p.pid not in before]
    assert [p for p in left if "triton" in (p.info["name"] or "")] == []


def test_it_listens_on_loopback_keeps_to_its_cores_and_ends_with_its_block(tmp_path: Path) -> None:
    model(tmp_path, "short")
    mine = psutil.Process().cpu_affinity()
    with Triton(tmp_path, cores=1) as server:
        processes = server.process.processes()
        assert {len(process.cpu_affinity()) for process in processes} == {1}
        assert psutil.Process().cpu_affinity() == mine
        listening = [
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    assert len(listening) == 3
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}  # gRPC's is mapped
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def test_models_come_and_go_while_it_runs(tmp_path: Path) -> None:
    with Triton(tmp_path, on_demand=True) as server:
        model(tmp_path, "late")
        model(tmp_path, "later", warm_up=WarmUp(2))
        with pytest.raises(LabError, match="no statistics of 'late'"):
            server.statistics("late")
        server.load("late", "later")
        assert counts(server, "later") == {1: 2}
        server.unload("later")
        with pytest.raises(LabError, match="no statistics of 'later'"):
            server.statistics("later")
        assert server.statistics("late")["execution_count"] == 0
        model(tmp_path, "broken", "raise RuntimeError('no weights')")
        with pytest.raises(LabError, match=r"could not load broken: .*no weights$"):
            server.load("broken")
        with pytest.raises(LabError, match="could not load nobody: "):
            server.load("nobody")
        assert server.statistics("late")["execution_count"] == 0


def test_another_machine_gets_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(LabError, match="no server for this machine, only for Linux on x86-64"):
        Triton(tmp_path).__enter__()
