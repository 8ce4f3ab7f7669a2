"""The guard on the real server: what it answers is what the network says of the same tokens."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from lab_utils.command import completed
from lab_utils.components import environments
from lab_utils.components.triton import Triton
from lab_utils.models.language.small import LanguageModel
from lab_utils.optimize.scorer_onnx import exported
from lab_utils.serve.guard.prompts import (
    CLIENT,
    CODE,
    INPUTS,
    ONE_BY_ONE,
    OUTPUTS,
    TOGETHER,
    WEIGHTS,
    address,
    body,
    prompts,
)
from lab_utils.serve.triton_repository import ModelConfig, write_model
from lab_utils.serve.triton_statistics import between, settled
from tests.models.language.untrained import untrained

TOKENS = np.arange(2, 10)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return untrained()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: LanguageModel) -> Iterator[Triton]:
    repository = tmp_path_factory.mktemp("repository")
    weights = tmp_path_factory.mktemp("weights") / "graph.onnx"
    weights.write_bytes(exported(model.network))
    codes = {"guard": CODE, "looped": CODE.replace(TOGETHER, ONE_BY_ONE)}
    for name, code in codes.items():
        config = ModelConfig(name, INPUTS, OUTPUTS, parameters={"threads": "1", "limit": "1"})
        write_model(repository, config, code, files={WEIGHTS: weights})
    with Triton(repository) as running:
        yield running


def outputs(answer: httpx.Response) -> dict[str, Any]:
    return {one["name"]: one["data"] for one in answer.raise_for_status().json()["outputs"]}


@pytest.mark.parametrize("name", ["guard", "looped"])
def test_each_prompt_of_a_batch_has_its_own_answer(
    server: Triton, model: LanguageModel, name: str
) -> None:
    rows = np.stack([TOKENS, TOKENS[::-1]])
    document = json.loads(body(rows[0]))
    document["inputs"][0] |= {"shape": [2, rows.shape[1]], "data": rows.ravel().tolist()}
    found = outputs(httpx.post(address(server, name), json=document))
    logits = model.logits(rows)[:, :-1]
    chosen = np.take_along_axis(logits, rows[:, 1:, None], -1)[..., 0]
    surprise = np.log(np.exp(logits).sum(-1)) - chosen
    np.testing.assert_allclose(found["PERPLEXITY"], np.exp(surprise.mean(1)), rtol=1e-3)
    assert found["REFUSED"] == [True, True]


def test_a_request_may_bring_its_own_limit(server: Triton) -> None:
    url, patient = address(server, "guard"), body(TOKENS, limit=10**9)
    assert outputs(httpx.post(url, content=body(TOKENS)))["REFUSED"] == [True]
    assert outputs(httpx.post(url, content=patient))["REFUSED"] == [False]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tritons_own_client_gets_the_same_answer(server: Triton, protocol: str) -> None:
    places = {"http": server.url.removeprefix("http://"), "grpc": server.grpc_address}
    before = settled(server, "guard")
    command = environments.command("triton", CLIENT, protocol, places[protocol], "guard", 3)
    done = completed(command, limit_s=60, late="late", order=json.dumps(TOKENS.tolist()))
    said = json.loads(done.stdout)
    expected = outputs(httpx.post(address(server, "guard"), content=body(TOKENS)))
    assert said["outputs"]["PERPLEXITY"][0] == pytest.approx(expected["PERPLEXITY"])
    assert len(said["latencies_s"]) == 3
    assert between(before, settled(server, "guard")).answered == 4


def test_prompts_are_english_of_one_length_and_the_same_for_a_seed() -> None:
    drawn = prompts(8, 40, seed=1)
    assert drawn.shape == (40, 8)
    assert np.array_equal(drawn, prompts(8, 40, seed=1))
    assert not np.array_equal(drawn, prompts(8, 40, seed=2))
    assert len({tuple(row) for row in drawn}) > 30


def test_the_line_that_is_replaced_stands_in_the_code_once() -> None:
    assert CODE.count(TOGETHER) == 1
    compile(CODE.replace(TOGETHER, ONE_BY_ONE), "model.py", "exec")
