"""Looking again changes when a loop sleeps, and nothing that it does."""

import asyncio
import os
import socket
import time

import pytest

from lab_utils.serve.spinning import SpinningSelector, spinning_loop


@pytest.fixture
def selector() -> SpinningSelector:
    return SpinningSelector(spin_s=0.05)


@pytest.mark.parametrize("timeout_s", [0.0, 0.02, 0.12])
def test_nothing_is_told_when_the_time_is_over_and_not_before(
    selector: SpinningSelector, timeout_s: float
) -> None:
    begun_s = time.monotonic()
    assert selector.select(timeout_s) == []
    assert time.monotonic() - begun_s >= 0.999 * timeout_s
    selector.close()


@pytest.mark.parametrize("timeout_s", [None, 30.0, 0.0])
def test_what_is_ready_is_told(selector: SpinningSelector, timeout_s: float | None) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        key = selector.register(ours, 1)
        theirs.send(b"now")
        assert selector.select(timeout_s) == [(key, 1)]
        selector.close()


async def processor_share(wait_s: float) -> float:
    """Of a core, while nothing is to be done."""
    begun_s, used_s = time.monotonic(), time.thread_time()
    await asyncio.sleep(wait_s)
    return (time.thread_time() - used_s) / (time.monotonic() - begun_s)


@pytest.mark.alone
def test_it_sleeps_when_nothing_has_come_for_so_long() -> None:
    def share(spin_s: float, wait_s: float) -> float:
        with asyncio.Runner(loop_factory=lambda: spinning_loop(spin_s)) as runner:
            return runner.run(processor_share(wait_s))

    whole, part, none = share(1.0, 0.3), share(0.01, 0.3), share(0.0, 0.3)
    assert whole > 4 * part > 4 * none  # a thirtieth of the time, and a few microseconds


def test_a_wake_up_from_a_thread_ends_its_sleep() -> None:
    async def main() -> int:
        return await asyncio.to_thread(os.getpid)

    with asyncio.Runner(loop_factory=lambda: spinning_loop(0.001)) as runner:
        assert runner.run(main()) == os.getpid()
