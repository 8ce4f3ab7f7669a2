"""ONNX: the exported graph, and ONNX Runtime on the processor."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.errors import LabError
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.variant import Floats, Runner, Variant

if TYPE_CHECKING:
    from torch import nn

MODEL = "model.onnx"
INPUT = "pictures"
PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3
UNWANTED = ["WeightBiasQuantization"]
"""It quantises again, without a word, what a quantised file has left in fp32 between two others."""
LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
"""How far ONNX Runtime rewrites a graph before it runs it, and its own names for that."""


def _export(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    """Any number of pictures: the first dimension is named, not fixed."""
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, 224, 224),),
            str(folder / MODEL),
            dynamo=True,
            input_names=[INPUT],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
        )


def session(
    path: Path | bytes,
    threads: int,
    *,
    level: str = "all",
    optimised: Path | None = None,
    profile: Path | None = None,
) -> Any:
    """An `onnxruntime.InferenceSession` on the processor, with so many compute threads.

    path: the file, or its content. level: of LEVELS. optimised: where it writes the graph that it
    will execute. profile: how the name of the file begins in which it writes what it executed.
    Raises LabError for another level, and where it runs on another provider than asked for: it
    falls back without a word.
    """
    import onnxruntime as ort

    if level not in LEVELS:
        raise LabError(f"The level is {level!r}; expected one of {', '.join(LEVELS)}.")
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, LEVELS[level])
    options.intra_op_num_threads = threads  # OMP_NUM_THREADS is not read
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    content = path if isinstance(path, bytes) else str(path)
    made = ort.InferenceSession(
        content, options, providers=[PROVIDER], disabled_optimizers=UNWANTED
    )
    if made.get_providers() != [PROVIDER]:
        raise LabError(f"ONNX Runtime runs on {made.get_providers()}; expected {PROVIDER} alone.")
    return made


def load(folder: Path, threads: int, labels: int, batch: int, precision: str = "fp32") -> Runner:
    """A runner on the processor; `precision` is that of the file."""
    import onnxruntime as ort

    made = session(folder / MODEL, threads)
    inputs, outputs = made.get_inputs(), made.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise LabError(
            f"{folder / MODEL} has {len(inputs)} inputs and {len(outputs)} outputs; expected one "
            "of each: it is another model."
        )
    name = inputs[0].name

    def run(values: Floats) -> Floats:
        logits: Floats = made.run(None, {name: values})[0]
        return logits

    engine = f"ONNX Runtime {ort.__version__}, {', '.join(made.get_providers())}"
    return Runner(engine, made.get_session_options().intra_op_num_threads, precision, run)


ONNX_FILE = Recipe("onnx", _export, ("torch", "torchvision", "onnx", "onnxscript"))
VARIANTS = (
    Variant(
        "ONNX Runtime",
        "another engine, which rewrites the graph",
        ("onnxruntime",),
        ONNX_FILE,
        load,
    ),
)
