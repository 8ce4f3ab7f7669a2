"""What the fraud gateway does on one core: one process, features from a real Redis, every answer on
disk before it is sent. Its event loop does not sleep (`serve/spinning`). What it asks, and the load
generator, have the other cores.

- `bare_model_rps`: payments a second that the scorer alone scores, one after the other on one
  thread: its file in ONNX Runtime, without features, network or log.

- `saturation_rps`: full answers a second, at most, over closed loops of some connections. An answer
  that is degraded is a cheaper one and does not count.

- `p99_ms_at_70pct`: the P99 at seven tenths of that, from when a payment was due (an open loop,
  Poisson) until its client had the answer; all answers, the degraded ones among them.

The two take turns of a second: a shared machine may be half as fast in one second as in another,
and seven tenths of what it did ten seconds ago more than it can do now.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import psutil

from lab_utils.bench._document import Figure, say
from lab_utils.components.redis_server import RedisServer
from lab_utils.features.redis_store import RedisStore
from lab_utils.machine.cores import set_aside
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.measure.load.result import LoadResult
from lab_utils.measure.percentile import percentile
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.optimize.fraud_scorers import Scorer
from lab_utils.scale import at
from lab_utils.serve.fraud.service import FraudService
from lab_utils.serve.fraud.trained import Trained, trained

TIER = "cpu"
LOAD = 0.7
CONNECTIONS = (2, 4, 8, 16)
A_TURN = 1_000
"""Payments: about a second."""
BARE_S = 0.5
SPIN_S = 0.002
"""Where payments come faster than that, the gateway's core never sleeps."""
DEGRADED = "degraded"


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The three figures."""
    say("Predicted: bare_model_rps 100,000, saturation_rps 2,700, p99_ms_at_70pct 25.")
    with tempfile.TemporaryDirectory(prefix="fraud-") as folder:
        world = trained(Path(folder))
        bare = [bare_model_rps(Scorer(world.trees.read_bytes())) for _ in range(repeats)]
        say(f"the model alone: {interval(bare)} a second")
        with alone(world, Path(folder)) as gateway:
            bodies = world.bodies()
            turns = at(scale, ci=20, laptop=30)  # in 6 s, one stall of 60 ms is the P99
            found = [in_turns(gateway, bodies, turns, seed) for seed in range(repeats)]
    return {
        "bare_model_rps": interval(bare),
        "saturation_rps": interval([most_rps for most_rps, _ in found]),
        "p99_ms_at_70pct": interval([p99_ms for _, p99_ms in found]),
    }


@contextmanager
def alone(world: Trained, folder: Path) -> Iterator[FraudService]:
    """A gateway on a core of its own, before a Redis with the past in it; its log goes to the
    folder. Everything else of the block keeps to the other cores.
    """
    with ExitStack() as stack:
        its_core = stack.enter_context(set_aside(1))
        redis = stack.enter_context(RedisServer())
        fill(redis, world)
        with its_core():
            gateway = FraudService(
                {TIER: world.trees},
                world.rules,
                world.policy,
                audit=folder / "audit.sqlite",
                redis=redis.socket,
                spin_s=SPIN_S,
            )
            stack.enter_context(gateway)
        for writer in gateway.processes()[1:] if hasattr(psutil.Process, "cpu_affinity") else []:
            writer.cpu_affinity(psutil.Process().cpu_affinity())
        yield gateway


def fill(redis: RedisServer, world: Trained) -> None:
    """Put the past into its store."""
    with closing(RedisStore(redis.socket)) as store:
        world.fill(store)


def bare_model_rps(scorer: Scorer) -> float:
    """Single rows a second."""
    row = np.zeros((1, len(FEATURES)), np.float32)
    scorer(row)
    scored, begun_s = 0, time.perf_counter()
    while (took_s := time.perf_counter() - begun_s) < BARE_S:
        scorer(row)
        scored += 1
    return scored / took_s


def degraded(answer: bytes) -> str | None:
    """A load generator's check: None for a full answer."""
    return DEGRADED if json.loads(answer)["degraded"] else None


def saturation_rps(gateway: FraudService, bodies: Iterator[bytes], count: int) -> float:
    """Full answers a second, over `count` payments, at the best number of connections.

    That is found first: the largest of several short measurements is that of a lucky moment.
    """
    return _closed(gateway, bodies, _best_connections(gateway, bodies), count).rate_rps


def in_turns(
    gateway: FraudService, bodies: Iterator[bytes], turns: int, seed: int
) -> tuple[float, float]:
    """The saturation, and the P99 in ms at `LOAD` of it, over so many turns of each."""
    connections = _best_connections(gateway, bodies)
    closed, opened = [], []
    for turn in range(turns):
        closed.append(_closed(gateway, bodies, connections, A_TURN))
        rate_rps = LOAD * closed[-1].rate_rps
        opened.append(_open(gateway, bodies, rate_rps, turns * seed + turn))
    most_rps = sum(load.answered for load in closed) / sum(load.duration_s for load in closed)
    p99_ms = percentile(np.concatenate([load.latencies_s for load in opened]), 99).scaled(1e3)
    say(f"saturation {most_rps:.0f} a second; at {LOAD:.0%} of it P99 {p99_ms:.1f} ms")
    return most_rps, p99_ms.median


def _best_connections(gateway: FraudService, bodies: Iterator[bytes]) -> int:
    rates = {n: _closed(gateway, bodies, n, A_TURN).rate_rps for n in CONNECTIONS}
    return max(rates, key=lambda connections: rates[connections])


def _closed(
    gateway: FraudService, bodies: Iterator[bytes], connections: int, count: int
) -> LoadResult:
    some = list(islice(bodies, count))
    sender = post(f"{gateway.url}/score", check=degraded)
    load = closed_loop(sender, some, connections=connections, requests=count)
    say(f"{connections} connections: {load.rate_rps:.0f} full answers a second{_rest(load)}")
    return load


def _open(gateway: FraudService, bodies: Iterator[bytes], rate_rps: float, seed: int) -> LoadResult:
    arrivals = poisson(rate_rps, A_TURN / rate_rps, seed)
    answers: list[bytes | None] = []
    sender = post(f"{gateway.url}/score", answers=answers)
    load = open_loop(sender, list(islice(bodies, arrivals.due_s.size)), arrivals)
    less = sum(degraded(answer) is not None for answer in answers if answer is not None)
    p99_ms = load.latency_percentile_s(99).scaled(1e3)
    say(f"{rate_rps:.0f} a second: P99 {p99_ms:.1f} ms; {less} of {load.answered} degraded")
    if load.schedule is not None and load.schedule.fell_behind:
        late_ms = 1e3 * np.percentile(load.schedule.error_s, 99)
        say(f"Of that the generator's own: 1 % were sent {late_ms:.1f} ms late or more.")
    return load


def _rest(load: LoadResult) -> str:
    causes = [f"{count} {cause}" for cause, count in load.failures.items()]
    return f" ({', '.join(causes)})" if causes else ""
