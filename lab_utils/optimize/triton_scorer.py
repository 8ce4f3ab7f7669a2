"""The GPU kernel of a scorer of payments: its arrays, its launch, and a check without a GPU.

    layers = folded(student)
    scorer = TritonScorer(layers, "cuda")
    scorer(rows)                           # a tensor on the GPU → (N,) probabilities there
    interpreted(layers, rows)              # the same kernel, run by Triton's interpreter in NumPy

The interpreter says whether the kernel computes what it should, on any machine, and nothing about
its speed. Triton chooses between the two when the kernel's module is imported, so it interprets in
a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lab_utils.command import output_of
from lab_utils.errors import LabError
from lab_utils.optimize.folded_network import Layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 16
"""No side of a matrix product may be smaller in Triton."""
ROWS = 64
"""Payments of one program."""


class TritonScorer:
    """A network, as `folded` gives it, in one launch; for a GPU, or a processor that interprets.

    Raises LabError where the hidden layers are not of one width, a power of two from 16 on, and
    where Triton is not installed.
    """

    def __init__(self, layers: Sequence[Layer], device: str) -> None:
        arrays = _packed(layers)
        try:
            from lab_utils.optimize import payment_kernel
        except ImportError:
            raise LabError(
                "Triton is not installed; expected Linux, where PyTorch brings it."
            ) from None
        self._kernel: Any = payment_kernel.payment_kernel
        self._arrays = [torch.from_numpy(array).to(device) for array in arrays]
        self.features: int = layers[0].weights.shape[0]
        self._sizes = {
            "FEATURES": self.features,
            "INPUTS": arrays[0].shape[0],
            "WIDTH": arrays[0].shape[1],
            "INNER": len(layers) - 2,
            "ROWS": ROWS,
        }

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows (N, features) in float32 on the kernel's device → (N,) probabilities of fraud.

        On a GPU it returns before they are there, as every operation does.
        """
        if rows.ndim != 2 or rows.shape[1] != self.features or rows.dtype != torch.float32:
            raise LabError(
                f"Rows came as {tuple(rows.shape)} of {rows.dtype}; expected (N, {self.features}) "
                "of float32."
            )
        count = len(rows)
        scores = torch.empty(count, device=rows.device)
        if count:
            grid = (-(-count // ROWS),)
            self._kernel[grid](rows.contiguous(), scores, *self._arrays, count, **self._sizes)
        return scores


def _packed(layers: Sequence[Layer]) -> list[NDArray[np.float32]]:
    """The kernel's arrays in its order. The first matrix gets zeros up to a power of two of rows;
    where there is no inner one, a number stands for it, since a pointer must point."""
    ends = [layer.biases.size for layer in layers]
    width = ends[0]
    same = set(ends[:-1]) == {width} and ends[-1] == 1
    if not same or width < LEAST or width & (width - 1):
        raise LabError(
            f"The layers give {ends} values; expected hidden ones of one width, a power of two "
            f"from {LEAST} on, and then 1."
        )
    features = layers[0].weights.shape[0]
    first = np.zeros((max(LEAST, 1 << (features - 1).bit_length()), width), np.float32)
    first[:features] = layers[0].weights
    inner, nothing = layers[1:-1], np.zeros(1, np.float32)
    return [
        first,
        layers[0].biases,
        np.stack([layer.weights for layer in inner]) if inner else nothing,
        np.stack([layer.biases for layer in inner]) if inner else nothing,
        np.ascontiguousarray(layers[-1].weights[:, 0]),
        layers[-1].biases,
    ]


def interpreted(layers: Sequence[Layer], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the kernel gives for rows (N, features), interpreted on the processor: (N,).

    It takes some seconds, most of them for a new Python. Raises LabError as `TritonScorer` does.
    """
    _packed(layers)  # refused here, not in the other process
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npy"
        arrays = [rows, *(part for layer in layers for part in (layer.weights, layer.biases))]
        np.savez(given, *arrays)
        order = {"given": str(given), "found": str(found)}
        output_of("lab_utils.optimize.triton_scorer", order, os.environ | {"TRITON_INTERPRET": "1"})
        scores: NDArray[np.float32] = np.load(found)
    return scores


def _interpret(given: Path, found: Path) -> None:
    with np.load(given) as kept:
        rows, *parts = (kept[f"arr_{n}"] for n in range(len(kept.files)))
    layers = [Layer(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    np.save(found, TritonScorer(layers, "cpu")(torch.from_numpy(rows)).numpy())


if __name__ == "__main__":
    told = json.load(sys.stdin)
    _interpret(Path(told["given"]), Path(told["found"]))
