"""What the service does with three times what it can do.

Places, queue and deadline are set so that who is taken can be answered in time; the load is open.

- `overload_p99_s`: the P99 of those that were accepted, from when they were due until their client
  had the whole answer.

- `overload_lost`: requests that were neither answered nor refused with 429 or 503, in all runs.

- `overload_told_s`: the P99 of the time until a refused client knew.
"""

from __future__ import annotations

import re

from lab_utils.bench._document import Figure, say
from lab_utils.machine.cores import available_cores
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.percentile import percentile
from lab_utils.models.decoder import TINY
from lab_utils.models.language.seeded import seeded
from lab_utils.scale import at
from lab_utils.serve.llm.chat import chat
from lab_utils.serve.llm.load import Served, in_turn, when_due
from lab_utils.serve.llm.service import LLMService

BATCH = 8
QUEUE = 8
CHUNK = 256
SHORTER = (64, 16)
TIMES = 3
P99_S = 2.0
REFUSALS = re.compile("status (429|503)")


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The three figures."""
    say("Predicted: overload_p99_s 1.5, overload_lost 0, overload_told_s 0.05.")
    count = at(scale, ci=2000, laptop=6000)
    path, threads = seeded(TINY, "q4_0"), available_cores()
    with LLMService(
        path, threads=threads, batch_most=BATCH, queue_most=QUEUE, chunk_tokens=CHUNK
    ) as service:
        runs = [_run(service, count) for _ in range(repeats)]
    return {
        "overload_p99_s": interval([r.load.latency_percentile_s(99).median for r in runs]),
        "overload_lost": float(sum(_lost(run) for run in runs)),
        "overload_told_s": interval([_told_s(run) for run in runs]),
    }


def _run(service: LLMService, count: int) -> Served:
    capacity_rps = in_turn(service, TINY, chat(200, *SHORTER), BATCH + QUEUE // 2).load.rate_rps
    rate_rps = TIMES * capacity_rps
    arrivals = poisson(rate_rps, count / rate_rps)
    lengths = chat(arrivals.due_s.size, *SHORTER)
    served = when_due(service, TINY, arrivals, lengths, deadline_s=P99_S)
    say(str(served.load))
    return served


def _lost(served: Served) -> int:
    refused = sum(n for cause, n in served.load.failures.items() if REFUSALS.fullmatch(cause))
    return served.load.failed - refused


def _told_s(served: Served) -> float:
    assert served.load.told_s is not None
    return percentile(served.load.told_s, 99).median
