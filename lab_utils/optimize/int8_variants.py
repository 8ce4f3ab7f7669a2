"""INT8: the same network with 8-bit integers in its matrix products.

*Static* quantisation chooses the scale of every activation beforehand, from pictures that it is
shown (calibration); weights have a scale for each output channel. *Dynamic* quantisation finds the
scale of each activation anew in every request. The pictures shown are of the half of each
photograph that the network was fitted on, never of the half that it is tested on.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.optimize import calibration, onnx_variants, openvino_variants
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.calibration import check_inputs, quiet
from lab_utils.optimize.variant import Floats, Variant

if TYPE_CHECKING:
    from torch import nn


def onnx_dynamic(source: Path, target: Path, *, signed: bool = True) -> None:
    """Weights to INT8 now; activations to INT8 in every request (ConvInteger).

    source: a file as `calibration.clean` leaves it. signed: whether weights run from -128 to 127
    (the quantiser's own default) or from 0 to 255.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, quiet():
        # The quantiser writes beside its source for a moment, where another may be at work.
        own = shutil.copy(source, folder)
        weight_type = QuantType.QInt8 if signed else QuantType.QUInt8
        quantize_dynamic(own, target, weight_type=weight_type)


def openvino_static(source: Path, target: Path, inputs: Floats) -> None:
    """NNCF's post-training quantisation of an OpenVINO file; inputs (N, 3, 224, 224)."""
    import nncf
    import openvino as ov

    check_inputs(inputs)
    with quiet():
        nncf.set_log_level(logging.ERROR)
        model = ov.Core().read_model(source)
        shown = nncf.Dataset([picture[None] for picture in inputs])
        quantised = nncf.quantize(model, shown, subset_size=len(inputs))
        ov.save_model(quantised, target, compress_to_fp16=False)


def _dynamic(
    network: nn.Module, folder: Path, base: Path | None, batch: int, *, signed: bool = True
) -> None:
    assert base is not None
    onnx_dynamic(base / calibration.CLEANED, folder / onnx_variants.MODEL, signed=signed)


def _nncf(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    assert base is not None
    shown = calibration.photographs(calibration.PICTURES)
    openvino_static(base / openvino_variants.MODEL, folder / openvino_variants.MODEL, shown)


DYNAMIC, DYNAMIC_UNSIGNED = (
    Recipe(
        name,
        partial(_dynamic, signed=signed),
        calibration.PACKAGES,
        base=calibration.CLEAN_FILE,
    )
    for name, signed in (("onnx-int8-dynamic", True), ("onnx-int8-dynamic-unsigned", False))
)
"""The first is the quantiser's default; the second differs in the sign of its weights."""
_load_onnx: Any = partial(onnx_variants.load, precision="int8")
VARIANTS = (
    Variant(
        "ONNX Runtime INT8 dynamic",
        "8-bit integers, scaled anew in each request",
        ("onnxruntime",),
        DYNAMIC,
        _load_onnx,
    ),
    Variant(
        "ONNX Runtime INT8",
        "8-bit integers, scaled beforehand",
        ("onnxruntime",),
        calibration.static(),
        _load_onnx,
    ),
    Variant(
        "OpenVINO INT8",
        "8-bit integers, scaled beforehand, in the other engine",
        ("openvino",),
        Recipe("openvino-int8", _nncf, ("nncf", "openvino"), base=openvino_variants.IR),
        partial(openvino_variants.load, precision="f32"),
    ),
)
