"""A formula that a person can use by hand: `./lab calc NAME input=number …`.

The formula itself lives beside its subject, as a function; a `Calculation` only describes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab_utils.errors import LabError


@dataclass(frozen=True)
class Calculation:
    """A named formula: what goes in (name → meaning and unit), what comes out, who says so.

    defaults: of inputs that need not be given. files: inputs that are the path of a file. compute:
    a number, or several: name → number or interval.
    """

    name: str
    formula: str
    inputs: Mapping[str, str]
    result: str
    source: str
    compute: Callable[..., float | Mapping[str, Any]]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    files: frozenset[str] = frozenset()

    def __call__(self, given: Mapping[str, Any]) -> Any:
        """The result for these inputs; LabError names inputs that are missing or unknown."""
        if not set(self.inputs) - set(self.defaults) <= set(given) <= set(self.inputs):
            got = " ".join(given) or "nothing"
            raise LabError(f"{self.name} was given {got}; expected {self.usage}.")
        return self.compute(**self.filled(given))

    def filled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs with their defaults, in the order in which they are described."""
        return {n: given.get(n, self.defaults.get(n)) for n in self.inputs}

    @property
    def usage(self) -> str:
        """The inputs as they are typed, the optional ones in brackets."""
        return " ".join(f"[{n}=…]" if n in self.defaults else f"{n}=…" for n in self.inputs)


def positive(**numbers: float) -> None:
    """Raises LabError, naming the number, where one of them is not above 0."""
    for name, number in numbers.items():
        if not number > 0:
            raise LabError(f"{name} is {number:g}; expected a number above 0.")
