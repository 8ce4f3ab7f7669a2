"""The layers of an exported network, found again in the graphs that engines and quantisers write.

    layers = onnx_layers(Path("model.onnx"))
    layers["layer1.0.conv1"].node           # "node_Conv_756"
    layer_times_s(profile, layers)          # seconds a run in each convolution and matrix product

The exporter numbers the nodes and keeps PyTorch's names of the weights; ONNX Runtime names what it
has fused or quantised after a node or after its result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab_utils.measure.profile.result import Profile

RENAMED = r"(_nchwc|_quant|_token_\d+)?( \[.*\])?"
"""What ONNX Runtime 1.31 adds to a name: another layout, another type, the place in a rewriting."""


@dataclass(frozen=True)
class OnnxLayer:
    """A convolution or matrix product: its node, its result, and that result after ReLU."""

    node: str
    output: str
    activated: str


def onnx_layers(path: Path) -> dict[str, OnnxLayer]:
    """The convolutions and matrix products of a file, by PyTorch's names, in order."""
    import onnx

    nodes = onnx.load(path, load_external_data=False).graph.node
    relu = {node.input[0]: node.output[0] for node in nodes if node.op_type == "Relu"}
    return {
        node.input[1].removesuffix(".weight"): OnnxLayer(
            node.name, node.output[0], relu.get(node.output[0], node.output[0])
        )
        for node in nodes
        if node.op_type in ("Conv", "Gemm")
    }


def layer_times_s(profile: Profile, layers: Mapping[str, OnnxLayer]) -> dict[str, float]:
    """Seconds of a run in each layer, by ONNX Runtime's profile; those it does not name are out.

    What an engine has fused into a layer counts as the layer; what runs beside it (in a dynamic
    model the rounding before and the scaling after) does not.
    """
    times_s = {}
    for name, layer in layers.items():
        names = "|".join(map(re.escape, {layer.node, layer.output, layer.activated}))
        pattern = re.compile(f"({names}){RENAMED}")
        found = [row for row in profile.rows if pattern.fullmatch(row.name)]
        if found:
            times_s[name] = sum(row.self_s / (row.calls or 1) for row in found)
    return times_s
