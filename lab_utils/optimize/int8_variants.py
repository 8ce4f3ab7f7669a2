"""INT8: the same network with 8-bit integers in its matrix products.

*Static* quantisation chooses the scale of every activation beforehand, from pictures that it is
shown (calibration); weights have a scale for each output channel. *Dynamic* quantisation finds the
scale of each activation anew in every request. The pictures shown are of the half of each
photograph that the network was fitted on, never of the half that it is tested on.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.errors import LabError
from lab_utils.machine.facts import facts
from lab_utils.optimize import onnx_variants, openvino_variants
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.variant import PICTURE, Floats, Variant

if TYPE_CHECKING:
    from torch import nn

CALIBRATION_PICTURES = 64
CALIBRATION_SEED = 8
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnx")


def calibration(count: int) -> Floats:
    """Pictures to be shown, (count, 3, 224, 224): every label equally often."""
    from lab_utils.models import pictures
    from lab_utils.optimize.inputs import preprocessed

    return preprocessed(pictures.draw(count, seed=CALIBRATION_SEED, half="fit"))


def onnx_dynamic(source: Path, target: Path) -> None:
    """Weights to INT8 now; activations to INT8 in every request (ConvInteger)."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _cleaned(source) as cleaned, _quiet():
        quantize_dynamic(cleaned, target, weight_type=QuantType.QInt8)


def onnx_static(source: Path, target: Path, inputs: Floats, *, per_channel: bool = True) -> None:
    """QDQ: quantise and dequantise around every operator; the engine folds the pairs.

    inputs: (N, 3, 224, 224), shown one by one. per_channel: a scale for each output channel of the
    weights rather than one a layer. Without VNNI instructions two products may saturate 16 bits, so
    weights then use 7 bits.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> dict[str, Floats] | None:
            picture = next(self._left, None)
            return None if picture is None else {onnx_variants.INPUT: picture[None]}

    _check(inputs)
    with _cleaned(source) as cleaned, _quiet():
        quantize_static(
            cleaned,
            target,
            Pictures(),
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            reduce_range=not facts().multiplies_int8,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def openvino_static(source: Path, target: Path, inputs: Floats) -> None:
    """NNCF's post-training quantisation of an OpenVINO file; inputs as for `onnx_static`."""
    import nncf
    import openvino as ov

    _check(inputs)
    with _quiet():
        nncf.set_log_level(logging.ERROR)
        model = ov.Core().read_model(source)
        shown = nncf.Dataset([picture[None] for picture in inputs])
        quantised = nncf.quantize(model, shown, subset_size=len(inputs))
        ov.save_model(quantised, target, compress_to_fp16=False)


def _check(inputs: Floats) -> None:
    if inputs.dtype != np.float32 or inputs.shape[1:] != PICTURE or len(inputs) == 0:
        raise LabError(
            f"The pictures to calibrate with are {inputs.dtype} of shape {inputs.shape}; expected "
            "float32 of shape (N, 3, 224, 224), at least one."
        )


@contextlib.contextmanager
def _cleaned(source: Path) -> Iterator[Path]:
    """The file with its graph tidied, and without the shapes of what lies between operators.

    They are inferred again when needed; kept, they contradict the weights that the quantiser
    transposes.
    """
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        cleaned = Path(folder) / onnx_variants.MODEL
        with _quiet():
            quant_pre_process(source, cleaned, skip_symbolic_shape=True)
        model = onnx.load(cleaned)
        model.graph.ClearField("value_info")
        onnx.save(model, cleaned)
        yield cleaned


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Both tools print progress bars and advice."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _dynamic(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    assert base is not None
    onnx_dynamic(base / onnx_variants.MODEL, folder / onnx_variants.MODEL)


def _static(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    assert base is not None
    shown = calibration(CALIBRATION_PICTURES)
    onnx_static(base / onnx_variants.MODEL, folder / onnx_variants.MODEL, shown)


def _nncf(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    assert base is not None
    shown = calibration(CALIBRATION_PICTURES)
    openvino_static(base / openvino_variants.MODEL, folder / openvino_variants.MODEL, shown)


_load_onnx: Any = partial(onnx_variants.load, precision="int8")
VARIANTS = (
    Variant(
        "ONNX Runtime INT8 dynamic",
        "8-bit integers, scaled anew in each request",
        ("onnxruntime",),
        Recipe("onnx-int8-dynamic", _dynamic, PACKAGES, base=onnx_variants.ONNX_FILE),
        _load_onnx,
    ),
    Variant(
        "ONNX Runtime INT8",
        "8-bit integers, scaled beforehand",
        ("onnxruntime",),
        Recipe("onnx-int8", _static, PACKAGES, base=onnx_variants.ONNX_FILE),
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
