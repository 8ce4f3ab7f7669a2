import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.simulate.hpa import Autoscaler, Pod, Tolerance, average_value, pods
from lab_utils.simulate.scaling import (
    external,
    followed,
    in_flight,
    queue_depth,
    scaled,
    turns,
    utilisation,
)
from lab_utils.simulate.station import Moment, Served

MOMENT = Moment(queued=30, busy=3, ready=4, replicas=6)
SERVICE_S, SLOTS, LEVEL = 4.0, 8, 4.0
"""The load keeps LEVEL replicas busy."""


def run(seen: object, autoscaler: Autoscaler) -> Served:
    arrived_s = poisson(LEVEL * SLOTS / SERVICE_S, 1800, seed=1).due_s
    return scaled(
        arrived_s, service_s=SERVICE_S, slots=SLOTS, start_s=10, autoscaler=autoscaler, seen=seen,
    )  # type: ignore[arg-type]  # fmt: skip


def test_what_is_seen() -> None:
    assert (queue_depth(MOMENT), in_flight(MOMENT)) == (30, 33)
    assert external(MOMENT) == {"llm_queue_depth": 30, "llm_in_flight": 33}
    seen = utilisation(0.95)(MOMENT)
    assert seen == [Pod(0.95)] * 3 + [Pod(0.0)] + [Pod(None, ready=False)] * 2
    assert utilisation(0.95)(Moment(5, 0, 0, 1)) is None


def test_utilisation_asks_for_the_same_whatever_waits() -> None:
    metric, seen = pods(0.8), utilisation(1.0)
    few, many = (seen(Moment(queued, SLOTS, 1, 1)) for queued in (1, 50))
    assert metric(1, few, Tolerance()) == metric(1, many, Tolerance()) == 2


def test_the_queue_alone_goes_up_and_down_and_requests_in_flight_stay() -> None:
    """The load is level; a signal that is 0 with just enough replicas cannot keep just enough."""
    by_queue = run(queue_depth, Autoscaler(1, 12, average_value(4)))
    by_flight = run(in_flight, Autoscaler(1, 12, average_value(0.75 * SLOTS)))
    assert turns(by_queue, 300, 1800) >= 4
    later = [n for at_s, n in by_queue.replicas if at_s > 300]
    assert min(later) == 1
    steady = [n for at_s, n in by_flight.replicas if 300 < at_s < 1800]
    assert all(LEVEL < n <= 2 * LEVEL for n in steady)
    waits = [np.quantile(one.wait_s[one.arrived_s > 300], 0.99) for one in (by_flight, by_queue)]
    assert waits[0] < waits[1] / 2


def test_utilisation_takes_a_replica_for_each_request() -> None:
    by_cpu = run(utilisation(1.0), Autoscaler(1, 100, pods(0.8)))
    assert max(n for _, n in by_cpu.replicas) > 4 * LEVEL


def test_a_run_is_drawn_from_what_was_answered() -> None:
    drawn = followed(run(in_flight, Autoscaler(1, 12, average_value(6))))
    assert np.size(drawn.arrived_s) == np.size(drawn.wait_s)
    assert 0 <= drawn.p99_s <= np.max(drawn.wait_s)


def test_turns_are_changes_of_direction() -> None:
    one = Served(*[np.zeros(1)] * 3, np.zeros(1, np.int8), np.zeros(1, int), 0.0,
                 [(0, 1), (1, 4), (2, 6), (3, 2), (4, 1), (5, 8)], [])  # fmt: skip
    assert turns(one, 0, 10) == 2
    assert turns(one, 0, 3) == 0


def test_an_impossible_utilisation_is_refused() -> None:
    with pytest.raises(LabError, match="The utilisation is 95"):
        utilisation(95)
