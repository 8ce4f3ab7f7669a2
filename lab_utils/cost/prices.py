"""What machines cost: list prices, each with the day on which it was seen and where.

    prices = catalogue()
    prices.offer("g2-standard-4").price("reserved 1 year")     # an hour
    prices.with_cores(2)                                       # what a machine of two cores costs
    prices.gpus["L4"].bandwidth_bytes_per_s                    # from its data sheet

`data/prices` says where each figure comes from. A price that nobody could source is not there.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from lab_utils.errors import LabError
from lab_utils.files import ROOT

FOLDER = ROOT / "data/prices"
KINDS = {
    "on demand": "on_demand",
    "reserved 1 year": "reserved_1y",
    "reserved 3 years": "reserved_3y",
    "spot": "spot",
}
"""How a machine is paid, and the column of its price an hour. Reserved ones are paid for every
hour of their term."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Gpu:
    """A graphics processor, from its maker's data sheet: bounds, which no program reaches.

    peak_per_s: bf16 operations a second, dense.
    """

    name: str
    memory_bytes: float
    bandwidth_bytes_per_s: float
    peak_per_s: float
    source: str


@dataclass(frozen=True)
class Offer:
    """A machine type in a region. cores: hardware threads. gpu: "" for none.

    prices_per_h: by kind, those that could be sourced.
    """

    provider: str
    region: str
    machine: str
    cores: int
    memory_gib: float
    gpu: str
    gpus: int
    prices_per_h: Mapping[str, float]
    currency: str
    seen: date
    source: str

    def price(self, kind: str = "on demand") -> float:
        """An hour, in `currency`. Raises LabError, with the kinds that it has, for another."""
        if kind not in self.prices_per_h:
            has = ", ".join(self.prices_per_h)
            raise LabError(f"{self.machine} has no price {kind!r}; expected one of {has}.")
        return self.prices_per_h[kind]

    def seen_text(self, today: date | None = None) -> str:
        """When the price was seen, and how long ago: list prices move within months."""
        return seen_text(self.seen, today)


@dataclass(frozen=True)
class Catalogue:
    """All offers and what their GPUs can do at most."""

    offers: tuple[Offer, ...]
    gpus: Mapping[str, Gpu]

    def offer(self, machine: str, region: str | None = None) -> Offer:
        """A machine type; in the first of its regions where none is named.

        Raises LabError with the nearest names where there is no such machine.
        """
        found = [o for o in self.offers if o.machine == machine and region in (None, o.region)]
        if found:
            return found[0]
        names = sorted({o.machine for o in self.offers})
        if machine in names:
            regions = ", ".join(o.region for o in self.offers if o.machine == machine)
            raise LabError(f"{machine} has no price in {region!r}; expected {regions}.")
        near = difflib.get_close_matches(machine, names, n=3, cutoff=0.4) or names
        raise LabError(f"There is no price of {machine!r}; the nearest are {', '.join(near)}.")

    def with_cores(self, cores: int) -> Offer:
        """The machine without a GPU that has so many cores, or the next larger; the cheapest.

        Beyond the largest: the largest.
        """
        plain = [o for o in self.offers if not o.gpu]
        enough = [o for o in plain if o.cores >= cores]
        if not enough:
            return max(plain, key=lambda o: o.cores)
        return min(enough, key=lambda o: (o.cores, o.price()))

    def next_with_gpu(self, price_per_h: float) -> Offer:
        """The cheapest machine with a GPU that costs more than that; else the dearest of all."""
        offers = sorted((o for o in self.offers if o.gpu), key=lambda o: o.price())
        return next((o for o in offers if o.price() > price_per_h), offers[-1])


def catalogue(folder: Path = FOLDER) -> Catalogue:
    """Read `machines.csv` and `gpus.csv`.

    Raises LabError, naming file and line, for what is missing, not a number, priced at nothing,
    without a date or a source, or given twice.
    """
    gpus = {gpu.name: gpu for gpu in read_rows(folder / "gpus.csv", _gpu)}
    offers = read_rows(folder / "machines.csv", lambda row: _offer(row, gpus))
    seen: set[tuple[str, str, str]] = set()
    for offer in offers:
        key = (offer.provider, offer.region, offer.machine)
        if key in seen:
            raise LabError(f"machines.csv has {offer.machine} in {offer.region} twice.")
        seen.add(key)
    return Catalogue(tuple(offers), gpus)


def _gpu(row: Mapping[str, str]) -> Gpu:
    return Gpu(
        row["gpu"],
        1e9 * above_zero(row, "memory_gb"),
        1e9 * above_zero(row, "bandwidth_gb_per_s"),
        1e12 * above_zero(row, "bf16_tflops"),
        address(row),
    )


def _offer(row: Mapping[str, str], gpus: Mapping[str, Gpu]) -> Offer:
    if row["gpu"] and row["gpu"] not in gpus:
        raise ValueError(f"{row['gpu']} is not in gpus.csv")
    return Offer(
        row["provider"],
        row["region"],
        row["machine"],
        int(above_zero(row, "cores")),
        above_zero(row, "memory_gib"),
        row["gpu"],
        int(row["gpus"] or 0),
        {
            kind: above_zero(row, column)
            for kind, column in KINDS.items()
            if row[column] or kind == "on demand"
        },
        row["currency"],
        date.fromisoformat(row["seen"]),
        address(row),
    )


def seen_text(seen: date, today: date | None = None) -> str:
    """A day, and how long ago it was.

    >>> seen_text(date(2026, 3, 1), today=date(2026, 3, 11))
    'seen 2026-03-01, 10 days ago'
    """
    return f"seen {seen}, {((today or date.today()) - seen).days} days ago"


def read_rows(path: Path, read: Callable[[Mapping[str, str]], Value]) -> list[Value]:
    """A table's rows, each made by `read`; lines that begin with # are left out.

    Raises LabError, naming file and row, for what cannot be read and what `read` refuses.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabError(f"{path} could not be read: {error.strerror or error}.") from None
    found = []
    table = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    for number, row in enumerate(table, start=1):
        try:
            found.append(read(row))
        except KeyError as missing:
            raise LabError(f"{path.name} has no column {missing}.") from None
        except (ValueError, TypeError) as error:
            raise LabError(f"{path.name}, row {number}: {error}.") from None
    if not found:
        raise LabError(f"{path.name} has no row.")
    return found


def above_zero(row: Mapping[str, str], column: str) -> float:
    """The column's number. Raises ValueError, in words, for one that is not above 0."""
    value = float(row[column])
    if not value > 0:
        raise ValueError(f"{column} is {value:g}; expected more than 0")
    return value


def address(row: Mapping[str, str]) -> str:
    """The column `source`. Raises ValueError, in words, for what is no address."""
    if not row["source"].startswith("https://"):
        raise ValueError(f"source is {row['source']!r}; expected an address, https://…")
    return row["source"]
