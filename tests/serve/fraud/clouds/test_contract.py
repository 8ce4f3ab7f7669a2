"""What a container makes of its variables, and the one body."""

import json

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.serve.fraud.clouds.body import instances, predictions, rows_of, scores_of
from lab_utils.serve.fraud.clouds.contract import CONTRACTS, SAGEMAKER, VERTEX, Contract, told
from lab_utils.serve.fraud.request import Refused


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.name)
def test_a_container_finds_what_its_cloud_says(contract: Contract) -> None:
    listening = told(contract.environment(9123))
    assert listening.port == 9123
    assert listening.health_route == contract.health_route
    assert listening.predict_route == contract.predict_route


def test_routes_of_somebody_elses_choice() -> None:
    routes = {"AIP_HEALTH_ROUTE": "/well", "AIP_PREDICT_ROUTE": "/score"}
    listening = told(VERTEX.environment(8080) | routes)
    assert (listening.health_route, listening.predict_route) == ("/well", "/score")
    # They mean nothing to a container that SageMaker started.
    assert told(SAGEMAKER.environment(8080) | routes).predict_route == "/invocations"


@pytest.mark.parametrize("port", ["", "none", "0", "-1", "65536", "80.5"])
def test_a_port_that_is_none_is_one_sentence(port: str) -> None:
    with pytest.raises(LabError, match=r"AIP_HTTP_PORT is .*expected a port, 1 to 65535"):
        told({"AIP_HTTP_PORT": port})


def test_a_route_without_a_slash_is_one_sentence() -> None:
    with pytest.raises(LabError, match="AIP_PREDICT_ROUTE is 'score'; expected a path"):
        told(VERTEX.environment(8080) | {"AIP_PREDICT_ROUTE": "score"})


def test_rows_come_back_as_they_were() -> None:
    rows = np.array([[1, 2.5], [3, -4]], np.float32)
    assert np.array_equal(rows_of(instances(rows), 2), rows)
    assert scores_of(predictions(np.array([0.25, 0.5]))) == [0.25, 0.5]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"instances": []}',
        b'{"instances": [1, 2]}',
        b'{"instances": [[1, 2], [3]]}',
        b'{"instances": [[1, 2, 3]]}',
        b'{"instances": [[1, null]]}',
        b'{"instances": [[1, "a"]]}',
        b'{"instances": [[1, NaN]]}',
        b'{"instances": [[1, 1e39]]}',
        b'{"instances": [[[1], [2]]]}',
        b'{"rows": [[1, 2]]}',
        b"\xff\xfe",
        b"[" * 20_000,
        json.dumps({"instances": [[1, 10**400]]}).encode(),
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(Refused, match="2 finite numbers") as refused:
        rows_of(body, 2)
    assert refused.value.status == 400
