"""Key figures: what a lesson found, in one line for the reader and as data for the report."""

from __future__ import annotations

from typing import Any

from lab_utils.measure.interval import Interval
from lab_utils.show.predict import number, quantity
from lab_utils.show.surface import surface

MIME = "application/vnd.inference-lab.figure+json"


class KeyFigure:
    """One figure with its name and unit, displayed as text and as data of type `MIME`."""

    def __init__(self, name: str, value: Interval | float, unit: str) -> None:
        self.name = name
        self.value = value
        self.unit = unit

    def __repr__(self) -> str:
        if isinstance(self.value, Interval):
            low, high = number(self.value.low), number(self.value.high)
            figure = f"{quantity(self.value.median, self.unit)} [{low} to {high}]"
            return f"{self.name}: {figure}, n = {self.value.n}"
        return f"{self.name}: {quantity(self.value, self.unit)}"

    def as_dict(self) -> dict[str, Any]:
        """Name, unit, and either the value or the interval's parts."""
        value: dict[str, Any] = (
            self.value.as_dict()
            if isinstance(self.value, Interval)
            else {"value": float(self.value)}
        )
        return {"name": self.name, "unit": self.unit, **value}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {"text/plain": repr(self), MIME: self.as_dict()}


def key_figure(name: str, value: Interval | float, unit: str) -> None:
    """Show a headline figure; the run's report collects it."""
    figure = KeyFigure(name, value, unit)
    if surface() == "terminal":
        print(figure)
    else:
        from IPython.display import display

        display(figure)  # type: ignore[no-untyped-call]
