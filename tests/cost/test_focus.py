import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lab_utils.cost.focus import Bill
from lab_utils.cost.hourly import NOBODY
from lab_utils.errors import LabError
from tests.cost.conftest import DAYS

Row = dict[str, str]
OWNERS = {"chat-%": "chat"}


def rows_of(exported: str) -> list[Row]:
    return list(csv.DictReader(io.StringIO(exported)))


@pytest.fixture(scope="module")
def rows(exported: str) -> list[Row]:
    return rows_of(exported)


@pytest.fixture
def changed(exported: str, tmp_path: Path) -> Callable[[Callable[[list[Row]], None]], Path]:
    """A copy of the export after something was done to its rows."""

    def write(change: Callable[[list[Row]], None]) -> Path:
        rows = rows_of(exported)
        change(rows)
        path = tmp_path / "focus.csv"
        with path.open("w", newline="") as stream:
            table = csv.DictWriter(stream, rows[0])
            table.writeheader()
            table.writerows(rows)
        return path

    return write


def test_the_bill_knows_its_period_and_currency(bill: Bill) -> None:
    assert bill.currency == "USD"
    assert (bill.end - bill.start).astype(int) == 24 * DAYS.days
    assert bill.start == np.datetime64(DAYS.start, "h")


@pytest.mark.parametrize("cost", ["BilledCost", "EffectiveCost"])
def test_hours_sum_to_what_the_rows_sum_to(bill: Bill, rows: list[Row], cost: str) -> None:
    """By hand: usage of the month, by the tag in the row."""
    expected: dict[str, float] = {}
    for row in rows:
        if row["ChargeCategory"] == "Usage" and not row["ChargeClass"]:
            owner = row["Tags"].split('"')[3] if row["Tags"] else NOBODY
            expected[owner] = expected.get(owner, 0) + float(row[cost])
    found = bill.hourly(cost)  # type: ignore[arg-type]
    assert set(found.by_service) == set(expected)
    for service, costs in found.by_service.items():
        assert costs.shape == (24 * DAYS.days,)
        assert costs.sum() == pytest.approx(expected[service])
    assert found.total == pytest.approx(sum(expected.values()))


def test_each_hour_has_its_own_charges(bill: Bill, rows: list[Row]) -> None:
    found = bill.hourly("EffectiveCost", OWNERS).by_service["chat"]
    by_hand = np.zeros(24 * DAYS.days)
    for row in rows:
        name = row["ResourceName"] or row["CommitmentDiscountName"]
        if row["ChargeCategory"] == "Usage" and not row["ChargeClass"] and name.startswith("chat"):
            began = datetime.strptime(row["ChargePeriodStart"], "%Y-%m-%dT%H:%M:%SZ")
            by_hand[round((began - DAYS.start).total_seconds() / 3600)] += float(
                row["EffectiveCost"]
            )
    assert_allclose(found, by_hand)


def test_owners_take_what_has_no_tag_and_nothing_else(bill: Bill) -> None:
    without, with_owners = bill.hourly(), bill.hourly(owners=OWNERS)
    assert NOBODY in without.by_service
    assert NOBODY not in with_owners.by_service
    assert with_owners.total == pytest.approx(without.total)
    assert_allclose(
        with_owners.by_service["chat"],
        without.by_service["chat"] + without.by_service[NOBODY],
    )
    assert_allclose(with_owners.by_service["fraud"], without.by_service["fraud"])


def test_the_first_pattern_that_fits_decides(bill: Bill) -> None:
    found = bill.hourly(owners={"chat-burst-%": "bursts", "chat-%": "chat"})
    assert {"bursts", "chat"} <= set(found.by_service)


def test_a_month_long_charge_is_spread_over_its_hours(bill: Bill) -> None:
    credit = bill.hourly("BilledCost", categories=("Credit",)).by_service[NOBODY]
    assert_allclose(credit, -DAYS.credit / (24 * DAYS.days))


def test_a_correction_of_the_month_before_is_not_of_this_month(bill: Bill) -> None:
    tagged = bill.sql(
        "SELECT sum(BilledCost) FROM charges WHERE Service = 'chat' AND ChargeClass = 'Correction'"
    ).fetchall()
    assert float(tagged[0][0]) == DAYS.correction
    everything = bill.sql("SELECT sum(BilledCost) FROM charges WHERE Service = 'chat'").fetchall()
    of_the_month = bill.hourly("BilledCost").by_service["chat"].sum()
    assert of_the_month == pytest.approx(float(everything[0][0]) - DAYS.correction)


def test_what_was_paid_at_once_is_spread_over_the_year_and_stands_in_no_hour_twice(
    bill: Bill,
) -> None:
    """The year's fee ÷ its hours is what each hour's used and unused rows bear together."""
    (fee,) = bill.sql(
        "SELECT BilledCost, EffectiveCost FROM charges WHERE ChargeCategory = 'Purchase'"
    ).fetchall()
    hourly = bill.sql(
        "SELECT sum(EffectiveCost) FROM charges WHERE CommitmentDiscountStatus IS NOT NULL "
        "GROUP BY ChargePeriodStart"
    ).fetchall()
    assert len(hourly) == 24 * DAYS.days
    assert_allclose([float(hour[0]) for hour in hourly], float(fee[0]) / 8760)
    assert fee[1] == 0


def test_parquet_is_read_as_csv_is(bill: Bill, tmp_path: Path) -> None:
    path = tmp_path / "focus.parquet"
    bill.sql("SELECT * EXCLUDE Service FROM charges").write_parquet(str(path))
    again = Bill(path).hourly(owners=OWNERS)
    for service, costs in bill.hourly(owners=OWNERS).by_service.items():
        assert_allclose(again.by_service[service], costs)


def test_a_daily_export_is_spread_over_the_days_hours(
    changed: Callable[[Callable[[list[Row]], None]], Path],
) -> None:
    def one_day(rows: list[Row]) -> None:
        first = next(row for row in rows if row["ResourceName"] == "fraud-0")
        first |= {"ChargePeriodStart": "2026-02-02T00:00:00Z", "BilledCost": "24"}
        first |= {"ChargePeriodEnd": "2026-02-03T00:00:00Z"}
        rows[:] = [first]

    costs = Bill(changed(one_day)).hourly("BilledCost").by_service["fraud"]
    assert costs.tolist() == [0] * 24 + [1] * 24 + [0] * 24


def remove(name: str) -> Callable[[list[Row]], None]:
    return lambda rows: [row.pop(name) for row in rows] and None


def put(name: str, value: str) -> Callable[[list[Row]], None]:
    return lambda rows: rows[5].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove("EffectiveCost"), "no column EffectiveCost; expected those of FOCUS 1.0"),
        (put("BillingCurrency", "EUR"), "BillingCurrency is EUR and USD; expected one currency"),
        (put("BilledCost", "1,50 $"), r"BilledCost is '1,50 \$' in 1 rows"),
        (put("EffectiveCost", ""), "EffectiveCost is 'empty' in 1 rows"),
        (put("ChargePeriodStart", "2026-02-01T05:00:00+02:00"), "expected a time in UTC"),
        (put("ChargePeriodStart", "yesterday"), "'yesterday' in 1 rows of the export"),
        (put("BillingPeriodStart", "2026-01-01T00:00:00Z"), "expected one billing period"),
    ],
)
def test_what_is_no_clean_export_is_refused(
    changed: Callable[[Callable[[list[Row]], None]], Path],
    change: Callable[[list[Row]], None],
    said: str,
) -> None:
    with pytest.raises(LabError, match=said):
        Bill(changed(change))


def test_an_export_of_no_charges_is_refused(exported: str, tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    path.write_text(exported.splitlines()[0] + "\n")
    with pytest.raises(LabError, match="is no charge; expected one"):
        Bill(path)


def test_a_file_that_is_not_there_or_no_sql_gets_a_sentence(bill: Bill, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is not there"):
        Bill(tmp_path / "none.csv")
    with pytest.raises(LabError, match=r"DuckDB does not answer: .*bils"):
        bill.sql("SELECT * FROM bils")
