"""Kubernetes' HorizontalPodAutoscaler: the rule that its controller applies every 15 seconds.

    hpa = Autoscaler(least=1, most=10, metric=average_value(target=5))
    hpa.decide(now_s=0, replicas=2, seen=30)        # Decision(replicas=6, …)

Three things happen to a metric on its way to a number of replicas. The *ratio* to the target gives
a desired number, unless it lies within the tolerance. *Stabilisation* takes the safest of the
numbers desired lately: the least within the window for more replicas, the greatest for fewer.
*Policies* limit how fast the number may change. Source: Kubernetes documentation, Horizontal Pod
Autoscaling, "Algorithm details" and "Configurable scaling behavior"; KEP-853; KEP-4951.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lab_utils.calculation import Calculation, positive
from lab_utils.errors import LabError

TOLERANCE = 0.1
SYNC_S = 15.0
"""How often the controller looks, unless it is told otherwise."""


# ---- from a metric to a desired number of replicas -----------------------------------------------


@dataclass(frozen=True)
class Tolerance:
    """By how much the ratio may be above or below 1 without a change."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def holds(self, ratio: float) -> bool:
        """Whether a ratio of metric to target changes nothing."""
        return 1 - self.down <= ratio <= 1 + self.up


Metric = Callable[[int, Any, Tolerance], int]
"""(replicas, what was seen, tolerance) → desired replicas."""


def average_value(target: float) -> Metric:
    """A total that the replicas share, such as a queue's length: `target` for each of them.

    What is seen is the total. (`AverageValue` of an external or object metric.)
    """
    positive(target=target)

    def desired(replicas: int, total: float, tolerance: Tolerance) -> int:
        if replicas and tolerance.holds(total / (target * replicas)):
            return replicas
        return math.ceil(total / target)

    return desired


def value(target: float) -> Metric:
    """A figure that more replicas bring down, such as a latency.

    What is seen is the figure, with all replicas ready. (`Value` of an external or object metric.)
    """
    positive(target=target)

    def desired(replicas: int, seen: float, tolerance: Tolerance) -> int:
        ratio = seen / target
        return _by_ratio(replicas, replicas, ratio, tolerance) if replicas else math.ceil(ratio)

    return desired


@dataclass(frozen=True)
class Pod:
    """What is known of one replica: its figure, None where it is missing; whether it is ready."""

    figure: float | None
    ready: bool = True


def pods(target: float) -> Metric:
    """A figure of each replica, whose mean is to be `target`: utilisation, requests in flight.

    What is seen is a `Pod` each. Pods that are not ready are left aside, and so are those whose
    figure is missing; if that says to change, they are put back in with the figure that makes the
    change smaller: at the target before fewer replicas, at 0 before more. Where this would turn the
    direction round, nothing changes. Raises LabError where no ready pod has a figure.
    """
    positive(target=target)

    def desired(replicas: int, seen: Sequence[Pod], tolerance: Tolerance) -> int:
        known = [pod.figure for pod in seen if pod.ready and pod.figure is not None]
        if not known:
            raise LabError("No ready pod has a figure; expected at least one.")
        missing = sum(pod.figure is None for pod in seen if pod.ready)
        unready = sum(not pod.ready for pod in seen)
        ratio = sum(known) / len(known) / target
        if not missing and not (unready and ratio > 1):
            return _by_ratio(replicas, len(known), ratio, tolerance)
        known += [target if ratio < 1 else 0.0] * missing
        known += [0.0] * (unready if ratio > 1 else 0)
        careful = sum(known) / len(known) / target
        found = _by_ratio(replicas, len(known), careful, tolerance)
        turned = (ratio - 1) * (careful - 1) < 0 or (careful - 1) * (found - replicas) < 0
        return replicas if turned else found

    return desired


def _by_ratio(replicas: int, counted: int, ratio: float, tolerance: Tolerance) -> int:
    """counted: the replicas that the ratio is about."""
    return replicas if tolerance.holds(ratio) else math.ceil(ratio * counted)


# ---- how fast it may change ----------------------------------------------------------------------


@dataclass(frozen=True)
class Policy:
    """A limit of change: so many pods, or per cent of the replicas, within `period_s` seconds."""

    kind: Literal["Pods", "Percent"]
    value: float
    period_s: float

    def __post_init__(self) -> None:
        if self.value <= 0 or not 0 < self.period_s <= 1800:
            raise LabError(
                f"A policy allows {self.value:g} in {self.period_s:g} s; expected a value above 0 "
                "and a period of up to 1800 s."
            )


@dataclass(frozen=True)
class Rules:
    """One direction of `spec.behavior`. select: of several policies, the one that counts."""

    policies: tuple[Policy, ...]
    window_s: float
    select: Literal["Max", "Min", "Disabled"] = "Max"


SCALE_UP = Rules((Policy("Percent", 100, 15), Policy("Pods", 4, 15)), window_s=0)
SCALE_DOWN = Rules((Policy("Percent", 100, 15),), window_s=300)
"""Kubernetes' defaults."""


@dataclass(frozen=True)
class Decision:
    """replicas: from now on. desired: what the metric alone asked for. because: what decided."""

    replicas: int
    desired: int
    because: str


@dataclass
class Autoscaler:
    """The controller's memory of one target, and its rule.

    least, most: `minReplicas` and `maxReplicas`.
    """

    least: int
    most: int
    metric: Metric
    up: Rules = SCALE_UP
    down: Rules = SCALE_DOWN
    tolerance: Tolerance = field(default_factory=Tolerance)
    _desired: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise LabError(
                f"The replicas are {self.least} to {self.most}; expected at least 1, and not fewer "
                "at most than at least."
            )

    def decide(self, now_s: float, replicas: int, seen: Any) -> Decision:
        """What the controller does at this moment.

        now_s: seconds, growing from call to call. replicas: how many there are now. seen: what the
        metric takes; None where it could not be had, and then nothing changes.
        """
        if replicas == 0:
            return Decision(0, 0, "autoscaling is off while there are 0 replicas")
        if not self.least <= replicas <= self.most:
            bounded = min(max(replicas, self.least), self.most)
            self._note(now_s, bounded - replicas)
            return Decision(bounded, bounded, "the limits of the specification")
        if seen is None:
            return Decision(replicas, replicas, "no metric")
        desired = self.metric(replicas, seen, self.tolerance)
        stable = self._stabilised(now_s, replicas, desired)
        allowed, because = self._limited(now_s, replicas, stable)
        self._note(now_s, allowed - replicas)
        if because is None:
            because = "the metric" if stable == desired else "the stabilisation window"
        return Decision(allowed, desired, because)

    def _stabilised(self, now_s: float, replicas: int, desired: int) -> int:
        def lately(window_s: float) -> list[int]:
            return [desired] + [n for at_s, n in self._desired if at_s > now_s - window_s]

        up, down = min(lately(self.up.window_s)), max(lately(self.down.window_s))
        longest_s = max(self.up.window_s, self.down.window_s)
        self._desired = [one for one in self._desired if one[0] > now_s - longest_s]
        self._desired.append((now_s, desired))
        return min(max(replicas, up), down)

    def _limited(self, now_s: float, replicas: int, wanted: int) -> tuple[int, str | None]:
        if wanted > replicas:
            fastest = max(self._limit(now_s, replicas, self.up, 1), replicas)
            reasons = {self.most: "maxReplicas", fastest: "the policies for more replicas"}
            limit = min(self.most, fastest)
            return (limit, reasons[limit]) if wanted > limit else (wanted, None)
        if wanted < replicas:
            fastest = min(self._limit(now_s, replicas, self.down, -1), replicas)
            reasons = {self.least: "minReplicas", fastest: "the policies for fewer replicas"}
            limit = max(self.least, fastest)
            return (limit, reasons[limit]) if wanted < limit else (wanted, None)
        return wanted, None

    def _limit(self, now_s: float, replicas: int, rules: Rules, sign: int) -> int:
        """The number of replicas that the policies of a direction (1 or −1) allow at most."""
        if rules.select == "Disabled":
            return replicas
        limits = []
        for policy in rules.policies:
            since = [change for at_s, change in self._changes if at_s > now_s - policy.period_s]
            begun_with = replicas - sum(since)
            if policy.kind == "Pods":
                limits.append(begun_with + sign * int(policy.value))
            else:
                # In the controller's own order of operations: its rounding errors are kept.
                percent = begun_with * (1 + sign * policy.value / 100)
                limits.append(math.ceil(percent) if sign > 0 else int(percent))
        least_change = rules.select == "Min"
        return min(limits) if least_change == (sign > 0) else max(limits)

    def _note(self, now_s: float, change: int) -> None:
        periods_s = [policy.period_s for rules in (self.up, self.down) for policy in rules.policies]
        longest_s = max(periods_s, default=0)
        self._changes = [one for one in self._changes if one[0] > now_s - longest_s]
        if change:
            self._changes.append((now_s, change))


def desired_replicas(replicas: float, value: float, target: float) -> float:
    """The number of replicas that the ratio of a metric to its target asks for.

    >>> desired_replicas(replicas=50, value=90, target=75)
    60.0
    """
    positive(replicas=replicas, target=target)
    if not value >= 0:
        raise LabError(f"value is {value:g}; expected 0 or more.")
    ratio = value / target
    return replicas if Tolerance().holds(ratio) else float(math.ceil(ratio * replicas))


HPA = Calculation(
    name="hpa",
    formula="desired = ⌈replicas × value / target⌉; unchanged from 0.9 to 1.1 of the target",
    inputs={
        "replicas": "how many there are now",
        "value": "the metric, the mean of all replicas",
        "target": "what it should be",
    },
    result="replicas, before stabilisation and policies",
    source="Kubernetes documentation, Horizontal Pod Autoscaling, Algorithm details",
    compute=desired_replicas,
)
