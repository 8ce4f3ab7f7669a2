from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.show.resilience_plots import share_over_time

LABELS = {"ylabel": "in time (%)", "trouble_s": (0.5, 1.5), "bin_s": 1.0}


def test_each_moment_has_its_share(all_axes: Callable[[], list[Any]]) -> None:
    run = ([0.1, 0.2, 1.1, 2.5], [True, False, True, False])
    share_over_time({"one": run, "two": run}, "Shares", **LABELS)  # type: ignore[arg-type]
    first, second = all_axes()
    assert [axes.get_title("left") for axes in (first, second)] == ["one", "two"]
    (steps,) = [patch for patch in first.patches if hasattr(patch, "get_data")]
    assert steps.get_data().values.tolist() == [50, 100, 0]


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(LabError, match="of nothing; expected runs with requests"):
        share_over_time({"none": ([], [])}, "Shares", **LABELS)  # type: ignore[arg-type]
