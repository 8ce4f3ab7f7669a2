"""Whether anybody notices that the model is replaced.

A real MLServer behind the gateway; a hundred times the next version is loaded beside the one that
answers, the gateway switches, its payments drain, and the old one is let go, while payments come at
a steady rate. The deadlines are wide: what fails shall fail by the switch, not because the machine
was busy. What a switch costs in time is the other figure.

- `switch_failures_of_100`: payments without a full answer, in all. An error counts, and so does an
  answer that the rules gave because the model had gone.

- `switch_p99_ms`: the P99 of the others, from when they were due.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from lab_utils.bench._document import Figure, say
from lab_utils.bench.fraud.gateway import fill
from lab_utils.components.model_servers.mlserver import MLServer
from lab_utils.components.redis_server import RedisServer
from lab_utils.measure.percentile import percentile
from lab_utils.serve.fraud.paying import Paid, paying
from lab_utils.serve.fraud.roll_over import roll_over
from lab_utils.serve.fraud.service import FraudService
from lab_utils.serve.fraud.trained import Trained, trained

TIER = "model"
SWITCHES = 100
RATE_RPS = 100.0


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The figures, of one run: a hundred switches are the sample."""
    say("Predicted: switch_failures_of_100 0, switch_p99_ms 20.")
    with tempfile.TemporaryDirectory(prefix="fraud-") as folder:
        world = trained(Path(folder))
        with RedisServer() as redis, MLServer({_name(0): world.trees}) as server:
            fill(redis, world)
            with FraudService(
                {TIER: server.source(_name(0))},
                world.rules,
                replace(world.policy, deadline_s=4.0, features_s=1.0, model_s=2.0),
                audit=Path(folder, "audit.sqlite"),
                redis=redis.socket,
                model="0",
            ) as gateway:
                paid = _switched(gateway, server, world)
    causes = ", ".join(f"{count} × {cause}" for cause, count in paid.failures.items())
    say(f"{paid.payments} payments, by {len(paid.versions)} versions; {causes or 'no failure'}")
    p99_ms = percentile(paid.latencies_s, 99).scaled(1e3)
    return {"switch_failures_of_100": float(paid.failed), "switch_p99_ms": p99_ms}


def _switched(gateway: FraudService, server: MLServer, world: Trained) -> Paid:
    with paying(gateway.url, world.bodies(), RATE_RPS) as paid:
        for number in range(1, SWITCHES + 1):
            roll_over(
                [gateway],
                server,
                tier=TIER,
                old=_name(number - 1),
                new=_name(number),
                file=world.smaller if number % 2 else world.trees,
                version=str(number),
            )
    return paid


def _name(number: int) -> str:
    return f"fraud-{number}"
