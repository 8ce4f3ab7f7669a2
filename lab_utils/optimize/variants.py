"""Every way in which the course runs ResNet-50, by name.

artefact = prepare("OpenVINO fp32", resnet.load())      # converted, or from the cache
runner = load("OpenVINO fp32", artefact, threads=2)
runner(inputs)                                          # logits (N, labels)

VARIANTS["TensorRT"].lacks()     # a sentence where it cannot run here, else None
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.optimize import (
    int8_variants,
    onnx_variants,
    openvino_variants,
    tensorrt_variants,
    torch_variants,
)
from lab_utils.optimize.artefacts import Artefact, prepared
from lab_utils.optimize.variant import PICTURE, Runner, Variant

if TYPE_CHECKING:
    from lab_utils.models.resnet import ResNet

REFERENCE = "eager"
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        *torch_variants.VARIANTS,
        *onnx_variants.VARIANTS,
        *openvino_variants.VARIANTS,
        *tensorrt_variants.VARIANTS,
        *int8_variants.VARIANTS,
    )
}
INT8 = tuple(variant.name for variant in int8_variants.VARIANTS)
FLOATING = tuple(name for name in VARIANTS if name not in INT8)
"""Those that compute with 8-bit integers, and all the others."""


def variant(name: str) -> Variant:
    """The variant of this name, able to run here. Raises LabError where it is unknown or lacks."""
    if name not in VARIANTS:
        raise LabError(f"The variant is {name!r}; expected one of {', '.join(VARIANTS)}.")
    lacking = VARIANTS[name].lacks()
    if lacking is not None:
        raise LabError(f"{name} cannot run here. {lacking}")
    return VARIANTS[name]


def prepare(name: str, model: ResNet, batch: int = 1) -> Artefact:
    """The variant's saved model, made now (seconds to a minute) or found in the cache.

    batch: for the compiled ones, the only number of pictures that they will take at once.
    """
    return prepared(variant(name).recipe, model.network, len(model.labels), batch)


def load(name: str, artefact: Artefact | Path, threads: int, batch: int = 1) -> Runner:
    """The variant, loaded from its saved model and run once on empty pictures.

    artefact: as `prepare` gives it, or its folder. threads: compute threads. batch: the pictures
    that it will be given at once. Raises LabError where the files are cut short, are another
    model's or another batch's, or the engine cannot read them.
    """
    chosen = variant(name)
    if not isinstance(threads, int) or not 1 <= threads <= available_cores():
        raise LabError(
            f"The number of threads is {threads!r}; expected 1 to {available_cores()}, the cores."
        )
    folder = artefact.folder if isinstance(artefact, Artefact) else artefact
    artefact = Artefact.read(folder)
    if batch != (artefact.batch or batch):
        raise LabError(
            f"{folder} takes {artefact.batch} pictures at once; {batch} were asked for: prepare it "
            f"with batch={batch}."
        )
    try:
        runner = chosen.load(folder, threads, artefact.labels, batch)
        logits = runner(np.zeros((batch, *PICTURE), np.float32))
    except LabError:
        raise
    except Exception as error:  # each engine has its own exceptions
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LabError(
            f"{folder} could not be loaded as {name}: {cause[:300]}. "
            "If it was prepared for another variant, prepare one for this; else delete the folder "
            "and prepare it again."
        ) from None
    if logits.shape != (batch, artefact.labels):
        raise LabError(
            f"{folder} answers with logits of shape {logits.shape}; expected "
            f"{(batch, artefact.labels)}: it is another model."
        )
    return runner
