"""What all benches share: their names, how they speak, and the document they end with."""

from __future__ import annotations

import difflib
import importlib
import math
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
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


class UnfinishedError(LabError):
    """Parts of a bench that failed, each with its sentence; figures: what the others measured."""

    def __init__(self, failed: Mapping[str, str], figures: dict[str, Figure]) -> None:
        super().__init__(
            "\n".join(f"{part} gave no figures. {why}" for part, why in failed.items())
        )
        self.figures = figures


def find(name: str) -> Measure:
    """The bench of this name, or one part of it: "llm", "llm/decode".

    Raises LabError, with the list, where there is none. The bench itself raises UnfinishedError
    where a part of several failed.
    """
    bench, _, part = name.partition("/")
    _must_be(bench, names(), "bench")
    module = importlib.import_module(f"lab_utils.bench.{bench}")
    if not hasattr(module, "PARTS"):
        if part:
            raise LabError(f"The bench {bench!r} has no parts; ask for {bench!r}.")
        measure: Measure = module.measure
        return measure
    parts: dict[str, Measure] = {m.__name__.rpartition(".")[2]: m.measure for m in module.PARTS}
    if part:
        _must_be(part, sorted(parts), f"part of the bench {bench!r}")
        return parts[part]
    return lambda scale, repeats: _all(parts, scale, repeats)


def _all(parts: Mapping[str, Measure], scale: str, repeats: int) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    failed: dict[str, str] = {}
    for name, measure in parts.items():
        try:
            figures |= measure(scale, repeats)
        except LabError as error:  # an hour's other figures are not lost with it
            failed[name] = str(error)
            say(f"{name} failed: {error}")
    if failed:
        raise UnfinishedError(failed, figures)
    return figures


def _must_be(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise LabError(f"There is no {what} {name!r}; expected one of {', '.join(known)}{hint}")


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
