"""What this machine can do for the course: facts, components, and each lesson's consequence.

Nothing heavy is imported: the answer takes well under two seconds.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.course.sources import Notebook, notebooks
from lab_utils.files import ROOT, cache_folder
from lab_utils.machine.facts import Facts, facts, versions

WEIGHTS_FILE = "resnet50-0676ba61.pth"


@dataclass(frozen=True)
class Diagnosis:
    """What `./lab doctor` prints."""

    machine: Facts
    free_disk_gb: float
    versions: dict[str, str]
    components: dict[str, bool]
    weights: str
    notebooks: dict[str, str]
    """For each notebook's title, what it will do here."""

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "machine": self.machine.as_dict() | {"free_disk_gb": self.free_disk_gb},
            "versions": self.versions,
            "components": self.components,
            "weights": self.weights,
            "notebooks": self.notebooks,
        }


def diagnose() -> Diagnosis:
    """Look at everything once."""
    present = {name: component.present() for name, component in CATALOGUE.items()}
    return Diagnosis(
        machine=facts(),
        free_disk_gb=round(shutil.disk_usage(ROOT).free / 1e9, 1),
        versions=versions(),
        components=present,
        weights=_weights(),
        notebooks={n.title: _consequence(n, present) for n in notebooks()},
    )


def _weights() -> str:
    torch_home = os.environ.get("TORCH_HOME") or Path(
        os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch"
    )
    if (Path(torch_home).expanduser() / "hub" / "checkpoints" / WEIGHTS_FILE).exists():
        return "ResNet-50: ImageNet weights from the hub, downloaded"
    if any(cache_folder().glob("resnet50-stand-in-*.pt")):
        return (
            "ResNet-50: the stand-in (the hub did not answer; INFERENCE_LAB_WEIGHTS=hub asks again)"
        )
    return "ResNet-50: none yet; the first use asks the hub, and takes the stand-in without it"


def _consequence(notebook: Notebook, present: dict[str, bool]) -> str:
    missing = [name for name in notebook.uses if not present[name]]
    if not missing:
        return "runs in full"
    effects = [f"{name} is missing: {CATALOGUE[name].otherwise}" for name in missing]
    return "; ".join(effects)
