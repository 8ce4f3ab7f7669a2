"""What an engine executes: its operators, what was fused into each, and the bytes they move.

    before = eager_graph(network)
    after = openvino_graph(artefact, threads=2, precision="f32")
    before.counts()      # {"Conv": 53, "BatchNorm": 53, "ReLU": 49, "Add": 16, …}
    after.counts()       # {"Conv + ReLU": 33, "Conv + Add + ReLU": 16, …}
    before.activation_bytes - after.activation_bytes

ONNX Runtime and OpenVINO report the graph that they run after their own rewriting, not the one that
they were given; nothing here guesses what they might have fused.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.optimize import onnx_variants, openvino_variants
from lab_utils.optimize.artefacts import Artefact
from lab_utils.optimize.variant import PICTURE

if TYPE_CHECKING:
    from torch import nn

KINDS = {
    "Conv2d": "Conv",
    "Convolution": "Conv",
    "BatchNorm2d": "BatchNorm",
    "BatchNormalization": "BatchNorm",
    "Relu": "ReLU",
    "add": "Add",
    "Eltwise": "Add",
    "MaxPool2d": "Pool",
    "MaxPool": "Pool",
    "AdaptiveAvgPool2d": "Pool",
    "GlobalAveragePool": "Pool",
    "ReduceMean": "Pool",
    "Reduce": "Pool",
    "Pooling": "Pool",
    "Linear": "MatMul",
    "Gemm": "MatMul",
    "FullyConnected": "MatMul",
    "ReorderInput": "Reorder",
    "ReorderOutput": "Reorder",
}
"""Each library's name of an operator, and the one used here."""
INTEGER = {"QLinearConv", "ConvInteger", "QGemm", "MatMulInteger", "QLinearAdd", "QLinearMatMul"}
"""ONNX Runtime's operators whose arithmetic is in 8-bit integers."""
VIEWS = {"Flatten", "Reshape", "Const", "Input", "Output", "Constant", "Shape"}
BYTES = {"f32": 4, "bf16": 2, "f16": 2, "i8": 1, "u8": 1, "i32": 4, "i64": 8}


@dataclass(frozen=True)
class Operator:
    """One step of a graph. fused: what else it does in the same pass over memory.

    precision: of its arithmetic. through: the kernel that computes it, where the engine tells.
    """

    kind: str
    fused: tuple[str, ...]
    precision: str
    through: str
    input_bytes: int
    weight_bytes: int
    output_bytes: int

    @property
    def label(self) -> str:
        """Such as "Conv + Add + ReLU"."""
        return " + ".join((self.kind, *self.fused))


@dataclass(frozen=True)
class Graph:
    """The operators that run, one after the other, for one batch."""

    name: str
    operators: tuple[Operator, ...]

    def counts(self) -> dict[str, int]:
        """Operators by label, the most frequent first."""
        return dict(Counter(operator.label for operator in self.operators).most_common())

    def precisions(self, kind: str) -> dict[str, int]:
        """How many operators of a kind compute in each precision."""
        return dict(Counter(o.precision for o in self.operators if o.kind == kind))

    @property
    def activation_bytes(self) -> int:
        """Read and written between operators, each pass counted: what fusion saves."""
        return sum(o.input_bytes + o.output_bytes for o in self.operators)

    @property
    def weight_bytes(self) -> int:
        """Weights, each read once."""
        return sum(o.weight_bytes for o in self.operators)

    @property
    def moved_bytes(self) -> int:
        """Activations and weights, if no cache held any of it."""
        return self.activation_bytes + self.weight_bytes


def eager_graph(network: nn.Module, batch: int = 1) -> Graph:
    """What PyTorch runs in eager mode: every module and function of its own, nothing fused."""
    import torch

    from lab_utils.models.layers import layer_costs

    costs = layer_costs(network, torch.zeros(batch, *PICTURE))
    return Graph(
        "PyTorch, eager",
        tuple(
            Operator(
                kind=KINDS.get(cost.kind, cost.kind),
                fused=(),
                precision="fp32",
                through="",
                input_bytes=cost.input_bytes,
                weight_bytes=cost.weight_bytes,
                output_bytes=cost.output_bytes,
            )
            for cost in costs.values()
        ),
    )


def exported_counts(artefact: Artefact) -> dict[str, int]:
    """Operators of an ONNX file as it was exported, before any engine rewrites it."""
    import onnx

    model = onnx.load(artefact.folder / onnx_variants.MODEL, load_external_data=False)
    kinds = (KINDS.get(node.op_type, node.op_type) for node in model.graph.node)
    return dict(Counter(kinds).most_common())


def onnxruntime_graph(artefact: Artefact, threads: int, batch: int = 1) -> Graph:
    """What ONNX Runtime runs, from the graph that it writes and from its own profile of one run."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        made = onnx_variants.session(
            artefact.folder / onnx_variants.MODEL,
            threads,
            optimised=optimised,
            profile=Path(folder) / "profile",
        )
        made.run(None, {made.get_inputs()[0].name: np.zeros((batch, *PICTURE), np.float32)})
        events = json.loads(Path(made.end_profiling()).read_text())
        nodes = {node.name: node for node in onnx.load(optimised).graph.node}
    operators = []
    for event in events:
        name, suffix = event["name"].removesuffix("_kernel_time"), event["name"]
        said = event.get("args", {})
        if name == suffix or said.get("op_name") in VIEWS:
            continue
        fused = []
        if name in nodes and said["op_name"] == "Conv":
            if len(nodes[name].input) == 4:
                fused.append("Add")
            if any(a.name == "activation" and a.s == b"Relu" for a in nodes[name].attribute):
                fused.append("ReLU")
        operators.append(
            Operator(
                kind=KINDS.get(said["op_name"], said["op_name"]),
                fused=tuple(fused),
                precision="int8" if said["op_name"] in INTEGER else "fp32",
                through=said["provider"],
                input_bytes=int(said["activation_size"]),
                weight_bytes=int(said["parameter_size"]),
                output_bytes=int(said["output_size"]),
            )
        )
    return Graph("ONNX Runtime", tuple(operators))


def openvino_graph(artefact: Artefact, threads: int, precision: str, batch: int = 1) -> Graph:
    """What OpenVINO runs, from the runtime model of the compiled network. precision: "f32", …"""
    path = artefact.folder / openvino_variants.MODEL
    model = openvino_variants.compiled(path, threads, batch, precision)
    types = _types(path)
    constant: set[str] = set()
    operators = []
    for node in model.get_runtime_model().get_ordered_ops():
        told = node.get_rt_info()
        kind = told["layerType"].astype(str)
        sources = [value.get_source_output().get_node() for value in node.inputs()]
        names = [source.get_friendly_name() for source in sources]
        if kind == "Const" or (sources and all(name in constant for name in names)):
            constant.add(node.get_friendly_name())
            continue
        if kind in VIEWS:
            continue
        runs_in = told["runtimePrecision"].astype(str)
        width = BYTES.get(runs_in, 4)
        weights = [s for s in sources if s.get_friendly_name() in constant]
        activations = [s for s in sources if s.get_friendly_name() not in constant]
        original = [types.get(name) for name in told["originalLayersNames"].astype(str).split(",")]
        matrix = kind in ("Convolution", "FullyConnected")
        fused = ["Add"] if matrix and len(activations) > 1 else []
        fused += ["ReLU"] if "Relu" in original and kind != "Relu" else []
        operators.append(
            Operator(
                kind=KINDS.get(kind, kind),
                fused=tuple(fused),
                precision=openvino_variants.PRECISIONS.get(runs_in, runs_in),
                through=told["primitiveType"].astype(str),
                input_bytes=sum(_size(s) * _width(s) for s in activations),
                weight_bytes=sum(_size(s) * width for s in weights),
                output_bytes=_size(node) * _width(node),
            )
        )
    return Graph(f"OpenVINO {openvino_variants.PRECISIONS[precision]}", tuple(operators))


def _types(path: Path) -> dict[str, str]:
    """Operators of an OpenVINO file, by their names."""
    import openvino as ov

    return {n.get_friendly_name(): n.get_type_name() for n in ov.Core().read_model(path).get_ops()}


def _size(node: Any) -> int:
    return int(np.prod(list(node.output(0).get_shape()), dtype=np.int64))


def _width(node: Any) -> int:
    told = node.get_rt_info()
    precision = (
        told["outputPrecisions"].astype(str).split(",")[0] if "outputPrecisions" in told else ""
    )
    return BYTES.get(precision, 4)
