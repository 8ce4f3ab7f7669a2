import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.histogram import LatencyHistogram
from lab_utils.measure.percentile import percentile, samples_needed


def test_percentiles_are_those_of_the_samples_to_three_figures() -> None:
    latencies_s = np.random.default_rng(1).lognormal(-4, 1, size=5001)
    histogram = LatencyHistogram.of(latencies_s)
    assert histogram.count == 5001
    for q in (50, 90, 99):
        assert histogram.percentile_s(q) == pytest.approx(
            np.quantile(latencies_s, q / 100, method="inverted_cdf"), rel=2e-3
        )
    assert histogram.worst_s == pytest.approx(latencies_s.max(), rel=1e-3)


def test_merging_is_counting_all() -> None:
    random = np.random.default_rng(2)
    first, second = random.exponential(0.01, size=(2, 700))
    merged = LatencyHistogram.of(first)
    merged.merge(LatencyHistogram.of(second))
    together = LatencyHistogram.of([*first, *second])
    assert merged.count == 1400
    assert merged.percentile_s(99) == together.percentile_s(99)
    assert (merged.spectrum()[1] == together.spectrum()[1]).all()


def test_the_refusal_is_that_of_measure_percentile() -> None:
    latencies_s = [0.01] * 100
    with pytest.raises(LabError) as by_histogram:
        LatencyHistogram.of(latencies_s).percentile_s(99)
    with pytest.raises(LabError) as by_samples:
        percentile(latencies_s, 99)
    assert str(by_histogram.value) == str(by_samples.value)
    assert "359 are missing" in str(by_histogram.value)


def test_a_spectrum_ends_where_the_support_does() -> None:
    percentiles, values = LatencyHistogram.of([0.01] * 500).spectrum()
    assert samples_needed(percentiles[-1] - 1e-6) <= 500 < samples_needed(percentiles[-1] + 0.01)
    assert percentiles[0] == 0
    assert (np.diff(values) >= 0).all()


def test_the_correction_adds_the_requests_that_were_never_sent() -> None:
    """9.5 s at 1 ms and one of 500 ms, sent every 10 ms: 49 are added, 490, 480, … 10 ms."""
    latencies_s = [0.001] * 950 + [0.5]
    measured = LatencyHistogram.of(latencies_s)
    repaired = LatencyHistogram.of(latencies_s, interval_s=0.010)
    assert (measured.count, repaired.count) == (951, 951 + 49)
    assert measured.percentile_s(99) == pytest.approx(0.001, rel=2e-3)
    assert repaired.percentile_s(99) == pytest.approx(0.40, rel=2e-3)
    assert repaired.worst_s == measured.worst_s


def test_the_correction_adds_nothing_below_the_interval() -> None:
    """As HdrHistogram defines it (Java, recordValueWithExpectedInterval)."""
    repaired = LatencyHistogram.of([0.035] + [0.02] * 20, interval_s=0.010)
    assert repaired.count == 1 + 2 + 20 * 2  # 25 and 15 ms; 10 ms beside each of 20 ms
    assert repaired.spectrum()[1].min() == pytest.approx(0.010, rel=2e-3)


def test_an_interval_longer_than_every_latency_adds_nothing() -> None:
    assert LatencyHistogram.of([0.001, 0.002], interval_s=1.0).count == 2


@pytest.mark.parametrize("latency_s", [-0.001, 3601, float("nan"), float("inf")])
def test_nonsense_latencies_are_refused(latency_s: float) -> None:
    with pytest.raises(LabError, match="expected one from 0 to 3600 s"):
        LatencyHistogram().record(latency_s)


def test_nothing_recorded_is_refused() -> None:
    with pytest.raises(LabError, match="empty"):
        _ = LatencyHistogram().worst_s
    with pytest.raises(LabError, match="no samples"):
        LatencyHistogram().spectrum()
    with pytest.raises(LabError, match="no samples"):
        LatencyHistogram().percentile_s(50)
    with pytest.raises(LabError, match="expected interval is 0 s"):
        LatencyHistogram().record(1.0, interval_s=0)
