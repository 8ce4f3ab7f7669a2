"""What the scheduler says of a process, held against what the process says of itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.run_queue import (
    ended_children_s,
    falls_asleep,
    on_core_and_queued_s,
    process_cpu_s,
    stands_still,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts it")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for a line, burns 0.2 s of its own processor time, and waits again."""
    source = (
        "import sys, time\n"
        "for _ in sys.stdin:\n"
        "    end = time.process_time() + 0.2\n"
        "    while time.process_time() < end: pass\n"
        "    print(time.process_time(), flush=True)\n"
    )
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def burn(child: subprocess.Popen[bytes]) -> float:
    """Its own processor time afterwards."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"\n")
    child.stdin.flush()
    return float(child.stdout.readline())


def test_processor_time_is_what_the_process_counts_itself(child: subprocess.Popen[bytes]) -> None:
    said_s = burn(child)
    assert falls_asleep(child.pid, within_s=10)
    assert process_cpu_s(child.pid) == pytest.approx(said_s, abs=0.05)
    on_core_s, queued_s = on_core_and_queued_s(child.pid)
    assert on_core_s == pytest.approx(process_cpu_s(child.pid), abs=0.01)  # it has one thread
    assert queued_s >= 0


def test_a_process_is_seen_to_stop_and_to_wait(child: subprocess.Popen[bytes]) -> None:
    burn(child)
    assert falls_asleep(child.pid, within_s=10)
    assert not stands_still(child.pid, within_s=0.02)
    child.send_signal(signal.SIGSTOP)
    assert stands_still(child.pid, within_s=10)
    assert not falls_asleep(child.pid, within_s=0.02)
    child.send_signal(signal.SIGCONT)
    assert falls_asleep(child.pid, within_s=10)


def test_children_that_have_ended_are_counted() -> None:
    before_s = ended_children_s(os.getpid())
    end = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", end], check=True)
    assert ended_children_s(os.getpid()) >= before_s + 0.15


def test_of_a_process_that_has_ended_nothing_is_known() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    for ask in (process_cpu_s, on_core_and_queued_s):
        with pytest.raises(LabError):
            ask(process.pid)
    assert ended_children_s(process.pid) == 0
    start_s = time.monotonic()
    assert falls_asleep(process.pid, within_s=5)
    assert time.monotonic() - start_s < 5
