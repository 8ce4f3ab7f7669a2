"""One network behind one interface, whichever engine runs it.

    runner = load("OpenVINO fp32", artefact, threads=2)     # optimize/variants.py
    runner(inputs)       # (N, 3, 224, 224) float32, numpy or torch → (N, labels) float32
    runner.engine        # "OpenVINO 2026.4.1, CPU"
    runner.threads       # as the engine itself says

Nothing here imports an engine: a process that runs ONNX Runtime never loads PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.optimize.artefacts import Recipe

Floats = NDArray[np.float32]
PICTURE = (3, 224, 224)


@dataclass(frozen=True)
class Runner:
    """A loaded network.

    engine: with its version and device. threads: compute threads, as the engine itself says.
    precision: of its matrix products, as the engine itself says. batch: the only number of
    pictures that it takes; None for any. Raises LabError for inputs of another shape or type.
    """

    engine: str
    threads: int
    precision: str
    call: Callable[[Floats], Floats]
    batch: int | None = None

    def __call__(self, inputs: Any) -> Floats:
        """Logits (N, labels) of float32 pictures (N, 3, 224, 224), as `resnet.transforms` gives."""
        try:
            values = np.asarray(inputs)
        except (RuntimeError, TypeError, ValueError) as error:  # torch: on a GPU, or with gradient
            raise LabError(f"The inputs cannot be read as an array: {error}") from None
        if values.dtype != np.float32 or values.shape[1:] != PICTURE or values.shape[0] == 0:
            raise LabError(
                f"The inputs are {values.dtype} of shape {values.shape}; expected float32 of "
                "shape (N, 3, 224, 224), as resnet.transforms() gives them."
            )
        if self.batch is not None and len(values) != self.batch:
            raise LabError(
                f"{len(values)} pictures were given at once; {self.engine} was loaded for "
                f"{self.batch}: give {self.batch}, or load it with batch={len(values)}."
            )
        # Compiled code takes the strides that it was compiled for. It does not look again, or is
        # compiled again; and an axis added by [None] has stride 0, which NumPy calls contiguous.
        return self.call(np.ascontiguousarray(values).reshape(-1).reshape(values.shape))


@dataclass(frozen=True)
class Variant:
    """A way to run the network.

    change: what differs from the reference, as a clause. imports: the modules that a process needs
    before it can load. recipe: how its saved model is made. load: from the artefact's folder,
    threads, labels and batch. lacks: what is missing on this machine and how to get it, as a
    sentence; None where nothing is.
    """

    name: str
    change: str
    imports: tuple[str, ...]
    recipe: Recipe
    load: Callable[[Path, int, int, int], Runner]
    lacks: Callable[[], str | None] = lambda: None
