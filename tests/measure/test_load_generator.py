import asyncio
import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load import generator
from lab_utils.measure.load.arrivals import constant, of_times
from lab_utils.measure.load.generator import (
    Sender,
    closed_loop,
    open_loop,
    post,
)
from lab_utils.measure.virtual_clock import run_virtually

pytestmark = pytest.mark.alone

StartServer = Callable[..., str]


@pytest.fixture
def scripted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "_in_own_loop", run_virtually)


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


def test_answers_are_kept_in_the_order_of_sending(start_server: StartServer) -> None:
    answers: generator.Answers = []
    sender = post(f"{start_server()}/odd", answers=answers)
    result = open_loop(sender, [b"xx", b"x"], constant(rate_rps=200, duration_s=0.05))
    assert answers == [b"ok", None] * 5
    assert result.told_s is not None
    assert result.told_s.size == result.failed == 5
    assert (result.told_s > 0).all()


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
    result = open_loop(post(start_server()), [b"x"], constant(100_000, 0.0005))
    assert result.schedule is not None
    assert result.schedule.fell_behind
    assert "FELL BEHIND" in str(result)


def test_nothing_to_send_is_refused(start_server: StartServer) -> None:
    with pytest.raises(LabError, match="No body"):
        closed_loop(post("http://127.0.0.1:9"), [], connections=1, requests=1)


def test_it_works_where_an_event_loop_is_running_already(start_server: StartServer) -> None:
    async def notebook() -> int:
        return closed_loop(post(url), [b"x"], connections=1, requests=2).answered

    url = start_server()
    assert asyncio.run(notebook()) == 2


def freeze(process: "subprocess.Popen[str]", after_s: float, for_s: float) -> threading.Thread:
    """Stop a real process, and let it go on, from beside the test."""

    def stand_still() -> None:
        time.sleep(after_s)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(for_s)
        os.kill(process.pid, signal.SIGCONT)

    thread = threading.Thread(target=stand_still)
    thread.start()
    return thread


def test_coordinated_omission_with_a_real_server_that_is_stopped(
    start_server: StartServer, servers: "list[subprocess.Popen[str]]"
) -> None:
    """The same experiment as on the simulated clock, a quarter as long: who sees the freeze?"""
    url, frozen_s = start_server(delay_s=0.001), 0.5
    thread = freeze(servers[0], after_s=0.5, for_s=frozen_s)
    closed = closed_loop(post(url), [b"x"], connections=1, requests=500)
    thread.join()
    thread = freeze(servers[0], after_s=0.5, for_s=frozen_s)
    opened = open_loop(post(url), [b"x"], constant(200, 2.5))
    thread.join()
    assert closed.latencies_s is not None
    assert opened.latencies_s is not None
    # One answer of the closed loop was late, of the open loop all that fell due meanwhile.
    assert (closed.latencies_s > frozen_s / 2).sum() <= 2
    assert (opened.latencies_s > frozen_s / 2).sum() >= 0.3 * frozen_s * 200
    assert opened.latencies_s.max() >= 0.8 * frozen_s
    assert closed.latency_percentile_s(99).median < opened.latency_percentile_s(99).median / 4


def test_a_planted_slow_generator_is_found_out() -> None:
    """Its client computes for 8 ms where a request is due every 4 ms."""

    @asynccontextmanager
    async def sender() -> AsyncIterator[generator.Send]:
        async def send(body: bytes) -> None:
            time.sleep(0.008)

        yield send

    slow = open_loop(sender, [b"x"], constant(250, 0.4))
    assert slow.schedule is not None
    assert slow.schedule.fell_behind
    assert slow.schedule.error_s[-1] > 0.2
    assert slow.as_dict()["schedule"]["fell_behind"]
    assert "THE GENERATOR FELL BEHIND" in str(slow)


@pytest.mark.usefixtures("scripted_clock")
def test_a_generator_that_keeps_up_is_not_blamed_for_a_slow_service() -> None:
    """The service can do 20 a second and is asked for 50: the queue is its own."""
    result = open_loop(one_at_a_time(0.05), [b"x"], constant(50, 4))
    assert result.schedule is not None
    assert not result.schedule.fell_behind
    assert result.latencies_s is not None
    assert result.latencies_s.max() == pytest.approx(200 * 0.05 - 199 * 0.02)


@pytest.mark.usefixtures("scripted_clock")
def test_recorded_arrivals_are_sent_as_they_came() -> None:
    burst = of_times([0, 1, 1, 1, 2])
    result = open_loop(one_at_a_time(0.1), [b"x"], burst)
    assert list(result.latencies_s) == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.1])  # type: ignore[arg-type]


def test_an_open_loop_counts_a_service_that_dies(start_server: StartServer) -> None:
    result = open_loop(post(start_server(dies_after=21)), [b"x"], constant(100, 0.5))
    assert result.requests == 50
    assert 0 < result.answered <= 20
    assert result.failures.keys() <= {"connection broken", "connection refused"}
    assert len(result.latencies_s) == result.answered  # type: ignore[arg-type]


def test_a_server_that_does_not_speak_http_is_told_apart(start_server: StartServer) -> None:
    result = closed_loop(post(f"{start_server()}/nonsense"), [b"x"], connections=1, requests=4)
    assert dict(result.failures) == {"not an HTTP answer": 4}
    with pytest.raises(LabError, match="without a good answer"):
        _ = result.mean_latency_s


def test_a_server_that_freezes_for_good_ends_the_run(
    start_server: StartServer, servers: "list[subprocess.Popen[str]]"
) -> None:
    url = start_server()
    os.kill(servers[0].pid, signal.SIGSTOP)
    result = open_loop(post(url, timeout_s=0.3), [b"x"], constant(50, 0.2))
    assert dict(result.failures) == {"no answer in 0.3 s": 10}
    assert result.duration_s < 5


@pytest.mark.parametrize("url", ["127.0.0.1:80", "https://127.0.0.1/", "ftp://x/", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(LabError, match="expected one like http"):
        closed_loop(post(url), [b"x"], connections=1, requests=1)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x\r\nok\r\n0\r\na: b\r\n\r\n",
            None,
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nok", None),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "wrong body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "connection broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "not an HTTP answer"),
        (b"HTTP/1.1 fine\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/9\r\n\r\n", "not an HTTP answer"),
        (b"hello\r\n", "not an HTTP answer"),
        (b"", "connection broken"),
    ],
)
def test_answers_of_every_kind(answer: bytes, outcome: str | None) -> None:
    """Byte for byte, from a server that hangs up after each."""

    def check(body: bytes) -> str | None:
        return None if body == b"ok" else "wrong body"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nx")
        writer.write(answer)
        writer.close()

    async def run() -> str | None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with post(f"http://127.0.0.1:{port}/x?y=1", check=check)() as send:
                first = await send(b"x")
                await asyncio.sleep(0.02)  # until the client has seen that the server hung up
                assert await send(b"x") == first  # the closed connection is not used again
                return first

    assert asyncio.run(run()) == outcome


def test_the_generators_own_limits_are_not_the_services_fault(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_more_files(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "open_connection", no_more_files)
    result = closed_loop(post("http://127.0.0.1:1"), [b"x"], connections=1, requests=3)
    assert dict(result.failures) == {"this machine's limit of open files": 3}


def test_the_event_loop_wakes_between_milliseconds() -> None:
    """epoll alone never waits less than a whole millisecond; one quick wait in fifty is enough."""
    with generator._PreciseSelector() as selector:
        waits_s = []
        for _ in range(50):
            begun_s = time.perf_counter()
            assert selector.select(0.0002) == []
            waits_s.append(time.perf_counter() - begun_s)
    assert 0.0002 <= min(waits_s) < 0.001
