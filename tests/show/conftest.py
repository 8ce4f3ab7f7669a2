from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest


@pytest.fixture
def all_axes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """Draw without a screen; gives all axes of the last plot."""
    backend = mpl.get_backend()
    plt.switch_backend("Agg")
    monkeypatch.setattr(plt, "show", lambda: plt.gcf().canvas.draw())
    yield lambda: list(plt.gcf().axes)
    plt.close("all")
    plt.switch_backend(backend)


@pytest.fixture
def axes(all_axes: Callable[[], list[Any]]) -> Callable[[], Any]:
    """Draw without a screen; gives the axes of the last plot, which has one."""
    return lambda: all_axes()[0]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def overlap(drawn: Iterable[Any]) -> bool:
    """Whether any two of these texts lie on each other."""
    boxes = [text.get_window_extent() for text in drawn]
    return any(a.overlaps(b) for a, b in combinations([b for b in boxes if b.width > 0], 2))
