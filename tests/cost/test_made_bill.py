import csv
import gzip
import io

import numpy as np
import pytest

from lab_utils.cost.focus import FOLDER, Bill
from lab_utils.cost.hourly import cost_of_queries, read_counts
from lab_utils.cost.made_bill import COLUMNS, Plan, counts_text, export, queries

NEVER_EMPTY = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "ProviderName", "PublisherName",
    "ServiceCategory", "ServiceName",
)  # fmt: skip
"""FOCUS 1.0: columns that must not be null."""


def test_the_kept_files_are_what_the_function_makes() -> None:
    kept = gzip.decompress((FOLDER / "focus.csv.gz").read_bytes()).decode()
    assert kept == export(Plan()), "run python -m lab_utils.cost.made_bill"
    assert (FOLDER / "queries.csv").read_text() == counts_text(Plan())


def test_the_export_keeps_the_rules_of_focus(exported: str) -> None:
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert set(rows[0]) == set(COLUMNS)
    assert len(COLUMNS) == 43
    for row in rows:
        assert all(row[name] for name in NEVER_EMPTY)
        assert row["ChargeCategory"] in ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
        assert row["ChargeClass"] in ("", "Correction")
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert (row["CommitmentDiscountStatus"] != "") == (
            row["CommitmentDiscountId"] != "" and row["ChargeCategory"] == "Usage"
        )
        if row["ChargeCategory"] == "Purchase":
            assert float(row["EffectiveCost"]) == 0
        if row["ChargeCategory"] == "Credit":
            assert row["EffectiveCost"] == row["BilledCost"]
        if row["CommitmentDiscountStatus"] == "Unused":
            assert not row["ResourceId"]
            assert float(row["EffectiveCost"]) > 0


def test_the_traps_are_there_and_matter() -> None:
    """Tagged and billed is far too little, the whole invoice far too much."""
    bill, counts = Bill(FOLDER / "focus.csv.gz"), read_counts(FOLDER / "queries.csv")
    true = cost_of_queries(bill.hourly(owners={"chat-%": "chat"}), counts, "chat")
    asked = counts.by_service["chat"].sum() / 1000
    tagged, invoice = (
        float(bill.sql(f"SELECT sum(BilledCost) FROM charges WHERE {where}").fetchall()[0][0])
        for where in ("Service = 'chat'", "true")
    )
    assert tagged / asked < true.per_thousand.median / 3
    assert invoice / asked > 3 * true.per_thousand.median


def test_the_month_has_idle_hours_and_its_days_differ() -> None:
    bill, counts = Bill(FOLDER / "focus.csv.gz"), read_counts(FOLDER / "queries.csv")
    found = cost_of_queries(bill.hourly(), counts, "summaries")
    assert 0.5 < np.mean(found.idle) < 0.9
    chat = cost_of_queries(bill.hourly(owners={"chat-%": "chat"}), counts, "chat")
    assert chat.per_thousand.n == Plan().days
    assert chat.per_thousand.low < 0.99 * chat.per_thousand.high


def test_another_seed_is_another_month() -> None:
    assert queries(Plan())["chat"].sum() != pytest.approx(queries(Plan(seed=3))["chat"].sum())
