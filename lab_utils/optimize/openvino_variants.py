"""OpenVINO on the processor, in the precision that is asked for and the one that it then runs.

Three settings are not its defaults: one stream with a given number of threads (it does not read
OMP_NUM_THREADS), no pinning (each process would pin itself to the same first cores), and an
explicit precision (by default bf16 wherever the processor has bf16 instructions, without a word).
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.errors import LabError
from lab_utils.optimize import onnx_variants
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.normalisation import in_openvino_graph
from lab_utils.optimize.variant import PICTURE, Floats, Runner, Variant

if TYPE_CHECKING:
    from torch import nn

MODEL = "model.xml"
PRECISIONS = {"f32": "fp32", "bf16": "bf16", "f16": "fp16", "i8": "int8", "u8": "int8"}
"""OpenVINO's names, and the course's."""


def _convert(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    import openvino as ov

    assert base is not None
    model = ov.Core().read_model(base / onnx_variants.MODEL)
    ov.save_model(model, folder / MODEL, compress_to_fp16=False)


def compiled(
    path: Path,
    threads: int,
    batch: int | tuple[int, int],
    precision: str,
    *,
    pinning: bool | None = False,
    streams: int = 1,
    pixels: bool = False,
) -> Any:
    """An `openvino.CompiledModel` for so many pictures at once. precision: "f32" or "bf16".

    batch: a number, or the least and the most. pinning: None leaves the engine's default. streams:
    requests that it computes at the same time, among which the threads are divided. pixels: it
    takes uint8 (batch, 224, 224, 3) and normalises them itself.
    """
    import openvino as ov

    core = ov.Core()
    model = core.read_model(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise LabError(
            f"{path} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; expected one "
            "of each: it is another model."
        )
    model.reshape([ov.Dimension(*batch) if isinstance(batch, tuple) else batch, *PICTURE])
    if pixels:
        model = in_openvino_graph(model)
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": precision,
    }
    if pinning is not None:
        settings["ENABLE_CPU_PINNING"] = pinning
    return core.compile_model(model, "CPU", settings)


def load(folder: Path, threads: int, labels: int, batch: int, precision: str) -> Runner:
    """A runner on the processor, which says in what most of its convolutions really compute."""
    import openvino as ov

    model = compiled(folder / MODEL, threads, batch, precision)
    request = model.create_infer_request()

    def run(values: Floats) -> Floats:
        logits: Floats = request.infer([values])[0].copy()
        return logits

    told = [node.get_rt_info() for node in model.get_runtime_model().get_ordered_ops()]
    runs_in = Counter(
        info["runtimePrecision"].astype(str)
        for info in told
        if info["layerType"].astype(str) == "Convolution"
    )
    most = runs_in.most_common(1)[0][0]
    return Runner(
        engine=f"OpenVINO {ov.__version__.split('-')[0]}, CPU",
        threads=int(model.get_property("INFERENCE_NUM_THREADS")),
        precision=PRECISIONS.get(most, most),
        call=run,
        batch=batch,
    )


IR = Recipe("openvino", _convert, ("openvino",), base=onnx_variants.ONNX_FILE)
VARIANTS = (
    Variant(
        "OpenVINO fp32", "another engine again", ("openvino",), IR, partial(load, precision="f32")
    ),
    Variant(
        "OpenVINO bf16",
        "that engine, in 16-bit floats",
        ("openvino",),
        IR,
        partial(load, precision="bf16"),
    ),
)
