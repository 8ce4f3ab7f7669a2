from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lab_utils.cost.hourly import HourlyCosts, HourlyCounts, cost_of_queries, counts, read_counts
from lab_utils.errors import LabError

START = np.datetime64("2026-02-01T00", "h")
START_S = int(START.astype("datetime64[s]").astype(int))
DAYS = 6


def hours(n: int = 24 * DAYS) -> np.ndarray:
    return START + np.arange(n)


def costs(each: float = 2.0) -> HourlyCosts:
    return HourlyCosts("USD", hours(), {"chat": np.full(24 * DAYS, each)})


def counted(values: np.ndarray) -> HourlyCounts:
    return counts({"chat": (START_S + 3600 * (1 + np.arange(values.size)), values)})


def test_prometheus_stamps_an_hour_with_its_end() -> None:
    found = counts({"chat": ([START_S + 3600, START_S + 3 * 3600], [5, 7])})
    assert found.hours[0] == START
    assert_allclose(found.by_service["chat"], [5, np.nan, 7])


def test_cost_of_1000_queries_is_all_costs_over_all_queries() -> None:
    queries = np.random.default_rng(1).integers(100, 900, 24 * DAYS).astype(float)
    found = cost_of_queries(costs(), counted(queries), "chat")
    assert found.per_thousand.median == pytest.approx(1000 * 2 * 24 * DAYS / queries.sum())
    assert found.per_thousand.n == DAYS
    assert found.per_thousand.low < found.per_thousand.median < found.per_thousand.high
    assert len(found.by_day) == DAYS
    assert found.by_day["2026-02-03"] == pytest.approx(48_000 / queries[48:72].sum())
    assert found.by_hour_of_day[5] == pytest.approx(1000 * 2 * DAYS / queries[5::24].sum())


def test_alike_days_have_no_width_and_unlike_days_have_some() -> None:
    alike = cost_of_queries(costs(), counted(np.full(24 * DAYS, 100.0)), "chat").per_thousand
    assert alike.low == pytest.approx(alike.high)
    unlike = np.repeat([50.0, 150.0] * (DAYS // 2), 24)
    width = cost_of_queries(costs(), counted(unlike), "chat").per_thousand
    assert width.high > 1.2 * width.low


def test_hours_without_a_query_are_paid_as_well() -> None:
    """Queries in twelve hours of each day: a query costs twice what it costs with the nights left
    out, whether Prometheus says zero or nothing."""
    values = np.tile(np.repeat([100.0, 0.0], 12), DAYS)
    told = cost_of_queries(costs(), counted(values), "chat")
    assert told.per_thousand.median == pytest.approx(2 * 1000 * 2 / 100)
    assert told.idle.sum() == 12 * DAYS
    silent = np.where(values == 0, np.nan, values)
    silent[-1] = 0  # so that the counts reach to the period's end
    same = cost_of_queries(costs(), counted(silent), "chat")
    assert same.per_thousand == told.per_thousand
    assert same.by_hour_of_day[13] == np.inf
    with pytest.raises(LabError, match=r"have no count of chat's queries.*Prometheus down"):
        cost_of_queries(costs(), counted(silent), "chat", missing_as_none=False)


def test_an_hour_off_is_not_joined_in_silence() -> None:
    """Counts of a period that is not the bill's."""
    late = HourlyCounts(hours() + 5, {"chat": np.ones(24 * DAYS)})
    with pytest.raises(LabError, match="whole billed period"):
        cost_of_queries(costs(), late, "chat")
    gap = HourlyCounts(np.delete(hours(), 30), {"chat": np.ones(24 * DAYS - 1)})
    with pytest.raises(LabError, match="whole billed period"):
        cost_of_queries(costs(), gap, "chat")


def test_counts_of_more_than_the_period_are_cut_to_it() -> None:
    longer = HourlyCounts(hours(24 * DAYS + 48) - 24, {"chat": np.ones(24 * DAYS + 48)})
    assert cost_of_queries(costs(), longer, "chat").queries.sum() == 24 * DAYS


def test_unknown_services_and_no_queries_are_refused() -> None:
    values = np.ones(24 * DAYS)
    with pytest.raises(LabError, match="bill knows no service 'chatt'; expected one of chat"):
        cost_of_queries(costs(), counted(values), "chatt")
    other = HourlyCosts("USD", hours(), {"fraud": np.ones(24 * DAYS)})
    with pytest.raises(LabError, match="count of queries knows no service 'fraud'"):
        cost_of_queries(other, counted(values), "fraud")
    with pytest.raises(LabError, match="answered no query"):
        cost_of_queries(costs(), counted(0 * values), "chat")


def test_times_that_are_no_whole_hours_are_refused() -> None:
    with pytest.raises(LabError, match="not of whole hours"):
        counts({"chat": ([START_S + 1800], [5])})
    with pytest.raises(LabError, match="No counts"):
        counts({})


def test_a_file_of_counts_is_read_and_a_wrong_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "queries.csv"
    path.write_text(f"# made\ntime,service,increase\n{START_S + 3600},chat,12\n")
    assert read_counts(path).by_service["chat"].tolist() == [12]
    path.write_text(f"time,service,increase\n{START_S},chat,many\n")
    with pytest.raises(LabError, match=r"row 1, is .*many"):
        read_counts(path)
    with pytest.raises(LabError, match="could not be read"):
        read_counts(tmp_path / "none.csv")
