"""The roofline: how fast code can be, given how much arithmetic it does with each byte it moves.

Williams, Waterman, Patterson, *Roofline: an insightful visual performance model for multicore
architectures*, Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

from lab_utils.calculation import Calculation, positive


def attainable_per_s(intensity: float, peak_per_s: float, bandwidth_bytes_per_s: float) -> float:
    """Operations a second that code of this arithmetic intensity can reach at most.

    min(peak, intensity × bandwidth). intensity: operations for each byte moved to or from memory.

    >>> attainable_per_s(intensity=0.5, peak_per_s=400e9, bandwidth_bytes_per_s=30e9) / 1e9
    15.0
    """
    positive(
        intensity=intensity, peak_per_s=peak_per_s, bandwidth_bytes_per_s=bandwidth_bytes_per_s
    )
    return min(peak_per_s, intensity * bandwidth_bytes_per_s)


def ridge_point(peak_per_s: float, bandwidth_bytes_per_s: float) -> float:
    """Operations a byte at which memory and arithmetic are the limit together: peak / bandwidth."""
    positive(peak_per_s=peak_per_s, bandwidth_bytes_per_s=bandwidth_bytes_per_s)
    return peak_per_s / bandwidth_bytes_per_s


def critical_batch(
    peak_per_s: float, bandwidth_bytes_per_s: float, bytes_per_weight: float
) -> float:
    """The batch from which a fully connected layer is bound by arithmetic, no more by memory.

    Each weight is read once (its bytes) and used by every input of the batch in one multiply-add
    (2 operations), so the intensity is 2 × batch / bytes per weight; it meets the ridge point at
    peak × bytes per weight / (2 × bandwidth). Inputs and outputs are small beside the weights and
    left out.

    >>> round(critical_batch(1.97e14, 8.2e11, bytes_per_weight=2))
    240
    """
    positive(bytes_per_weight=bytes_per_weight)
    return ridge_point(peak_per_s, bandwidth_bytes_per_s) * bytes_per_weight / 2


_WILLIAMS = "Williams, Waterman, Patterson, Roofline, Communications of the ACM 52(4), 2009"
_PEAK = "operations a second at most"
_BANDWIDTH = "bytes a second at most"
ROOFLINE = Calculation(
    name="roofline",
    formula="attainable rate = min(peak, intensity × bandwidth)",
    inputs={
        "intensity": "operations a byte moved",
        "peak_per_s": _PEAK,
        "bandwidth_bytes_per_s": _BANDWIDTH,
    },
    result="operations a second that can be reached",
    source=_WILLIAMS,
    compute=attainable_per_s,
)
RIDGE_POINT = Calculation(
    name="ridge-point",
    formula="ridge point = peak / bandwidth",
    inputs={"peak_per_s": _PEAK, "bandwidth_bytes_per_s": _BANDWIDTH},
    result="operations a byte at which both limits are reached",
    source=_WILLIAMS,
    compute=ridge_point,
)
CRITICAL_BATCH = Calculation(
    name="critical-batch",
    formula="critical batch = peak × bytes per weight / (2 × bandwidth)",
    inputs={
        "peak_per_s": _PEAK,
        "bandwidth_bytes_per_s": _BANDWIDTH,
        "bytes_per_weight": "2 for bf16, 4 for fp32, 1 for int8",
    },
    result="inputs a batch from which a fully connected layer is bound by arithmetic",
    source="Austin et al., How To Scale Your Model, 2025, chapter All About Transformer Inference",
    compute=critical_batch,
)
