"""How long the steps of a running service take, seen by its clients: what a simulation is fed.

    times = step_times(service, SHAPE, sizes=(1, 4, 16), past_tokens=200, prompts=(16, 256))
    Engine.measured(times.decode_s, times.prefill_s, batch_most=16)

Through the service, not beside it: the way from the scheduler to the engine and back is part of
every step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lab_utils.measure.compare import Watch, interleaved
from lab_utils.measure.load.lengths import Lengths
from lab_utils.models.decoder import Decoder
from lab_utils.serve.llm.load import in_turn
from lab_utils.serve.llm.service import LLMService


@dataclass(frozen=True)
class StepTimes:
    """decode_s: sequences → seconds of a step that gives each a token. prefill_s: prompt tokens →
    seconds of the step that reads them."""

    decode_s: dict[int, float]
    prefill_s: dict[int, float]


def step_times(
    service: LLMService,
    shape: Decoder,
    sizes: Sequence[int],
    past_tokens: int,
    prompts: Sequence[int],
    new_tokens: int = 32,
    rounds: int = 3,
    watch: Watch = iter,
) -> StepTimes:
    """Measure an idle service.

    sizes: of batches. past_tokens: of each sequence, before the `new_tokens` that are timed.
    prompts: lengths. Each figure is the median of the rounds.
    """

    def decode(size: int) -> float:
        lengths = Lengths.of([past_tokens] * size, [new_tokens] * size)
        return float(np.median(in_turn(service, shape, lengths, size).time_per_token_s))

    def prefill(tokens: int) -> float:
        served = in_turn(service, shape, Lengths.of([tokens], [1]), 1)
        return float((served.first_token_s - served.queueing_s)[0])

    runs: dict[str, Callable[[], float]] = {
        f"decode {size}": lambda size=size: decode(size)  # type: ignore[misc]
        for size in sizes
    }
    runs |= {f"prefill {tokens}": lambda tokens=tokens: prefill(tokens) for tokens in prompts}  # type: ignore[misc]
    found = {
        name: float(np.median(each)) for name, each in interleaved(runs, rounds, watch).items()
    }
    return StepTimes(
        {size: found[f"decode {size}"] for size in sizes},
        {tokens: found[f"prefill {tokens}"] for tokens in prompts},
    )
