"""A bill in the columns of FOCUS, read with DuckDB.

    bill = Bill(FOLDER / "focus.csv.gz")
    bill.sql("SELECT ChargeCategory, sum(BilledCost) FROM charges GROUP BY ALL")
    bill.hourly("EffectiveCost", owners={"chat-%": "chat"})

FOCUS, the FinOps Open Cost and Usage Specification (1.0 and later), is what clouds agreed on for
their exports: one row for each charge, the same columns everywhere. Three of its rules decide what
a query costs. *BilledCost* is what an invoice asks for; *EffectiveCost* spreads what was paid
beforehand over the charges that it covers, so such a purchase itself has none, and the two must
never be added. A commitment's hours that nobody used are rows of their own ("Unused"), of no
resource. Times are UTC, and a period's end is not part of it.

Source: FOCUS 1.0 and 1.1, columns BilledCost, EffectiveCost, ChargeCategory, ChargeClass,
CommitmentDiscountStatus, ChargePeriodStart; https://focus.finops.org.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import duckdb
import numpy as np

from lab_utils.cost.hourly import NOBODY, HourlyCosts
from lab_utils.errors import LabError
from lab_utils.files import ROOT

FOLDER = ROOT / "data/billing"
Cost = Literal["BilledCost", "EffectiveCost"]
MONEY = ("BilledCost", "EffectiveCost", "ListCost", "PricingQuantity")
TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
TEXTS = (
    "BillingCurrency",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "ResourceName",
    "ServiceName",
    "Tags",
)
NEVER_EMPTY = ("BilledCost", "EffectiveCost", *TIMES, "BillingCurrency", "ChargeCategory")
TAG = "service"


class Bill:
    """One billing period of one currency, as a DuckDB table `charges` in memory.

    `charges` has the export's columns, costs as decimals and times as timestamps (UTC), and beside
    them `Service`, which is the tag "service" or NULL. path: CSV, also compressed, or Parquet.

    Raises LabError for what is no FOCUS export: a column missing, a cost that is not a number, a
    time that is not UTC; and for several currencies or billing periods, which no sum may mix.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise LabError(f"{path} is not there; give a FOCUS export, as CSV or Parquet.")
        self._connection = duckdb.connect(
            config={"threads": 1, "autoinstall_known_extensions": False}
        )
        try:
            if path.suffix == ".parquet":
                self._connection.read_parquet(str(path)).create("export")
            else:
                self._connection.read_csv(str(path), all_varchar=True).create("export")
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise LabError(f"{path.name} could not be read as a table: {said}") from None
        self._check()
        self._type()
        self.currency = self._only("BillingCurrency", "currency")
        start, end = (self._only(c, "billing period") for c in TIMES[:2])
        self.start, self.end = np.datetime64(start, "h"), np.datetime64(end, "h")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A query's result; in a notebook it is a table. Raises LabError with DuckDB's words."""
        try:
            return self._connection.sql(query)
        except duckdb.Error as error:
            raise LabError(f"DuckDB does not answer: {error}") from None

    def hourly(
        self,
        cost: Cost = "EffectiveCost",
        owners: Mapping[str, str] | None = None,
        categories: Sequence[str] = ("Usage",),
    ) -> HourlyCosts:
        """Each service's cost of each hour of the period; a longer charge is spread evenly.

        owners: whose a charge without the tag is, by LIKE patterns of the resource's name or, where
        it has none, of the commitment's ({"chat-%": "chat"}); the first that fits. The rest stands
        under `NOBODY`. categories: of charges. Corrections of earlier periods are left out.
        """
        hours = np.arange(self.start, self.end)
        rules = list((owners or {}).items())
        whose = "".join(
            f"WHEN coalesce(ResourceName, CommitmentDiscountName) LIKE $pattern{i} THEN $owner{i} "
            for i in range(len(rules))
        )
        named = {f"pattern{i}": pattern for i, (pattern, _) in enumerate(rules)}
        named |= {f"owner{i}": owner for i, (_, owner) in enumerate(rules)}
        owner = (
            f"coalesce(Service, CASE {whose}END, $nobody)"
            if rules
            else "coalesce(Service, $nobody)"
        )
        found = self._connection.execute(
            f"""
            WITH spread AS (
                SELECT {owner} AS owner,
                    {cost} / greatest(1, date_diff('hour', ChargePeriodStart, ChargePeriodEnd))
                        AS part,
                    unnest(generate_series(
                        date_trunc('hour', ChargePeriodStart),
                        ChargePeriodEnd - INTERVAL 1 SECOND,
                        INTERVAL 1 HOUR)) AS hour
                FROM charges
                WHERE list_contains($categories, ChargeCategory) AND ChargeClass IS NULL)
            SELECT owner, date_diff('hour', $start, hour) AS place, sum(part) AS cost
            FROM spread WHERE place BETWEEN 0 AND $last GROUP BY ALL ORDER BY ALL
            """,
            named
            | {
                "nobody": NOBODY,
                "categories": list(categories),
                "start": self.start.astype("datetime64[s]").item(),
                "last": hours.size - 1,
            },
        ).fetchall()
        by_service: dict[str, np.ndarray] = {}
        for service, place, part in found:
            by_service.setdefault(service, np.zeros(hours.size))[place] = float(part)
        return HourlyCosts(self.currency, hours, by_service)

    def _check(self) -> None:
        has = {row[0] for row in self._connection.execute("DESCRIBE export").fetchall()}
        missing = [name for name in (*MONEY, *TIMES, *TEXTS) if name not in has]
        if missing:
            raise LabError(
                f"The export has no column {', '.join(missing)}; expected those of FOCUS 1.0 or "
                "later. Was the export made in the provider's own format?"
            )
        for name in NEVER_EMPTY:
            self._refuse(f'"{name}" IS NULL', name, "a value in every row")
        for name in MONEY:
            self._refuse(
                f'"{name}" IS NOT NULL AND TRY_CAST("{name}" AS DECIMAL(28, 10)) IS NULL',
                name,
                "a number, with a point and without a currency",
            )
        for name in TIMES:
            self._refuse(
                f"typeof(\"{name}\") = 'VARCHAR' AND ("
                f'TRY_CAST("{name}" AS TIMESTAMP) IS NULL OR CAST("{name}" AS VARCHAR) NOT LIKE '
                "'%Z')",
                name,
                "a time in UTC, as 2026-02-01T00:00:00Z",
            )

    def _refuse(self, condition: str, name: str, expected: str) -> None:
        query = f'SELECT count(*), any_value("{name}") FROM export WHERE {condition}'
        row = self._connection.execute(query).fetchone()
        if row is not None and row[0]:
            raise LabError(
                f"{name} is {row[1] or 'empty'!r} in {row[0]} rows of the export; "
                f"expected {expected}."
            )

    def _type(self) -> None:
        casts = [f'CAST("{c}" AS DECIMAL(28, 10)) AS "{c}"' for c in MONEY]
        casts += [f'CAST("{c}" AS TIMESTAMP) AS "{c}"' for c in TIMES]
        self._connection.execute(
            f"CREATE TABLE charges AS SELECT * REPLACE ({', '.join(casts)}), "
            f"json_extract_string(Tags, '$.{TAG}') AS Service FROM export"
        )
        self._connection.execute("DROP TABLE export")

    def _only(self, column: str, what: str) -> str:
        found = self._connection.execute(
            f'SELECT DISTINCT CAST("{column}" AS VARCHAR) FROM charges ORDER BY ALL'
        ).fetchall()
        if len(found) != 1:
            has = " and ".join(row[0] for row in found) or "no charge"
            raise LabError(
                f"The export's {column} is {has}; expected one {what}: a sum over several means "
                "nothing. Select one first."
            )
        return str(found[0][0])
