import gzip
import json
from pathlib import Path

import numpy as np
import onnx as onnx_format
import pytest
from onnx import TensorProto, helper

from lab_utils.errors import LabError
from lab_utils.measure.profile import onnx

pytestmark = pytest.mark.alone

SIZE = 600


@pytest.fixture(scope="module")
def model() -> bytes:
    weights = np.ones((SIZE, SIZE), dtype=np.float32)
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="cheap"),
        helper.make_node("MatMul", ["a", "w"], ["b"], name="planted"),
        helper.make_node("Sigmoid", ["b"], ["y"], name="tail"),
    ]
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [SIZE, SIZE]) for name in ("x", "y")
    )
    graph = helper.make_graph(
        nodes, "g", [x], [y], [onnx_format.numpy_helper.from_array(weights, "w")]
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def feeds() -> dict[str, np.ndarray]:
    return {"x": np.ones((SIZE, SIZE), dtype=np.float32)}


def test_it_names_the_slow_node_without_the_warm_up(model: bytes, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json.gz"
    profile = onnx.profile(model, feeds(), runs=3, warmups=2, compute_threads=1, trace=trace)
    assert profile.top(1)[0].name == "planted [MatMul]"
    assert {row.calls for row in profile.rows} == {3}
    assert 0.5 < profile.seen <= 1
    grouped = profile.grouped(onnx.operator)
    assert {row.name for row in grouped.rows} == {"Relu", "MatMul", "Sigmoid"}
    events = json.loads(gzip.decompress(trace.read_bytes()))
    assert sum(event["name"] == "model_run" for event in events) == 5


def test_a_model_cut_short_is_refused(model: bytes) -> None:
    with pytest.raises(LabError, match=r"cannot load the model .*; expected a whole ONNX file"):
        onnx.profile(model[:1000], feeds())


def test_wrong_inputs_are_refused(model: bytes) -> None:
    with pytest.raises(LabError, match=r"cannot run the model on these inputs .*it expects x"):
        onnx.profile(model, {"z": np.ones(3, dtype=np.float32)})


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"cat": "Session"}]'])
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(LabError, match=r"no profile of ONNX Runtime|holds no run"):
        onnx.read(text)


def test_nonsense_is_refused(model: bytes, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="runs is 0; expected"):
        onnx.profile(model, feeds(), runs=0)
    with pytest.raises(LabError, match="compute_threads is -1; expected"):
        onnx.profile(model, feeds(), compute_threads=-1)
    with pytest.raises(LabError, match=r"trace\.txt; expected a name"):
        onnx.write_trace(tmp_path / "trace.txt", "[]")
