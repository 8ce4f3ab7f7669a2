"""What no schema can see: whether the manifests agree with the service and with each other.

Each of these faults passes every schema, is applied without a word, and shows when the load comes:
an autoscaler whose metric nobody gives, a Service that selects no pod, a drain that is cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lab_utils.serve.kubernetes.manifests import Document
from lab_utils.serve.kubernetes.schema_check import adapter_rules
from lab_utils.serve.llm.messages import Settings
from lab_utils.serve.llm.metrics import Metrics

SERIES = re.compile(r"\bllm_\w+")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
HEALTH = "/health"
LONGEST_WINDOW_S, LONGEST_PERIOD_S = 3600, 1800
"""Kubernetes API reference, HPAScalingRules and HPAScalingPolicy."""
SUFFIXES = ("", "_total", "_sum", "_count", "_bucket")


def disagreements(documents: Sequence[Document]) -> Iterator[str]:
    """The faults of documents that are applied together, a sentence each."""
    deployments = {d.name: d for d in documents if d.kind == "Deployment"}
    for document in documents:
        found: Iterable[str] = ()
        if document.kind in ("Deployment", "InferenceService"):
            found = _pods(document)
        elif document.kind == "Service":
            found = _service(document, deployments.values())
        elif document.kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            found = _autoscaler(document, deployments)
        yield from (f"{document}: {fault}" for fault in found)
        yield from (f"{document}: {fault}" for fault in _series(document))
    yield from _metrics(documents)


def _pods(document: Document) -> Iterator[str]:
    spec = _pod_spec(document)
    for container in spec.get("containers", []):
        settings = _settings(container)
        if settings is None:
            continue
        if isinstance(settings, str):
            yield settings
            continue
        ports = {port.get("containerPort") for port in container.get("ports", [])}
        if settings.port not in ports:
            named = _list(ports)
            yield f"the service listens on port {settings.port}; the container names {named}."
        if settings.host.startswith("127."):
            yield f"the service listens on {settings.host}, which nobody outside the pod reaches."
        grace_s = spec.get("terminationGracePeriodSeconds", 30)
        if grace_s <= settings.drain_s:
            yield (
                f"a pod is killed after {grace_s} s, and draining may take {settings.drain_s:g} s; "
                "give terminationGracePeriodSeconds more than that."
            )
        for probe in PROBES:
            path = container.get(probe, {}).get("httpGet", {}).get("path", HEALTH)
            if path != HEALTH:
                yield f"the {probe} asks for {path}; the service answers at {HEALTH}."
    if document.kind == "InferenceService":
        yield from _kserve(document)


def _kserve(document: Document) -> Iterator[str]:
    predictor = document.spec.get("predictor", {})
    yield from _bounds(predictor.get("minReplicas", 1), predictor.get("maxReplicas"))
    for metric in predictor.get("autoScaling", {}).get("metrics", []):
        # KServe's keda_reconciler.go: of an external metric's target only `value` is handed on.
        if metric.get("type") == "External" and "value" not in metric["external"]["target"]:
            yield "KServe hands on only `value` of an external target; the threshold would be 0."


def _service(document: Document, deployments: Iterable[Document]) -> Iterator[str]:
    selector = document.spec.get("selector", {})
    chosen = [d for d in deployments if selector.items() <= _labels(d).items()]
    if not chosen:
        yield f"no Deployment's pods have the labels {selector}."
    for port in document.spec.get("ports", []):
        target = port.get("targetPort", port.get("port"))
        for deployment in chosen:
            if target not in _ports(deployment):
                yield f"it sends to port {target}, which {deployment.name}'s pods do not name."


def _autoscaler(document: Document, deployments: Mapping[str, Document]) -> Iterator[str]:
    spec = document.spec
    target = spec.get("scaleTargetRef", {}).get("name")
    if target not in deployments:
        yield f"it scales {target}, which is not here; expected {_list(deployments)}."
    elif "replicas" in deployments[target].spec:
        yield f"{target} says `replicas`, too: each apply would undo what the autoscaler did."
    if document.kind == "ScaledObject":
        yield from _bounds(spec.get("minReplicaCount", 0), spec.get("maxReplicaCount", 100))
        behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {})
        yield from _behavior(behavior.get("behavior", {}))
    else:
        yield from _bounds(spec.get("minReplicas", 1), spec.get("maxReplicas"))
        yield from _behavior(spec.get("behavior", {}))


def _bounds(least: int, most: int | None) -> Iterator[str]:
    if most is not None and least > most:
        yield f"it has at least {least} and at most {most} replicas."


def _behavior(behavior: Mapping[str, Any]) -> Iterator[str]:
    for direction, rules in behavior.items():
        window_s = rules.get("stabilizationWindowSeconds", 0)
        if not 0 <= window_s <= LONGEST_WINDOW_S:
            yield f"{direction} has a window of {window_s} s; expected 0 to {LONGEST_WINDOW_S}."
        for policy in rules.get("policies", []):
            if not 0 < policy["periodSeconds"] <= LONGEST_PERIOD_S or policy["value"] <= 0:
                yield (
                    f"{direction} allows {policy['value']} in {policy['periodSeconds']} s; "
                    f"expected a value above 0 and a period of up to {LONGEST_PERIOD_S} s."
                )


def _metrics(documents: Sequence[Document]) -> Iterator[str]:
    """Whether the adapter gives each metric that an autoscaler asks for."""
    given = {rule.get("name", {}).get("as") for d in documents for rule in adapter_rules(d)}
    for document in documents:
        if document.kind != "HorizontalPodAutoscaler":
            continue
        for metric in document.spec.get("metrics", []):
            name = metric.get("external", {}).get("metric", {}).get("name")
            if metric.get("type") == "External" and name not in given:
                yield f"{document}: no rule of the adapter gives {name}; there is {_list(given)}."


def _series(document: Document) -> Iterator[str]:
    """Whether the service counts each series that a query names."""
    counted = {
        f"{family.name}{suffix}" for family in Metrics().registry.collect() for suffix in SUFFIXES
    }
    for query in _queries(document):
        for name in sorted(set(SERIES.findall(query)) - counted):
            yield f"the service counts no {name}; its figures are in serve/llm/metrics.py."


def _queries(document: Document) -> Iterator[str]:
    for rule in adapter_rules(document):
        yield from (rule.get("seriesQuery", ""), rule.get("metricsQuery", ""))
    for trigger in document.spec.get("triggers", []):
        yield str(trigger.get("metadata", {}).get("query", ""))
    for metric in document.spec.get("predictor", {}).get("autoScaling", {}).get("metrics", []):
        yield str(metric.get("external", {}).get("metric", {}).get("query", ""))


def _settings(container: Mapping[str, Any]) -> Settings | str | None:
    """Of a container of our image; a fault in words; None for somebody else's image."""
    if not str(container.get("image", "")).startswith("inference-lab/llm:"):
        return None
    arguments = container.get("args", [])
    try:
        (line,) = arguments
        return Settings.read(line)
    except (TypeError, ValueError) as error:
        return f"its one argument is no Settings of the service ({error})."


def _pod_spec(document: Document) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        document.spec.get("predictor", {})
        if document.kind == "InferenceService"
        else document.spec.get("template", {}).get("spec", {})
    )
    return found


def _labels(deployment: Document) -> Mapping[str, str]:
    found: Mapping[str, str] = deployment.spec["template"].get("metadata", {}).get("labels", {})
    return found


def _ports(deployment: Document) -> set[Any]:
    ports = [p for c in _pod_spec(deployment).get("containers", []) for p in c.get("ports", [])]
    return {port.get(key) for port in ports for key in ("name", "containerPort")}


def _list(names: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, names))) or "nothing"
