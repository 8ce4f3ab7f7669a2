import numpy as np
import pytest
from numpy.testing import assert_allclose

from lab_utils.cost import fleet
from lab_utils.errors import LabError

SMALL, LARGE = (0.1, 5_000.0), (0.75, 300_000.0)
"""(price, queries) an hour."""


def test_a_fifth_of_the_utilisation_is_five_times_the_cost() -> None:
    full = fleet.COST_PER_QUERY({"price_per_h": 2, "queries_per_h": 4000, "utilisation": 1})
    assert full == pytest.approx(0.5)
    assert fleet.cost_per_thousand(2, 4000, 0.2) == pytest.approx(5 * full)


def test_a_fleet_is_whole_machines_and_never_none() -> None:
    assert fleet.machines_needed([0, 1, 5_000, 5_001, 25_000], 5_000).tolist() == [1, 1, 1, 2, 5]
    # 3 × 0.1 is a hair more than 0.3.
    assert fleet.machines_needed(3 * 0.1, 0.1) == 3


def test_a_full_fleet_costs_what_a_full_machine_costs() -> None:
    price, rate = SMALL
    full = fleet.cost_per_thousand(price, rate, 1)
    assert_allclose(fleet.fleet_cost_per_thousand([rate, 7 * rate], price, rate), full)
    assert fleet.fleet_cost_per_thousand(rate / 4, price, rate) == pytest.approx(4 * full)


def test_above_the_break_even_the_large_machine_is_cheaper_and_below_it_is_not() -> None:
    load = fleet.break_even_load(*SMALL, LARGE[0])
    assert load == 35_000
    for at, cheaper in ((load * 0.99, False), (load, False), (load + 1, True), (200_000, True)):
        small = fleet.fleet_cost_per_thousand(at, *SMALL)
        large = fleet.fleet_cost_per_thousand(at, *LARGE)
        assert (large < small) == cheaper


def test_a_large_machine_that_is_cheaper_pays_at_once() -> None:
    assert fleet.BREAK_EVEN({"price_small": 2, "rate_small": 10, "price_large": 1}) == 0


def test_the_reserved_number_is_the_cheapest_of_all() -> None:
    needed = np.random.default_rng(1).integers(1, 9, size=700)
    on_demand, reserved = 0.7, 0.45

    def bill(number: int) -> float:
        return float(np.sum(number * reserved + np.maximum(needed - number, 0) * on_demand))

    best = min(range(10), key=bill)
    assert fleet.worth_reserving(needed, on_demand, reserved) == best
    assert 0 < best < 8
    assert fleet.worth_reserving(needed, on_demand, reserved=0.8) == 0


def test_an_interruption_costs_what_it_loses() -> None:
    """One hour of ten is lost, so nine are paid with ten hours' price."""
    given = {"spot": 0.9, "interruptions_per_h": 0.2, "lost_h": 0.5}
    assert fleet.SPOT_PRICE(given) == pytest.approx(1.0)
    assert fleet.spot_price(0.9, 0, 0.5) == 0.9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: fleet.cost_per_thousand(1, 1, 0), "utilisation is 0"),
        (lambda: fleet.cost_per_thousand(0, 1, 1), "price_per_h is 0"),
        (lambda: fleet.machines_needed(-1, 5), "lowest load is -1"),
        (lambda: fleet.fleet_cost_per_thousand([0, 1], 1, 1), "expected all above 0"),
        (lambda: fleet.worth_reserving([], 1, 1), "No hour"),
        (lambda: fleet.spot_price(1, 2, 0.5), "less than an hour lost"),
        (lambda: fleet.spot_price(1, -1, 0.5), "0 or more"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(LabError, match=said):
        wrong()
