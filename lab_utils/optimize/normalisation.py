"""The network's normalisation, outside the graph and inside it; without PyTorch.

normalised(pixels)             # (N, 224, 224, 3) uint8 → (N, 3, 224, 224) float32
in_openvino_graph(model)       # the model then takes the pixels themselves
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.optimize.variant import Floats

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of each channel of ImageNet's pictures, on a scale from 0 to 1; `resnet.transforms` uses them."""
Pixels = NDArray[np.uint8]


def normalised(pixels: Pixels) -> Floats:
    """Pixels (N, height, width, 3) as the network takes them, (N, 3, height, width) float32."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise LabError(
            f"The pixels are {pixels.dtype} of shape {pixels.shape}; expected uint8 of shape "
            "(N, height, width, 3)."
        )
    scaled = pixels.astype(np.float32)
    scaled /= 255
    scaled -= np.asarray(MEAN, np.float32)
    scaled /= np.asarray(DEVIATION, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def in_openvino_graph(model: Any) -> Any:
    """An `openvino.Model` of normalised input as one of uint8 pixels, (N, height, width, 3).

    The subtraction stays an operation before the first padding, so that the answers are the same.
    """
    import openvino as ov
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    given = steps.input()
    given.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    given.model().set_layout(ov.Layout("NCHW"))
    (
        given.preprocess()
        .convert_element_type(ov.Type.f32)
        .mean([255 * mean for mean in MEAN])
        .scale([255 * deviation for deviation in DEVIATION])
    )
    return steps.build()
