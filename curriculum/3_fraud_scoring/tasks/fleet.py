"""Task 5: how many of each, and how patient the clients are, for 100,000 payments a second.

Simulated, event by event: three regions, of which one is lost, and GPUs that are slow for a while in
another. Which ones, and when, is drawn; the rest follows from the plan.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from lab_utils.cost.prices import catalogue
from lab_utils.grade.decision import Curve
from lab_utils.grade.spec import DesignTask, Trial
from lab_utils.grade.verdict import Figure
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.models.fraud.tiers import caught
from lab_utils.simulate.capacity import RECORDED, read_rounds
from lab_utils.simulate.regions.engine import Run, simulate
from lab_utils.simulate.regions.model import Change, Clients, Fleet, Loss, Tier

TPS, REGIONS, LASTS_S = 100_000, 3, 3.0
PROMISE_S = 0.05
GPU_MACHINE, CPU_MACHINE = "g2-standard-4", "c4-standard-2"
BATCH, GPU_S, GPU_GROWTH = 32, 0.002, 2.0
"""A GPU takes so long for one payment, and so many times as long for a batch of 32."""
GPU_BUDGET_S, CPU_BUDGET_S = 0.012, 0.008
RULES_S, RULES_AT_ONCE = 0.0001, 1_000
"""In the gateways themselves, which there are enough of."""
SLOWER, SLOW_S = 8.0, 0.4
FAILOVER_S = 0.01
BACKOFF_S = 0.001
AVAILABLE = Curve(none_at=2.0, full_at=3.9)
"""Nines: −log₁₀ of the share of payments without an answer in time. Nearly four are asked."""
PERCENTILE, LATENCY_S, LATENCY_NONE_S = 95, 0.008, 0.012
"""Of the latency, for all points and for none. In one region, for a while, a GPU is of no use: who
waits for one there gets there too late to be quick. Where the queue is bounded those are one payment
in a hundred, else one in ten, since its dead entries outlast the trouble."""
CAUGHT = Curve(none_at=0.9, full_at=0.98)
"""Of the frauds that the large model would have caught."""
COST = Curve(none_at=0.5, full_at=1 / 1.4)
"""What a fleet must cost that carries this load and no more, over what the plan costs."""
LONG_QUEUE = 1_000
"""Payments that the GPUs of any sensible plan cannot do within the budget."""
MODELS = ("large", "small", "rules at hand")
FORM: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "gpus": {"type": "integer", "minimum": 1, "maximum": 60},
        "cpu_machines": {"type": "integer", "minimum": 1, "maximum": 200},
        "queue_most": {"type": ["integer", "null"], "minimum": 1, "maximum": 1_000_000},
        "timeout_ms": {"type": "number", "minimum": 5, "maximum": 50},
        "attempts": {"type": "integer", "minimum": 1, "maximum": 4},
        "retry_share": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    },
    "required": [
        "gpus",
        "cpu_machines",
        "queue_most",
        "timeout_ms",
        "attempts",
        "retry_share",
    ],
    "additionalProperties": False,
}


def fleet(plan: Mapping[str, Any]) -> Fleet:
    """The plan's fleet: the chain of a region, three times, and its clients."""
    growth = np.linspace(1, GPU_GROWTH, BATCH)
    gpu = Tier(
        "gpu",
        plan["gpus"],
        GPU_S,
        deadline_s=GPU_BUDGET_S,
        queue_most=plan["queue_most"],
        batch_most=BATCH,
        growth=growth,
    )
    cores = catalogue().offer(CPU_MACHINE).cores * plan["cpu_machines"]
    return Fleet(
        (
            gpu,
            Tier("cpu", cores, _cpu_times_s(), deadline_s=CPU_BUDGET_S, queue_most=2 * cores),
            Tier("rules", RULES_AT_ONCE, RULES_S),
        ),
        REGIONS,
        Clients(
            plan["timeout_ms"] / 1e3,
            plan["attempts"],
            BACKOFF_S,
            plan["retry_share"],
        ),
        failover_s=FAILOVER_S,
    )


@cache
def _cpu_times_s() -> np.ndarray:
    """One core's, as they were recorded; see the file's head."""
    return np.concatenate(read_rounds(RECORDED))


def faults(seed: int) -> list[Change | Loss]:
    """GPUs that are slow in one region for a while, then another region that is lost."""
    random = np.random.default_rng(seed)
    slow, lost = (int(region) for region in random.choice(REGIONS, 2, replace=False))
    slow_s, lost_s = float(random.uniform(0.5, 0.8)), float(random.uniform(1.5, 1.8))
    return [
        Change(slow_s, 0, slow, slower=SLOWER),
        Change(slow_s + SLOW_S, 0, slow),
        Loss(lost_s, lost),
    ]


def ran(plan: Mapping[str, Any], seed: int) -> Run:
    """Three seconds of the plan."""
    due_s = poisson(TPS, LASTS_S, seed).due_s
    return simulate(due_s, fleet(plan), changes=faults(seed), seed=seed)


def dollars_per_h(gpus: float, cpu_machines: float) -> float:
    """What all regions cost, by list price."""
    offers = catalogue()
    return REGIONS * (
        gpus * offers.offer(GPU_MACHINE).price() + cpu_machines * offers.offer(CPU_MACHINE).price()
    )


def least_dollars_per_h() -> float:
    """GPUs that are always busy, with full batches, when a region is lost, and processors that are
    when they carry a region alone: no fleet can do it with less."""
    gpu_rps = BATCH / (GPU_S * GPU_GROWTH)
    machine_rps = catalogue().offer(CPU_MACHINE).cores / float(_cpu_times_s().mean())
    return dollars_per_h(TPS / (REGIONS - 1) / gpu_rps, TPS / REGIONS / machine_rps)


def tried(plan: Mapping[str, Any], seed: int) -> Trial:
    """A quarter each for availability, latency, frauds and cost; nothing where hardly anything is
    available, or caught."""
    run = ran(plan, seed)
    late = 1 - run.within(PROMISE_S).median
    nines = float(-np.log10(max(late, 0.1 / run.arrived_s.size)))
    slow_s = LATENCY_NONE_S
    if run.answered.any():
        slow_s = float(np.percentile(run.latency_s, PERCENTILE))
    worth = np.array([caught()[name] for name in MODELS])
    timely = run.in_time(PROMISE_S)
    catching = float(worth[run.tier[timely]].sum() / run.arrived_s.size / worth[0])
    dollars = dollars_per_h(plan["gpus"], plan["cpu_machines"])
    cheap = least_dollars_per_h() / dollars
    quick = (LATENCY_NONE_S - slow_s) / (LATENCY_NONE_S - LATENCY_S)
    parts = [
        AVAILABLE.share(nines),
        float(np.clip(quick, 0, 1)),
        CAUGHT.share(catching),
        COST.share(cheap),
    ]
    figures = {
        "without an answer in time": Figure(interval([100 * late]), "%"),
        f"p{PERCENTILE}": Figure(interval([1e3 * slow_s]), "ms"),
        "frauds, of the large model's": Figure(interval([100 * catching]), "%"),
        "cost": Figure(interval([dollars]), "dollars/h"),
        "attempts for a payment": Figure(interval([run.sent]), ""),
    }
    said = [
        text
        for part, text in zip(
            parts,
            (
                _unavailable(plan, run, late),
                _slow(plan, slow_s),
                _uncaught(catching),
                _dear(dollars),
            ),
            strict=True,
        )
        if part < 1
    ]
    share = float(np.mean(parts)) if parts[0] and parts[2] else 0.0
    return Trial(share, " ".join(said), figures)


def _unavailable(plan: Mapping[str, Any], run: Run, late: float) -> str:
    said = f"{late:.3%} of the payments had no answer within {1e3 * PROMISE_S:g} ms."
    if run.sent > 1.2:
        return (
            f"{said} {run.sent:.1f} attempts were sent for each: clients that give up before the chain "
            "has had its time ask for the same again, until nothing else is done. Wait longer than "
            "the budgets together, and give retries a share of the requests."
        )
    if plan["attempts"] == 1:
        return f"{said} What was on its way in the region that was lost needs a second attempt."
    return f"{said} Leave the second attempt as much time as the first, within the promise."


def _slow(plan: Mapping[str, Any], slow_s: float) -> str:
    said = f"The p{PERCENTILE} is {1e3 * slow_s:.1f} ms; {1e3 * LATENCY_S:g} is asked."
    if plan["queue_most"] is None or plan["queue_most"] > LONG_QUEUE:
        return (
            f"{said} The GPUs were busy with payments that nobody waited for any more: bound their "
            "queue to what they can do within the budget."
        )
    return f"{said} Too many waited for GPUs that are too few: count what the worst moment needs."


def _uncaught(catching: float) -> str:
    return (
        f"{catching:.1%} of the frauds that the large model catches were caught; "
        f"{CAUGHT.full_at:.0%} is asked. With a region lost the others carry half as much again, and "
        "with slow GPUs the processors carry all: what do they fall back on?"
    )


def _dear(dollars: float) -> str:
    return (
        f"The fleet costs {dollars:.2f} dollars an hour; {least_dollars_per_h() / COST.full_at:.2f} are "
        "asked. Count what the worst moment needs, and pay for no more."
    )


FLEET = DesignTask(
    name="fleet",
    title="100,000 a second",
    points=3,
    function="fleet",
    form=FORM,
    trial=tried,
)
