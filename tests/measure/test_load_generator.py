import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load import generator
from lab_utils.measure.load.generator import (
    Sender,
    closed_loop,
    constant,
    open_loop,
    poisson,
    post,
)

StartServer = Callable[..., str]


class ScriptedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer: hours pass in milliseconds, exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector.select = self._advance  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now_s

    def _advance(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "nothing is left to wait for"
        self.now_s += timeout
        return []


@pytest.fixture
def scripted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(main: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=ScriptedLoop) as runner:
            return runner.run(main)

    monkeypatch.setattr(generator, "_in_own_loop", run)


def one_at_a_time(service_s: float, frozen_s: float = 0.0, frozen_at: int = -1) -> Sender:
    """A server with one worker, which stands still once before it serves a certain request."""

    @asynccontextmanager
    async def sender() -> AsyncIterator[generator.Send]:
        worker = asyncio.Lock()
        served = 0

        async def send(body: bytes) -> None:
            nonlocal served
            async with worker:
                served += 1
                if served == frozen_at:
                    await asyncio.sleep(frozen_s)
                await asyncio.sleep(service_s)

        yield send

    return sender


@pytest.mark.usefixtures("scripted_clock")
def test_coordinated_omission() -> None:
    """A request every 10 ms for 10 s, 1 ms of service, frozen once for 500 ms (Tene's figures)."""
    server = one_at_a_time(0.001, frozen_s=0.5, frozen_at=500)
    closed = closed_loop(server, [b"x"], connections=1, requests=1000)
    opened = open_loop(server, [b"x"], constant(100, 10))
    assert closed.requests == opened.requests == 1000
    assert closed.latency_percentile_s(99).median == pytest.approx(0.001)
    assert 0.411 <= opened.latency_percentile_s(99).median <= 0.420
    assert opened.latencies_s is not None
    assert opened.latencies_s.max() == pytest.approx(0.501)
    assert opened.schedule is not None
    assert not opened.schedule.fell_behind


@pytest.mark.usefixtures("scripted_clock")
def test_littles_law_holds_in_a_closed_loop() -> None:
    result = closed_loop(one_at_a_time(0.02), [b"x"], connections=4, requests=400)
    assert result.rate_rps == pytest.approx(50)
    assert result.in_flight == pytest.approx(4, rel=0.02)  # the last three end alone
    assert result.median_latency_s.median == pytest.approx(4 / 50)


def test_a_known_delay_is_measured(start_server: StartServer) -> None:
    result = closed_loop(post(start_server(delay_s=0.05)), [b"x"], connections=4, requests=12)
    assert result.answered == 12
    assert result.latencies_s is not None
    assert result.latencies_s.min() >= 0.05
    assert result.rate_rps <= 4 / 0.05
    assert result.connections == 4


def test_bodies_take_turns_and_failures_stay_apart(start_server: StartServer) -> None:
    url = f"{start_server()}/odd"
    result = closed_loop(post(url), [b"xx", b"x"], connections=2, requests=20)
    assert (result.answered, dict(result.failures)) == (10, {"status 500": 10})
    assert result.latencies_s is not None
    assert len(result.latencies_s) == 10
    assert "10 failed: 10 × status 500" in str(result)


def test_an_answer_may_be_refused_for_its_content(start_server: StartServer) -> None:
    def check(body: bytes) -> str | None:
        return None if body == b"yes" else "wrong answer"

    result = closed_loop(post(start_server(), check=check), [b"x"], connections=1, requests=5)
    assert dict(result.failures) == {"wrong answer": 5}


def test_a_server_that_dies_is_told_apart(start_server: StartServer) -> None:
    url = start_server(dies_after=11)
    result = closed_loop(post(url), [b"x"], connections=1, requests=30)
    assert result.answered == 10
    # The next attempt may still meet the dying server's socket.
    assert result.failures.keys() == {"connection broken", "connection refused"}
    assert result.failed == 20


def test_a_server_that_does_not_answer_in_time(start_server: StartServer) -> None:
    result = closed_loop(
        post(start_server(delay_s=5), timeout_s=0.1), [b"x"], connections=2, requests=2
    )
    assert dict(result.failures) == {"no answer in 0.1 s": 2}
    with pytest.raises(LabError, match=r"without a good answer \(2 × no answer in 0.1 s\)"):
        _ = result.median_latency_s


def test_the_schedule_and_its_error_are_kept(start_server: StartServer) -> None:
    result = open_loop(post(start_server()), [b"x"], constant(20, 1))
    assert result.schedule is not None
    assert list(result.schedule.intended_s) == pytest.approx([i / 20 for i in range(20)])
    assert len(result.schedule.sent_s) == 20
    assert (result.schedule.error_s > -1e-6).all()
    assert result.latencies_s is not None
    sent_to_done_s = result.latencies_s - result.schedule.error_s
    assert (sent_to_done_s > 0).all()  # latency counts from the intended time
    assert result.as_dict()["schedule"]["worst_error_s"] == result.schedule.error_s.max()


def test_a_generator_that_falls_behind_says_so(start_server: StartServer) -> None:
    result = open_loop(post(start_server()), [b"x"], constant(100_000, 0.005))
    assert result.schedule is not None
    assert result.schedule.fell_behind
    assert "FELL BEHIND" in str(result)


def test_poisson_arrivals_are_poisson() -> None:
    arrivals = poisson(1000, 20, seed=3)
    gaps_s = np.diff(arrivals.due_s)
    # mean and deviation of the gaps are both 1 / rate; 20,000 gaps put each within 3 %
    assert gaps_s.mean() == pytest.approx(1e-3, rel=0.03)
    assert gaps_s.std() == pytest.approx(1e-3, rel=0.03)
    assert arrivals.due_s[-1] < 20
    assert (poisson(1000, 20, seed=3).due_s == arrivals.due_s).all()
    assert len(poisson(1000, 20, seed=4).due_s) != len(arrivals.due_s)


@pytest.mark.parametrize(("rate", "duration"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_nonsense_loads_are_refused(rate: float, duration: float) -> None:
    with pytest.raises(LabError, match="expected both above 0"):
        poisson(rate, duration)


def test_nothing_to_send_is_refused(start_server: StartServer) -> None:
    with pytest.raises(LabError, match="No body"):
        closed_loop(post("http://127.0.0.1:9"), [], connections=1, requests=1)


def test_it_works_where_an_event_loop_is_running_already(start_server: StartServer) -> None:
    async def notebook() -> int:
        return closed_loop(post(url), [b"x"], connections=1, requests=2).answered

    url = start_server()
    assert asyncio.run(notebook()) == 2
