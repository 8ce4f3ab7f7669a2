"""The whole way: a real model server, a gateway, payments that go on, and versions that change."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from lab_utils.components.model_servers.mlserver import MLServer
from lab_utils.errors import LabError
from lab_utils.serve.fraud.roll_over import roll_over
from lab_utils.serve.fraud.service import FraudService
from tests.serve.fraud.made import GENEROUS, RULES, audit, constant

SWITCHES = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scorers that say 0.25 and 0.75, and one of no use."""
    folder = tmp_path_factory.mktemp("models")
    return [constant(folder / f"{value}.onnx", value) for value in (0.25, 0.75, 7.5)]


@pytest.fixture(scope="module")
def server(files: list[Path]) -> Iterator[MLServer]:
    with MLServer({"fraud-0": files[0]}) as server:
        yield server


def gateway(server: MLServer, model: str, folder: Path) -> FraudService:
    return FraudService(
        {"model": server.source(model)}, RULES, GENEROUS, audit=audit(folder), model="0"
    )


def test_payments_go_on_while_versions_change(
    server: MLServer, files: list[Path], tmp_path: Path
) -> None:
    ended, numbers = threading.Event(), iter(range(10**9))
    said: list[tuple[int, dict[str, object]]] = []

    def pay(client: httpx.Client) -> None:
        while not ended.is_set():
            body = {"transaction_id": next(numbers), "time_s": 5e6, "customer": 1, "terminal": 2}
            answer = client.post("/score", content=json.dumps(body | {"amount": 9.5}))
            said.append((answer.status_code, answer.json()))

    with ExitStack() as stack:
        one = stack.enter_context(gateway(server, "fraud-0", tmp_path))
        clients = [
            stack.enter_context(httpx.Client(base_url=one.url, trust_env=False, timeout=30))
            for _ in range(3)
        ]
        threads = stack.enter_context(ThreadPoolExecutor(3))
        paying = [threads.submit(pay, client) for client in clients]
        stack.callback(ended.set)  # before the threads are waited for
        for number in range(1, SWITCHES + 1):
            names = {"old": f"fraud-{number - 1}", "new": f"fraud-{number}"}
            roll_over(
                [one], server, tier="model", file=files[number % 2], version=str(number), **names
            )
            enough = len(said) + 5
            while len(said) < enough and not any(thread.done() for thread in paying):
                time.sleep(0.005)
        ended.set()
        for thread in paying:
            thread.result()
        assert server.loaded() == [f"fraud-{SWITCHES}"]
    assert {status for status, _ in said} == {200}
    scored = Counter((answer["model"], answer["tier"], answer["fraud"]) for _, answer in said)
    assert set(scored) == {
        (str(number), "model", (0.25, 0.75)[number % 2]) for number in range(SWITCHES + 1)
    }
    server.load("fraud-0", files[0])
    server.unload(f"fraud-{SWITCHES}")


def test_a_version_of_no_use_leaves_everything_as_it_was(
    server: MLServer, files: list[Path], tmp_path: Path
) -> None:
    with gateway(server, "fraud-0", tmp_path) as one:
        with pytest.raises(LabError, match="expected one probability"):
            roll_over(
                [one],
                server,
                tier="model",
                old="fraud-0",
                new="fraud-x",
                file=files[2],
                version="x",
            )
        assert (one.versions(), server.loaded()) == ({"model": "0"}, ["fraud-0"])


def test_a_gateway_that_had_switched_is_switched_back(
    server: MLServer, files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with (
        gateway(server, "fraud-0", tmp_path) as one,
        gateway(server, "fraud-0", tmp_path / "other") as two,
    ):
        two.switch = _refuses  # type: ignore[method-assign]
        with pytest.raises(LabError, match="not now"):
            roll_over(
                [one, two],
                server,
                tier="model",
                old="fraud-0",
                new="fraud-y",
                file=files[1],
                version="y",
            )
        assert (one.versions(), server.loaded()) == ({"model": "0"}, ["fraud-0"])


def _refuses(tier: str, to: Path | str, version: str) -> None:
    raise LabError("not now")
