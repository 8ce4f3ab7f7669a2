"""A new version of the gateway brought out beside the old one, behind a real Envoy.

    with front(old, new) as envoy:
        shadowed = shadow(envoy, old, new, plan, send)     # copies of payments; nobody is answered
        rollout = ship(envoy, old, new, plan, send)        # 1, 5, 25, 100 %, or back to 0
        rollout.outcome, rollout.reason

What is judged is what each gateway has counted itself, as Prometheus would read it (`counted`). The
rule is `resilience.rollout`; this moves the weights, and leaves them where the rule ends.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from lab_utils.components import environments
from lab_utils.components.envoy import Cluster, Envoy, Route
from lab_utils.errors import LabError
from lab_utils.resilience.rollout import Counts, Plan, Rollout
from lab_utils.serve.fraud.metrics import SECONDS
from lab_utils.serve.fraud.service import FraudService

ROUTE, OLD, NEW = "score", "old", "new"
LOOKS = 2000

Send = Callable[[], object]
"""Sends the payments of one look through the front, and returns when they are answered."""


def front(
    old: FraudService,
    new: FraudService,
    *,
    waiting: environments.Waiting = environments.silently,
) -> Envoy:
    """An Envoy, ready to be started: all traffic to the old version, and nothing is copied yet."""
    clusters = {OLD: Cluster([[old.url]]), NEW: Cluster([[new.url]])}
    return Envoy(clusters, {ROUTE: Route({OLD: 100, NEW: 0}, mirror=NEW)}, waiting=waiting)


def counted(service: FraudService, limit_s: float) -> Counts:
    """What a gateway has counted since its start.

    Bad: from a fallback, later than `limit_s`, or refused since it could not be recorded; what was
    refused for its own content counts as nothing. Flagged: not simply approved. Raises LabError for
    a limit that is no end of a bucket, and where the gateway does not answer.
    """
    if limit_s not in SECONDS:
        raise LabError(
            f"The limit is {limit_s:g} s; the gateway counts up to {', '.join(map(str, SECONDS))}."
        )
    try:
        page = httpx.get(f"{service.url}/metrics", trust_env=False, timeout=10).text
    except httpx.HTTPError as error:
        raise LabError(f"The gateway's metrics cannot be read: {error}.") from None
    answers = unrecorded = degraded = flagged = in_time = 0.0
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == "fraud_answers_total":
                answers += sample.value
                degraded += sample.value * (sample.labels["degraded"] == "true")
                flagged += sample.value * (sample.labels["decision"] != "approve")
            elif sample.name == "fraud_refused_total":
                unrecorded += sample.value * (sample.labels["reason"] == "unrecorded")
            elif sample.name == "fraud_answer_seconds_bucket":
                in_time += sample.value * (float(sample.labels["le"]) == limit_s)
    late = answers - in_time
    # An answer that was both is counted twice: a little harder than it should be, never easier.
    bad = min(degraded + late, answers) + unrecorded
    return Counts(int(answers + unrecorded), int(bad), int(flagged))


def shadow(envoy: Envoy, old: FraudService, new: FraudService, plan: Plan, send: Send) -> Rollout:
    """Judge the new version on copies of the payments; its answers are thrown away.

    Afterwards nothing is copied any more.
    """
    envoy.weights(ROUTE, {OLD: 100, NEW: 0})
    envoy.mirrored(ROUTE, 1.0)
    try:
        return _followed(envoy, old, new, plan.shadow(), send)
    finally:
        envoy.mirrored(ROUTE, 0.0)


def ship(envoy: Envoy, old: FraudService, new: FraudService, plan: Plan, send: Send) -> Rollout:
    """Give the new version its share by the plan, up to 100 % or back to 0.

    Also where something goes wrong meanwhile, the old version is left with all traffic.
    """
    envoy.mirrored(ROUTE, 0.0)
    try:
        rollout = _followed(envoy, old, new, plan, send)
    except BaseException:
        _give(envoy, 0)
        raise
    _give(envoy, rollout.weight)
    return rollout


def _followed(
    envoy: Envoy, old: FraudService, new: FraudService, plan: Plan, send: Send
) -> Rollout:
    rollout, limit_s = Rollout(plan), plan.slo.limit_s
    before = counted(old, limit_s), counted(new, limit_s)
    for _ in range(LOOKS):
        _give(envoy, rollout.weight)
        send()
        now = counted(old, limit_s), counted(new, limit_s)
        rollout.observe(now[0] - before[0], now[1] - before[1])
        before = now
        if rollout.outcome:
            return rollout
    raise LabError(
        f"After {LOOKS} looks there is no verdict on the new version; send more payments for each."
    )


def _give(envoy: Envoy, percent: int) -> None:
    envoy.weights(ROUTE, {OLD: 100 - percent, NEW: percent})
