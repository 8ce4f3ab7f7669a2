"""Documents against the schemas of their kinds, with no cluster.

Kubernetes' own kinds are known to `kubernetes-validate`. For KEDA's, KServe's, Istio's and Seldon
Core's, and for the adapter's configuration, `schemas` holds theirs, each with its source. Fields
that a schema does not name are mistakes: a cluster would drop them or refuse the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from lab_utils.serve.kubernetes.manifests import FOLDER, Document

SCHEMAS = {
    ("keda.sh/v1alpha1", "ScaledObject"): "scaled_object.json",
    ("serving.kserve.io/v1beta1", "InferenceService"): "inference_service.json",
    ("networking.istio.io/v1", "VirtualService"): "virtual_service.json",
    ("networking.istio.io/v1", "DestinationRule"): "destination_rule.json",
    ("mlops.seldon.io/v1alpha1", "Experiment"): "seldon_experiment.json",
    ("mlops.seldon.io/v1alpha1", "Model"): "seldon_model.json",
}
ADAPTER_CONFIG = "prometheus_adapter.json"
ADAPTER_KEYS = {"rules", "externalRules", "resourceRules"}


def mistakes(document: Document) -> Iterator[str]:
    """What the schema of its kind has against a document, a sentence each."""
    kind = (str(document.content["apiVersion"]), document.kind)
    if kind in SCHEMAS:
        found = _against(SCHEMAS[kind], document.content)
    else:
        found = _core(document.content)
    yield from (f"{document}: {mistake}" for mistake in found)
    if document.kind == "ConfigMap":
        yield from (f"{document}: {mistake}" for mistake in _adapter(document.content))


def adapter_rules(document: Document) -> list[Mapping[str, Any]]:
    """The rules for external metrics in a ConfigMap that configures the adapter; else none."""
    return [
        rule
        for config in _adapter_configs(document.content)
        for rule in config.get("externalRules", [])
    ]


def _core(content: Mapping[str, Any]) -> Iterator[str]:
    try:
        kubernetes_validate.validate(content, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        yield _sentence(error)
    except kubernetes_validate.SchemaNotFoundError:
        yield f"the kind {content['kind']} of {content['apiVersion']} is not known here."


def _adapter(content: Mapping[str, Any]) -> Iterator[str]:
    for config in _adapter_configs(content):
        yield from _against(ADAPTER_CONFIG, config)


def _adapter_configs(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    texts = (content.get("data") or {}).values()
    configs = [yaml.safe_load(text) for text in texts if isinstance(text, str)]
    return [c for c in configs if isinstance(c, dict) and ADAPTER_KEYS & set(c)]


def _against(schema: str, content: Any) -> Iterator[str]:
    validator = jsonschema.Draft202012Validator(_schema(schema))
    yield from map(_sentence, validator.iter_errors(content))


@cache
def _schema(name: str) -> Any:
    return _strict(json.loads((FOLDER / "schemas" / name).read_text(encoding="utf-8")))


def _strict(schema: Any) -> Any:
    """Where fields are named, no others: what a cluster's strict validation does."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(part) for key, part in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not open_ended:
        made.setdefault("additionalProperties", False)
    return made


def _sentence(error: jsonschema.ValidationError) -> str:
    place = ".".join(map(str, error.absolute_path)) or "the document"
    return f"{place}: {error.message.splitlines()[0].rstrip('.')}."
