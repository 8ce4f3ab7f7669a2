"""Machines for a load: how many, what a query costs, and from where a larger machine is cheaper.

    cost_per_thousand(price_per_h=0.7, queries_per_h=36_000, utilisation=0.2)
    fleet_cost_per_thousand(loads_per_h, price_per_h=0.1, rate_per_h=5_000)   # in whole machines
    break_even_load(price_small=0.1, rate_small=5_000, price_large=0.7)

Prices are of an hour, in any one currency; loads and rates are queries an hour.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.calculation import Calculation, positive
from lab_utils.errors import LabError

Floats = NDArray[np.float64]


def cost_per_thousand(price_per_h: float, queries_per_h: float, utilisation: float) -> float:
    """1,000 queries, in the price's currency: price ÷ (rate × utilisation) × 1,000.

    queries_per_h: what the machine answers while it works. utilisation: the part (0 to 1) of the
    paid time in which it does.

    >>> round(cost_per_thousand(price_per_h=2, queries_per_h=4000, utilisation=0.2), 3)
    2.5
    """
    positive(price_per_h=price_per_h, queries_per_h=queries_per_h)
    _part(utilisation)
    return 1000 * price_per_h / (queries_per_h * utilisation)


def machines_needed(load_per_h: ArrayLike, rate_per_h: float) -> NDArray[np.int_]:
    """Whole machines for each load, at least one: a service without a machine answers nobody."""
    positive(rate_per_h=rate_per_h)
    loads = np.asarray(load_per_h, dtype=float)
    if not (loads >= 0).all():
        raise LabError(f"The lowest load is {loads.min():g}; expected none below 0.")
    # A load of exactly n machines is theirs, whatever the division makes of its last digit.
    return np.maximum(1, np.ceil(loads / rate_per_h - 1e-9)).astype(int)


def fleet_cost_per_thousand(load_per_h: ArrayLike, price_per_h: float, rate_per_h: float) -> Floats:
    """1,000 queries at each load, served by whole machines of one type.

    machines(load) × price ÷ load × 1,000, machines being the next whole number of load ÷ rate.
    """
    positive(price_per_h=price_per_h)
    loads = np.asarray(load_per_h, dtype=float)
    if not (loads > 0).all():
        raise LabError(f"The lowest load is {loads.min():g}; expected all above 0.")
    cost: Floats = 1000 * machines_needed(loads, rate_per_h) * price_per_h / loads
    return cost


def break_even_load(price_small: float, rate_small: float, price_large: float) -> float:
    """The load above which one large machine costs less than the small ones that it replaces.

    rate of a small one × ⌊price of the large ÷ price of the small⌋: so many small machines are
    bought for one large one's price, and one more is dearer. The large one's rate is not in it,
    as long as it carries that load at all.

    >>> break_even_load(price_small=0.1, rate_small=5000, price_large=0.75)
    35000.0
    """
    positive(price_small=price_small, rate_small=rate_small, price_large=price_large)
    return float(rate_small * math.floor(price_large / price_small + 1e-9))


def reserved_share(on_demand: float, reserved: float) -> float:
    """The share of all hours in which a machine must be needed for its reservation to pay.

    reserved ÷ on demand: a reserved machine is paid for every hour, needed or not. Above 1, never.

    >>> round(reserved_share(on_demand=0.7, reserved=0.45), 2)
    0.64
    """
    positive(on_demand=on_demand, reserved=reserved)
    return reserved / on_demand


def worth_reserving(needed: ArrayLike, on_demand: float, reserved: float) -> int:
    """How many machines to reserve, from how many were needed in each hour.

    The k-th pays where at least k were needed in a larger share of the hours than
    reserved ÷ on demand. Raises LabError for no hours.
    """
    hours = np.asarray(needed)
    if hours.size == 0:
        raise LabError("No hour was given; expected how many machines each hour needed.")
    pays_from = reserved_share(on_demand, reserved)
    return sum(float(np.mean(hours >= k)) > pays_from for k in range(1, int(hours.max()) + 1))


def spot_price(spot: float, interruptions_per_h: float, lost_h: float) -> float:
    """What a useful hour of a spot machine costs: price ÷ (1 − interruptions × what each loses).

    interruptions_per_h: of one machine. lost_h: hours that are paid and useless for each: the
    start of the next machine, its model's loading, work done again. Raises LabError where
    interruptions leave no useful time.

    >>> round(spot_price(spot=0.28, interruptions_per_h=0.05, lost_h=0.2), 4)
    0.2828
    """
    positive(spot=spot)
    lost = interruptions_per_h * lost_h
    if not (interruptions_per_h >= 0 and lost_h >= 0 and lost < 1):
        raise LabError(
            f"{interruptions_per_h:g} interruptions an hour that lose {lost_h:g} hours each were "
            "given; expected both 0 or more, and less than an hour lost an hour."
        )
    return spot / (1 - lost)


def _part(utilisation: float) -> None:
    if not 0 < utilisation <= 1:
        raise LabError(f"utilisation is {utilisation:g}; expected a part above 0, up to 1.")


_ANY = "an hour, in any currency"
COST_PER_QUERY = Calculation(
    name="cost-per-query",
    formula="cost of 1,000 queries = price / (rate × utilisation) × 1,000",
    inputs={
        "price_per_h": f"of the machine, {_ANY}",
        "queries_per_h": "queries an hour while it works",
        "utilisation": "the part of the paid time in which it works, above 0, up to 1",
    },
    result="that currency, 1,000 queries",
    source="arithmetic",
    compute=cost_per_thousand,
)
BREAK_EVEN = Calculation(
    name="break-even",
    formula="load = rate of a small machine × ⌊price of the large / price of the small⌋",
    inputs={
        "price_small": f"of a small machine, {_ANY}",
        "rate_small": "queries an hour that a small machine carries",
        "price_large": "of the large machine, likewise",
    },
    result="queries an hour, above which one large machine is cheaper, if it carries them",
    source="arithmetic, in whole machines",
    compute=break_even_load,
)
RESERVED_SHARE = Calculation(
    name="reserved-share",
    formula="share = reserved / on demand",
    inputs={"on_demand": f"price, {_ANY}", "reserved": "price, likewise, paid for every hour"},
    result="share of all hours in which the machine must be needed; above 1, never worth it",
    source="arithmetic",
    compute=reserved_share,
)
SPOT_PRICE = Calculation(
    name="spot-price",
    formula="price of a useful hour = spot / (1 − interruptions × hours lost by each)",
    inputs={
        "spot": f"price, {_ANY}",
        "interruptions_per_h": "of one machine, an hour",
        "lost_h": "hours paid and useless for each",
    },
    result="that currency, a useful hour",
    source="arithmetic",
    compute=spot_price,
)
