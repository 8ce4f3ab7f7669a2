"""A formula that a person can use by hand: `./lab calc NAME input=number …`.

The formula itself lives beside its subject, as a function; a `Calculation` only describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab_utils.errors import LabError


@dataclass(frozen=True)
class Calculation:
    """A named formula: what goes in (name → meaning and unit), what comes out, who says so."""

    name: str
    formula: str
    inputs: Mapping[str, str]
    result: str
    source: str
    compute: Callable[..., float]

    def __call__(self, given: Mapping[str, float]) -> float:
        """The result for these inputs; LabError names inputs that are missing or unknown."""
        if set(given) != set(self.inputs):
            expected = " ".join(f"{name}=…" for name in self.inputs)
            got = " ".join(given) or "nothing"
            raise LabError(f"{self.name} was given {got}; expected {expected}.")
        return self.compute(**given)


def positive(**numbers: float) -> None:
    """Raises LabError, naming the number, where one of them is not above 0."""
    for name, number in numbers.items():
        if not number > 0:
            raise LabError(f"{name} is {number:g}; expected a number above 0.")
