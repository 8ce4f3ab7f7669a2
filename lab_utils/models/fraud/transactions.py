"""Simulated card payments with three kinds of fraud, after the Handbook's simulator.

    payments = simulate_transactions(customers=5_000, terminals=10_000, days=60, seed=0)

The customers, terminals, amounts, times and frauds follow the Handbook, chapter 3, section
*Transaction data simulator*; its loops are arrays here, so the draws differ and the laws do not.
Its figures are for 5,000 customers and 10,000 terminals. With other numbers, as many terminals stay
within a customer's reach, and the same share of terminals and customers falls to fraud each day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from lab_utils.errors import LabError
from lab_utils.models.fraud.feature_names import DAY_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("transaction_id", "time_s", "customer", "terminal", "amount", "fraud", "scenario")

HANDBOOK_CUSTOMERS, HANDBOOK_TERMINALS = 5_000, 10_000
SIDE, REACH = 100.0, 5.0
"""The map's side, and how far a customer goes at the Handbook's number of terminals."""
MEAN_AMOUNT, MEAN_PER_DAY = (5.0, 100.0), (0.0, 4.0)
"""Each customer's own mean amount, and payments a day, lie evenly in these ranges."""
NOON_S, SPREAD_S = DAY_S / 2, 20_000.0
"""A payment's time of day is normal around noon; what falls outside the day is dropped."""

LARGE_AMOUNT = 220.0
"""Scenario 1: every payment above it is a fraud (a plain pattern, to be found by anybody)."""
TERMINALS_A_DAY, TERMINAL_DAYS = 2, 28
"""Scenario 2: so many terminals are broken into each day; all their payments are frauds so long."""
CUSTOMERS_A_DAY, CUSTOMER_DAYS, SHARE, FACTOR = 3, 14, 3, 5
"""Scenario 3: so many customers' details are stolen each day; for so many days one payment in
SHARE is a fraud, FACTOR times as large as it would have been."""


def simulate_transactions(customers: int, terminals: int, days: int, seed: int) -> pd.DataFrame:
    """Payments in order of time, with `COLUMNS`; the same for the same arguments.

    transaction_id: 0, 1, … in that order. time_s: whole seconds since the start, a Sunday's
    midnight. customer, terminal: numbers from 0. amount: in money units, whole cents. fraud: the
    truth, known to nobody at the time. scenario: 0 none, else 1 to 3, which kind of fraud.

    Raises LabError for a number below 1.
    """
    for name, value in (("customers", customers), ("terminals", terminals), ("days", days)):
        if value < 1:
            raise LabError(f"The number of {name} is {value}; expected 1 or more.")
    rng = np.random.default_rng(seed)
    customer, day, time_s, amount = _payments(customers, days, rng)
    terminal = _terminals(customers, terminals, customer, rng)
    kept = (time_s > 0) & (time_s < DAY_S)
    order = np.argsort((DAY_S * day + time_s)[kept], kind="stable")
    rows = np.flatnonzero(kept)[order]
    customer, terminal, day = customer[rows], terminal[rows], day[rows]
    amount, time_s = amount[rows], time_s[rows]

    scenario = np.where(amount > LARGE_AMOUNT, 1, 0)
    scenario[_broken_into(terminals, days, rng)[terminal, day]] = 2
    for chosen in _stolen(customers, days, customer, day, rng):
        scenario[chosen] = 3
        amount[chosen] = np.round(FACTOR * amount[chosen], 2)
    return pd.DataFrame(
        {
            "transaction_id": np.arange(rows.size),
            "time_s": DAY_S * day + time_s,
            "customer": customer,
            "terminal": terminal,
            "amount": amount,
            "fraud": scenario > 0,
            "scenario": scenario,
        }
    )


def _payments(
    customers: int, days: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Each payment's customer, day, second within the day (or outside it) and amount."""
    mean_amount = rng.uniform(*MEAN_AMOUNT, customers)
    counts = rng.poisson(rng.uniform(*MEAN_PER_DAY, customers)[:, None], (customers, days))
    customer = np.repeat(np.arange(customers), counts.sum(axis=1))
    day = np.repeat(np.tile(np.arange(days), customers), counts.ravel())
    time_s = np.floor(rng.normal(NOON_S, SPREAD_S, customer.size))
    mean = mean_amount[customer]
    amount = rng.normal(mean, mean / 2)
    amount = np.where(amount < 0, rng.uniform(0, 2 * mean), amount)
    return customer, day, time_s, np.round(amount, 2)


def _terminals(
    customers: int, terminals: int, customer: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """A terminal within reach of each payment's customer, or the nearest where none is."""
    homes = rng.uniform(0, SIDE, (customers, 2))
    places = cKDTree(rng.uniform(0, SIDE, (terminals, 2)))
    reach = REACH * np.sqrt(HANDBOOK_TERMINALS / terminals)
    nearest = places.query(homes)[1]
    near = [
        np.array(found or [own], np.int64)
        for found, own in zip(places.query_ball_point(homes, reach), nearest, strict=True)
    ]
    counts = np.array([found.size for found in near])
    starts = np.cumsum(counts) - counts
    picked = (rng.random(customer.size) * counts[customer]).astype(np.int64)
    found: NDArray[np.int64] = np.concatenate(near)[starts[customer] + picked]
    return found


def _a_day(handbook: int, of: int, here: int, rng: np.random.Generator) -> int:
    """The Handbook's number a day, in proportion; a fraction is rounded by chance."""
    return min(here, int(handbook * here / of + rng.random()))


def _broken_into(terminals: int, days: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Scenario 2: whether a terminal (row) is in a fraudster's hands on a day (column)."""
    broken = np.zeros((terminals, days), bool)
    for day in range(days):
        count = _a_day(TERMINALS_A_DAY, HANDBOOK_TERMINALS, terminals, rng)
        broken[rng.choice(terminals, count, replace=False), day : day + TERMINAL_DAYS] = True
    return broken


def _stolen(
    customers: int,
    days: int,
    customer: NDArray[np.int64],
    day: NDArray[np.int64],
    rng: np.random.Generator,
) -> list[NDArray[np.int64]]:
    """Scenario 3: for each customer whose details were stolen, the rows that are frauds."""
    rows = np.argsort(customer, kind="stable")
    starts = np.searchsorted(customer[rows], np.arange(customers + 1))
    chosen = []
    for first in range(days):
        count = _a_day(CUSTOMERS_A_DAY, HANDBOOK_CUSTOMERS, customers, rng)
        for victim in rng.choice(customers, count, replace=False):
            own = rows[starts[victim] : starts[victim + 1]]
            own = own[(day[own] >= first) & (day[own] < first + CUSTOMER_DAYS)]
            chosen.append(rng.choice(own, own.size // SHARE, replace=False))
    return chosen
