"""Neural scorers of payments: a wide teacher, and the small student that learns from it.

    teacher = fit(PaymentNetwork(TEACHER), known[train], fraud[train])
    student = fit(PaymentNetwork(STUDENT), known[seen], probabilities(teacher, known[seen]))

Preparation is part of the network, so a file that holds one takes raw features: counts and amounts
spread over decades, so their logarithm, then each column to mean 0 and deviation 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from lab_utils.errors import LabError
from lab_utils.measure.compare import Watch
from lab_utils.models.fraud.feature_names import FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEACHER, STUDENT = (64, 64), (16,)
"""Widths of the hidden layers."""
EPOCHS, BATCH, RATE, DECAY = 8, 512, 2e-2, 1e-4


class PaymentNetwork(nn.Module):
    """Features (N, features), raw → the probability of fraud (N, 1).

    widths: of the hidden layers. features: how many columns come in.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, widths: Sequence[int], features: int = len(FEATURES)) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        layers: list[nn.Module] = []
        for inputs, outputs in zip((features, *widths), widths, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear((features, *widths)[-1], 1))

    def logits(self, values: Tensor) -> Tensor:
        """The logarithm of the odds of fraud, (N, 1)."""
        prepared = (_spread(values) - self.mean) / self.deviation
        found: Tensor = self.layers(prepared)
        return found

    def forward(self, values: Tensor) -> Tensor:
        """The probability of fraud, (N, 1)."""
        return self.logits(values).sigmoid()


def _spread(values: Tensor) -> Tensor:
    return values.clamp(min=0).log1p()


Network = TypeVar("Network", bound=PaymentNetwork)


def fit(
    network: Network,
    known: pd.DataFrame,
    target: ArrayLike,
    *,
    epochs: int = EPOCHS,
    rate: float = RATE,
    seed: int = 0,
    threads: int = 1,
    watch: Watch = iter,
) -> Network:
    """Train the network, seeded, and give it back; its matrices are too small for more threads.

    known: raw features, a column each. target: for each payment a label, or a teacher's
    probability. Raises LabError where the two do not fit or a target is no probability.
    """
    wanted = torch.from_numpy(np.asarray(target, np.float32)[:, None])
    if len(wanted) != len(known) or not ((wanted >= 0) & (wanted <= 1)).all():
        raise LabError(
            f"{len(wanted)} targets came for {len(known)} payments; expected a probability, 0 to "
            "1, for each."
        )
    values = torch.tensor(known.to_numpy(np.float32))  # a copy: pandas lends its own read-only
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        spread = _spread(values)
        network.mean.copy_(spread.mean(0))
        network.deviation.copy_(spread.std(0).clamp(min=1e-3))
        _begin(network, generator)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _train(network, values, wanted, epochs, rate, generator, watch)
    finally:
        torch.set_num_threads(before)
    return network.eval()


def _train(
    network: PaymentNetwork,
    values: Tensor,
    wanted: Tensor,
    epochs: int,
    rate: float,
    generator: torch.Generator,
    watch: Watch,
) -> None:
    steps = epochs * -(-len(values) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in watch(range(epochs)):
        for rows in torch.randperm(len(values), generator=generator).split(BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(
                network.logits(values[rows]), wanted[rows]
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def probabilities(network: PaymentNetwork, known: pd.DataFrame) -> NDArray[np.float32]:
    """The probability of fraud of each payment, by PyTorch."""
    with torch.inference_mode():
        found = network(torch.tensor(known.to_numpy(np.float32)))
    scores: NDArray[np.float32] = found.numpy().ravel()
    return scores


def _begin(network: nn.Module, generator: torch.Generator) -> None:
    """Weights by PyTorch's own law for a linear layer, from this seed and no global one."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
