"""Whether the simulation of a fleet is right, where it can be checked: one core, three loads.

- `sim_error`: the largest error of P50, P99 and throughput at 30, 50 and 70 % of what the smallest
  scoring service can do on one core, simulated ÷ live − 1. Half of the live runs give the service
  times, the other half is predicted.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from lab_utils.bench._document import Figure, say
from lab_utils.measure.load.generator import closed_loop, post
from lab_utils.models.fraud.features import features
from lab_utils.scale import at
from lab_utils.serve.fraud.scoring_app import scoring_service
from lab_utils.serve.fraud.trained import trained
from lab_utils.simulate.validation import gaps_s, in_turn

SHARES = (0.3, 0.5, 0.7)
EACH = 120
BLOCKS_A_REPEAT = 16


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The figure; repeats lengthen the run, since one P99 needs many requests."""
    say("Predicted: sim_error 0.1, nearly all of it the P99's own chance.")
    with tempfile.TemporaryDirectory() as folder:
        world = trained(Path(folder))
        rows = features(world.past).to_numpy(np.float32)[-512:]
        bodies = [json.dumps({"features": row.tolist()}).encode() for row in rows]
        with scoring_service(world.trees) as service:
            url = f"{service.url}/score"
            busy = closed_loop(
                post(url), bodies, connections=4, requests=at(scale, ci=400, laptop=2000)
            )
            blocks = BLOCKS_A_REPEAT * repeats
            busy_rps = 1 / float(gaps_s(busy).mean())
            live = in_turn(url, bodies, SHARES, busy_rps=busy_rps, each=EACH, blocks=blocks)
    for share, found in live.compared.items():
        said = ", ".join(f"{name} {error:+.1%}" for name, error in found.errors.items())
        say(f"at {share:.0%}: {said}")
    return {"sim_error": max(found.error for found in live.compared.values())}
