"""A scorer of payments as its matrices alone, with the preparation folded into the first.

    layers = folded(student)            # (inputs, outputs) weights and a bias each
    multiply_adds(layers)               # what one payment takes
    as_module(layers)                   # the network again, without the operators of preparation

(x − mean) / deviation is a product and a sum for each column, and so is what follows it: the two
need no operators of their own. What stays is the logarithm, which no matrix can take over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lab_utils.models.fraud.network import PaymentNetwork


@dataclass(frozen=True)
class Layer:
    """values · weights + biases. weights: (inputs, outputs), biases: (outputs,), float32."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]


def folded(network: PaymentNetwork) -> list[Layer]:
    """The layers, for values that are log1p(max(feature, 0)); computed in 64 bits, kept in 32."""
    found: list[Layer] = []
    for module in network.layers:
        if isinstance(module, nn.Linear):
            weights = module.weight.detach().numpy().T.astype(np.float64)
            biases = module.bias.detach().numpy().astype(np.float64)
            if not found:
                scale = 1 / network.deviation.numpy().astype(np.float64)
                biases = biases - (network.mean.numpy() * scale) @ weights
                weights = weights * scale[:, None]
            found.append(
                Layer(
                    np.ascontiguousarray(weights, dtype=np.float32),
                    biases.astype(np.float32),
                )
            )
    return found


def multiply_adds(layers: Sequence[Layer]) -> int:
    """Multiplications, each with its addition, for one payment."""
    return sum(layer.weights.size for layer in layers)


def as_module(layers: Sequence[Layer]) -> nn.Module:
    """Raw features (N, features) → the probability of fraud (N, 1), by these layers."""
    parts: list[nn.Module] = [_Spread()]
    for layer in layers:
        linear = nn.Linear(*layer.weights.shape)
        weights, biases = layer.weights.T.copy(), layer.biases
        linear.load_state_dict(
            {"weight": torch.from_numpy(weights), "bias": torch.from_numpy(biases)}
        )
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1], nn.Sigmoid()).eval()


class _Spread(nn.Module):
    """What no matrix can take over."""

    def forward(self, values: Tensor) -> Tensor:
        """log1p(max(value, 0)), each by itself."""
        return values.clamp(min=0).log1p()
