"""Each tool is run for real against a small server, and what it printed is read."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lab_utils.components.catalogue import program
from lab_utils.errors import LabError
from lab_utils.measure.load import programs
from lab_utils.measure.load.result import LoadResult

pytestmark = pytest.mark.alone

StartServer = Callable[..., str]
Run = Callable[..., LoadResult]
BODIES = [b"xx", b"x"]


def present(name: str) -> Path:
    path = program(name)
    if path is None:
        pytest.skip(f"{name} is not on this machine")
    return path


@pytest.fixture(params=["wrk", "ab", "k6"])
def run(request: pytest.FixtureRequest) -> Run:
    path = present(request.param)
    extent = {"duration_s": 1} if request.param == "wrk" else {"requests": 24}
    return partial(getattr(programs, request.param), path, connections=4, **extent)


def test_a_known_delay_is_measured(run: Run, start_server: StartServer) -> None:
    result = run(start_server(delay_s=0.05), BODIES)
    assert result.answered >= 4
    assert not result.failures
    assert result.latencies_s is not None
    assert len(result.latencies_s) == result.answered
    assert result.latencies_s.min() >= 0.05
    assert result.rate_rps <= 4 / 0.05 * 1.05  # ab rounds its duration
    assert 0 < result.in_flight <= 4.2
    assert result.tool.split()[0] in ("wrk", "ab", "k6")
    assert result.tool.split()[1][0].isdigit()


@pytest.mark.parametrize("name", ["ab", "k6"])
def test_an_exact_count_is_sent(name: str, start_server: StartServer) -> None:
    tool = getattr(programs, name)
    result = tool(present(name), start_server(), BODIES, connections=3, requests=20)
    assert result.requests == result.answered == 20


def test_answers_without_a_body_are_answers(run: Run, start_server: StartServer) -> None:
    result = run(f"{start_server(delay_s=0.005)}/empty", BODIES)
    assert result.answered >= 24
    assert not result.failures
    assert result.latencies_s is not None
    assert len(result.latencies_s) == result.answered


def test_only_failures_give_no_latency(run: Run, start_server: StartServer) -> None:
    result = run(f"{start_server(delay_s=0.005)}/bad", BODIES)
    assert result.answered == 0
    assert result.failed > 0
    assert result.rate_rps == 0
    with pytest.raises(LabError, match=r"without a good answer \(\d+ × status"):
        _ = result.mean_latency_s


def test_k6_keeps_failures_apart(start_server: StartServer) -> None:
    url = f"{start_server()}/odd"
    result = programs.k6(present("k6"), url, BODIES, connections=2, requests=20)
    assert result.failures.keys() == {"status 500"}
    assert result.answered + result.failed == 20
    assert result.latencies_s is not None
    assert len(result.latencies_s) == result.answered > 0


def test_wrk_cannot_and_says_so(start_server: StartServer) -> None:
    url = f"{start_server(delay_s=0.005)}/odd"
    result = programs.wrk(present("wrk"), url, BODIES, connections=2, duration_s=1)
    assert result.answered > 0
    assert result.failed > 0
    with pytest.raises(LabError, match=r"wrk [\d.]+ mixes the latencies of failed requests"):
        _ = result.median_latency_s


def test_a_service_that_is_not_there_is_one_sentence() -> None:
    url = "http://127.0.0.1:1/"
    with pytest.raises(LabError, match=rf"^wrk gave up on {url} .*refused\); see that the service"):
        programs.wrk(present("wrk"), url, BODIES, connections=2, duration_s=1)


@pytest.mark.parametrize("name", ["ab", "k6"])
def test_refused_connections_are_counted(name: str) -> None:
    tool = getattr(programs, name)
    result = tool(present(name), "http://127.0.0.1:1/", BODIES, connections=2, requests=6)
    assert (result.answered, result.failed) == (0, 6)


@pytest.mark.parametrize("name", ["ab", "k6"])
def test_a_server_that_dies_is_reported(name: str, start_server: StartServer) -> None:
    url = start_server(delay_s=0.005, dies_after=9)
    tool = getattr(programs, name)
    result = tool(present(name), url, BODIES, connections=1, requests=20)
    assert (result.answered, result.failed) == (8, 12)


def test_no_body_is_refused(run: Run) -> None:
    with pytest.raises(LabError, match="No body"):
        run("http://127.0.0.1:1/", [])


def test_what_wrk_adds_for_a_freeze_is_taken_out_again(
    start_server: StartServer, servers: "list[subprocess.Popen[str]]"
) -> None:
    """wrk corrects for coordinated omission on its own: it prints more latencies than requests."""
    url, frozen_s = start_server(delay_s=0.005), 0.4
    pid = servers[0].pid
    stop = threading.Timer(0.3, os.kill, (pid, signal.SIGSTOP))
    go_on = threading.Timer(0.3 + frozen_s, os.kill, (pid, signal.SIGCONT))
    for timer in (stop, go_on):
        timer.start()
    result = programs.wrk(program("wrk"), url, BODIES, connections=2, duration_s=1)
    assert result.latencies_s is not None
    assert result.printed_latencies_s is not None
    assert len(result.latencies_s) == result.answered
    assert (result.latencies_s > frozen_s / 2).sum() == 2  # one a connection
    added = len(result.printed_latencies_s) - result.answered
    # About one for each interval of the freeze, on each connection.
    assert added > 0.3 * result.answered * frozen_s / (1 - frozen_s)
    assert result.in_flight == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    "latencies_us",
    [[1000, 1010, 1020], [900, 5000], [500] * 50 + [100_000, 100_000, 42_000, 7_777], [3000]],
)
def test_the_correction_of_wrk_is_undone_exactly(latencies_us: list[int]) -> None:
    """Against wrk's own rule (stats.c, stats_correct), written down here once more."""
    expected, counts = 1100, np.bincount(latencies_us)
    for n in range(2 * expected, len(counts)):
        m = n - expected
        while counts[n] and m > expected:
            counts[m] += counts[n]
            m -= expected
    printed = np.array([(n, c) for n, c in enumerate(counts) if c], np.int64)
    measured = programs._without_corrections(printed, expected)
    assert np.repeat(measured[:, 0], measured[:, 1]).tolist() == sorted(latencies_us)


@pytest.mark.parametrize("name", ["wrk", "ab", "k6"])
def test_a_server_that_speaks_no_http_gives_no_answer(name: str, start_server: StartServer) -> None:
    url = f"{start_server(delay_s=0.005)}/nonsense"
    extent = {"duration_s": 1} if name == "wrk" else {"requests": 6}
    result = getattr(programs, name)(program(name), url, BODIES, connections=2, **extent)
    assert result.answered == 0
    assert result.failed > 0
