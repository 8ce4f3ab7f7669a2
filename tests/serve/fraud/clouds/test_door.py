"""The real client of AWS and plain HTTP through the stand-in of a front door."""

import asyncio
import json
import os
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest
import requests
from botocore.exceptions import ClientError, ReadTimeoutError

from lab_utils.components.ports import lasting_port
from lab_utils.components.together import Together
from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.serve.fraud.clouds import vertex
from lab_utils.serve.fraud.clouds.body import instances, scores_of
from lab_utils.serve.fraud.clouds.container import Container
from lab_utils.serve.fraud.clouds.contract import CONTRACTS, SAGEMAKER, VERTEX
from lab_utils.serve.fraud.clouds.door import FrontDoor
from lab_utils.serve.fraud.clouds.door_app import DEPLOYED_MODEL, Door
from lab_utils.serve.fraud.clouds.sagemaker import (
    cause,
    invoke,
    longest_body,
    runtime,
    settings,
)
from tests.serve.fraud.clouds.conftest import SCORE

BODY = instances(np.zeros((2, len(FEATURES)), np.float32))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nobody had ever set anything of AWS on this machine."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


def test_the_real_client_gets_the_containers_answer(aws: FrontDoor) -> None:
    assert scores_of(invoke(runtime(aws.url), BODY)) == pytest.approx([SCORE, SCORE])


def test_the_limit_of_a_body_is_the_one_in_the_services_own_model(aws: FrontDoor) -> None:
    client = runtime(aws.url)
    assert longest_body(client) == SAGEMAKER.longest_bytes
    with pytest.raises(ClientError, match="HTTP content length exceeded") as error:
        invoke(client, b" " * (SAGEMAKER.longest_bytes + 1))
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_a_containers_refusal_is_a_model_error_which_is_not_tried_again(aws: FrontDoor) -> None:
    before = sum(aws.received())
    with pytest.raises(ClientError) as error:
        invoke(runtime(aws.url), b"{")
    assert cause(error.value) == "ModelError"
    assert error.value.response["OriginalStatusCode"] == 400
    assert sum(aws.received()) - before == 1


def test_another_endpoint_is_not_there(aws: FrontDoor) -> None:
    with pytest.raises(ClientError, match="Endpoint another not found") as error:
        invoke(runtime(aws.url), BODY, endpoint="another")
    assert cause(error.value) == "ValidationError"


def test_the_client_asks_again_by_itself_where_nothing_comes(aws: FrontDoor) -> None:
    for replica in range(aws.count):
        aws.hold(replica, 5)
    client = runtime(aws.url, read_timeout=0.2)
    before = sum(aws.received())
    with pytest.raises(ReadTimeoutError) as error:
        invoke(client, BODY)
    assert sum(aws.received()) - before > 1
    assert cause(error.value) == "ReadTimeoutError"


def test_one_attempt_is_one_attempt(aws: FrontDoor) -> None:
    for replica in range(aws.count):
        aws.hold(replica, 5)
    client = runtime(aws.url, read_timeout=0.2, retries={"total_max_attempts": 1})
    before = sum(aws.received())
    with pytest.raises(ReadTimeoutError):
        invoke(client, BODY)
    assert sum(aws.received()) - before == 1


def test_a_client_tells_its_settings(aws: FrontDoor) -> None:
    told = settings(runtime(aws.url, read_timeout=0.5, max_pool_connections=3))
    assert (told.read_timeout_s, told.connections) == (0.5, 3)
    usual = settings(runtime(aws.url))
    assert usual.read_timeout_s > 10  # a second, and the lesson has no story
    assert usual.mode in ("standard", "legacy", "adaptive")


def test_a_held_replica_answers_so_much_later(aws: FrontDoor) -> None:
    client = runtime(aws.url)
    invoke(client, BODY)
    for replica in range(aws.count):
        aws.hold(replica, 0.3)
    begun_s = time.monotonic()
    invoke(client, BODY)
    assert time.monotonic() - begun_s >= 0.3


def test_random_routing_meets_both_and_the_other_avoids_who_is_slow(
    containers: Together[Container],
) -> None:
    urls = [containers["SageMaker"].predict_url] * 2
    with FrontDoor(SAGEMAKER, urls) as door:
        client = runtime(door.url)
        for _ in range(40):
            invoke(client, BODY)
        assert min(door.received()) >= 5  # fewer: once in a million
    with FrontDoor(SAGEMAKER, urls, routing="least outstanding") as door:
        door.hold(0, 30)
        client = runtime(door.url, read_timeout=1.0, retries={"total_max_attempts": 1})
        late = 0
        for _ in range(20):
            try:
                invoke(client, BODY)
            except ReadTimeoutError:
                late += 1
        assert late <= 1
        assert door.received()[0] <= 1


def test_nobody_behind_the_door_is_told_so() -> None:
    gone = f"http://127.0.0.1:{lasting_port()}/invocations"
    with FrontDoor(SAGEMAKER, [gone]) as door:
        client = runtime(door.url, retries={"total_max_attempts": 1})
        with pytest.raises(ClientError) as error:
            invoke(client, BODY)
    assert cause(error.value) == "ServiceUnavailable"


def test_googles_session_gets_the_containers_answer(doors: Together[FrontDoor]) -> None:
    answer = vertex.predict(vertex.session(), doors["Vertex AI"].predict_url, BODY)
    assert scores_of(answer) == pytest.approx([SCORE, SCORE])


def test_googles_session_asks_once_and_has_a_limit_of_its_own(doors: Together[FrontDoor]) -> None:
    door = doors["Vertex AI"]
    for replica in range(door.count):
        door.hold(replica, 0.6)
    before = sum(door.received())
    with pytest.raises(requests.exceptions.Timeout):
        vertex.predict(vertex.session(), door.predict_url, BODY, timeout=0.2)
    for replica in range(door.count):
        door.hold(replica, 0)
    assert sum(door.received()) - before == 1
    assert vertex.usual_limit_s() > 10  # a second, and the lesson has no story


def test_what_vertex_refuses_is_raised(doors: Together[FrontDoor]) -> None:
    with pytest.raises(requests.exceptions.HTTPError, match="400"):
        vertex.predict(vertex.session(), doors["Vertex AI"].predict_url, b"{")


def test_vertex_adds_who_predicted(doors: Together[FrontDoor]) -> None:
    answer = httpx.post(doors["Vertex AI"].predict_url, content=BODY, trust_env=False)
    said = answer.json()
    assert said["predictions"] == pytest.approx([SCORE, SCORE])
    assert said["deployedModelId"] == DEPLOYED_MODEL


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "finite numbers"),
        (b" " * (VERTEX.longest_bytes + 1), 400, "payload size exceeds the limit"),
    ],
)
def test_vertex_refuses_in_googles_form(
    doors: Together[FrontDoor], body: bytes, status: int, said: str
) -> None:
    answer = httpx.post(doors["Vertex AI"].predict_url, content=body, trust_env=False)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, status)
    assert error["status"] == "INVALID_ARGUMENT"
    assert said in error["message"]


def test_vertex_knows_one_endpoint(doors: Together[FrontDoor]) -> None:
    url = f"{doors['Vertex AI'].url}/v1/projects/a/locations/b/endpoints/1:predict"
    answer = httpx.post(url, content=BODY, trust_env=False)
    assert answer.status_code == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize("cloud", CONTRACTS)
def test_a_body_at_the_limit_goes_through(doors: Together[FrontDoor], cloud: str) -> None:
    padded = BODY + b" " * (CONTRACTS[cloud].longest_bytes - len(BODY))
    answer = httpx.post(doors[cloud].predict_url, content=padded, trust_env=False, timeout=30)
    assert answer.status_code == 200
    assert json.loads(answer.content)["predictions"] == pytest.approx([SCORE, SCORE])


def test_doors_that_cannot_be_are_refused(aws: FrontDoor) -> None:
    with pytest.raises(LabError, match="given no replica"):
        FrontDoor(SAGEMAKER, [])
    with pytest.raises(LabError, match="routing is 'best'; expected 'random' or"):
        FrontDoor(SAGEMAKER, ["http://127.0.0.1:1/"], routing="best")  # type: ignore[arg-type]
    with pytest.raises(LabError, match="Replica 2 was to be held"):
        aws.hold(2, 1)
    with pytest.raises(LabError, match="expected 0 to 1, and 0 s or more"):
        aws.hold(0, -1)


def test_settings_of_this_machine_that_make_no_client_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(LabError, match=r"No client of AWS could be made here: .*nobody"):
        runtime("http://127.0.0.1:1")


def test_a_container_that_is_too_late_is_given_up(containers: Together[Container]) -> None:
    hasty = replace(SAGEMAKER, answer_within_s=0.1)
    door = Door(hasty, [containers["SageMaker"].predict_url], "random")
    door.replicas[0].hold_s = 30
    with pytest.raises(TimeoutError):
        asyncio.run(door.ask(BODY))
    assert door.replicas[0].outstanding == 0
