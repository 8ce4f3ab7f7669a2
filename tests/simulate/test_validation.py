import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import poisson
from lab_utils.measure.load.result import LoadResult, Schedule
from lab_utils.measure.queueing import sojourn_s
from lab_utils.simulate.validation import added_s, compare, gaps_s, in_turn


def times_s(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(8, 0.002 / 8, count)


def live(share: float, slower: float = 1.0, seed: int = 1, count: int = 20_000) -> LoadResult:
    """What a server with those service times, whose queue is Lindley's, would have shown."""
    rate_rps = share / 0.002
    due_s = poisson(rate_rps, count / rate_rps, seed=seed).due_s
    latencies_s = sojourn_s(due_s, slower * times_s(due_s.size, seed + 1))
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


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.85])
def test_a_server_as_it_was_measured_agrees(share: float) -> None:
    found = compare([live(share)], times_s(20_000, 3))
    assert set(found.errors) == {"throughput", "p50", "p99"}
    for measured, simulated in found.percentiles_s.values():
        assert simulated.low * 0.97 < measured.median < simulated.high * 1.03
    if share <= 0.7:  # above it one run's P99 is chance, of whatever length a person waits for
        assert found.error < 0.1


def test_a_server_that_has_become_slower_does_not() -> None:
    assert compare([live(0.65, slower=1.2)], times_s(2000, 3)).error > 0.15


def test_gaps_are_the_service_times() -> None:
    service_s = times_s(500, 4)
    np.testing.assert_allclose(gaps_s(closed(4, service_s)), service_s[5:])


def test_what_each_request_added_is_its_service_time() -> None:
    run = live(0.7)
    assert run.schedule is not None
    np.testing.assert_allclose(added_s(run), times_s(run.answered, 2))


def test_short_runs_are_laid_together() -> None:
    runs = [live(0.6, seed=seed, count=400) for seed in range(40)]
    service_s = np.concatenate([added_s(run) for run in runs[::2]])
    found = compare(runs[1::2], service_s)
    assert found.percentiles_s[99][0].n == sum(run.answered for run in runs[1::2])
    assert found.error < 0.1


def test_loads_that_cannot_tell_are_refused() -> None:
    with pytest.raises(LabError, match="closed with 1 connections; expected a closed one of"):
        gaps_s(closed(1, times_s(50, 0)))
    with pytest.raises(LabError, match="kind open"):
        gaps_s(live(0.4))
    with pytest.raises(LabError, match="closed loop with 0 failures; expected an open"):
        compare([closed(4, times_s(50, 0))], times_s(50, 0))
    with pytest.raises(LabError, match="No live run"):
        compare([], times_s(50, 0))


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
    live = in_turn(sleeper, [b"x"], (0.4, 0.6), busy_rps=0.6 / SLEPT_S, each=150, blocks=8)
    assert len(live.busy_s) == 8
    assert all(np.median(times_s) > SLEPT_S for times_s in live.busy_s)
    for share in live.runs:
        tested = sum(run.answered for run in live.runs[share][1::2])
        assert live.compared[share].percentiles_s[99][0].n == tested
        assert np.median(live.service_s[share]) > SLEPT_S
        measured, _ = live.compared[share].percentiles_s[50]
        assert measured.median > SLEPT_S
