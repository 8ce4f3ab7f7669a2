"""The manifests on a real cluster, where `kubectl` reaches one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab_utils.components.catalogue import program
from lab_utils.errors import LabError
from lab_utils.serve.kubernetes.check import check
from lab_utils.serve.kubernetes.manifests import variant

CHECKED = "the manifests were checked offline and hold"
ANSWERS_WITHIN_S = 10


def apply(name: str) -> Iterator[str]:
    """Apply a variant's files in their order; gives kubectl's own words for each.

    It may be done again: what is there already is only changed. Raises LabError where the manifests
    do not hold, where kubectl or a cluster is missing, and with kubectl's words where it refuses.
    """
    paths = variant(name)
    faults = check(paths)
    if faults:
        raise LabError(f"{faults[0]} ./lab k8s check shows all faults; nothing was applied.")
    kubectl = program("kubectl")
    if kubectl is None:
        raise LabError(
            f"kubectl is not installed, so nothing was applied; {CHECKED}. Install it and point it "
            "at a cluster (kind and minikube make one on this machine)."
        )
    asked = _run(kubectl, ["get", "--raw", "/readyz", f"--request-timeout={ANSWERS_WITHIN_S}s"])
    if asked.returncode:
        raise LabError(
            f"No cluster answers kubectl ({_last_line(asked.stderr)}), so nothing was applied; "
            f"{CHECKED}. Point it at one: kubectl config use-context NAME."
        )
    return _apply(kubectl, paths)


def _apply(kubectl: Path, paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        done = _run(kubectl, ["apply", "-f", str(path)])
        if done.returncode:
            raise LabError(f"kubectl refuses {path.name}: {_last_line(done.stderr)}")
        yield done.stdout.strip()


def _run(kubectl: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(kubectl), *arguments], capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]
