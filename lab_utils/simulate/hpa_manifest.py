"""A HorizontalPodAutoscaler's manifest, as the autoscaler that it asks for.

    autoscaler = of_manifest(yaml.safe_load(text))
    autoscaler.decide(now_s=0, replicas=2, seen={"llm_queue_depth": 30})

So the file that is applied is the file that was simulated. What is seen is a mapping from the
metrics' names to what the metrics API gives; of several metrics the one that asks for most counts,
and one that is missing only keeps the replicas from becoming fewer (Kubernetes documentation,
Horizontal Pod Autoscaling, "Support for metrics APIs").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab_utils.errors import LabError
from lab_utils.simulate import hpa
from lab_utils.simulate.hpa import Autoscaler, Metric, Policy, Rules, Tolerance

SUFFIXES = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
TARGETS = {"AverageValue": hpa.average_value, "Value": hpa.value}


def of_manifest(manifest: Mapping[str, Any]) -> Autoscaler:
    """The autoscaler of an `autoscaling/v2` manifest whose metrics are external ones.

    Raises LabError for another kind, and for a metric of another type.
    """
    kind = (manifest.get("apiVersion"), manifest.get("kind"))
    if kind != ("autoscaling/v2", "HorizontalPodAutoscaler"):
        raise LabError(
            f"The manifest is a {kind[1]} of {kind[0]}; expected a HorizontalPodAutoscaler of "
            "autoscaling/v2."
        )
    spec = manifest["spec"]
    behavior = spec.get("behavior", {})
    up, down = behavior.get("scaleUp", {}), behavior.get("scaleDown", {})
    return Autoscaler(
        least=spec.get("minReplicas", 1),
        most=spec["maxReplicas"],
        metric=_largest(dict(_metric(metric) for metric in spec.get("metrics", []))),
        up=_rules(up, hpa.SCALE_UP),
        down=_rules(down, hpa.SCALE_DOWN),
        tolerance=Tolerance(
            *(quantity(rules.get("tolerance", hpa.TOLERANCE)) for rules in (up, down))
        ),
    )


def quantity(text: str | float) -> float:
    """A number as Kubernetes writes it.

    >>> quantity("500m"), quantity("2"), quantity(3)
    (0.5, 2.0, 3.0)
    """
    written = str(text)
    factor = SUFFIXES.get(written[-1:], 1.0)
    try:
        return float(written if factor == 1 else written[:-1]) * factor
    except ValueError:
        raise LabError(f"The quantity is {text!r}; expected one like 4, 500m or 2k.") from None


def _metric(metric: Mapping[str, Any]) -> tuple[str, Metric]:
    kind, external = metric.get("type"), metric.get("external", {})
    target = external.get("target", {})
    make = TARGETS.get(target.get("type"))
    if kind != "External" or make is None:
        raise LabError(
            f"A metric is of type {kind} with a target of type {target.get('type')}; expected "
            f"External with {' or '.join(TARGETS)}."
        )
    field = "averageValue" if target["type"] == "AverageValue" else "value"
    return external["metric"]["name"], make(quantity(target[field]))


def _largest(metrics: Mapping[str, Metric]) -> Metric:
    if not metrics:
        raise LabError("The manifest names no metric; expected at least one.")

    def desired(replicas: int, seen: Mapping[str, Any], tolerance: Tolerance) -> int:
        had = {name: seen[name] for name in metrics if seen.get(name) is not None}
        asked = [metrics[name](replicas, had[name], tolerance) for name in had]
        return max(asked) if len(had) == len(metrics) else max([replicas, *asked])

    return desired


def _rules(said: Mapping[str, Any], default: Rules) -> Rules:
    policies = tuple(
        Policy(one["type"], one["value"], one["periodSeconds"]) for one in said.get("policies", [])
    )
    return Rules(
        policies or default.policies,
        said.get("stabilizationWindowSeconds", default.window_s),
        said.get("selectPolicy", default.select),
    )
