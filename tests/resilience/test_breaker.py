"""interlock's state machine, as the chain uses it."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from lab_utils.measure.virtual_clock import run_virtually
from lab_utils.resilience.attempts import TooSlow, within
from lab_utils.resilience.breaker import CircuitBreaker, CircuitOpenError, breaker


def states(script: Callable[[CircuitBreaker], Iterator[float]]) -> list[str]:
    """The breaker's state after each step of a script, which yields how long to wait after it."""
    gpu = breaker("gpu", calls=4, failures=0.5, open_s=1, probes=2)
    seen = []

    async def main() -> None:
        for pause_s in script(gpu):
            seen.append(gpu.state.value)
            await asyncio.sleep(pause_s)

    run_virtually(main())
    return seen


def call(gpu: CircuitBreaker, *, fails: bool = False) -> bool:
    """Whether a call was let through."""
    try:
        with gpu:
            if fails:
                raise OSError
    except CircuitOpenError:
        return False
    except OSError:
        pass
    return True


def test_it_opens_at_the_share_and_not_before_enough_calls() -> None:
    def script(gpu: CircuitBreaker) -> Iterator[float]:
        for fails in (True, True, False, True):
            assert call(gpu, fails=fails)
            yield 0

    assert states(script) == ["closed", "closed", "closed", "open"]


def test_it_lets_probes_pass_and_closes() -> None:
    def script(gpu: CircuitBreaker) -> Iterator[float]:
        for _ in range(4):
            call(gpu, fails=True)
        yield 0.5
        assert not call(gpu)
        yield 0.6
        assert call(gpu)
        yield 0
        assert call(gpu)
        yield 0

    assert states(script) == ["open", "open", "half_open", "closed"]


def test_a_failing_probe_opens_it_again() -> None:
    def script(gpu: CircuitBreaker) -> Iterator[float]:
        for _ in range(4):
            call(gpu, fails=True)
        yield 1
        call(gpu, fails=True)
        call(gpu, fails=False)
        yield 0.5
        assert not call(gpu)
        yield 0

    assert states(script) == ["open", "open", "open"]


def test_one_probe_at_a_time_and_a_cancelled_one_gives_its_place_back() -> None:
    async def main() -> None:
        gpu = breaker("gpu", calls=1, open_s=1, probes=1)
        call(gpu, fails=True)
        await asyncio.sleep(1)

        async def probe() -> None:
            with gpu:
                await asyncio.sleep(100)

        probing = asyncio.ensure_future(probe())
        await asyncio.sleep(0)
        assert not call(gpu)
        probing.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert call(gpu)
        assert gpu.state.value == "closed"

    run_virtually(main())


def test_a_probe_that_hangs_fails_when_its_time_is_over() -> None:
    async def main() -> str:
        gpu = breaker("gpu", calls=1, open_s=1, probes=1)
        call(gpu, fails=True)
        await asyncio.sleep(1)
        with pytest.raises(TooSlow), gpu:
            await within(lambda: asyncio.sleep(1e9), 0.02)
        return gpu.state.value

    assert run_virtually(main()) == "open"
