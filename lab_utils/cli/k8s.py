"""`./lab k8s`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_utils.errors import LabError


def k8s(
    action: Annotated[str, typer.Argument(metavar="check|apply", help="What to do.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="check: files of your own that are applied together; none: the course's. "
            "apply: hpa (which is meant where none is named), keda or kserve.",
        ),
    ] = None,
) -> None:
    """Check the Kubernetes manifests offline, or apply them.

    They deploy the language-model service and stand in lab_utils/serve/kubernetes, to be read.
    """
    from lab_utils.serve.kubernetes.check import check
    from lab_utils.serve.kubernetes.cluster import apply
    from lab_utils.serve.kubernetes.manifests import VARIANTS, read, variant

    names = names or []
    if action == "apply":
        if len(names) > 1:
            raise LabError(
                f"{len(names)} variants were named; expected one of {', '.join(VARIANTS)}."
            )
        for said in apply(names[0] if names else "hpa"):
            print(said)
        return
    if action != "check":
        raise LabError(f"The action is {action!r}; expected check or apply.")
    groups = {"": [Path(name) for name in names]} if names else {v: variant(v) for v in VARIANTS}
    faulty = False
    for paths in groups.values():
        faults = check(paths)
        faulty = faulty or bool(faults)
        for line in faults or [f"{document}: holds" for document in read(paths)]:
            print(line)
    if faulty:
        raise typer.Exit(1)
