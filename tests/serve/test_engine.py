"""The OpenVINO service: in one process, and behind gunicorn."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.models import pictures, resnet
from lab_utils.optimize.artefacts import Artefact
from lab_utils.optimize.variants import prepare
from lab_utils.serve import preprocessing
from lab_utils.serve.client import Client
from lab_utils.serve.engine_app import engine_service
from lab_utils.serve.engine_request import STAGES, EngineRequest

JPEGS = [p.jpeg for p in pictures.draw(6, seed=21)]


@pytest.fixture(scope="module")
def labels() -> tuple[str, ...]:
    return resnet.load().labels


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return prepare("OpenVINO INT8", resnet.load())


@pytest.fixture(scope="module")
def request_(artefact: Artefact, labels: tuple[str, ...]) -> EngineRequest:
    return EngineRequest.load(artefact.folder, labels, threads=1)


def test_a_request_has_its_stages_and_five_labels(request_: EngineRequest) -> None:
    assert tuple(request_.timed(JPEGS[0]).durations_s) == STAGES
    answer = request_.answer(JPEGS[0])
    probabilities = [guess["probability"] for guess in answer]
    assert len(answer) == 5
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-6


def test_its_process_never_loads_pytorch() -> None:
    said = "import lab_utils.serve.engine_app, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_another_decoder_may_take_its_place(request_: EngineRequest) -> None:
    small = replace(request_, decode=partial(preprocessing.decode, shorter_side=240))
    assert small.decode(JPEGS[0]).size == (320, 240)
    assert small.answer(JPEGS[0]) != request_.answer(JPEGS[0])


def test_lean_gives_the_same_answers(
    request_: EngineRequest, artefact: Artefact, labels: tuple[str, ...]
) -> None:
    lean = EngineRequest.load(artefact.folder, labels, threads=1, lean=True)
    for jpeg in JPEGS:
        as_written = {g["label"]: g["probability"] for g in request_.answer(jpeg)}
        for guess in lean.answer(jpeg)[:1]:
            assert guess["probability"] == pytest.approx(as_written[guess["label"]], abs=0.1)


def test_served_answers_are_those_of_one_process(
    request_: EngineRequest, artefact: Artefact, labels: tuple[str, ...]
) -> None:
    services = Together(
        {
            "two processes": engine_service(artefact.folder, labels, workers=2, threads=1),
            "batches": engine_service(
                artefact.folder, labels, workers=1, threads=1, request_threads=6, batch=4,
                wait_s=0.05,
            ),
        }
    )  # fmt: skip
    try:
        expected = [request_.answer(jpeg) for jpeg in JPEGS]
        for service in services.values():

            def ask(jpeg: bytes, url: str = service.url) -> list[dict[str, object]]:
                with Client(url) as client:
                    answer: list[dict[str, object]] = client.predict(jpeg).answer["top5"]
                    return answer

            with ThreadPoolExecutor(len(JPEGS)) as threads:
                given = list(threads.map(ask, JPEGS))
            for right, answer in zip(expected, given, strict=True):
                assert answer[0]["label"] == right[0]["label"]
                assert answer[0]["probability"] == pytest.approx(right[0]["probability"], abs=0.02)
        with Client(services["batches"].url) as client, pytest.raises(LabError, match="400"):
            client.predict(b"no picture")
    finally:
        services.stop()
