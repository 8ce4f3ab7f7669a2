"""Where a quantised network loses its precision: the error of each layer.

    errors = layer_errors(cleaned, quantised, inputs)
    errors["layer1.0.conv1"].weights      # of its 8-bit weights, by themselves
    errors["layer1.0.conv1"].output       # of the rounding of its output, by itself
    errors["layer1.0.conv1"].so_far       # its output against fp32's: all that came before, too

The measure is the relative error ‖x − x̂‖ / ‖x‖. Tools print it as signal to quantisation noise
ratio, −20 · log10 of it: 10 % are 20 dB, 1 % are 40 dB.
(`onnxruntime.quantization.qdq_loss_debug` opens every activation and weight of both files for such
comparisons, in a minute; here only the layers' outputs are opened, and the quantised file runs on
the integer kernels that serve it.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.optimize import onnx_variants
from lab_utils.optimize.calibration import check_inputs
from lab_utils.optimize.onnx_layers import OnnxLayer, onnx_layers
from lab_utils.optimize.variant import Floats

if TYPE_CHECKING:
    from onnx import ModelProto

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class LayerError:
    """Relative errors of one layer, 0 to 1 or more; 0 where nothing was rounded."""

    weights: float
    output: float
    so_far: float


def relative_error(values: NDArray[Any], reference: NDArray[Any]) -> float:
    """‖values − reference‖ / ‖reference‖, of arrays of any one shape.

    >>> round(relative_error(np.array([1.1, 0.0]), np.array([1.0, 0.0])), 6)
    0.1
    """
    if values.shape != reference.shape or not np.any(reference):
        raise LabError(
            f"Values of shape {values.shape} were compared with {reference.shape}; expected two of "
            "one shape, and a reference that is not all zeros."
        )
    exact = reference.astype(np.float64)
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))


def layer_errors(cleaned: Path, quantised: Path, inputs: Floats) -> dict[str, LayerError]:
    """The errors of every convolution and matrix product, in the order in which they run.

    cleaned: the file that was quantised (`calibration.CLEANED`); quantised: in QDQ form. inputs:
    (N, 3, 224, 224). An output counts after its ReLU, as it is handed on.
    """
    import onnx

    check_inputs(inputs)
    fp32, int8 = onnx.load(cleaned), onnx.load(quantised)
    layers = onnx_layers(cleaned)
    exact, codes = _constants(fp32), _constants(int8)
    rounded_name = _rounded(int8)
    handed_on = {name: _handed_on(layer, rounded_name) for name, layer in layers.items()}
    opened_fp32 = _outputs(fp32, list(handed_on.values()), inputs)
    opened_int8 = _outputs(int8, [rounded_name.get(t, t) for t in handed_on.values()], inputs)
    errors = {}
    for (name, tensor), true, given in zip(
        handed_on.items(), opened_fp32, opened_int8, strict=True
    ):
        weight = f"{name}.weight"
        weights = _weights(weight, codes) if f"{weight}_scale" in codes else exact[weight]
        output = true
        if f"{tensor}_scale" in codes:
            scale, zero = codes[f"{tensor}_scale"], codes[f"{tensor}_zero_point"]
            output = (np.clip(np.round(true / scale) + zero, 0, 255) - zero) * scale
        errors[name] = LayerError(
            relative_error(weights, exact[weight]),
            relative_error(output, true),
            relative_error(given, true),
        )
    return errors


def _handed_on(layer: OnnxLayer, rounded: Mapping[str, str]) -> str:
    """The output after ReLU, unless an addition comes before the ReLU."""
    return layer.activated if layer.activated in rounded else layer.output


def _rounded(model: ModelProto) -> dict[str, str]:
    """For each tensor that is quantised: the name of what comes out of it, dequantised."""
    codes_of = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    return {
        codes_of[n.input[0]].removesuffix("_QuantizeLinear_Input"): n.output[0]
        for n in model.graph.node
        if n.op_type == "DequantizeLinear" and n.input[0] in codes_of
    }


def _constants(model: ModelProto) -> dict[str, NDArray[Any]]:
    from onnx import numpy_helper

    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def _weights(name: str, codes: Arrays) -> NDArray[Any]:
    """What the integers stand for; a scale for each output channel, or one for all."""
    whole = codes[f"{name}_quantized"]
    shape = (-1, *[1] * (whole.ndim - 1))
    scale, zero = codes[f"{name}_scale"], codes[f"{name}_zero_point"].astype(np.float32)
    values: NDArray[Any] = (whole - zero.reshape(shape)) * scale.reshape(shape)
    return values


def _outputs(model: ModelProto, tensors: list[str], inputs: Floats) -> Iterator[NDArray[Any]]:
    """The values of these tensors for all inputs at once, one after the other."""
    from onnx import TensorProto, helper

    there = {output.name for output in model.graph.output}
    model.graph.output.extend(
        helper.make_tensor_value_info(t, TensorProto.FLOAT, None)
        for t in dict.fromkeys(tensors)
        if t not in there
    )
    session = onnx_variants.session(model.SerializeToString(), available_cores())
    yield from session.run(tensors, {onnx_variants.INPUT: inputs})
