"""A circuit breaker: stop asking a tier that does not answer, and try it again a little at a time.

    gpu = breaker("gpu", calls=20, failures=0.5, open_s=2.0)

Closed, it lets everything pass and counts; open, it refuses at once; half-open, it lets some
probes pass and decides by them. The state machine is interlock's (`interlock-cb`), chosen after a
look at what there is: a rate over a window with a least number of calls (purgatory counts failures
in a row), few probes at a time (purgatory lets the whole load in), a probe that is cancelled gives
its place back, and a clock from outside (purgatory's is the wall's). pybreaker is for Tornado and
threads; aiobreaker's last release is of 2021.
"""

from __future__ import annotations

import asyncio

from interlock import CircuitBreaker, CircuitOpenError, Config

__all__ = ["CircuitBreaker", "CircuitOpenError", "breaker"]


class _LoopClock:
    """The running event loop's clock, so that a breaker keeps a virtual one's time, too."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def breaker(
    name: str,
    *,
    calls: int,
    failures: float = 0.5,
    open_s: float,
    probes: int = 3,
    window: int | None = None,
) -> CircuitBreaker:
    """A breaker for one tier.

    calls: so many at least before it may open. failures: it opens where this share of the window
    failed; no answer within a tier's budget is a failure. open_s: seconds until it lets a probe
    pass. probes: one after the other; it closes where fewer than `failures` of them fail. window:
    the last so many calls, default `calls`. Raises ValueError for thresholds that cannot work.
    """
    config = Config(
        minimum_number_of_calls=calls,
        failure_rate_threshold=failures,
        wait_duration_in_open=open_s,
        permitted_calls_in_half_open=probes,
        window_size=window or calls,
    )
    return CircuitBreaker(name=name, config=config, clock=_LoopClock())
