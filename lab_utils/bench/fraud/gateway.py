"""What the fraud gateway does on this machine: one process, features from a real Redis, every
answer on disk before it is sent, one compute thread for the model; the load generator beside it.

- `bare_model_rps`: payments a second that the scorer alone scores, one after the other on one
  thread: its file in ONNX Runtime, without features, network or log.

- `saturation_rps`: full answers a second, at most, over closed loops of some connections. An answer
  that is degraded is a cheaper one and does not count.

- `p99_ms_at_70pct`: the P99 at seven tenths of that, from when a payment was due (an open loop,
  Poisson) until its client had the answer; all answers, the degraded ones among them. Each run
  follows the measurement that its rate comes from at once: the machine's speed changes.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from lab_utils.bench._document import Figure, say
from lab_utils.components.redis_server import RedisServer
from lab_utils.features.redis_store import RedisStore
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.generator import closed_loop, open_loop, post
from lab_utils.measure.load.result import LoadResult
from lab_utils.models.fraud.feature_names import FEATURES
from lab_utils.optimize.fraud_scorers import Scorer
from lab_utils.scale import at
from lab_utils.serve.fraud.service import FraudService
from lab_utils.serve.fraud.trained import Trained, trained

TIER = "cpu"
LOAD = 0.7
CONNECTIONS = (2, 4, 8, 16)
BARE_S = 0.5
DEGRADED = "degraded"


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The three figures."""
    say("Predicted: bare_model_rps 90,000, saturation_rps 600, p99_ms_at_70pct 20.")
    with tempfile.TemporaryDirectory(prefix="fraud-") as folder:
        world = trained(Path(folder))
        bare = [bare_model_rps(Scorer(world.trees.read_bytes())) for _ in range(repeats)]
        say(f"the model alone: {interval(bare)} a second")
        with alone(world, Path(folder)) as gateway:
            bodies = world.bodies()
            count = at(scale, ci=6_000, laptop=10_000)  # of 2,000, one stall of 50 ms is the P99
            found, runs = [], []
            for seed in range(repeats):
                found.append(saturation_rps(gateway, bodies, scale))
                runs.append(steady(gateway, bodies, LOAD * found[-1], count, seed))
    return {
        "bare_model_rps": interval(bare),
        "saturation_rps": interval(found),
        "p99_ms_at_70pct": interval([1e3 * run.latency_percentile_s(99).median for run in runs]),
    }


@contextmanager
def alone(world: Trained, folder: Path) -> Iterator[FraudService]:
    """A gateway before a Redis with the past in it; its log goes to the folder."""
    with RedisServer() as redis:
        fill(redis, world)
        with FraudService(
            {TIER: world.trees},
            world.rules,
            world.policy,
            audit=folder / "audit.sqlite",
            redis=redis.socket,
        ) as gateway:
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


def saturation_rps(gateway: FraudService, bodies: Iterator[bytes], scale: str) -> float:
    """Full answers a second, at the best number of connections."""
    count = at(scale, ci=1_000, laptop=4_000)
    rates = []
    for connections in CONNECTIONS:
        some = list(islice(bodies, count))
        sender = post(f"{gateway.url}/score", check=degraded)
        load = closed_loop(sender, some, connections=connections, requests=count)
        say(f"{connections} connections: {load.rate_rps:.0f} full answers a second{_rest(load)}")
        rates.append(load.rate_rps)
    return max(rates)


def steady(
    gateway: FraudService, bodies: Iterator[bytes], rate_rps: float, count: int, seed: int
) -> LoadResult:
    """About `count` payments at this rate, as they come."""
    arrivals = poisson(rate_rps, count / rate_rps, seed)
    answers: list[bytes | None] = []
    sender = post(f"{gateway.url}/score", answers=answers)
    load = open_loop(sender, list(islice(bodies, arrivals.due_s.size)), arrivals)
    less = sum(degraded(answer) is not None for answer in answers if answer is not None)
    p99_ms = load.latency_percentile_s(99).scaled(1e3)
    say(f"{rate_rps:.0f} a second: P99 {p99_ms:.1f} ms; {less} of {load.answered} degraded")
    if load.schedule is not None and load.schedule.fell_behind:
        say("The generator fell behind: these latencies are its own.")
    return load


def _rest(load: LoadResult) -> str:
    causes = [f"{count} {cause}" for cause, count in load.failures.items()]
    return f" ({', '.join(causes)})" if causes else ""
