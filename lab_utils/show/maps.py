"""Values on a plane, seen as a picture: where in a layer's output something happens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from lab_utils.errors import LabError
from lab_utils.show.plots import INK, RED, figure
from lab_utils.show.predict import number

WHITE_TO_RED = LinearSegmentedColormap.from_list("white to red", ["#f7f7f7", RED])


def maps(values: Mapping[str, NDArray[np.floating]], title: str, *, label: str) -> None:
    """Planes (height, width) of values from 0 on, side by side, on one scale, darker where larger.

    label: what the colour means. Raises LabError where a plane has not two dimensions.
    """
    if not values or any(plane.ndim != 2 or plane.size == 0 for plane in values.values()):
        shapes = {name: plane.shape for name, plane in values.items()}
        raise LabError(f"Maps were to be drawn of {shapes}; expected planes (height, width).")
    largest = max(float(plane.max()) for plane in values.values())
    with figure(3.5, title, columns=len(values)) as drawn:
        axes = list(np.atleast_1d(drawn))
        for axis, (name, plane) in zip(axes, values.items(), strict=True):
            shown = axis.imshow(plane, cmap=WHITE_TO_RED, vmin=0, vmax=largest or 1.0)
            most = float(plane.max())
            most_text = f"at most {most:.2g}" if most > 0 else "nothing"
            axis.set_title(f"{name}\n{most_text}", fontsize=10.5, fontweight="normal")
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0].figure.colorbar(shown, ax=axes, label=label, shrink=0.8)


def heat(columns: Mapping[str, Mapping[str, float]], title: str) -> None:
    """A table of values from 0 on, each cell darker where larger, its number in it.

    columns: heading → row → value, with the same rows in each. Raises LabError where they are not.
    """
    rows = list(next(iter(columns.values()), {}))
    if not rows or any(list(column) != rows for column in columns.values()):
        raise LabError("A table of colours needs a row, and the same rows in every column.")
    values = np.array([[float(column[row]) for column in columns.values()] for row in rows])
    largest = float(values.max()) or 1.0
    with figure(1.1 + 0.3 * len(rows), title) as axes:
        axes.imshow(values, cmap=WHITE_TO_RED, vmin=0, vmax=largest, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if value > 0.6 * largest else INK
            axes.text(
                column, row, number(value), ha="center", va="center", color=colour, fontsize=9
            )
        axes.set_xticks(range(len(columns)), list(columns))
        axes.set_yticks(range(len(rows)), rows)
        axes.tick_params(length=0, labelsize=9.5)
        axes.tick_params(axis="x", labeltop=True, labelbottom=False)
        axes.spines[:].set_visible(False)
