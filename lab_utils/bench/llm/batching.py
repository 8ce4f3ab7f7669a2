"""What continuous batching brings on a mixed-length trace, and whether its simulation is right.

The service is the real one, on a model of 0.1 billion seeded weights at 16 bits in the precision
that the engine prefers; the traffic is a chat service's recorded one, prompts and answers divided
by SHORTER.

- `continuous_over_static`: tokens a second of continuous over static batches, both with BATCH
  places, at equal P99: static at SHARE of what it can do, continuous at the highest of RATES at
  which the P99 of its latency is no worse. Static is what one call of a library's `generate` does:
  a batch is computed until its longest answer is done.

- `sim_throughput_error`, `sim_p99_error`: the largest relative error of the simulation over the
  three LOADS, fed with what the service's steps took in the same run, by the sequences in them, and
  with how that changed from one half second to the next: a machine's speed is no fault of a
  simulation, and whoever waits in a slow moment is in the P99.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab_utils.bench._document import Figure, say
from lab_utils.machine.cores import available_cores
from lab_utils.measure.interval import interval
from lab_utils.measure.percentile import percentile
from lab_utils.models.decoder import TINY
from lab_utils.models.language.seeded import seeded
from lab_utils.scale import at
from lab_utils.serve.llm.chat import chat, visits
from lab_utils.serve.llm.engine import preferred_precision
from lab_utils.serve.llm.load import Served, in_turn, when_due
from lab_utils.serve.llm.observed import paced
from lab_utils.serve.llm.service import LLMService
from lab_utils.simulate.decoding import Engine, Requests, continuous

BATCH = 16
CHUNK = 256
SHORTER = (64, 8)
SHARE = 0.7
RATES = (0.7, 0.8, 0.9)
"""As shares of what continuous batching can do."""
LOADS = (0.4, 0.65, 0.85)


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """The three figures."""
    count = at(scale, ci=480, laptop=1400)
    path, threads = seeded(TINY, "f16"), available_cores()
    shared: dict[str, Any] = {"threads": threads, "batch_most": BATCH, "queue_most": count}
    shared |= {"INFERENCE_PRECISION_HINT": preferred_precision(threads)}
    say("Predicted: continuous_over_static 3, sim_throughput_error 0.02, sim_p99_error 0.1.")
    with (
        LLMService(path, chunk_tokens=CHUNK, **shared) as continuously,
        LLMService(path, batching="static", **shared) as statically,
    ):
        services = {"continuous": continuously, "static": statically}
        ratios, throughput_errors, p99_errors = [], [], []
        for _ in range(repeats):
            capacity_rps = {kind: _capacity_rps(s, count) for kind, s in services.items()}
            ratios.append(_ratio(services, capacity_rps, count))
            errors = _errors(continuously, capacity_rps["continuous"], count)
            throughput_errors.append(errors[0])
            p99_errors.append(errors[1])
    return {
        "continuous_over_static": interval(ratios),
        "sim_throughput_error": interval(throughput_errors),
        "sim_p99_error": interval(p99_errors),
    }


def _capacity_rps(service: LLMService, count: int) -> float:
    """Answers a second where there is always somebody waiting."""
    return in_turn(service, TINY, chat(count, *SHORTER), 2 * BATCH).load.rate_rps


def _run(service: LLMService, rate_rps: float, count: int) -> Served:
    return when_due(service, TINY, visits(count, rate_rps), chat(count, *SHORTER))


def _p99_s(served: Served) -> float:
    return served.load.latency_percentile_s(99).median


def _ratio(
    services: Mapping[str, LLMService], capacity_rps: Mapping[str, float], count: int
) -> float:
    static = _run(services["static"], SHARE * capacity_rps["static"], count)
    limit_s, best = _p99_s(static), 0.0
    say(f"static: {static.tokens_per_s:.0f} tokens a second at a P99 of {limit_s:.2f} s")
    for share in RATES:
        served = _run(services["continuous"], share * capacity_rps["continuous"], count)
        p99_s = _p99_s(served)
        say(f"continuous: {served.tokens_per_s:.0f} tokens a second at a P99 of {p99_s:.2f} s")
        if p99_s > limit_s:
            break
        best = served.tokens_per_s
    return best / static.tokens_per_s


def _errors(service: LLMService, capacity_rps: float, count: int) -> tuple[float, float]:
    """Of throughput and of P99: the largest over the loads."""
    lengths = chat(count, *SHORTER)
    throughput, p99 = [], []
    for share in LOADS:
        arrivals = visits(count, share * capacity_rps)
        with paced(service) as pace:
            live = when_due(service, TINY, arrivals, lengths)
        step_s = pace().mean_s()
        alone_s = step_s[min(step_s)]  # what reading a newcomer's prompt took is in the steps
        engine = Engine.measured(step_s, {1: alone_s, CHUNK: alone_s}, BATCH, chunk_tokens=CHUNK)
        told = continuous(
            Requests.of(arrivals.due_s, lengths.prompt_tokens, lengths.new_tokens),
            replace(engine, slowness=pace().slowness()),
        )
        p99_s = percentile(told.latency_s, 99).median
        throughput.append(abs(told.tokens_per_s / live.tokens_per_s - 1))
        p99.append(abs(p99_s / _p99_s(live) - 1))
        say(
            f"at {share:.0%} of the capacity: {live.tokens_per_s:.0f} tokens a second, "
            f"{told.tokens_per_s:.0f} simulated; P99 {_p99_s(live):.2f} s, {p99_s:.2f} s simulated"
        )
    return max(throughput), max(p99)
