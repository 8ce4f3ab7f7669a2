"""What the engine reaches of what this machine allows, on a model of true shape.

The model has 0.7 billion seeded weights, far beyond the processor's caches. A pass that writes one
token for one user reads all of them once, so it takes at least their bytes over the read bandwidth
that `machine.ceilings` measures just before.

- `decode_bandwidth_fraction_int4`, `decode_bandwidth_fraction_int8`: that least time over the
  measured time of a token, at batch 1. 4 bits in groups of 128 weights, 8 bits with a scale for
  each row: 4.125 and 8.01 bits a weight with their scales, and these are the bytes that count.

- `perplexity_ratio`: 4 bits over 16, of the course's own model on text that it was not trained on,
  both as the engine computes them; rounded to the nearest, nothing else done.
"""

from __future__ import annotations

from lab_utils.bench._document import Figure, say
from lab_utils.machine.ceilings import ceilings
from lab_utils.machine.cores import available_cores
from lab_utils.measure.compare import interleaved
from lab_utils.measure.interval import Interval, interval
from lab_utils.models.decoder import SMALL
from lab_utils.models.language.perplexity import perplexity_ratio, windows
from lab_utils.models.language.seeded import prompt
from lab_utils.models.language.small import WINDOW, held_out, load
from lab_utils.optimize.language_forms import openvino
from lab_utils.optimize.language_openvino import Rounding
from lab_utils.scale import at
from lab_utils.serve.llm.engine import Engine

ROUNDINGS = {"int4": Rounding(4, 128), "int8": Rounding(8)}
PROMPT = 16
ROUNDS_A_REPEAT = 3


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """Both fractions and the ratio, with their intervals."""
    threads = available_cores()
    engines = {n: Engine(openvino(SMALL, r), threads) for n, r in ROUNDINGS.items()}
    say("Predicted: 0.5 at 4 bits and 0.6 at 8; unpacking costs more where there are fewer bytes.")
    limits = ceilings(threads, anew=True)
    tokens = at(scale, ci=17, laptop=33)
    for engine in engines.values():
        engine.run([prompt(SMALL, PROMPT)], tokens)
    rounds = interleaved(
        {
            name: lambda engine=engine: engine.run([prompt(SMALL, PROMPT)], tokens)  # type: ignore[misc]
            for name, engine in engines.items()
        },
        rounds=ROUNDS_A_REPEAT * repeats,
    )
    figures: dict[str, Figure] = {}
    for name, rounding in ROUNDINGS.items():
        engines[name].close()
        read_bytes = SMALL.decode_parameters * rounding.bits_per_weight(SMALL.width) / 8
        least_s = read_bytes / limits.bandwidth_bytes_per_s
        figures[f"decode_bandwidth_fraction_{name}"] = interval(
            [least_s / interval(run.token_s).median for run in rounds[name]]
        )
    say("Predicted: 1.02 for perplexity_ratio; a small model has no weights to spare.")
    figures["perplexity_ratio"] = _perplexity_ratio(threads)
    return figures


def _perplexity_ratio(threads: int) -> Interval:
    model = load()
    kept = windows(model.ids(held_out()), WINDOW)
    found = []
    for rounding in (ROUNDINGS["int4"], None):
        with Engine(openvino(model, rounding), threads) as engine:
            found.append(engine.losses(kept))
    return perplexity_ratio(*found)
