"""The real MLServer and the real KServe runtime, asked over gRPC and HTTP as a gateway does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import torch

from lab_utils.components.model_servers.client import OpenInference
from lab_utils.components.model_servers.kserve import KServe
from lab_utils.components.model_servers.mlserver import MLServer
from lab_utils.components.model_servers.server import ModelServer
from lab_utils.errors import LabError
from lab_utils.models.onnx_file import onnx_file

ROWS = np.array([[1, 2, 3], [4, 5, 6.5]], np.float32)


class Sum(torch.nn.Module):
    """Of a row, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.factor * rows.sum(1, keepdim=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A factor → its file."""
    folder = tmp_path_factory.mktemp("files")
    for factor in (1, 2):
        (folder / f"{factor}.onnx").write_bytes(onnx_file(Sum(factor), torch.zeros(2, 3)))
    return {factor: folder / f"{factor}.onnx" for factor in (1, 2)}


@pytest.fixture(scope="module", params=[MLServer, KServe])
def server(request: pytest.FixtureRequest, files: dict[int, Path]) -> Iterator[ModelServer]:
    with request.param({"first": files[1]}) as running:
        yield running


def ask(server: ModelServer, model: str, rows: Any = ROWS) -> Any:
    async def answer() -> Any:
        client = OpenInference(server.grpc_address, model)
        try:
            return await client(rows)
        finally:
            await client.close()

    return asyncio.run(answer())


def test_rows_in_scores_out(server: ModelServer) -> None:
    found = ask(server, "first")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[6], [15.5]])


def test_it_speaks_the_protocol_over_http(server: ModelServer) -> None:
    tensor = {"name": "input", "shape": [2, 3], "datatype": "FP32", "data": ROWS.ravel().tolist()}
    url = f"{server.url}/v2/models/first/infer"
    said = httpx.post(url, json={"inputs": [tensor]}, trust_env=False).json()
    (output,) = said["outputs"]
    assert (output["shape"], output["data"]) == ([2, 1], [6, 15.5])


def test_a_model_is_loaded_beside_another_and_let_go(
    server: ModelServer, files: dict[int, Path]
) -> None:
    server.load("second", files[2])
    assert server.loaded() == ["first", "second"]
    assert ask(server, "second")[0, 0] == 2 * ask(server, "first")[0, 0]
    server.unload("first")
    assert server.loaded() == ["second"]
    with pytest.raises(LabError, match=r"first at .* gave no score: NOT_FOUND"):
        ask(server, "first")
    assert ask(server, "second")[0, 0] == 12
    server.load("first", files[1])
    server.unload("second")


def test_what_cannot_be_loaded_is_told_and_leaves_nothing(
    server: ModelServer, files: dict[int, Path], tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense.onnx"
    nonsense.write_bytes(b"nonsense")
    with pytest.raises(LabError, match="could not load third: "):
        server.load("third", nonsense)
    assert server.loaded() == ["first"]
    assert not (server.repository / "third").exists()
    with pytest.raises(LabError, match="has a model first already"):
        server.load("first", files[2])
    with pytest.raises(LabError, match="could not let go of nobody"):
        server.unload("nobody")
    server.load("third", files[2])  # the name is free
    assert ask(server, "third")[0, 0] == 12
    server.unload("third")


def test_rows_of_no_use_are_told(server: ModelServer) -> None:
    with pytest.raises(LabError, match=r"INVALID_ARGUMENT, The rows are of no use to first"):
        ask(server, "first", np.ones((1, 4), np.float32))
    assert ask(server, "first")[0, 0] == 6


def test_it_listens_on_loopback_alone(server: ModelServer) -> None:
    listening = [
        connection.laddr.ip
        for process in server.process.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 2
    assert set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1"}  # the same, by IPv6's sockets


def test_bad_names_and_files_are_refused_before_anything_starts(files: dict[int, Path]) -> None:
    with pytest.raises(LabError, match=r"name is '\.\./x'; expected letters"):
        MLServer({"../x": files[1]})
    with pytest.raises(LabError, match="is not there; expected an ONNX file"):
        KServe({"x": Path("nowhere.onnx")})


def test_nobody_there_is_one_sentence() -> None:
    async def story() -> None:
        await OpenInference("127.0.0.1:9", "nobody")(ROWS)

    with pytest.raises(LabError, match="gave no score: UNAVAILABLE"):
        asyncio.run(story())
