"""The chatbot's first version as clients see it: a real process, a real model, real HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from transformers import AutoModelForCausalLM

from lab_utils.measure.load.lengths import Lengths
from lab_utils.models.decoder import Decoder
from lab_utils.models.language.seeded import CONTEXT, prompt, seeded_folder
from lab_utils.serve.llm.flask_app import baseline_service
from lab_utils.serve.llm.load import in_turn
from lab_utils.serve.web import WebService

SHAPE = Decoder(
    layers=2, width=64, heads=4, cached_heads=2, head_width=16, inner=128, vocabulary=512
)
PROMPT = list(prompt(SHAPE, 9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFERENCE_LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        return seeded_folder(SHAPE)


@pytest.fixture(scope="module")
def kept(folder: Path) -> Iterator[WebService]:
    with baseline_service(folder, threads=1) as service:
        yield service


@pytest.fixture
def service(kept: WebService) -> Iterator[WebService]:
    """It is up, and answers, before and after each test."""
    workers = kept.worker_pids()
    yield kept
    assert ask(kept).status_code == 200
    assert kept.worker_pids() == workers


def ask(service: WebService, content: bytes | None = None, **fields: Any) -> httpx.Response:
    url, said = f"{service.url}/generate", {"prompt": PROMPT, "new_tokens": 4} | fields
    body: dict[str, Any] = {"json": said} if content is None else {"content": content}
    return httpx.post(url, trust_env=False, timeout=60, **body)


def test_it_says_what_the_model_says(service: WebService, folder: Path) -> None:
    said = ask(service, new_tokens=12).json()
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = list(PROMPT)
    with torch.inference_mode():
        for _ in range(12):  # the likeliest token each time, without a cache; never the end's (1)
            logits = network(torch.tensor([ids])).logits[0, -1]
            logits[1] = -torch.inf
            ids.append(int(logits.argmax()))
    assert said["tokens"] == ids[len(PROMPT) :]
    assert 0 == said["queueing_s"] < said["first_token_s"] == said["request_s"]


def test_it_is_put_under_the_same_load_as_the_engine(service: WebService) -> None:
    served = in_turn(service, SHAPE, Lengths.of([5, 9, 3, 8], [2, 4, 1, 3]), connections=2)
    assert served.load.failed == 0
    assert served.new_tokens.sum() == 10


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not JSON"),
        (b"hello", "The body is not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[1, 2]", "expected an object"),
    ],
)
def test_what_is_no_request_is_told_so(service: WebService, body: bytes, sentence: str) -> None:
    refused(ask(service, content=body), 400, sentence)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": []}, "prompt is empty; give at least one token."),
        ({"prompt": "words"}, "send token ids"),
        ({"prompt": [1] * CONTEXT}, f"the model's context holds {CONTEXT}"),
        ({"new_tokens": CONTEXT}, "Ask for less"),
        ({"prompt": [512]}, "expected token ids from 0 to 511"),
        ({"new_tokens": -1}, "new_tokens is -1; expected a whole number of at least 1."),
        ({"new_tokens": None}, "new_tokens is null"),
        ({"stream": True}, "answers whole and in the order of arrival"),
        ({"priority": 1}, "answers whole and in the order of arrival"),
        ({"deadline_s": 2}, "answers whole and in the order of arrival"),
        ({"temperature": 1}, 'There is no field "temperature"'),
    ],
)
def test_a_wrong_request_gets_one_sentence(
    service: WebService, fields: dict[str, Any], sentence: str
) -> None:
    refused(ask(service, **fields), 400, sentence)


def test_a_body_without_end_and_another_address_get_one_sentence(service: WebService) -> None:
    refused(ask(service, content=b" " * (2 * 2**20)), 413, "expected at most 1048576")
    assert ask(service, content=b" ").status_code == 400
    found = httpx.get(f"{service.url}/generate", trust_env=False)
    refused(found, 405, "There is no GET /generate; expected POST /generate.")
    refused(httpx.get(f"{service.url}/", trust_env=False), 404, "There is no GET /;")


def refused(answer: httpx.Response, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["error"]
    assert sentence in said["error"]
    assert "\n" not in said["error"]
