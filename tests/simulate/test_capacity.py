from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab_utils.cost.prices import catalogue
from lab_utils.errors import LabError
from lab_utils.simulate.capacity import Demand, loss_of_budget, plan, read_rounds
from lab_utils.simulate.theory import mmc_late

OFFER = catalogue().with_cores(2)
SERVICE_S = 0.01
EXACT_S = -SERVICE_S * np.log1p(-(np.arange(2**14) + 0.5) / 2**14)
SMALL = Demand(tps=2000, deadline_s=0.12, regions=2, lost=1)


def test_the_smallest_fleet_is_that_of_the_theory() -> None:
    """With one machine for all cores and exponential service, lateness can be worked out."""

    def late(servers: int) -> float:
        """P(wait + service > t) in M/M/c."""
        mu, spare = 1 / SERVICE_S, servers / SERVICE_S - demand.tps
        waits = mmc_late(servers, demand.tps, SERVICE_S, 0)
        t = demand.deadline_s
        slow = np.exp(-mu * t)
        return float(
            (1 - waits) * slow + waits * (mu * np.exp(-spare * t) - spare * slow) / (mu - spare)
        )

    demand = Demand(tps=150, deadline_s=0.055, regions=1, lost=0)
    assert late(2) > demand.late
    smallest = next(c for c in range(2, 20) if late(c) <= demand.late)
    offer = catalogue().with_cores(smallest)
    assert offer.cores >= smallest
    found = plan([EXACT_S], demand, offer, resamples=0, requests=300_000)
    assert found.machines.median == 1
    assert found.late.median == pytest.approx(late(offer.cores), abs=0.0015)


def test_a_plan_survives_the_loss_and_says_what_it_costs() -> None:
    found = plan([EXACT_S[::2], EXACT_S[1::2]], SMALL, OFFER, resamples=8)
    assert found.late_worst.median <= SMALL.late * 1.3
    assert found.late.median < found.late_worst.median
    assert found.by_mean == pytest.approx(SMALL.tps * EXACT_S.mean())
    assert found.cores.median > 2 * found.by_mean  # each of the two regions carries all, and waits
    assert found.cores.low <= found.cores.median <= found.cores.high
    assert found.cost_per_month.median == pytest.approx(found.machines.median * OFFER.price() * 730)
    both = found.utilisation_worst.median / found.utilisation.median
    assert both == pytest.approx(2)


def test_one_machine_fewer_is_not_enough() -> None:
    found = plan([EXACT_S], SMALL, OFFER, resamples=0)
    fewer = Demand(
        tps=SMALL.tps * found.machines.median / (found.machines.median - 4),
        deadline_s=SMALL.deadline_s,
        regions=2,
    )
    assert plan([EXACT_S], fewer, OFFER, resamples=0).machines.median > found.machines.median


def test_unsteady_rounds_widen_the_interval() -> None:
    speeds = (0.8, 0.9, 1.0, 1.0, 1.1, 1.2)
    large = replace(SMALL, tps=20_000)
    steady, unsteady = (
        plan(rounds, large, OFFER, resamples=12, requests=20_000)
        for rounds in ([EXACT_S] * 6, [EXACT_S * speed for speed in speeds])
    )
    widths = [p.cores.high - p.cores.low for p in (steady, unsteady)]
    assert widths[1] > 2 * widths[0]


def test_a_lost_region_uses_up_its_part_of_the_budget() -> None:
    demand = Demand(regions=3, failover_s=60, availability=0.9999)
    # 60 s in which a third fails, of 30 days in which a ten-thousandth may.
    assert loss_of_budget(demand) == pytest.approx(20 / 259.2)


def test_what_no_fleet_can_do_is_refused() -> None:
    with pytest.raises(LabError, match="no number of machines mends that"):
        plan([np.full(10, 0.2)], SMALL, OFFER)
    with pytest.raises(LabError, match="3 of 3 regions may be lost"):
        Demand(lost=3)
    with pytest.raises(LabError, match="No service times"):
        plan([], SMALL, OFFER)
    with pytest.raises(LabError, match="below 0 or not a number"):
        plan([[np.nan]], SMALL, OFFER)


def test_rounds_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("# where and when\nround,seconds\n1,0.5\n1,0.25\n2,1\n")
    assert [times_s.tolist() for times_s in read_rounds(path)] == [[0.5, 0.25], [1.0]]
    path.write_text("1,fast\n")
    with pytest.raises(LabError, match="line 1, is '1,fast'; expected a round and seconds"):
        read_rounds(path)
    with pytest.raises(LabError, match="could not be read"):
        read_rounds(tmp_path / "nothing.csv")
