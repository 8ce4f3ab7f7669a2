import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.result import LoadResult, Schedule
from lab_utils.measure.queueing import sojourn_s
from lab_utils.simulate.regions.model import Tier
from lab_utils.simulate.validation import (
    Comparison,
    added_s,
    compare,
    crossed,
    gaps_s,
    in_turn,
    largest_error,
    one_core,
)


def times_s(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(8, 0.002 / 8, count)


def live(
    share: float,
    slower: float = 1.0,
    seed: int = 1,
    count: int = 20_000,
    drawn_s: Callable[[int, int], np.ndarray] = times_s,
) -> LoadResult:
    """What a server with those service times, whose queue is Lindley's, would have shown."""
    rate_rps = share / 0.002
    due_s = poisson(rate_rps, count / rate_rps, seed=seed).due_s
    latencies_s = sojourn_s(due_s, slower * drawn_s(due_s.size, seed + 1))
    return LoadResult(
        tool="made",
        loop="open",
        connections=None,
        duration_s=float(np.max(due_s + latencies_s)),
        answered=due_s.size,
        failures={},
        latencies_s=latencies_s,
        begun_s=due_s,
        schedule=Schedule(due_s, due_s, rate_rps),
    )


def pairs(
    share: float, *, slower: float = 1.0, runs: int = 50, count: int = 400
) -> list[LoadResult]:
    return [live(share, slower, seed=10 * run, count=count) for run in range(runs)]


def known(lives: list[LoadResult], seed: int = 3) -> Comparison:
    """Compared with a simulation that has the right service times."""
    return compare(lives, [Tier("known", 1, times_s(20_000, seed))] * len(lives))


def closed(connections: int, service_s: np.ndarray) -> LoadResult:
    done_s = np.cumsum(service_s)
    begun_s = np.concatenate((np.zeros(connections), done_s[:-connections]))
    return LoadResult(
        tool="made",
        loop="closed",
        connections=connections,
        duration_s=float(done_s[-1]),
        answered=done_s.size,
        failures={},
        latencies_s=done_s - begun_s,
        begun_s=begun_s,
    )


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_server_as_it_was_measured_agrees(share: float) -> None:
    found = known(pairs(share))
    assert set(found.errors) == {"throughput", "p50", "p99"}
    for measured, simulated in found.percentiles_s.values():
        assert simulated.low * 0.97 < measured.median < simulated.high * 1.03
        assert measured.low < measured.median < measured.high
    assert found.error < 0.1


def test_a_server_that_has_become_slower_does_not() -> None:
    found = known(pairs(0.65, slower=1.2))
    assert found.errors["p50"].high < -0.1
    assert found.errors["p99"].high < -0.15


def test_gaps_are_the_service_times() -> None:
    service_s = times_s(500, 4)
    np.testing.assert_allclose(gaps_s(closed(4, service_s)), service_s[5:])


def test_what_each_request_added_is_its_service_time() -> None:
    run = live(0.7)
    assert run.schedule is not None
    np.testing.assert_allclose(added_s(run), times_s(run.answered, 2))


def test_runs_that_change_their_speed_are_predicted_from_their_neighbours() -> None:
    lives = [run for slower in (0.6, 1.0, 1.4) for run in pairs(0.5, slower=slower, runs=16)]
    found = compare(lives, crossed(lives))
    assert found.percentiles_s[99][0].n == len(lives) // 2
    assert found.error < 0.1
    assert known(lives).error > 0.15  # with one speed for all it is wrong


def woken(share: float, seed: int) -> LoadResult:
    """A server that takes twice as long where it was idle."""
    rate_rps = share / 0.002
    due_s = poisson(rate_rps, 400 / rate_rps, seed=seed).due_s
    takes_s, free_s, done_s = times_s(due_s.size, seed + 1), 0.0, []
    for due, takes in zip(due_s, takes_s, strict=True):
        free_s = free_s + takes if due < free_s else due + 2 * takes
        done_s.append(free_s)
    return dataclasses.replace(
        live(share, seed=seed, count=400), latencies_s=np.array(done_s) - due_s
    )


def test_who_meets_an_idle_server_is_told_apart() -> None:
    lives = [woken(0.4, seed) for seed in range(50)]
    core = one_core(lives[0])
    assert core.woken_times_s.mean() > 1.8 * core.times_s.mean()
    assert compare(lives, crossed(lives)).error < 0.1
    alike = [Tier("one", 1, added_s(lives[place ^ 1])) for place in range(len(lives))]
    errors = compare(lives, alike).errors
    assert errors["p50"].high < 0 < errors["p99"].low


def clustered_s(count: int, seed: int) -> np.ndarray:
    """Those times, but now and then ten requests in a row take 5 ms more."""
    held_up = np.random.default_rng([seed, 1]).random(-(-count // 10)) < 0.02
    return times_s(count, seed) + 0.005 * np.repeat(held_up, 10)[:count]


def test_clusters_of_long_times_are_kept_together() -> None:
    lives = [live(0.5, seed=10 * run, count=400, drawn_s=clustered_s) for run in range(80)]
    assert compare(lives, crossed(lives)).error < 0.1
    by_themselves = [one_core(lives[place ^ 1]) for place in range(len(lives))]
    assert compare(lives, by_themselves).errors["p99"].high < -0.2


def test_each_moment_has_both_times_and_has_shown_one() -> None:
    run = woken(0.4, seed=1)
    core, alone = one_core(run, in_a_row=400), one_core(run)
    idle = np.isin(added_s(run), alone.woken_times_s)
    assert 0 < idle.sum() < idle.size == core.times_s.size == core.woken_times_s.size
    np.testing.assert_array_equal(core.woken_times_s[idle], alone.woken_times_s)
    np.testing.assert_array_equal(core.times_s[~idle], alone.times_s)
    assert np.median(core.times_s[idle]) == pytest.approx(np.median(alone.times_s))
    longer = np.median(alone.woken_times_s) / np.median(alone.times_s)
    np.testing.assert_allclose(core.woken_times_s, longer * core.times_s)


def test_the_largest_error_is_that_of_all_that_was_measured() -> None:
    several = [known(pairs(share)) for share in (0.3, 0.7)]
    largest = largest_error(several)
    assert largest.median == max(found.error for found in several)
    assert 0 < largest.low <= largest.median <= largest.high < 0.2
    assert largest.n == 25
    with pytest.raises(LabError, match="No comparison"):
        largest_error([])


def test_loads_that_cannot_tell_are_refused() -> None:
    with pytest.raises(LabError, match="closed with 1 connections; expected a closed one of"):
        gaps_s(closed(1, times_s(50, 0)))
    with pytest.raises(LabError, match="kind open"):
        gaps_s(live(0.4))
    with pytest.raises(LabError, match="closed loop with 0 failures; expected an open"):
        known([closed(4, times_s(50, 0))] * 4)
    with pytest.raises(LabError, match="2 live runs and 2 tiers were given; expected two pairs"):
        known(pairs(0.5, runs=2))
    with pytest.raises(LabError, match="A p99 was asked of"):
        known(pairs(0.5, runs=4, count=30))


SLEPT_S = 0.001


class Sleeper(BaseHTTPRequestHandler):
    """One request at a time, each of which takes SLEPT_S and a little."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SLEPT_S)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sleeper() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Sleeper) as server:
        server.socket.listen(64)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_live_service_under_several_loads_in_turn(sleeper: str) -> None:
    shares = (0.6, 0.4, 0.6)
    live = in_turn(sleeper, [b"x"], shares, each=150, blocks=4)
    assert len(live.busy_s) == 4
    assert all(np.median(times_s) > SLEPT_S for times_s in live.busy_s)
    for share in live.runs:
        assert len(live.runs[share]) == 8 * shares.count(share)
        assert len({run.answered for run in live.runs[share]}) > 1  # each has its own arrivals
        assert np.median(live.service_s[share]) > SLEPT_S
        lasted_s = sum(run.duration_s for run in live.runs[share])
        assert live.service_s[share].sum() / lasted_s == pytest.approx(share, rel=0.3)
        measured, _ = live.compared[share].percentiles_s[50]
        assert measured.median > SLEPT_S
