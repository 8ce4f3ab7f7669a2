"""A network as an ONNX file, in memory, for a look at what ONNX Runtime makes of it."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn


def onnx_file(network: nn.Module, example: Tensor) -> bytes:
    """The network's graph with its weights; the batch, dimension 0, may be of any size.

    Its input is named "input", its output "output". By PyTorch's older exporter: it takes a second
    where the newer one takes ten, and gives the same nodes for a network without branches.
    """
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            file,  # type: ignore[arg-type]
            dynamo=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        )
    return file.getvalue()
