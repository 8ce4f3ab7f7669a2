from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.serve.triton_repository import (
    ModelConfig,
    QueuePolicy,
    Tensor,
    WarmUp,
    write_model,
)

INPUTS, OUTPUTS = [Tensor("TEXT", "BYTES", (-1,))], [Tensor("SCORE", "FP32", (1,))]


def test_what_is_set_stands_in_the_file_and_nothing_else(tmp_path: Path) -> None:
    config = ModelConfig(
        "scorer",
        INPUTS,
        OUTPUTS,
        batch_most=4,
        batch_wait_us=100,
        preferred=(2, 4),
        priorities=3,
        queue=QueuePolicy(size_most=7, timeout_us=9, reject=False),
        instances=2,
        warm_up=WarmUp(5, batch=3, length=7),
        cache=True,
        parameters={"limit": "9"},
    )
    folder = write_model(tmp_path, config, "pass\n")
    text = (folder / "config.pbtxt").read_text()
    for line in (
        "max_batch_size: 4",
        "preferred_batch_size: [ 2, 4 ]",
        "priority_levels: 3",
        "default_priority_level: 3",
        "timeout_action: DELAY default_timeout_microseconds: 9",
        "max_queue_size: 7",
        "count: 2 kind: KIND_CPU",
        "count: 5",
        "data_type: TYPE_STRING dims: [ -1 ]",
        "batch_size: 3",
        "dims: [ 7 ] zero_data: true",
        'parameters { key: "limit" value { string_value: "9" } }',
        "response_cache { enable: true }",
    ):
        assert line in text
    assert text.count("{") == text.count("}")
    assert (folder / "1" / "model.py").read_text() == "pass\n"
    plain = ModelConfig("plain", INPUTS, OUTPUTS, batch_most=0).text()
    assert "dynamic_batching" not in plain
    assert "model_warmup" not in plain
    assert "queue_policy" not in ModelConfig("free", INPUTS, OUTPUTS).text()
    bounded = ModelConfig("bounded", INPUTS, OUTPUTS, queue=QueuePolicy(size_most=9)).text()
    assert "default_queue_policy { max_queue_size: 9 }" in bounded
    single = ModelConfig("single", INPUTS, OUTPUTS, dynamic=False).text()
    assert "dynamic_batching" not in single
    assert "max_batch_size: 8" in single


def test_files_are_linked_beside_the_code_and_a_missing_one_is_named(tmp_path: Path) -> None:
    weights = tmp_path / "weights.onnx"
    weights.write_bytes(b"graph")
    config = ModelConfig("scorer", INPUTS, OUTPUTS)
    for _ in range(2):  # the second time a link stands there
        folder = write_model(tmp_path / "models", config, "", files={"model.onnx": weights})
    assert (folder / "1" / "model.onnx").read_bytes() == b"graph"
    with pytest.raises(LabError, match=r"nowhere\.onnx was to stand in the repository as m\.onnx"):
        write_model(tmp_path, config, "", files={"m.onnx": tmp_path / "nowhere.onnx"})


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="TEXT has the type 'string'; expected one of BOOL"):
        Tensor("TEXT", "string", (1,))
    with pytest.raises(LabError, match=r"The model is named '\.\./x'"):
        write_model(tmp_path, ModelConfig("../x", INPUTS, OUTPUTS), "")
