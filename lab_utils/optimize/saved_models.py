"""The saved models that a lesson loads, as sets: what the runner has made before the lesson begins.

    recipes("floating")      # {"torch.compile": …, "eager": …}, those that can be made here
    make(["floating", "int8"], model)

A notebook names its sets in its header (`saved_models: [int8]`).
In JupyterLab it makes them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lab_utils.optimize import calibration
from lab_utils.optimize.artefacts import Recipe
from lab_utils.optimize.int8_variants import DYNAMIC, DYNAMIC_UNSIGNED
from lab_utils.optimize.making import made_together
from lab_utils.optimize.variants import FLOATING, VARIANTS

if TYPE_CHECKING:
    from lab_utils.models.resnet import ResNet


def _floating() -> dict[str, Recipe]:
    """The variants in floats, the longest first.

    The other compiler comes last: it would wait for what the first one asks of g++.
    """
    able = [name for name in FLOATING if VARIANTS[name].lacks() is None]
    ordered = sorted(able, key=lambda name: (name != "torch.compile", name == "AOTInductor"))
    return {name: VARIANTS[name].recipe for name in ordered}


def _int8() -> dict[str, Recipe]:
    """The files that lesson 1.6 compares: ways to quantise, and calibrations of one of them."""
    return {
        "OpenVINO INT8": VARIANTS["OpenVINO INT8"].recipe,
        "fp32": VARIANTS["ONNX Runtime"].recipe,
        "dynamic": DYNAMIC,
        "dynamic, unsigned": DYNAMIC_UNSIGNED,
        "static": calibration.static(),
        "16 photographs": calibration.static(count=16),
        "4 photographs": calibration.static(count=4),
        "1 photograph": calibration.static(count=1),
        "noise": calibration.static("noise", 16),
        "step forgotten": calibration.static("pixels 0 to 1", 16),
        "64, one scale a layer": calibration.static(per_channel=False),
    }


SETS: dict[str, Callable[[], dict[str, Recipe]]] = {"floating": _floating, "int8": _int8}


def recipes(name: str) -> dict[str, Recipe]:
    """A set's recipes, in the order in which they are best begun."""
    return SETS[name]()


def make(names: Sequence[str], model: ResNet) -> None:
    """Have the sets' files, made side by side where they are missing. Raises LabError."""
    wanted = {f"{name}: {what}": r for name in names for what, r in recipes(name).items()}
    made_together(wanted, model.network, len(model.labels))
