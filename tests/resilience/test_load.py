import asyncio

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.measure.load.arrivals import constant
from lab_utils.measure.load.generator import closed_loop
from lab_utils.resilience.breaker import breaker
from lab_utils.resilience.budget import Budget
from lab_utils.resilience.chain import Chain, Tier
from lab_utils.resilience.fan_out import fan_out
from lab_utils.resilience.load import bodies, sending
from lab_utils.resilience.practice import PracticeServers
from lab_utils.resilience.rehearsal import rehearse


def test_what_comes_back_is_kept_and_what_is_raised_is_a_cause() -> None:
    async def half(seconds: float) -> float:
        if seconds > 1:
            raise ValueError("too much")
        return seconds / 2

    kept: list[float] = []
    result = closed_loop(
        sending(lambda: half, kept), bodies([0.5, 2, 1]), connections=1, requests=6
    )
    assert kept == [0.25, 0.5, 0.25, 0.5]
    assert (result.answered, result.failures) == (4, {"too much": 2})


def test_a_fan_out_waits_for_the_slowest_and_a_hedge_does_not() -> None:
    long_s = 3.0
    work_s = np.zeros((4, 3))
    work_s[1, 2] = long_s
    with PracticeServers(count=3, slots=8) as servers:
        alone = fan_out(servers, work_s, at_once=4)
        assert (alone.request_s >= long_s).tolist() == [False, True, False, False]
        assert (alone.call_s >= long_s).sum() == 1
        budget = Budget(1, most=10)
        hedges = fan_out(servers, work_s, again_s=np.zeros((4, 3)), after_s=0.5, budget=budget)
        assert (hedges.request_s < long_s).all()
        assert 1 <= budget.taken <= 12
        with pytest.raises(LabError, match="The work is for 2 servers; expected a column for each"):
            fan_out(servers, work_s[:, :2])


def test_a_rehearsal_is_the_same_every_time() -> None:
    def make() -> Chain[int, int]:
        async def gpu(number: int) -> int:
            outage = 2 <= asyncio.get_running_loop().time() < 4
            await asyncio.sleep(9 if outage else 0.004)
            return number

        tier = Tier("gpu", gpu, 0.02, breaker=breaker("gpu", calls=5, open_s=0.5))
        return Chain([tier], last=lambda number: number, deadline_s=0.05)

    first, second = (rehearse(make, constant(20, 6)) for _ in range(2))
    assert first == second
    assert [answer.value for answer in first] == list(range(120))
    assert (
        {answer.tier for answer in first[:40]} == {answer.tier for answer in first[92:]} == {"gpu"}
    )
    assert {answer.tier for answer in first[40:80]} == {"rules"}
    assert sum("no answer" in answer.reason for answer in first) < 12  # the breaker spared the rest
