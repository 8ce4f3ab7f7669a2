from pathlib import Path

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.optimize.graph import onnxruntime_graph, openvino_graph
from lab_utils.optimize.int8_variants import calibration, onnx_static, openvino_static
from lab_utils.optimize.variant import Floats
from tests.optimize.saved import artefact

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


def test_what_is_shown_is_not_what_is_tested(inputs: Floats) -> None:
    shown = calibration(4)
    assert shown.shape == (4, 3, 224, 224)
    assert all(np.abs(shown[0] - picture).max() > 0.1 for picture in inputs)


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, 3, 224, 224), np.float32), np.zeros((1, 224, 224, 3), np.float32)]
)
def test_other_pictures_are_refused(wrong: Floats, tmp_path: Path) -> None:
    for quantise in (onnx_static, openvino_static):
        with pytest.raises(LabError, match="at least one"):
            quantise(artefact("ONNX Runtime").folder / "model.onnx", tmp_path / "out", wrong)
    assert list(tmp_path.iterdir()) == []
