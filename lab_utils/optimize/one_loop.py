"""A whole scorer of payments as one compiled loop on the processor: every operator in one call.

    scorer = OneLoop(student)
    scorer(rows)                       # (N,) probabilities of fraud, as of ONNX Runtime's Scorer

Nothing is handed from operator to operator: a payment's values stay where the loop works, and the
next payment follows. Numba compiles it (some seconds, once in a process); a step beneath
`fraud_scorers.Scorer`, which asks a runtime that asks an operator at a time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.errors import LabError
from lab_utils.optimize.folded_network import folded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab_utils.models.fraud.network import PaymentNetwork

REORDERED = {"contract", "reassoc"}
"""Sums in another order and products fused with them: what lets the processor add many at a time.
Whatever is not a number stays so."""


class OneLoop:
    """A network that is one call. It runs on the thread that calls it."""

    def __init__(self, network: PaymentNetwork) -> None:
        layers = folded(network)
        self.features: int = layers[0].weights.shape[0]
        self._widths = np.array([self.features, *(layer.biases.size for layer in layers)], np.int64)
        # One array: each argument of a compiled function costs time at every call.
        self._numbers = np.concatenate(
            [part.ravel() for layer in layers for part in (layer.biases, layer.weights)]
        )
        self._loop = _compiled()
        self(np.zeros((1, self.features), np.float32))  # compiles it

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rows (N, features) in float32 → (N,) probabilities of fraud."""
        if rows.ndim != 2 or rows.shape[1] != self.features or rows.dtype != np.float32:
            raise LabError(
                f"Rows came as {rows.shape} of {rows.dtype}; expected (N, {self.features}) of "
                "float32."
            )
        # A copy: the loop is compiled anew for rows in another order, or that must not be written.
        own = np.array(rows, order="C")
        found: NDArray[np.float32] = self._loop(own, self._numbers, self._widths)
        return found


@cache
def _compiled() -> Any:
    import numba

    return numba.njit(fastmath=REORDERED)(_scores)


def _scores(rows: Any, numbers: Any, widths: Any) -> Any:
    """Each layer's biases, then its weights (inputs, outputs), one after the other in `numbers`.

    Inner loops run over outputs, which lie side by side in memory.
    """
    count = rows.shape[0]
    last = widths.shape[0] - 1
    widest = 0
    for width in widths:
        widest = max(widest, width)
    before = np.empty(widest, np.float32)
    after = np.empty(widest, np.float32)
    scores = np.empty(count, np.float32)
    for row in range(count):
        for column in range(widths[0]):
            before[column] = np.log1p(max(rows[row, column], np.float32(0)))
        place = 0
        for layer in range(last):
            inputs, outputs = widths[layer], widths[layer + 1]
            for unit in range(outputs):
                after[unit] = numbers[place + unit]
            place += outputs
            for column in range(inputs):
                value = before[column]
                for unit in range(outputs):
                    after[unit] += value * numbers[place + unit]
                place += outputs
            for unit in range(outputs):
                before[unit] = after[unit] if layer == last - 1 else max(after[unit], np.float32(0))
        scores[row] = np.float32(1) / (np.float32(1) + np.exp(-before[0]))
    return scores
