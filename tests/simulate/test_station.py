import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.queueing import mm1_sojourn_s, sojourn_s
from lab_utils.simulate.hpa import SCALE_DOWN, Autoscaler, Rules, average_value
from lab_utils.simulate.station import (
    ANSWERED,
    EXPIRED,
    REJECTED,
    Moment,
    Scaling,
    Served,
    Station,
    simulate,
)
from lab_utils.simulate.theory import ERLANG_C, erlang_c, mmc_wait_s, priority_waits_s

SERVICE_S = 0.1
RUNS = 30
AT_ONCE = Rules(SCALE_DOWN.policies, window_s=0)


def exponential(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).exponential(SERVICE_S, count)


def random_run(rate_rps: float, seed: int, station: Station, classes: int = 1) -> Served:
    arrived_s = poisson(rate_rps, 400, seed=seed).due_s
    times_s = exponential(arrived_s.size, seed + 1000)
    urgency = np.random.default_rng(seed).integers(classes, size=arrived_s.size)
    return simulate(arrived_s, lambda batch: times_s[batch[0]], station, urgency)


def contains(samples: list[float], expected: float) -> bool:
    """Whether the mean of independent runs agrees: within four standard errors."""
    values = np.asarray(samples)
    return bool(abs(values.mean() - expected) < 4 * values.std(ddof=1) / len(values) ** 0.5)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.7), (2, 0.8), (5, 0.85)])
def test_waiting_is_erlangs(servers: int, utilisation: float) -> None:
    rate_rps = servers * utilisation / SERVICE_S
    runs = [random_run(rate_rps, seed, Station(servers)) for seed in range(RUNS)]
    waited = [float((run.wait_s > 0).mean()) for run in runs]
    assert contains(waited, erlang_c(servers, servers * utilisation))
    waits_s = [float(run.wait_s.mean()) for run in runs]
    assert contains(waits_s, mmc_wait_s(servers, rate_rps, SERVICE_S))


def test_the_percentile_is_that_of_the_theory() -> None:
    sojourns = [np.quantile(random_run(5, seed, Station()).sojourn_s, 0.99) for seed in range(RUNS)]
    assert contains(sojourns, mm1_sojourn_s(SERVICE_S, 0.5, 99))


@pytest.mark.parametrize("rate_rps", [4.0, 8.0])
def test_two_priorities_wait_as_cobham_says(rate_rps: float) -> None:
    arrived, waits = [], []
    for seed in range(RUNS):
        run = random_run(rate_rps, seed, Station(), classes=2)
        urgency = np.random.default_rng(seed).integers(2, size=run.arrived_s.size)
        waits.append([float((run.begun_s - run.arrived_s)[urgency == k].mean()) for k in (0, 1)])
        arrived.append(run.arrived_s.size)
    for mine, expected in zip(
        np.transpose(waits), priority_waits_s([rate_rps / 2] * 2, SERVICE_S), strict=True
    ):
        assert contains(list(mine), expected)


def test_one_server_is_lindleys() -> None:
    arrived_s = poisson(8, 60, seed=4).due_s
    times_s = exponential(arrived_s.size, 5)
    run = simulate(arrived_s, lambda batch: times_s[batch[0]])
    np.testing.assert_allclose(run.sojourn_s, sojourn_s(arrived_s, times_s))
    assert run.server_s == pytest.approx(times_s.sum())


def test_a_batch_is_full_or_has_waited() -> None:
    arrived_s = [0, 0.1, 0.2, 0.3, 5.0, 9.0, 9.1]
    station = Station(batch_most=4, batch_wait_s=1.0)
    run = simulate(arrived_s, lambda batch: 0.5 * len(batch), station)
    assert run.batch_sizes.tolist() == [4, 1, 2]
    assert run.begun_s.tolist() == [0.3] * 4 + [6.0] + [10.0] * 2
    assert run.done_s.tolist() == [2.3] * 4 + [6.5] + [11.0] * 2


def test_what_came_while_the_server_worked_is_the_next_batch() -> None:
    run = simulate([0, 0.1, 0.2, 0.9, 1.05], lambda _: 1.0, Station(batch_most=8))
    assert run.batch_sizes.tolist() == [1, 3, 1]
    assert run.begun_s.tolist() == [0, 1, 1, 1, 2]


def test_the_urgent_go_first_and_nothing_is_interrupted() -> None:
    run = simulate([0, 0.1, 0.2, 0.3], lambda _: 1.0, Station(), priorities=[1, 1, 0, 1])
    assert run.begun_s.tolist() == [0, 2, 1, 3]


def test_a_full_queue_refuses_and_a_deadline_gives_up() -> None:
    full = simulate([0, 0.1, 0.2, 0.3], lambda _: 1.0, Station(queue_most=2))
    assert full.outcomes.tolist() == [ANSWERED, ANSWERED, ANSWERED, REJECTED]
    late = simulate([0, 0.1, 0.2, 1.5], lambda _: 1.0, Station(deadline_s=1.0))
    assert late.outcomes.tolist() == [ANSWERED, ANSWERED, EXPIRED, ANSWERED]
    assert np.isnan(late.done_s[2])
    assert late.sojourn_s.size == 3


def test_overload_with_a_bounded_queue_keeps_its_latency_and_its_throughput() -> None:
    arrived_s = poisson(30, 200, seed=1).due_s  # three times what the server can
    open_ended = simulate(arrived_s, lambda _: SERVICE_S)
    bounded = simulate(arrived_s, lambda _: SERVICE_S, Station(queue_most=5))
    assert bounded.sojourn_s.max() <= 6 * SERVICE_S + 1e-9
    assert open_ended.sojourn_s.max() > 100
    assert bounded.throughput_rps == pytest.approx(1 / SERVICE_S, rel=0.01)
    refused = np.sum(bounded.outcomes == REJECTED)
    assert refused + bounded.answered.sum() == arrived_s.size


def test_replicas_follow_the_queue_and_need_their_time_to_start() -> None:
    arrived_s = np.concatenate([poisson(4, 60).due_s, 60 + poisson(40, 240).due_s])
    autoscaler = Autoscaler(1, 10, average_value(target=5))
    run = simulate(
        arrived_s, lambda _: SERVICE_S, Station(), scaling=Scaling(autoscaler, start_s=20)
    )
    assert run.answered.all()
    times_s, numbers = zip(*run.replicas, strict=True)
    assert numbers[0] == 1
    assert max(numbers) > 4
    first_more_s = times_s[1]
    assert 60 <= first_more_s <= 75  # the next look after the load has come
    working = [
        int(np.sum((run.begun_s <= at_s) & (run.done_s > at_s)))
        for at_s in (first_more_s + 19.9, first_more_s + 20.1)
    ]
    assert working[0] == 1
    assert working[1] > 1
    slower = simulate(
        arrived_s,
        lambda _: SERVICE_S,
        Station(),
        scaling=Scaling(Autoscaler(1, 10, average_value(target=5)), start_s=60),
    )
    assert np.quantile(slower.sojourn_s, 0.99) > np.quantile(run.sojourn_s, 0.99)


def test_fewer_replicas_end_what_they_have_begun() -> None:
    shrinking = Autoscaler(1, 4, lambda replicas, seen, tolerance: 1)
    scaling = Scaling(shrinking, start_s=0, seen=lambda moment: moment, every_s=1)
    run = simulate([0, 0, 0, 0, 400, 400], lambda _: 5.0, Station(servers=4), scaling=scaling)
    assert run.begun_s.tolist() == [0, 0, 0, 0, 400, 405]
    assert run.replicas[-1][1] == 1


def test_an_autoscaler_sees_the_moment() -> None:
    seen: list[Moment] = []
    autoscaler = Autoscaler(1, 2, lambda replicas, moment, tolerance: replicas)
    scaling = Scaling(autoscaler, 0, seen=lambda m: seen.append(m) or m, every_s=1)  # type: ignore[func-returns-value]
    simulate([0, 0.2, 0.4], lambda _: 2.0, Station(), scaling=scaling)
    assert seen[1] == Moment(queued=2, busy=1, ready=1, replicas=1)


def test_erlang_at_known_points() -> None:
    assert ERLANG_C({"servers": 1, "offered": 0.9}) == pytest.approx(0.9)
    assert erlang_c(2, 1) == pytest.approx(1 / 3)
    assert 0 < erlang_c(2000, 1990) < 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(LabError, match="none or not in order"):
        simulate([], lambda _: 1.0)
    with pytest.raises(LabError, match="none or not in order"):
        simulate([1, 0], lambda _: 1.0)
    with pytest.raises(LabError, match="There are 1 priorities for 2 arrivals"):
        simulate([0, 1], lambda _: 1.0, priorities=[0])
    with pytest.raises(LabError, match="A batch takes -1 s"):
        simulate([0], lambda _: -1.0)
    with pytest.raises(LabError, match="The station has 0 servers"):
        Station(servers=0)
    with pytest.raises(LabError, match="offered is 2"):
        erlang_c(2, 2)
    with pytest.raises(LabError, match=r"servers is 1\.5"):
        erlang_c(1.5, 1)
    with pytest.raises(LabError, match="below 1 together"):
        priority_waits_s([8, 4], SERVICE_S)


def test_a_server_of_several_slots_is_as_many_servers() -> None:
    arrived_s = poisson(30, 60, seed=2).due_s
    times_s = exponential(arrived_s.size, 3)
    one = simulate(arrived_s, lambda batch: times_s[batch[0]], Station(servers=1, slots=4))
    four = simulate(arrived_s, lambda batch: times_s[batch[0]], Station(servers=4))
    np.testing.assert_array_equal(one.done_s, four.done_s)
    refusing = simulate([0, 0, 0], lambda _: 1.0, Station(slots=2, queue_most=0))
    assert refusing.outcomes.tolist() == [ANSWERED, ANSWERED, REJECTED]


def test_replicas_are_paid_for_from_when_they_are_asked_for() -> None:
    wants = iter([1, 3, 3, 1])
    steered = Autoscaler(1, 3, lambda replicas, seen, tolerance: next(wants, 1), down=AT_ONCE)
    run = simulate(
        [0, 40], lambda _: 10.0, Station(), scaling=Scaling(steered, start_s=100, every_s=10)
    )
    assert run.replicas == [(0, 1), (10, 3), (30, 1)]
    assert run.replica_s == 10 * 1 + 20 * 3 + 20 * 1  # to the last answer, at 50


def test_a_start_that_was_called_off_brings_no_server() -> None:
    wants = iter([2, 1, 2, 2])
    steered = Autoscaler(1, 2, lambda replicas, seen, tolerance: next(wants, 2), down=AT_ONCE)
    run = simulate(
        [0, 0], lambda _: 1000.0, Station(), scaling=Scaling(steered, start_s=25, every_s=10)
    )
    assert run.begun_s.tolist() == [0, 45]  # asked for at 0, called off at 10, asked for at 20


def test_with_nobody_there_no_replica_is_left_and_the_next_one_waits_for_a_start() -> None:
    scaling = Scaling(Autoscaler(1, 4, average_value(5)), start_s=7, every_s=10, zero_after_s=60)
    run = simulate([0, 203, 204, 260], lambda _: 1.0, Station(), scaling=scaling)
    assert run.begun_s.tolist() == [0, 217, 218, 260]  # the look at 210, and the start
    assert run.replicas[:3] == [(0, 1), (60, 0), (210, 1)]
    kept = simulate([0, 203], lambda _: 1.0, Station(), scaling=Scaling(
        Autoscaler(1, 4, average_value(5)), start_s=7, every_s=10))  # fmt: skip
    assert kept.begun_s.tolist() == [0, 203]
