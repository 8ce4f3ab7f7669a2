from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.scaling_plots import Followed, frontier, over_time

Axes = Callable[[], list[Any]]
RUN = Followed(
    replicas=[(0, 1), (60, 4), (6000, 1)],
    queue=[(0, 1), (30, 9), (90, 0)],
    arrived_s=[0, 30, 120],
    wait_s=[0.5, 20, 1],
    p99_s=19.0,
)


def test_each_run_has_its_replicas_its_queue_and_its_waits(all_axes: Axes) -> None:
    over_time({"queue": RUN, "busy": RUN}, ([0, 120], [1, 3]), "Two")
    grid = all_axes()
    assert len(grid) == 6
    assert [axes.get_title("left") for axes in grid[:2]] == ["queue", "busy"]
    _, replicas = grid[0].lines
    assert replicas.get_xdata().tolist() == [0, 1, 2]  # minutes, to the last arrival
    assert replicas.get_ydata().tolist() == [1, 4, 4]
    waits, p99 = grid[4].lines
    assert list(waits.get_ydata()) == [0.5, 20, 1]
    assert list(p99.get_ydata()) == [19, 19]


def test_one_run_alone(all_axes: Axes) -> None:
    over_time({"queue": RUN}, ([0, 120], [1, 3]), "One")
    assert len(all_axes()) == 3


def test_a_policy_is_a_point_with_its_name(all_axes: Axes) -> None:
    points = {"fixed": {"1": (1, 90), "5": (5, 0.1)}, "queue": {"target 4": (2, 8)}}
    frontier(points, "Frontier", xlabel="cost", ylabel="s", bound=2)
    (axes,) = all_axes()
    assert [text.get_text() for text in axes.texts] == ["1", "5", "target 4"]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.lines[0].get_xdata().tolist() == [1, 5]


def test_nothing_is_refused() -> None:
    with pytest.raises(LabError, match="No run"):
        over_time({}, ([], []), "None")
    with pytest.raises(LabError, match="of nothing"):
        frontier({"fixed": {}}, "None", xlabel="", ylabel="")
