"""`./lab k8s`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab_utils.errors import LabError


def k8s(
    action: Annotated[str, typer.Argument(metavar="check|apply|rollout", help="What to do.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="check: files of your own that are applied together; none: the course's. "
            "apply: hpa (which is meant where none is named), keda or kserve. "
            "rollout: istio, kserve or seldon, and the new version's percentage.",
        ),
    ] = None,
) -> None:
    """Check Kubernetes manifests, apply them, or print a rollout's.

    The first two are of the language-model service and stand in lab_utils/serve/kubernetes, to be
    read; a rollout's are of the fraud service (lesson 3.4), made for each step.
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
    if action == "rollout":
        print(_rollout(names), end="")
        return
    if action != "check":
        raise LabError(f"The action is {action!r}; expected check, apply or rollout.")
    groups = {"": [Path(name) for name in names]} if names else {v: variant(v) for v in VARIANTS}
    faulty = False
    for paths in groups.values():
        faults = check(paths)
        faulty = faulty or bool(faults)
        for line in faults or [f"{document}: holds" for document in read(paths)]:
            print(line)
    if faulty:
        raise typer.Exit(1)


def _rollout(names: list[str]) -> str:
    import yaml

    from lab_utils.serve.kubernetes.rollout import EXAMPLE, manifests

    if len(names) != 2 or not names[1].isdecimal():
        raise LabError(
            f"rollout was given {' '.join(names) or 'nothing'}; expected a system and a "
            "percentage, as: ./lab k8s rollout istio 5."
        )
    return str(yaml.safe_dump_all(manifests(names[0], EXAMPLE, int(names[1])), sort_keys=False))
