"""The compiled engine against SimPy (exactly), `station`, theory, and what is known beforehand."""

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.queueing import mm1_sojourn_s, sojourn_s
from lab_utils.simulate.hpa import SCALE_DOWN, Autoscaler, Rules, average_value
from lab_utils.simulate.regions import _loop, reference
from lab_utils.simulate.regions.engine import Run, service_times_s, simulate
from lab_utils.simulate.regions.model import Change, Clients, Fleet, Loss, Tier
from lab_utils.simulate.station import Scaling, Station
from lab_utils.simulate.station import simulate as one_station
from lab_utils.simulate.theory import erlang_c, mmc_late, mmc_wait_s, priority_waits_s

SERVICE_S = 0.1
TICK_S = 2.0**-30
"""Sums of whole numbers of it are exact in any order, so times can be compared for equality."""
RUNS = 30


def ticks(times_s: np.ndarray) -> np.ndarray:
    return np.round(times_s / TICK_S) * TICK_S


RECORDED_S = ticks(np.random.default_rng(7).exponential(SERVICE_S, 100_000))


def arrivals(rate_rps: float, seed: int, duration_s: float = 60) -> np.ndarray:
    return ticks(poisson(rate_rps, duration_s, seed=seed).due_s)


def contains(samples: list[float], expected: float) -> bool:
    """Whether the mean of independent runs agrees: within four standard errors."""
    values = np.asarray(samples)
    return bool(abs(values.mean() - expected) < 4 * values.std(ddof=1) / len(values) ** 0.5)


@pytest.mark.parametrize("servers", [1, 3, 40])
def test_departures_are_simpys(servers: int) -> None:
    arrived_s = arrivals(9 * servers, seed=servers)
    fleet = Fleet((Tier("score", servers, RECORDED_S),))
    work_s = service_times_s(fleet, arrived_s.size, seed=3)
    np.testing.assert_array_equal(
        simulate(arrived_s, fleet, seed=3).done_s, reference.queue(arrived_s, work_s, servers)
    )


@pytest.mark.parametrize("servers", [1, 3])
def test_a_woken_server_is_simpys(servers: int) -> None:
    arrived_s = arrivals(6 * servers, seed=servers)
    fleet = Fleet(
        (Tier("score", servers, RECORDED_S, woken_s=1.5 * RECORDED_S[:5000]), Tier("no", 1, 9.0))
    )
    followed_s, woken_s = (
        service_times_s(fleet, arrived_s.size, woken=woken, seed=3) for woken in (False, True)
    )
    run = simulate(arrived_s, fleet, seed=3)
    np.testing.assert_array_equal(
        run.done_s, reference.queue(arrived_s, followed_s, servers, woken_s)
    )
    assert not np.array_equal(run.done_s, reference.queue(arrived_s, followed_s, servers))


def test_waiting_for_a_woken_server_is_welchs() -> None:
    """Mean wait of M/G/1 with exceptional first service (Welch 1964): Pollaczek and Khinchine's,
    and a part for the first of each busy period."""
    rate_rps, longer_s = 5.0, 2 * RECORDED_S
    usual, first = ((times_s.mean(), (times_s**2).mean()) for times_s in (RECORDED_S, longer_s))
    expected_s = rate_rps * usual[1] / (2 * (1 - rate_rps * usual[0]))
    expected_s += rate_rps * (first[1] - usual[1]) / (2 * (1 + rate_rps * (first[0] - usual[0])))
    fleet = Fleet((Tier("score", 1, RECORDED_S, woken_s=longer_s),))
    waits_s = []
    for seed in range(RUNS):
        arrived_s = poisson(rate_rps, 4000, seed=seed).due_s
        run = simulate(arrived_s, fleet, seed=seed)
        waits_s.append(float((run.latency_s.sum() - run.busy_s[0, 0]) / arrived_s.size))
    assert contains(waits_s, expected_s)


def test_times_in_a_row_keep_their_order_and_are_simpys() -> None:
    arrived_s, few_s, row = arrivals(6, seed=2), RECORDED_S[:500], 70
    fleet = Fleet((Tier("score", 1, few_s, woken_s=1.5 * few_s, in_a_row=row), Tier("no", 1, 9.0)))
    followed_s, woken_s = (
        service_times_s(fleet, arrived_s.size, woken=woken, seed=3) for woken in (False, True)
    )
    run = simulate(arrived_s, fleet, seed=3)
    np.testing.assert_array_equal(run.done_s, reference.queue(arrived_s, followed_s, 1, woken_s))
    np.testing.assert_array_equal(woken_s, 1.5 * followed_s)
    places = np.array([np.flatnonzero(few_s == time_s)[0] for time_s in followed_s[: 4 * row]])
    steps = np.diff(places) % few_s.size
    assert np.all(np.delete(steps, [row - 1, 2 * row - 1, 3 * row - 1]) == 1)
    assert len(set(places[::row])) == 4  # each row from a place of its own


def test_clusters_make_waiting_longer_as_the_sum_of_their_correlations_says() -> None:
    """Mean wait at one server in heavy traffic: ρ S (1 + I) ÷ 2 (1 − ρ), with I the index of
    dispersion of the service times (Fendick, Saksena and Whitt 1989). Times that come ten at a
    time, all the same, have ten times the I of the same times one by one."""
    together, utilisation, waits_s = 10, 0.9, {}
    recorded_s = np.repeat(RECORDED_S[:10_000], together)
    mean_s = recorded_s.mean()
    for row in (1, 2_000):
        fleet = Fleet((Tier("score", 1, recorded_s, in_a_row=row),))
        waits_s[row] = []
        for seed in range(RUNS):
            arrived_s = poisson(utilisation / mean_s, 100_000 * mean_s, seed=seed).due_s
            run = simulate(arrived_s, fleet, seed=seed)
            waits_s[row].append(float(run.latency_s.mean() - mean_s))
    spread = (recorded_s.std() / mean_s) ** 2
    expected_s = {
        row: utilisation * mean_s * (1 + dispersion) / 2 / (1 - utilisation)
        for row, dispersion in ((1, spread), (2_000, together * spread))
    }
    assert contains(waits_s[1], expected_s[1])  # Pollaczek and Khinchine's, which is exact
    assert np.mean(waits_s[2_000]) == pytest.approx(expected_s[2_000], rel=0.15)


@pytest.mark.parametrize("cancel", [False, True])
def test_fallbacks_and_retries_are_simpys(cancel: bool) -> None:
    fleet = Fleet(
        (
            Tier("gpu", 2, RECORDED_S, deadline_s=0.25),
            Tier("cpu", 1, RECORDED_S, deadline_s=0.125),
            Tier("rules", 1, TICK_S * 50_123_456),  # just not a sum of the others
        ),
        clients=Clients(timeout_s=0.4375, attempts=3, cancel=cancel),
    )
    arrived_s = arrivals(28, seed=5)
    drawn_s = [
        [service_times_s(fleet, arrived_s.size, tier, attempt=n, seed=2) for n in (1, 2, 3)]
        for tier in range(3)
    ]

    def work_s(request: int, tier: int, attempt: int) -> float:
        return float(drawn_s[tier][attempt - 1][request])

    run = simulate(arrived_s, fleet, seed=2)
    done_s, by = reference.chain(arrived_s, fleet, work_s)
    assert set(run.tier) == {-1, 0, 1, 2}  # all that can happen does
    np.testing.assert_array_equal(run.done_s, done_s)
    assert run.tier.tolist() == by


@pytest.mark.parametrize(
    "station",
    [
        Station(servers=2, batch_most=4, batch_wait_s=0.05),
        Station(servers=1, batch_most=8),
        Station(servers=3, queue_most=4),
    ],
)
def test_batches_and_full_queues_are_stations(station: Station) -> None:
    growth = 1 + 0.25 * np.arange(station.batch_most)
    fleet = Fleet(
        (
            Tier(
                "score",
                station.servers,
                RECORDED_S,
                queue_most=station.queue_most,
                batch_most=station.batch_most,
                batch_wait_s=station.batch_wait_s,
                growth=growth,
            ),
        )
    )
    arrived_s = arrivals(30, seed=6)
    urgency = np.random.default_rng(0).integers(2, size=arrived_s.size)
    work_s = service_times_s(fleet, arrived_s.size)
    expected = one_station(
        arrived_s, lambda batch: work_s[batch[0]] * growth[len(batch) - 1], station, urgency
    )
    run = simulate(arrived_s, fleet, priorities=urgency)
    np.testing.assert_array_equal(run.answered, expected.answered)
    np.testing.assert_allclose(run.done_s, expected.done_s)


def test_an_autoscaler_sees_and_does_the_same_as_at_a_station() -> None:
    def scaling() -> Scaling:
        at_once = Rules(SCALE_DOWN.policies, window_s=0)
        return Scaling(Autoscaler(1, 20, average_value(4), down=at_once), start_s=7, every_s=5)

    arrived_s = np.concatenate(
        [arrivals(5, 1), 60 + arrivals(80, 2), 120 + arrivals(5, 3, duration_s=120)]
    )
    fleet = Fleet((Tier("score", 1, RECORDED_S),))
    work_s = service_times_s(fleet, arrived_s.size)
    run = simulate(arrived_s, fleet, scalings={(0, 0): scaling()})
    expected = one_station(arrived_s, lambda batch: work_s[batch[0]], scaling=scaling())
    assert max(number for _, number in expected.replicas) > 5
    np.testing.assert_allclose(run.done_s, expected.done_s)
    assert run.replicas[0, 0] == [r for r in expected.replicas if r[0] <= run.done_s.max()]


def random_run(
    rate_rps: float, servers: int, seed: int, classes: int = 1
) -> tuple[Run, np.ndarray]:
    arrived_s = poisson(rate_rps, 4000 * servers**0.5 / rate_rps, seed=seed).due_s
    urgency = np.random.default_rng(seed).integers(classes, size=arrived_s.size)
    exact_s = -SERVICE_S * np.log1p(
        -(np.arange(2**18) + 0.5) / 2**18
    )  # the exponential's quantiles
    fleet = Fleet((Tier("score", servers, exact_s),))
    run = simulate(arrived_s, fleet, priorities=urgency, seed=seed)
    waits_s = run.latency_s - service_times_s(fleet, arrived_s.size, seed=seed)
    return run, np.where(waits_s < 1e-9, 0, waits_s)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.7), (5, 0.85), (100, 0.9)])
def test_waiting_is_erlangs(servers: int, utilisation: float) -> None:
    rate_rps = servers * utilisation / SERVICE_S
    waits = [random_run(rate_rps, servers, seed)[1] for seed in range(RUNS)]
    assert contains([np.mean(w > 0) for w in waits], erlang_c(servers, servers * utilisation))
    assert contains([w.mean() for w in waits], mmc_wait_s(servers, rate_rps, SERVICE_S))
    expected = mmc_late(servers, rate_rps, SERVICE_S, SERVICE_S / 2)
    assert contains([np.mean(w > SERVICE_S / 2) for w in waits], expected)


def test_the_percentile_is_that_of_the_theory() -> None:
    found = [np.quantile(random_run(5, 1, seed)[0].latency_s, 0.99) for seed in range(RUNS)]
    assert contains(found, mm1_sojourn_s(SERVICE_S, 0.5, 99))


def test_two_priorities_wait_as_cobham_says() -> None:
    waits = []
    for seed in range(RUNS):
        run, waits_s = random_run(8, 1, seed, classes=2)
        urgency = np.random.default_rng(seed).integers(2, size=run.arrived_s.size)
        waits.append([waits_s[urgency == k].mean() for k in (0, 1)])
    for mine, expected in zip(
        np.transpose(waits), priority_waits_s([4, 4], SERVICE_S), strict=True
    ):
        assert contains(list(mine), expected)


def test_one_server_is_lindleys() -> None:
    arrived_s = arrivals(8, seed=4)
    fleet = Fleet((Tier("score", 1, RECORDED_S),))
    expected = sojourn_s(arrived_s, service_times_s(fleet, arrived_s.size))
    np.testing.assert_allclose(simulate(arrived_s, fleet).latency_s, expected)


def test_queues_of_their_own_wait_longer_and_two_choices_help() -> None:
    arrived_s = arrivals(160, seed=8, duration_s=200)

    def wait_s(queues: int, route: str = "random") -> float:
        fleet = Fleet((Tier("score", 20, RECORDED_S, queues=queues, route=route),))
        return float(simulate(arrived_s, fleet).latency_s.mean()) - SERVICE_S

    shared, two, turns, drawn = (
        wait_s(1),
        wait_s(20, "shorter of two"),
        wait_s(20, "in turn"),
        wait_s(20),
    )
    assert shared < two < turns < drawn
    assert drawn == pytest.approx(mmc_wait_s(1, 8, SERVICE_S), rel=0.15)


def test_a_lost_region_loses_what_is_sent_there_until_the_others_take_over() -> None:
    fleet = Fleet((Tier("score", 20, SERVICE_S / 10),), regions=3, failover_s=2.0)
    arrived_s = arrivals(300, seed=9)
    run = simulate(arrived_s, fleet, changes=[Loss(10.0, region=1, until_s=40.0)], seed=4)
    lost = ~run.answered
    assert set(run.home[lost]) == {1}
    inside = (run.home == 1) & (arrived_s >= 10.0 - SERVICE_S / 10) & (arrived_s < 12.0)
    np.testing.assert_array_equal(lost, inside)
    later = (run.home == 1) & (arrived_s > 12.0) & (arrived_s < 40.0)
    assert set(run.region[later]) == {0, 2}
    assert set(run.region[(run.home == 1) & (arrived_s > 40.0)]) == {1}


def test_clients_who_try_again_find_the_other_regions() -> None:
    clients = Clients(timeout_s=1.0, attempts=4)
    fleet = Fleet((Tier("score", 20, SERVICE_S),), regions=2, failover_s=2.0, clients=clients)
    run = simulate(arrivals(50, seed=9), fleet, changes=[Loss(10.0, region=0)])
    assert run.answered.all()
    assert run.sent > 1
    assert run.latency_s.max() == pytest.approx(2 + SERVICE_S, abs=1.0)


def storm(budget: float | None) -> Run:
    clients = Clients(timeout_s=0.5, attempts=5, backoff_s=0.05, retry_budget=budget)
    fleet = Fleet((Tier("score", 10, SERVICE_S),), clients=clients)
    slow = [Change(20.0, slower=2.0), Change(25.0)]
    return simulate(arrivals(80, seed=2, duration_s=120), fleet, changes=slow)


def test_retries_keep_a_service_down_and_a_budget_lets_it_recover() -> None:
    endless, budgeted = storm(None), storm(0.1)
    after = endless.arrived_s > 60  # long after the cause has gone
    assert endless.in_time(0.5)[after].mean() < 0.5
    assert budgeted.in_time(0.5)[after].mean() > 0.99
    assert endless.sent > 2 > 1.2 > budgeted.sent
    assert endless.wasted.sum() > 0.3 * endless.visits.sum()


def test_hedging_cuts_the_tail_for_a_few_more_requests() -> None:
    times_s = np.where(np.arange(1000) < 20, 1.0, 0.01)  # one in fifty is slow
    arrived_s = arrivals(100, seed=3, duration_s=200)

    def run(hedge_s: float) -> Run:
        fleet = Fleet((Tier("score", 60, times_s),), clients=Clients(hedge_s=hedge_s))
        return simulate(arrived_s, fleet)

    plain, hedged = run(np.inf), run(0.02)
    assert np.quantile(plain.latency_s, 0.99) == pytest.approx(1.0)
    assert np.quantile(hedged.latency_s, 0.99) == pytest.approx(0.03)
    assert hedged.visits.sum() / plain.visits.sum() == pytest.approx(1.02, abs=0.01)


def test_what_one_fleet_meets_another_meets_too() -> None:
    arrived_s = arrivals(50, seed=1)
    small, large = (
        simulate(arrived_s, Fleet((Tier("score", servers, RECORDED_S),), regions=2), seed=5)
        for servers in (4, 400)
    )
    np.testing.assert_array_equal(small.home, large.home)
    assert np.all(small.done_s >= large.done_s - 1e-12)  # with a stream of draws this fails at once


def test_draws_are_even_and_differ_by_what_they_are_for() -> None:
    state = 2000
    one = np.array([_loop.draw(1, r, 0, 0, 1, 10) for r in range(state)])
    other = np.array([_loop.draw(1, r, 1, 0, 1, 10) for r in range(state)])
    for drawn in (one, other):
        counts = np.bincount(drawn, minlength=10)
        assert counts.size == 10
        assert (
            np.sum((counts - state / 10) ** 2 / (state / 10)) < 33.7
        )  # χ², 9 degrees, 1 in 10,000
    assert abs(np.mean(one == other) - 0.1) < 0.03


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tier("a", 3, 0.1, queues=2), "as many servers at each queue"),
        (lambda: Tier("a", 1, []), "service times that are none"),
        (lambda: Tier("a", 1, [0.1, -1]), "below 0"),
        (
            lambda: Tier("a", 1, 0.1, route="nearest"),
            "The route is 'nearest'; expected one",
        ),
        (lambda: Tier("a", 1, 0.1, batch_most=2), "growth has 1 factors, batches of up to 2"),
        (lambda: Tier("a", 1, 0.1, deadline_s=0), "a deadline of 0 s"),
        (lambda: Tier("a", 2, 0.1, in_a_row=5), "5 services in a row, 2 servers at 1 queues"),
        (
            lambda: Tier("a", 1, [0.1, 0.2], woken_s=0.1, in_a_row=5),
            "2 times and 1 of woken servers; expected at least 1",
        ),
        (lambda: Tier("a", 1, 0.1, in_a_row=0), "has 0 services in a row"),
        (lambda: Clients(attempts=0), "attempts is 0; expected 1 to 100"),
        (lambda: Clients(timeout_s=-1), "Clients wait -1 s"),
        (lambda: Fleet(()), "The fleet has 0 tiers"),
        (lambda: simulate([1, 0], Fleet((Tier("a", 1, 0.1),))), "not in order"),
        (lambda: simulate([0], Fleet((Tier("a", 1, 0.1),)), home=[1]), "expected 0 to 0"),
        (
            lambda: simulate([0], Fleet((Tier("a", 1, 0.1),)), home=[0, 0]),
            "There are 2 regions",
        ),
        (
            lambda: simulate([0], Fleet((Tier("a", 1, 0.1),)), changes=[Loss(0, 3)]),
            "There is no region 3; expected 0 to 0",
        ),
        (
            lambda: simulate([0], Fleet((Tier("a", 1, 0.1),)), changes=[Change(0, tier=1)]),
            "There is no tier 1; expected 0 to 0",
        ),
    ],
)
def test_bad_input_is_one_sentence(make, message: str) -> None:
    with pytest.raises(LabError, match=message):
        make()
