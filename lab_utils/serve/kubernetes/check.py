"""Whether manifests hold: each against its schema, all against the service and each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab_utils.serve.kubernetes.agreement import disagreements
from lab_utils.serve.kubernetes.manifests import read
from lab_utils.serve.kubernetes.schema_check import mistakes
from lab_utils.serve.kubernetes.traffic import misrouted


def check(paths: Sequence[Path]) -> list[str]:
    """The faults of files that are applied together, a sentence each; none where they hold.

    Whether they agree is asked only where each is well-formed. Raises LabError for what is no
    manifest at all.
    """
    documents = read(paths)
    found = [mistake for document in documents for mistake in mistakes(document)]
    return found or [*disagreements(documents), *misrouted(documents)]
