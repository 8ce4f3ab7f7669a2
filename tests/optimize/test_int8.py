from pathlib import Path

import numpy as np
import onnx
import pytest

from lab_utils.errors import LabError
from lab_utils.optimize.artefacts import prepared
from lab_utils.optimize.graph import onnxruntime_graph, openvino_graph
from lab_utils.optimize.int8_variants import DYNAMIC_UNSIGNED, openvino_static
from lab_utils.optimize.variant import Floats
from tests.optimize.saved import artefact, model

CONVOLUTIONS = 53


def test_static_convolutions_really_compute_in_int8() -> None:
    openvino = openvino_graph(artefact("OpenVINO INT8"), threads=1, precision="f32")
    assert openvino.precisions("Conv") == {"int8": CONVOLUTIONS}
    onnx = onnxruntime_graph(artefact("ONNX Runtime INT8"), threads=1).counts()
    assert onnx["QLinearConv"] == CONVOLUTIONS
    assert "Conv" not in onnx


def test_dynamic_convolutions_need_more_steps_than_there_were() -> None:
    fp32 = onnxruntime_graph(artefact("ONNX Runtime"), threads=1)
    dynamic = onnxruntime_graph(artefact("ONNX Runtime INT8 dynamic"), threads=1)
    assert dynamic.counts()["ConvInteger"] == CONVOLUTIONS
    assert len(dynamic.operators) > 3 * len(fp32.operators)


@pytest.mark.parametrize(
    "name", ["ONNX Runtime INT8", "ONNX Runtime INT8 dynamic", "OpenVINO INT8"]
)
def test_eight_bits_take_about_a_quarter_of_the_disk(name: str) -> None:
    assert 0.2 < artefact(name).size_bytes / artefact("ONNX Runtime").size_bytes < 0.35


def test_unsigned_weights_differ_in_nothing_but_their_sign() -> None:
    signed = artefact("ONNX Runtime INT8 dynamic")
    unsigned = prepared(DYNAMIC_UNSIGNED, model().network, len(model().labels), batch=1)
    assert weight_types(signed.folder) == {np.dtype(np.int8)}
    assert weight_types(unsigned.folder) == {np.dtype(np.uint8)}
    assert unsigned.size_bytes == pytest.approx(signed.size_bytes, rel=0.01)
    assert onnxruntime_graph(unsigned, threads=1).counts()["ConvInteger"] == CONVOLUTIONS


def weight_types(folder: Path) -> set[np.dtype[np.generic]]:
    constants = onnx.load(folder / "model.onnx").graph.initializer
    return {
        onnx.numpy_helper.to_array(c).dtype
        for c in constants
        if c.name.endswith("weight_quantized")
    }


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, 3, 224, 224), np.float32), np.zeros((1, 224, 224, 3), np.float32)]
)
def test_other_pictures_are_refused(wrong: Floats, tmp_path: Path) -> None:
    source = artefact("OpenVINO fp32").folder / "model.xml"
    with pytest.raises(LabError, match="at least one"):
        openvino_static(source, tmp_path / "out.xml", wrong)
    assert list(tmp_path.iterdir()) == []
