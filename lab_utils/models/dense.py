"""How long a fully connected layer takes at each batch, its weights in a cache or in memory.

Timed alone, again and again, a small layer keeps its weights in the cache and looks faster than it
will be as one of many layers in a network, or beside other processes. So it is measured both ways:
one layer by itself, and as the next of so many equal ones that the cache has lost it meanwhile.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from lab_utils.errors import LabError
from lab_utils.machine.ceilings import array_bytes
from lab_utils.measure.compare import Watch, interleaved
from lab_utils.measure.interval import Interval, interval

CALLS = 8
"""Timed together: one call is too short for a clock."""


@dataclass(frozen=True)
class DenseTimes:
    """Seconds a call, by batch. weight_bytes: of one layer. layers: how many took turns."""

    cached_s: dict[int, Interval]
    from_memory_s: dict[int, Interval]
    weight_bytes: int
    layers: int


def dense_times(
    batches: Sequence[int],
    inputs: int = 2048,
    outputs: int = 1000,
    rounds: int = 7,
    watch: Watch = iter,
) -> DenseTimes:
    """Time a layer of this shape (default: ResNet-50's last) in float32 on this processor.

    Batches and rounds are whole numbers from 1 on; all batches, each in both ways, take turns.
    """
    if not batches or min(batches) < 1 or rounds < 1:
        raise LabError(
            f"Batches are {list(batches)} and rounds {rounds}; expected numbers from 1 on."
        )
    weight_bytes = 4 * inputs * outputs
    layers = torch.ones(max(2, array_bytes("cpu") // weight_bytes), outputs, inputs)
    turns = itertools.cycle(layers)
    one = itertools.repeat(layers[0])

    def both_s(batch: int) -> tuple[float, float]:
        values = torch.ones(batch, inputs)
        return _seconds(values, one), _seconds(values, turns)

    runs = {str(batch): (lambda batch=batch: both_s(batch)) for batch in batches}
    times = interleaved(runs, rounds, watch)
    return DenseTimes(
        cached_s={b: interval([cached for cached, _ in times[str(b)]]) for b in batches},
        from_memory_s={b: interval([memory for _, memory in times[str(b)]]) for b in batches},
        weight_bytes=weight_bytes,
        layers=len(layers),
    )


def _seconds(values: Tensor, weights: Iterator[Tensor]) -> float:
    with torch.inference_mode():
        for _ in range(2):
            linear(values, next(weights))
        start_s = time.perf_counter()
        for _ in range(CALLS):
            linear(values, next(weights))
        return (time.perf_counter() - start_s) / CALLS
