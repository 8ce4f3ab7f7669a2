"""Threads that wait, and second calls: with a call whose answers a test chooses."""

import threading
import time

import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import constant
from lab_utils.measure.load.generator import closed_loop, open_loop
from lab_utils.resilience.budget import Budget
from lab_utils.serve.fraud.clouds.calling import sending

SLOW_S = 0.6


class Alternating:
    """Every second call takes its time."""

    def __init__(self) -> None:
        self.calls = 0
        self._lock = threading.Lock()

    def __call__(self, body: bytes) -> None:
        with self._lock:
            self.calls += 1
            slow = self.calls % 2 == 1
        if slow:
            time.sleep(SLOW_S)


def test_who_finds_no_thread_waits_from_when_it_was_due() -> None:
    load = open_loop(
        sending(lambda body: time.sleep(SLOW_S / 3), threads=1), [b""], constant(100, 0.03)
    )
    assert load.failed == 0
    assert load.latencies_s is not None
    assert sorted(load.latencies_s)[-1] >= 3 * SLOW_S / 3 - 0.05


def test_a_second_call_overtakes_a_slow_first() -> None:
    call = Alternating()
    load = closed_loop(
        sending(call, threads=4, hedge_after_s=0.05), [b""], connections=1, requests=1
    )
    assert call.calls == 2
    assert load.latencies_s is not None
    assert load.latencies_s[0] < SLOW_S


def test_without_a_budget_left_there_is_no_second_call() -> None:
    call, budget = Alternating(), Budget(share=0, most=1)
    assert budget.take()
    load = closed_loop(
        sending(call, threads=4, hedge_after_s=0.05, budget=budget),
        [b""],
        connections=1,
        requests=1,
    )
    assert call.calls == 1
    assert load.latencies_s is not None
    assert load.latencies_s[0] >= SLOW_S


def test_what_a_call_raises_is_a_failure_with_its_cause() -> None:
    def call(body: bytes) -> None:
        raise OSError("gone")

    load = closed_loop(
        sending(call, threads=1, cause=lambda error: f"it is {error}"),
        [b""],
        connections=1,
        requests=3,
    )
    assert load.failures == {"it is gone": 3}


def test_no_thread_is_one_sentence() -> None:
    with pytest.raises(LabError, match="0 threads were asked for"):
        sending(print, threads=0)
