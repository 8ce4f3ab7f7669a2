import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab_utils.components.process import LOG_BYTES, Process
from lab_utils.errors import LabError
from tests.started import alive, assert_gone

# A server with a worker of its own, as gunicorn has; both write down who they are.
SERVER = """
import os, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
print("started", os.getpid(), worker.pid, flush=True)
time.sleep(600)
"""
# The same, deaf to a polite request.
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER

STARTER = f'''
import sys, time
from lab_utils.components.process import Process
process = Process(
    "the server", [sys.executable, "-S", "-c", """{SERVER}"""],
    ready=lambda: "started" in process.log(),
)
process.__enter__()
print(process.log().strip(), flush=True)
'''
STAY = "time.sleep(600)"
FORK = """
import os
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(600)
"""


def server(source: str = SERVER, **options: float) -> Process:
    command = [sys.executable, "-S", "-c", source]
    process = Process("the server", command, ready=lambda: "started" in process.log(), **options)
    return process


def pids(process: Process) -> list[int]:
    return [int(word) for word in process.log().split()[1:3]]


def test_it_and_its_worker_end_with_the_block() -> None:
    with server() as process:
        started = pids(process)
        assert process.alive()
        assert {p.pid for p in process.processes()} >= set(started)
    assert not process.alive()
    assert process.processes() == []
    assert_gone(started)


def test_a_printed_address_is_read_when_it_is_whole_and_kept() -> None:
    source = (
        "import sys, time\n"
        "print('at http://127.0.0.1:12', end='', flush=True)\n"
        "time.sleep(0.2)\n"
        "print('345/ and http://127.0.0.1:6 too', flush=True)\n"
        "time.sleep(600)"
    )
    process = Process(
        "the server", [sys.executable, "-S", "-c", source], ready=lambda: bool(process.url)
    )
    with process:
        assert process.url == "http://127.0.0.1:12345"
    assert process.url == "http://127.0.0.1:12345"


def test_it_ends_when_the_block_raises() -> None:
    process = server()

    def block() -> None:
        with process:
            started.extend(pids(process))
            raise RuntimeError("in the block")

    started: list[int] = []
    with pytest.raises(RuntimeError, match="in the block"):
        block()
    assert len(started) == 2
    assert_gone(started)


def test_one_that_ignores_the_request_is_made_to_end() -> None:
    with server(DEAF, stop_timeout_s=0.3) as process:
        started = pids(process)
    assert_gone(started)


def test_stopping_twice_does_nothing() -> None:
    with server() as process:
        process.stop()
        process.stop()
        assert not process.alive()


def test_one_that_stops_before_it_is_ready_shows_its_last_lines() -> None:
    source = "for i in range(40): print('line', i)\nraise SystemExit('no port is free')"
    broken = Process("the server", [sys.executable, "-c", source], ready=lambda: False)
    with pytest.raises(LabError) as error, broken:
        pass
    said = str(error.value)
    assert said.startswith("the server stopped before it was ready. It said:\n")
    assert "no port is free" in said
    assert "line 39" in said
    assert "line 0\n" not in said


def test_one_that_is_never_ready_is_ended_and_named(tmp_path: Path) -> None:
    source = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n"
    source += "import time; time.sleep(600)"
    slow = Process(
        "the server",
        [sys.executable, "-S", "-c", source],
        ready=lambda: False,
        start_timeout_s=1.5,
    )
    with pytest.raises(LabError, match=r"the server was not ready in 1\.5 s\. It said:\n\(nothing"):
        slow.__enter__()
    assert_gone([int((tmp_path / "pid").read_text())])


def test_it_ends_with_a_starter_that_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER + STAY], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    started = [int(word) for word in starter.stdout.readline().split()[1:3]]
    assert all(map(alive, started))
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert_gone(started)


def test_it_ends_with_a_starter_whose_fork_lives_on() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER + FORK],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    started = [int(word) for word in starter.stdout.readline().split()[1:3]]
    fork = int(starter.stdout.readline())
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    assert alive(fork)  # it holds the pipe's end that the supervisor watches
    assert_gone(started)
    os.kill(fork, signal.SIGKILL)


def test_of_a_log_without_end_the_last_part_is_read() -> None:
    source = "import time\nfor _ in range(20): print('x' * 2**20)\nprint('last', flush=True)"
    command = [sys.executable, "-c", f"{source}\ntime.sleep(60)"]
    chatty = Process("chatty", command, ready=lambda: "last" in chatty.tail())
    with chatty:
        assert len(chatty.log()) == LOG_BYTES
