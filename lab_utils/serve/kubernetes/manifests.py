"""The manifests as data: documents, each with the file that it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab_utils.errors import LabError

FOLDER = Path(__file__).parent
VARIANTS = {
    "hpa": ("service.yaml", "adapter.yaml", "hpa.yaml"),
    "keda": ("service.yaml", "keda.yaml"),
    "kserve": ("kserve.yaml",),
}
"""Ways to the same service, and the files of each in the order in which they are applied."""


@dataclass(frozen=True)
class Document:
    """One object of Kubernetes, as a file says it."""

    path: Path
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Such as "Deployment"."""
        return str(self.content["kind"])

    @property
    def name(self) -> str:
        """Of its metadata."""
        return str(self.content["metadata"]["name"])

    @property
    def spec(self) -> Mapping[str, Any]:
        """Empty where it has none."""
        found: Mapping[str, Any] = self.content.get("spec") or {}
        return found

    def __str__(self) -> str:
        return f"{self.path.name}, {self.kind} {self.name}"


def variant(name: str) -> list[Path]:
    """The files of a variant. Raises LabError where there is none of this name."""
    if name not in VARIANTS:
        raise LabError(f"There is no variant {name!r}; expected one of {', '.join(VARIANTS)}.")
    return [FOLDER / file for file in VARIANTS[name]]


def read(paths: Iterable[Path]) -> list[Document]:
    """All documents of these files.

    Raises LabError for a file that is not there, is no YAML, or holds something that is no object
    of Kubernetes.
    """
    return [document for path in paths for document in _documents(path)]


def _documents(path: Path) -> list[Document]:
    try:
        contents = [
            c for c in yaml.safe_load_all(path.read_text(encoding="utf-8")) if c is not None
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} could not be read: {error}.") from None
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise LabError(f"{path.name} is no YAML: {said}.") from None
    for number, content in enumerate(contents, start=1):
        if not _is_object(content):
            raise LabError(
                f"{path.name}, document {number}, is no object of Kubernetes; expected apiVersion, "
                "kind and metadata with a name."
            )
    if not contents:
        raise LabError(f"{path.name} holds no document; expected at least one.")
    return [Document(path, content) for content in contents]


def _is_object(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(key), str) for key in ("apiVersion", "kind"))
        and isinstance(content.get("metadata"), dict)
        and isinstance(content["metadata"].get("name"), str)
        and isinstance(content.get("spec", {}), dict)
    )
