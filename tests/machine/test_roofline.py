import pytest

from lab_utils.errors import LabError
from lab_utils.machine.roofline import (
    CRITICAL_BATCH,
    RIDGE_POINT,
    ROOFLINE,
    attainable_per_s,
    critical_batch,
    ridge_point,
)


def test_the_roofs_meet_at_the_ridge_point() -> None:
    peak, bandwidth = 400e9, 25e9
    ridge = ridge_point(peak, bandwidth)
    assert ridge == 16
    assert attainable_per_s(ridge, peak, bandwidth) == peak
    assert attainable_per_s(ridge / 2, peak, bandwidth) == peak / 2
    assert attainable_per_s(ridge * 2, peak, bandwidth) == peak


def test_critical_batch_of_the_scaling_book() -> None:
    """TPU v5e: 1.97e14 bf16 operations a second, 8.2e11 bytes a second: 240 (the scaling book)."""
    assert critical_batch(1.97e14, 8.2e11, bytes_per_weight=2) == pytest.approx(240, rel=2e-3)


def test_half_the_bytes_halve_the_critical_batch() -> None:
    """Int8 weights with bf16 arithmetic: the scaling book's 120."""
    assert critical_batch(1.97e14, 8.2e11, bytes_per_weight=1) == pytest.approx(120, rel=2e-3)


@pytest.mark.parametrize("calculation", [ROOFLINE, RIDGE_POINT, CRITICAL_BATCH])
def test_a_number_that_is_not_positive_is_refused(calculation) -> None:  # type: ignore[no-untyped-def]
    for name in calculation.inputs:
        given = dict.fromkeys(calculation.inputs, 1.0)
        for value in (0.0, -1.0, float("nan")):
            with pytest.raises(LabError, match=rf"{name} is .*; expected a number above 0"):
                calculation({**given, name: value})
