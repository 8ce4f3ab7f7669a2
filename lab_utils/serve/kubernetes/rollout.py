"""The manifests of one step of a rollout, made from its plan: Istio, KServe, Seldon Core.

    release = Release("fraud", "inference-lab", old="s3://models/fraud/1", new="s3://models/fraud/2")
    manifests("istio", release, 5)        # documents; yaml.safe_dump_all prints them
    faults("istio", release, 5, documents)  # what a check has against them; none where they hold

Three ways to say one sentence, "so many per cent to the new one". They differ in what can be said:

| | who splits | a shadow | back to 0 |
|---|---|---|---|
| Istio | the proxies, between subsets of pods | `mirror`, any percentage | weight 0 |
| Seldon Core 2 | its own Envoy, between models | `mirror`, a whole percentage | weight 0 |
| KServe | Knative, between the last two revisions | none | `canaryTrafficPercent: 0` |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.resilience.rollout import Plan
from lab_utils.serve.kubernetes.manifests import Document
from lab_utils.serve.kubernetes.schema_check import mistakes
from lab_utils.serve.kubernetes.traffic import misrouted, weight_of_new

PORT = 8000
OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Release:
    """name: of the service. old, new: where the two versions' files are, as a storage URI."""

    name: str
    namespace: str
    old: str
    new: str


EXAMPLE = Release("fraud", "inference-lab", old="s3://models/fraud/1", new="s3://models/fraud/2")
"""For reading."""


def manifests(system: str, release: Release, percent: int, *, shadow: bool = False) -> list[Any]:
    """The documents that give the new version so many per cent; shadow: or a copy of everything.

    Raises LabError for another system than istio, kserve and seldon, for a percentage that is none,
    and for a shadow where the system has none or where the new version answers, too.
    """
    if system not in SYSTEMS:
        raise LabError(f"The system is {system!r}; expected one of {', '.join(SYSTEMS)}.")
    if not 0 <= percent <= 100:
        raise LabError(f"The weight is {percent} %; expected 0 to 100.")
    if shadow and percent:
        raise LabError(f"A shadow answers nobody; expected 0 % for it, not {percent}.")
    return SYSTEMS[system](release, percent, shadow)


def faults(system: str, release: Release, percent: int, documents: Sequence[Any]) -> list[str]:
    """The faults of documents for this step, a sentence each: fields, weights, names."""
    path = Path(f"{release.name}-{system}-{percent}.yaml")
    read = [Document(path, content) for content in documents]
    found = [mistake for document in read for mistake in mistakes(document)]
    if found:
        return found
    found = list(misrouted(read))
    given = [w for w in (weight_of_new(document, NEW) for document in read) if w is not None]
    if given != [percent]:
        found.append(f"{path.name}: the new version gets {given} %; the step says {percent}.")
    return found


def steps(plan: Plan) -> tuple[int, ...]:
    """All weights that a plan may set, from nothing to everything."""
    return (0, *plan.steps, 100)


def _istio(release: Release, percent: int, shadow: bool) -> list[Any]:
    host = f"{release.name}.{release.namespace}.svc.cluster.local"

    def to(subset: str) -> dict[str, Any]:
        return {"host": host, "subset": subset, "port": {"number": PORT}}

    route: dict[str, Any] = {
        "route": [
            {"destination": to(OLD), "weight": 100 - percent},
            {"destination": to(NEW), "weight": percent},
        ]
    }
    if shadow:
        route |= {"mirror": to(NEW), "mirrorPercentage": {"value": 100.0}}
    return [
        _object(
            release,
            "networking.istio.io/v1",
            "DestinationRule",
            {
                "host": host,
                "subsets": [{"name": name, "labels": {"version": name}} for name in (OLD, NEW)],
            },
        ),
        _object(
            release, "networking.istio.io/v1", "VirtualService", {"hosts": [host], "http": [route]}
        ),
    ]


def _kserve(release: Release, percent: int, shadow: bool) -> list[Any]:
    if shadow:
        raise LabError(
            "KServe's InferenceService has no shadow; expected istio or seldon for that step."
        )
    model = {
        "modelFormat": {"name": "onnx"},
        "protocolVersion": "v2",
        "storageUri": release.new,
    }
    made = _object(
        release,
        "serving.kserve.io/v1beta1",
        "InferenceService",
        {"predictor": {"canaryTrafficPercent": percent, "model": model}},
    )
    # In the mode Standard there are no revisions, and the percentage is ignored without a word.
    made["metadata"]["annotations"] = {"serving.kserve.io/deploymentMode": "Knative"}
    return [made]


def _seldon(release: Release, percent: int, shadow: bool) -> list[Any]:
    names = {OLD: f"{release.name}-{OLD}", NEW: f"{release.name}-{NEW}"}
    models = [
        _object(
            release,
            "mlops.seldon.io/v1alpha1",
            "Model",
            {"storageUri": uri, "requirements": ["onnx"], "replicas": 1},
            names[version],
        )
        for version, uri in ((OLD, release.old), (NEW, release.new))
    ]
    spec: dict[str, Any] = {
        "default": names[OLD],
        "candidates": [
            {"name": names[OLD], "weight": 100 - percent},
            {"name": names[NEW], "weight": percent},
        ],
    }
    if shadow:
        spec["candidates"] = spec["candidates"][:1]
        spec["mirror"] = {"name": names[NEW], "percent": 100}
    return [*models, _object(release, "mlops.seldon.io/v1alpha1", "Experiment", spec)]


def _object(
    release: Release, version: str, kind: str, spec: dict[str, Any], name: str = ""
) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name or release.name, "namespace": release.namespace},
        "spec": spec,
    }


SYSTEMS: dict[str, Callable[[Release, int, bool], list[Any]]] = {
    "istio": _istio,
    "kserve": _kserve,
    "seldon": _seldon,
}
