"""Static INT8 from ranges that are measured once: which pictures, how many, which layers.

    recipe = static(count=4)                      # from the first 4 photographs
    recipe = static("noise", per_channel=False)   # or another recipe for the same network
    artefact = prepared(recipe, model.network, len(model.labels), batch=1)

Calibration runs the network in fp32 and keeps the least and the largest value of every activation.
The ranges after 1, 4, 16 and 64 pictures are kept from one pass over 64, so that another model
made from fewer pictures, or with a layer left in fp32, costs a second and not another pass.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts
from lab_utils.optimize import onnx_variants
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.onnx_layers import onnx_layers
from lab_utils.optimize.variant import PICTURE, Floats

if TYPE_CHECKING:
    from torch import nn

PICTURES = 64
SOME = 16
COUNTS = {"photographs": (1, 4, SOME, PICTURES), "pixels 0 to 1": (SOME,), "noise": (SOME,)}
"""After how many of each kind the ranges are kept."""
SEED = 8
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnx")
CLEANED = "cleaned.onnx"


def photographs(count: int) -> Floats:
    """Pictures of the halves that the network was fitted on, (count, 3, 224, 224), preprocessed."""
    from lab_utils.models import pictures
    from lab_utils.optimize.inputs import preprocessed

    return preprocessed(pictures.draw(count, seed=SEED, half="fit"))


def pixels(count: int) -> Floats:
    """The same pictures with one step of preprocessing forgotten: values from 0 to 1."""
    from lab_utils.models.resnet import HUB_WEIGHTS

    transform = HUB_WEIGHTS.transforms()
    mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (transform.mean, transform.std))
    return photographs(count) * std + mean


def noise(count: int) -> Floats:
    """No pictures: normal numbers with the mean and the deviation that preprocessing aims at."""
    return np.random.default_rng(SEED).standard_normal((count, *PICTURE), np.float32)


SHOWN = {"photographs": photographs, "pixels 0 to 1": pixels, "noise": noise}


def static(
    shown: str = "photographs",
    count: int = PICTURES,
    *,
    per_channel: bool = True,
    floating: Sequence[str] = (),
) -> Recipe:
    """The recipe of an INT8 file in QDQ form.

    shown, count: as `COUNTS` has them. per_channel: a scale for each output channel of
    the weights rather than one a layer. floating: layers that stay in fp32, by PyTorch's names
    ("conv1", "layer4.2.conv3").
    """
    if count not in COUNTS.get(shown, ()):
        kept = "; ".join(f"{', '.join(map(str, n))} of {what!r}" for what, n in COUNTS.items())
        raise LabError(f"Calibration with {count} of {shown!r} was asked for; kept are {kept}.")
    name = "onnx-int8" if per_channel else "onnx-int8-per-tensor"
    if floating:
        name += f"-{len(floating)}-fp32-" + hashlib.sha256(repr(floating).encode()).hexdigest()[:8]
    make = partial(_quantise, count=count, per_channel=per_channel, floating=tuple(floating))
    return Recipe(f"{name}-{count}", make, PACKAGES, base=RANGES[shown])


def quantise(
    source: Path, target: Path, ranges: Path, *, per_channel: bool, floating: Sequence[str] = ()
) -> None:
    """QDQ: quantise and dequantise around every operator; the engine folds the pairs.

    source: a file as `cleaned` leaves it. ranges: as `measure_ranges` writes them. Without VNNI
    instructions two products may saturate 16 bits, so weights then use 7 bits.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with quiet(), tempfile.TemporaryDirectory() as folder:
        # The quantiser writes beside its source for a moment, where another may be at work.
        own = shutil.copy(source, Path(folder) / source.name)
        quantize_static(
            own,
            target,
            None,
            calibration_cache_path=ranges,
            quant_format=QuantFormat.QDQ,
            per_channel=per_channel,
            reduce_range=not facts().multiplies_int8,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_nodes(source, floating),
        )


def measure_ranges(source: Path, inputs: Floats, after: Mapping[int, Path]) -> None:
    """Write the least and largest value of each activation, over the first n inputs, for each n.

    source: as `cleaned` leaves it. inputs: (N, 3, 224, 224), shown one by one. after: for each n
    its file, in growing order.
    """
    from onnxruntime.quantization import CalibrationDataReader, create_calibrator
    from onnxruntime.quantization.calibrate import save_tensors_data
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    check_inputs(inputs)

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, shown: Floats) -> None:
            self._left = iter(shown)

        def get_next(self) -> dict[str, Floats] | None:
            picture = next(self._left, None)
            return None if picture is None else {onnx_variants.INPUT: picture[None]}

    with quiet(), tempfile.TemporaryDirectory() as folder:
        opened = Path(folder) / onnx_variants.MODEL
        calibrator = create_calibrator(
            source,
            sorted({*QLinearOpsRegistry, *QDQRegistry}),
            augmented_model_path=str(opened),
        )
        # Its own session runs the graph as it stands, several times as long.
        calibrator.infer_session = onnx_variants.session(opened, available_cores())
        done = 0
        for count, path in after.items():
            calibrator.collect_data(Pictures(inputs[done:count]))  # adds to what it has seen
            save_tensors_data(calibrator.compute_data(), path)
            done = count


def check_inputs(inputs: Floats) -> None:
    """Raises LabError where these are no pictures to calibrate with."""
    if inputs.dtype != np.float32 or inputs.shape[1:] != PICTURE or len(inputs) == 0:
        raise LabError(
            f"The pictures to calibrate with are {inputs.dtype} of shape {inputs.shape}; expected "
            "float32 of shape (N, 3, 224, 224), at least one."
        )


def clean(source: Path, target: Path) -> None:
    """The file with its graph tidied, and without the shapes of what lies between operators.

    They are inferred again when needed; kept, they contradict the weights that the quantiser
    transposes.
    """
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with quiet():
        quant_pre_process(source, target, skip_symbolic_shape=True)
    model = onnx.load(target)
    model.graph.ClearField("value_info")
    onnx.save(model, target)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The quantisers print progress bars and advice; rich's bars come as widgets in a notebook."""
    from rich.console import Console

    nowhere = io.StringIO()
    bars = Console(file=nowhere, force_jupyter=False)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            patch("rich.progress.get_console", lambda: bars),
        ):
            yield
    finally:
        logging.disable(before)


def _nodes(source: Path, floating: Sequence[str]) -> list[str]:
    layers = onnx_layers(source) if floating else {}
    unknown = [name for name in floating if name not in layers]
    if unknown:
        raise LabError(
            f"The layers {', '.join(unknown)} were to stay in fp32; the network has "
            f"{', '.join(layers)}."
        )
    return [layers[name].node for name in floating]


def _ranges_file(folder: Path, count: int) -> Path:
    return folder / f"ranges-{count}.json"


def _clean(network: nn.Module, folder: Path, base: Path | None, batch: int) -> None:
    assert base is not None
    clean(base / onnx_variants.MODEL, folder / CLEANED)


def _measure(
    network: nn.Module, folder: Path, base: Path | None, batch: int, *, shown: str
) -> None:
    assert base is not None
    shutil.copy(base / CLEANED, folder)
    after = {count: _ranges_file(folder, count) for count in COUNTS[shown]}
    measure_ranges(folder / CLEANED, SHOWN[shown](max(after)), after)


def _quantise(
    network: nn.Module,
    folder: Path,
    base: Path | None,
    batch: int,
    *,
    count: int,
    per_channel: bool,
    floating: Sequence[str],
) -> None:
    assert base is not None
    ranges, target = _ranges_file(base, count), folder / onnx_variants.MODEL
    quantise(base / CLEANED, target, ranges, per_channel=per_channel, floating=floating)


CLEAN_FILE = Recipe("onnx-cleaned", _clean, PACKAGES, base=onnx_variants.ONNX_FILE)
"""The export as the quantisers take it, cleaned once for all of them."""
RANGES = {
    shown: Recipe(
        f"onnx-ranges-{shown.replace(' ', '-')}",
        partial(_measure, shown=shown),
        PACKAGES,
        base=CLEAN_FILE,
    )
    for shown in SHOWN
}
"""For each kind that is shown: the file that is quantised, and the ranges."""
