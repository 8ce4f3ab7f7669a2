"""Services that go on while the reference is timed, to slow it: they are found out."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from types import SimpleNamespace

import psutil
import pytest

from lab_utils.components.process import Process
from lab_utils.components.sandbox import Sandbox, refusal
from lab_utils.components.watch import Greedy
from lab_utils.serve.freeze import still

pytestmark = pytest.mark.skipif(bool(refusal()), reason=refusal() or "there is a sandbox")

COMET = """
import os, time
if os.fork():
    time.sleep(60)
print("ready", flush=True)
while True:
    if os.fork():
        os._exit(0)
"""
"""It is gone before it can be stopped, and leaves a child that does the same."""
WAKES = """
import ctypes, signal, time
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int),
                ("rest", ctypes.c_int * 12)]
c = ctypes.CDLL("librt.so.1")
timer, every = ctypes.c_void_p(), (ctypes.c_long * 4)(0, 100_000_000, 0, 100_000_000)
signal.signal(signal.SIGCONT, lambda *_: None)  # the kernel drops a timer of an ignored signal
assert c.timer_create(1, ctypes.byref(Event(None, signal.SIGCONT, 0)), ctypes.byref(timer)) == 0
assert c.timer_settime(timer, 0, every, None) == 0
print("ready", flush=True)
while True:
    pass
"""
"""A timer of the kernel sends it the signal that wakes it."""
HOG = """
import os
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        break
print("ready", flush=True)
while True:
    pass
"""


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Iterator[SimpleNamespace]:
    inner = Sandbox().command([sys.executable, "-c", request.param])
    process = Process("a hog", inner, ready=lambda: "ready" in process.log())
    with process:
        yield SimpleNamespace(process=process)


@pytest.mark.parametrize("started", [WAKES], indirect=True, ids=["timer"])
def test_whoever_wakes_itself_is_found_out(started: SimpleNamespace) -> None:
    with pytest.raises(Greedy, match="went on while it was to stand still"), still(started):
        time.sleep(0.6)


@pytest.mark.parametrize("started", [COMET], indirect=True, ids=["comet"])
def test_a_comet_is_stopped_or_found_out(started: SimpleNamespace) -> None:
    found_out, went_on = True, False
    with suppress(Greedy):
        with still(started):
            before = used_by_process_s(started)
            time.sleep(0.3)
            # Of those that have ended already some may be gone by now.
            went_on = not used_by_process_s(started).items() <= before.items()
        found_out = False
    assert found_out or not went_on


def test_a_comet_that_is_never_caught_stops_nobody() -> None:
    class Comet:
        def processes(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(pid=next(numbers), suspend=gone, resume=gone)]

    def gone() -> None:
        raise psutil.NoSuchProcess(1)

    numbers = count()
    service = SimpleNamespace(process=Comet())
    with pytest.raises(Greedy, match="started processes faster"), still(service):
        pass


@pytest.mark.parametrize("started", [HOG], indirect=True, ids=["hog"])
def test_a_hog_in_processes_of_its_own_stands_still(started: SimpleNamespace) -> None:
    with still(started):
        before_s = used_s(started)
        time.sleep(0.3)
        assert used_s(started) == before_s
    time.sleep(0.3)
    assert used_s(started) > before_s


def used_by_process_s(started: SimpleNamespace) -> dict[int, float]:
    found_s = {}
    for process in started.process.processes():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found_s[process.pid] = times.user + times.system
    return found_s


def used_s(started: SimpleNamespace) -> float:
    return sum(used_by_process_s(started).values())
