"""MLPerf LoadGen for real, against a small server; its rules are its own and are not tested."""

import subprocess
from collections.abc import Callable

import psutil
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load import loadgen as module
from lab_utils.measure.load.loadgen import SCENARIOS, Scenario, loadgen
from lab_utils.measure.load.result import LoadResult

StartServer = Callable[..., str]
BODIES = [b"xx", b"x"]
pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not module.available(), reason="LoadGen is for Linux on x86-64"),
]


def run(scenario: Scenario, url: str, duration_s: float = 0.5, rate_rps: float = 100) -> LoadResult:
    return loadgen(
        scenario, url, BODIES, rate_rps=rate_rps, duration_s=duration_s, bound_s=2, timeout_s=3
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_known_delay_is_measured(scenario: Scenario, start_server: StartServer) -> None:
    result = run(scenario, start_server(delay_s=0.02))
    assert result.answered > 0
    assert not result.failures
    assert result.latencies_s is not None
    assert len(result.latencies_s) == result.answered
    assert result.latencies_s.min() >= 0.02
    assert result.tool.split()[2] == scenario
    assert result.loop == ("closed" if scenario in ("SingleStream", "MultiStream") else "open")
    assert result.verdict is not None
    median_s = float(sorted(result.latencies_s)[result.answered // 2])
    assert result.verdict.figures["p50_latency_s"] == pytest.approx(median_s, rel=0.5)


def test_too_short_a_run_is_invalid_and_says_what_is_missing(start_server: StartServer) -> None:
    result = run("Server", start_server())
    verdict = result.verdict
    assert verdict is not None
    assert not verdict.valid
    # Early stopping of a p99 with none over the bound: 459 in all.
    assert verdict.queries_missing == 459 - result.requests
    assert f"at least {verdict.queries_missing} more queries are needed" in str(result)
    assert result.as_dict()["verdict"]["valid"] is False


def test_a_run_that_is_long_enough_is_valid(start_server: StartServer) -> None:
    result = run("Server", start_server(), duration_s=1.5, rate_rps=400)
    assert result.requests >= 459
    assert result.verdict is not None
    assert result.verdict.valid, result.verdict
    assert result.verdict.queries_missing is None


def test_latency_counts_from_the_scheduled_time(start_server: StartServer) -> None:
    result = run("Server", start_server())
    assert result.schedule is not None
    assert len(result.schedule.intended_s) == result.requests
    assert result.schedule.intended_s[0] == 0
    assert (result.schedule.error_s >= 0).all()


def test_failures_stay_apart_and_spoil_the_verdict(start_server: StartServer) -> None:
    result = run("Server", f"{start_server()}/odd", duration_s=1.5, rate_rps=400)
    assert result.failures.keys() == {"status 500"}
    assert result.answered > 0
    assert len(result.latencies_s) == result.answered  # type: ignore[arg-type]
    assert result.verdict is not None
    assert not result.verdict.valid
    assert f"{result.failed} requests failed, which LoadGen does not see" in str(result.verdict)


def test_a_server_that_dies_ends_the_run(start_server: StartServer) -> None:
    result = run("SingleStream", start_server(delay_s=0.005, dies_after=20))
    assert result.answered == 19
    assert result.failures.keys() <= {"connection broken", "connection refused"}
    assert result.failed > 0


def test_a_run_that_does_not_end_is_stopped(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAY_HANG_S", -1.0)
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    url = start_server(delay_s=30)
    with pytest.raises(LabError, match=r"LoadGen did not end in \d+ s"):
        loadgen("SingleStream", url, BODIES, rate_rps=10, duration_s=2, timeout_s=0.1)
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    assert [p for p in left if "loadgen_process" in " ".join(p.cmdline())] == []


def test_its_own_words_are_given_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def broken(command: list[str], **options: object) -> object:
        return real([command[0], "-c", "raise SystemExit('no memory left')"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", broken)
    with pytest.raises(
        LabError, match=r"LoadGen gave up on http://127.0.0.1:1/; .* no memory left"
    ):
        loadgen("Server", "http://127.0.0.1:1/", BODIES, rate_rps=10, duration_s=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scenario": "Burst"}, "The scenario is 'Burst'; expected one of SingleStream"),
        ({"bodies": []}, "No body to send"),
        ({"rate_rps": 0}, "rate_rps is 0; expected a number above 0"),
        ({"duration_s": float("inf")}, "duration_s is inf"),
        ({"per_query": -1}, "per_query is -1"),
        ({"percentile": 100}, "between 0 and 100"),
    ],
)
def test_nonsense_is_refused(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {
        "scenario": "Server",
        "url": "http://127.0.0.1:1/",
        "bodies": BODIES,
        "rate_rps": 10,
        "duration_s": 1,
    }
    with pytest.raises(LabError, match=message):
        loadgen(**(given | change))  # type: ignore[arg-type]
