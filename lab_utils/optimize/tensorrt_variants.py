"""TensorRT, where there is an NVIDIA GPU and the `tensorrt` extra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.errors import LabError
from lab_utils.machine.facts import facts
from lab_utils.optimize import onnx_variants
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.variant import PICTURE, Floats, Runner, Variant

if TYPE_CHECKING:
    from torch import nn

ENGINE = "engine.plan"


def _build(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """An engine for this GPU and this batch: kernels are chosen by timing them."""
    import tensorrt as trt

    assert base is not None
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    definition = builder.create_network()
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse((base / onnx_variants.MODEL).read_bytes()):
        raise LabError(f"TensorRT cannot read the ONNX file: {parser.get_error(0)}.")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape(definition.get_input(0).name, *[(batch, *PICTURE)] * 3)
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise LabError("TensorRT could not build an engine for this GPU; its log says why.")
    (folder / ENGINE).write_bytes(bytes(plan))


def _load(folder: Path, threads: int, labels: int, batch: int) -> Runner:
    """Copies to and from the GPU are part of each call, as they are of each request."""
    import tensorrt as trt
    import torch

    runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
    engine: Any = runtime.deserialize_cuda_engine((folder / ENGINE).read_bytes())
    if engine is None:
        raise LabError(f"{folder / ENGINE} is no engine for this GPU and this TensorRT.")
    context = engine.create_execution_context()
    inputs = torch.empty(batch, *PICTURE, device="cuda")
    logits = torch.empty(batch, labels, device="cuda")
    source, target = engine.get_tensor_name(0), engine.get_tensor_name(1)
    context.set_input_shape(source, tuple(inputs.shape))
    context.set_tensor_address(source, inputs.data_ptr())
    context.set_tensor_address(target, logits.data_ptr())
    stream = torch.cuda.Stream()

    def run(values: Floats) -> Floats:
        with torch.cuda.stream(stream):
            inputs.copy_(torch.from_numpy(values))
            context.execute_async_v3(stream.cuda_stream)
            answer = logits.cpu()
        return answer.numpy()

    name = f"TensorRT {trt.__version__}, {torch.cuda.get_device_name()}"
    return Runner(name, threads, "fp32, TF32 allowed", run, batch)


def _lacks() -> str | None:
    component = CATALOGUE["tensorrt"]
    if facts().gpu is None:
        return "No NVIDIA GPU answers here, and TensorRT compiles for nothing else."
    return None if component.present() else f"tensorrt is missing; to get it: {component.get}."


PLAN = Recipe(
    "tensorrt", _build, ("tensorrt",), base=onnx_variants.ONNX_FILE, fixed_batch=True
)  # fmt: skip
VARIANTS = (
    Variant("TensorRT", "another engine, on the GPU", ("tensorrt", "torch"), PLAN, _load, _lacks),
)
