"""Whether the simulation of a fleet is right, where it can be checked: one core, three loads.

- `sim_error`: the largest error, without its sign, of P50, P99 and throughput, simulated ÷ live − 1
  of the smallest scoring service: one core that works for 30, 50 and 70 % of the time. Each short
  live run is simulated with its own arrivals and the service times of the run beside it, in their
  order and never its own: what the machine's speed did meanwhile, and what stalls came together, is
  in both. The figures are those of all runs together. Its interval says what other draws of the
  same pairs of runs give. It is the largest of nine errors without a sign, so chance alone keeps it
  above 0.
- `live_p99_uncertainty`: half the 95 % interval of the live P99 ÷ that P99, at the load where it is
  widest: how well the P99 is known that the simulation is held against.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from lab_utils.bench._document import Figure, say
from lab_utils.measure.load.generator import closed_loop, post
from lab_utils.models.fraud.features import features
from lab_utils.serve.fraud.scoring_app import scoring_service
from lab_utils.serve.fraud.trained import trained
from lab_utils.simulate.validation import in_turn, largest_error

SHARES = (0.3, 0.7, 0.5, 0.7, 0.7)
"""A block's pairs of runs. Where a queue is long a stall makes many late, so the P99 of the highest
load needs the most requests."""
EACH, WARM_UP = 120, 400
BLOCKS_A_REPEAT = 60
"""With three repeats about 43,000 requests at the lower loads and 130,000 at the highest."""


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The figure; repeats lengthen the run, since one P99 needs many requests."""
    say("Predicted: sim_error 0.05, nearly all of it at the highest load's P99.")
    with tempfile.TemporaryDirectory() as folder:
        world = trained(Path(folder))
        rows = features(world.past).to_numpy(np.float32)[-512:]
        bodies = [json.dumps({"features": row.tolist()}).encode() for row in rows]
        with scoring_service(world.trees) as service:
            url = f"{service.url}/score"
            closed_loop(post(url), bodies, connections=4, requests=WARM_UP)
            blocks = BLOCKS_A_REPEAT * repeats
            live = in_turn(url, bodies, SHARES, each=EACH, blocks=blocks)
    compared, widest = live.compared, 0.0
    for share, found in compared.items():
        p99_s, _ = found.percentiles_s[99]
        widest = max(widest, (p99_s.high - p99_s.low) / 2 / p99_s.median)
        said = ", ".join(f"{name} {error:+.1%}" for name, error in found.errors.items())
        say(f"at {share:.0%}: {said}; live P99 {p99_s.scaled(1e3):.2f} ms")
    return {"sim_error": largest_error(compared.values()), "live_p99_uncertainty": widest}
