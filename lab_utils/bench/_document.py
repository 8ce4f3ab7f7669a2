"""What all benches share: their names, how they speak, and the document they end with."""

from __future__ import annotations

import difflib
import importlib
import math
import pkgutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.machine.facts import facts, versions
from lab_utils.measure.interval import Interval

Figure = float | Interval
Measure = Callable[[str, int], dict[str, Figure]]


def names() -> list[str]:
    """The benches there are."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def find(name: str) -> Measure:
    """The bench of this name. Raises LabError, with the list, where there is none."""
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise LabError(f"There is no bench {name!r}; expected one of {', '.join(known)}{hint}")
    measure: Measure = importlib.import_module(f"lab_utils.bench.{name}").measure
    return measure


def say(text: str) -> None:
    """Tell a person what is predicted, or what happens now; standard output stays for figures."""
    print(text, file=sys.stderr, flush=True)


def document(bench: str, scale: str, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """The bench's last line, as an object: figures with the machine and the versions.

    Raises LabError for a figure that is not a finite number.
    """
    return {
        "bench": bench,
        "scale": scale,
        "machine": facts().as_dict(),
        "versions": versions(),
        "figures": {name: _plain(name, figure) for name, figure in figures.items()},
    }


def _plain(name: str, figure: Figure) -> float | dict[str, float]:
    plain = figure.as_dict() if isinstance(figure, Interval) else figure
    numbers = plain.values() if isinstance(plain, dict) else [plain]
    if not all(math.isfinite(number) for number in numbers):
        raise LabError(f"The figure {name!r} is {plain}; expected finite numbers.")
    return plain
