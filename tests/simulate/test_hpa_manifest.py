import copy
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.simulate.hpa_manifest import of_manifest, quantity


def external(name: str, **target: Any) -> dict[str, Any]:
    return {"type": "External", "external": {"metric": {"name": name}, "target": target}}


QUEUE = external("queue", type="AverageValue", averageValue="5")
MANIFEST: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "spec": {"minReplicas": 2, "maxReplicas": 20, "metrics": [QUEUE]},
}


def manifest(**spec: Any) -> dict[str, Any]:
    changed = copy.deepcopy(MANIFEST)
    changed["spec"] |= spec
    return changed


def test_what_is_not_said_is_kubernetes_default() -> None:
    hpa = of_manifest(MANIFEST)
    assert hpa.decide(0, 4, {"queue": 60}).replicas == 8  # 12 desired; at most doubled
    assert hpa.decide(15, 8, {"queue": 60}).replicas == 12
    assert hpa.decide(30, 12, {"queue": 0}).because == "the stabilisation window"
    assert hpa.decide(400, 12, {"queue": 0}).replicas == 2


def test_behaviour_and_tolerance_are_read() -> None:
    hpa = of_manifest(
        manifest(
            behavior={
                "scaleUp": {
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                    "tolerance": "0",
                },
                "scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"},
            }
        )
    )
    assert hpa.decide(0, 4, {"queue": 100}).replicas == 5
    assert hpa.decide(15, 5, {"queue": 100}).because == "the policies for more replicas"
    assert hpa.decide(90, 5, {"queue": 26}).replicas == 6  # no tolerance upwards
    assert hpa.decide(200, 6, {"queue": 0}).replicas == 6  # never fewer


def test_the_metric_that_asks_for_most_counts() -> None:
    busy = external("busy", type="AverageValue", averageValue="500m")
    hpa = of_manifest(manifest(metrics=[QUEUE, busy]))
    assert hpa.decide(0, 4, {"queue": 0, "busy": 3}).replicas == 6
    assert hpa.decide(15, 6, {"queue": 40, "busy": 3}).replicas == 8


def test_a_missing_metric_keeps_the_replicas_from_becoming_fewer() -> None:
    hpa = of_manifest(manifest(metrics=[QUEUE, external("busy", type="Value", value="1")]))
    assert hpa.decide(0, 6, {"queue": 0}).replicas == 6
    assert hpa.decide(15, 6, {"queue": 40, "busy": None}).replicas == 8


def test_other_manifests_are_refused() -> None:
    with pytest.raises(LabError, match="is a Deployment of apps/v1"):
        of_manifest({"apiVersion": "apps/v1", "kind": "Deployment"})
    with pytest.raises(LabError, match="of type Resource with a target of type None"):
        of_manifest(manifest(metrics=[{"type": "Resource"}]))
    with pytest.raises(LabError, match="names no metric"):
        of_manifest(manifest(metrics=[]))
    with pytest.raises(LabError, match="quantity is 'many'"):
        quantity("many")
