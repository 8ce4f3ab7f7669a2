from collections.abc import Callable
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.interval import Interval
from lab_utils.show import machine
from tests.show.conftest import overlap

MIB = 2**20


def test_ratios_stand_beside_their_reference(axes: Callable[[], Any]) -> None:
    values = {"read": Interval(1.2, 1.1, 1.3, 6), "fp32": Interval(1.96, 1.8, 2.0, 6)}
    machine.ratios(values, "More cores", xlabel="times", reference=2)
    assert [bar.get_width() for bar in axes().patches] == [1.2, 1.96]
    assert [text.get_text() for text in axes().texts] == ["1.2", "1.96"]
    assert any(set(line.get_xdata()) == {2} for line in axes().lines)
    assert not overlap([*axes().texts, axes().title, axes()._left_title])


def test_a_staircase_has_its_caches_and_marks(axes: Callable[[], Any]) -> None:
    curve = {2**p: Interval(2e11 / (p - 10), 1e11 / (p - 10), 3e11 / (p - 10), 5) for p in
             range(14, 31)}  # fmt: skip
    caches = {"L1": 48 * 2**10, "L2": 2 * MIB, "L3": 32 * MIB}
    marks = {"weights": 97 * MIB, "last layer": 8 * MIB, "activation": 3 * MIB}
    machine.bandwidth_by_size(curve, caches, "Staircase", marks=marks)
    texts = [text.get_text() for text in axes().texts]
    assert texts == [" L1\n 48 KiB", " L2\n 2 MiB", " L3\n 32 MiB",
                     "weights: 97 MiB", "last layer: 8 MiB", "activation: 3 MiB"]  # fmt: skip
    assert not overlap([*axes().texts, axes().title, axes()._left_title])


def test_a_machine_that_tells_no_caches_still_has_a_staircase(axes: Callable[[], Any]) -> None:
    curve = {2**p: Interval(1e10, 9e9, 2e10, 5) for p in range(14, 20)}
    machine.bandwidth_by_size(curve, {}, "Staircase")
    assert list(axes().texts) == []


def test_shares_fill_their_bar(axes: Callable[[], Any]) -> None:
    machine.shares({"time": {"a": 3.0, "b": 1.0}, "bytes": {"a": 1.0, "b": 99.0}}, "Shares")
    bars = axes().patches
    assert [bar.get_width() for bar in bars] == pytest.approx([0.75, 0.25, 0.01, 0.99])
    assert [text.get_text() for text in axes().texts] == ["75 %", "25 %", "99 %"]
    assert [t.get_text() for t in axes().get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize("rows", [{}, {"time": {"a": 0.0}}])
def test_shares_of_nothing_are_refused(rows: dict[str, dict[str, float]]) -> None:
    with pytest.raises(LabError, match="Shares were asked of nothing"):
        machine.shares(rows, "Nothing")


def test_times_by_batch_lie_over_their_bound(axes: Callable[[], Any]) -> None:
    series = {"cached": {1: Interval(1e-3, 9e-4, 2e-3, 7), 16: Interval(4e-3, 3e-3, 5e-3, 7)}}
    machine.time_by_batch(series, {1: 5e-4, 16: 5e-4}, "Batches", critical_batch=18.0)
    bound = axes().lines[0]
    assert list(bound.get_ydata()) == [0.5, 0.5]
    assert [t.get_text().strip() for t in axes().texts] == ["critical batch 18"]
    assert [label.get_text() for label in axes().get_xticklabels()] == ["1", "16"]
