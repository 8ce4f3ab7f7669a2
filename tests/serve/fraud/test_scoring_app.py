import json
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from onnx import TensorProto, helper, numpy_helper

from lab_utils.errors import LabError
from lab_utils.serve.fraud.scoring_app import MODEL, create_app, scoring_service


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """Three features, whose sum is the score's logit."""
    nodes = [
        helper.make_node("MatMul", ["input", "weights"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "sum",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.ones((3, 1), np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = tmp_path / "sum.onnx"
    path.write_bytes(model.SerializeToString())
    monkeypatch.setenv(MODEL, str(path))
    return create_app().test_client()


def test_a_payment_gets_its_probability(client: FlaskClient) -> None:
    assert client.get("/ready").status_code == 200
    answer = client.post("/score", data=json.dumps({"features": [1, -2.5, 0.5]}))
    assert answer.get_json()["fraud"] == pytest.approx(1 / (1 + np.exp(1)), rel=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '{"amount": 3}',
        '{"features": [1, 2]}',
        '{"features": [1, 2, null]}',
        '{"features": [1, 2, "a"]}',
        '{"features": [1, 2, NaN]}',
        '{"features": [1, 2, 1e39]}',
        '{"features": [[1], [2], [3]]}',
        '{"features": {"a": 1}}',
        b"\xff\xfe",
    ],
)
def test_anything_else_is_told_so(client: FlaskClient, body: str | bytes) -> None:
    answer = client.post("/score", data=body)
    assert answer.status_code == 400
    assert "[3 finite numbers]" in answer.get_json()["error"]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"There is no file .*expected a scorer's ONNX file"):
        scoring_service(tmp_path / "nothing.onnx")
