"""Task 4: replicas that follow the load, tried on a simulated morning."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lab_utils.grade.spec import DesignTask, Trial, Wrong
from lab_utils.grade.verdict import Figure
from lab_utils.measure.interval import interval, share
from lab_utils.measure.load.arrivals import Arrivals, of_times, poisson
from lab_utils.simulate.hpa import SCALE_DOWN, Autoscaler, Rules, average_value, pods
from lab_utils.simulate.scaling import Signal, in_flight, queue_depth, scaled, utilisation
from lab_utils.simulate.station import Served

PLACES, ANSWER_S = 8, 4.0
"""Of a replica: so many answers at a time, each of which takes so long."""
CAPACITY_RPS = PLACES / ANSWER_S
START_S = 45.0
"""From the autoscaler's wish until a replica answers: a machine, an image, the weights of a 7B."""
PROMISE_S = 6.0
LATE_MOST, NO_POINTS_LATE = 0.05, 0.2
PAID_MOST, NO_POINTS_PAID = 2.5, 3.3
"""Of the replica-hours that are at work. In sixty mornings the solution had 2.5 % late at most and
paid 2.0 to 2.3 times; six replicas all day pay 2.9 times."""
TIMES_S = np.array([0, 600, 840, 1740, 1800, 3000])
LOADS = np.array([0.5, 0.5, 5.0, 5.0, 0.5, 0.5])
"""Of the morning: how many replicas' work comes at each of these times."""
SIGNALS: Mapping[str, Signal] = {
    "cpu": utilisation(1.0),
    "queue": queue_depth,
    "in_flight": in_flight,
}


def arrivals(seed: int) -> Arrivals:
    """The morning's requests: users who do not know of each other."""
    pattern = of_times(poisson(1.0, 5000, seed).due_s)
    return pattern.following(TIMES_S, CAPACITY_RPS * LOADS)


def morning(plan: Mapping[str, Any], seed: int) -> Served:
    """The morning under this plan."""
    of_a_share = plan["metric"] == "cpu"
    autoscaler = Autoscaler(
        plan["minReplicas"],
        plan["maxReplicas"],
        pods(plan["target"] / 100) if of_a_share else average_value(plan["target"]),
        down=Rules(SCALE_DOWN.policies, plan["scaleDownWindowSeconds"]),
    )
    return scaled(
        arrivals(seed).due_s,
        service_s=ANSWER_S,
        slots=PLACES,
        start_s=START_S,
        autoscaler=autoscaler,
        seen=SIGNALS[plan["metric"]],
    )


def tried(plan: Mapping[str, Any], seed: int) -> Trial:
    """Half for the users, half for the bill; nothing for what fails either by far."""
    if plan["minReplicas"] > plan["maxReplicas"]:
        raise Wrong("minReplicas is more than maxReplicas. Swap them.")
    if plan["metric"] == "cpu" and plan["target"] > 100:
        raise Wrong(f"The target is {plan['target']:g} % of a processor; give at most 100.")
    run = morning(plan, seed)
    late = share(int((run.sojourn_s > PROMISE_S).sum()), run.sojourn_s.size)
    paid = run.replica_s / (run.arrived_s.size / CAPACITY_RPS)
    figures = {
        "answers that came late": Figure(late.scaled(100), "%"),
        "replica-hours, of those that were at work": Figure(interval([paid]), "times"),
        "replicas at most": Figure(interval([max(n for _, n in run.replicas)]), ""),
    }
    said = _late(late.median) + _dear(paid)
    if not said:
        return Trial(1, figures=figures)
    by_far = late.median > NO_POINTS_LATE or paid > NO_POINTS_PAID
    share_of_points = 0.0 if by_far or len(said) == 2 else 0.5
    return Trial(share_of_points, " ".join([*said, _why(plan)]), figures)


def _late(late: float) -> list[str]:
    if late <= LATE_MOST:
        return []
    return [f"{late:.1%} of the answers came later than {PROMISE_S:g} s; {LATE_MOST:.0%} may."]


def _dear(paid: float) -> list[str]:
    if paid <= PAID_MOST:
        return []
    return [
        f"{paid:.2f} times the replica-hours were paid that were at work; {PAID_MOST:g} times may be."
    ]


def _why(plan: Mapping[str, Any]) -> str:
    """The likely reason, for this plan, and what to do."""
    if plan["metric"] == "cpu":
        return (
            "A replica is busy with a single request, so its processor does not say how much is "
            "missing: take a figure that counts requests."
        )
    if plan["metric"] == "queue":
        return (
            "An empty queue does not say how many replicas are too many, and a long one comes late: "
            "count those that are computed, too."
        )
    if plan["minReplicas"] > 3:
        return "Begin with fewer replicas, and let the rest come when they are needed."
    return (
        f"Each replica has {PLACES} places: aim at so many in flight that some are free while the "
        "next one starts, allow enough replicas, and wait before one is let go."
    )


AUTOSCALER = DesignTask(
    name="autoscaler",
    title="Follow the load",
    points=3,
    function="autoscaler",
    form={
        "type": "object",
        "properties": {
            "minReplicas": {"type": "integer", "minimum": 1, "maximum": 20},
            "maxReplicas": {"type": "integer", "minimum": 1, "maximum": 20},
            "metric": {"enum": list(SIGNALS)},
            "target": {"type": "number", "minimum": 0.1, "maximum": 1000},
            "scaleDownWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
        },
        "required": ["minReplicas", "maxReplicas", "metric", "target", "scaleDownWindowSeconds"],
        "additionalProperties": False,
    },
    trial=tried,
)
