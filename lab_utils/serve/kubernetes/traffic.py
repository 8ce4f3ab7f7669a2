"""What no schema can see of split traffic: weights that sum to something else, names of nobody.

A proxy takes weights of 95 and 15 for shares of 95/110 and 15/110; a subset that no rule names
answers 503; a candidate without a model is never ready. All of it passes every schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lab_utils.serve.kubernetes.manifests import Document

MODE = "serving.kserve.io/deploymentMode"
REVISIONS = ("Knative", "Serverless")
"""KServe's modes that have revisions; the second is the older name of the first."""


def misrouted(documents: Sequence[Document]) -> Iterator[str]:
    """The faults of documents that are applied together, a sentence each."""
    subsets = {
        (document.spec.get("host"), subset["name"])
        for document in documents
        if document.kind == "DestinationRule"
        for subset in document.spec.get("subsets", [])
    }
    models = {document.name for document in documents if document.kind == "Model"}
    for document in documents:
        found: Iterable[str] = ()
        if document.kind == "VirtualService":
            found = _virtual_service(document, subsets)
        elif document.kind == "Experiment":
            found = _experiment(document, models)
        elif document.kind == "InferenceService":
            found = _inference_service(document)
        yield from (f"{document}: {fault}" for fault in found)


def weight_of_new(document: Document, new: str) -> int | None:
    """The percent that a document gives to the new version; None where it splits nothing.

    new: what its subset is called, or what its model's name ends with.
    """
    if document.kind == "InferenceService":
        return int(document.spec["predictor"].get("canaryTrafficPercent", 100))
    if document.kind == "VirtualService":
        weights: list[int] = [
            destination.get("weight", 0)
            for route in document.spec.get("http", [])
            for destination in route.get("route", [])
            if destination["destination"].get("subset") == new
        ]
        return sum(weights)
    if document.kind == "Experiment":
        weights = [
            candidate["weight"]
            for candidate in document.spec["candidates"]
            if candidate["name"].endswith(f"-{new}")
        ]
        return sum(weights)
    return None


def _virtual_service(document: Document, subsets: set[tuple[Any, Any]]) -> Iterator[str]:
    for number, route in enumerate(document.spec.get("http", []), start=1):
        destinations = route.get("route", [])
        if len(destinations) > 1:  # Istio reads no weight of a single destination
            yield from _sum(f"route {number}", [d.get("weight", 0) for d in destinations])
        named = [d["destination"] for d in destinations]
        named += [route["mirror"]] if "mirror" in route else []
        for to in named:
            if (to["host"], to.get("subset")) not in subsets:
                yield (
                    f"route {number} names the subset {to.get('subset')} of {to['host']}; no "
                    "DestinationRule has it."
                )


def _experiment(document: Document, models: set[str]) -> Iterator[str]:
    candidates: list[Mapping[str, Any]] = document.spec["candidates"]
    yield from _sum("the candidates", [candidate["weight"] for candidate in candidates])
    names = [candidate["name"] for candidate in candidates]
    default = document.spec.get("default")
    if default is not None and default not in names:
        yield f"the default {default} is not one of the candidates."
    mirror = document.spec.get("mirror")
    if mirror is not None:
        if mirror["name"] in names:
            yield f"{mirror['name']} answers and is the mirror, too; it would get payments twice."
        names.append(mirror["name"])
    for name in names:
        if name not in models:
            yield f"it names {name}; no Model is called that."


def _inference_service(document: Document) -> Iterator[str]:
    if "canaryTrafficPercent" not in document.spec.get("predictor", {}):
        return
    mode = document.content["metadata"].get("annotations", {}).get(MODE)
    if mode not in REVISIONS:
        yield (
            f"canaryTrafficPercent needs revisions, which KServe has in the mode {REVISIONS[0]}; "
            f"the annotation {MODE} says {mode or 'nothing'}, so it would be ignored."
        )


def _sum(what: str, weights: Sequence[int]) -> Iterator[str]:
    if any(weight < 0 for weight in weights) or sum(weights) != 100:
        yield f"the weights of {what} are {list(weights)}, together {sum(weights)}; expected 100."
