"""Task 3: latencies, measured after a warm-up."""

import random
from collections.abc import Sequence
from typing import Any

from lab_utils.grade.spec import Answer, Case, FunctionTask, Wrong

from .forms import is_number, kind_of
from .scripted import CallRecord

CLOCK_SLACK_S = 1e-3
"""How far two clocks of one machine may disagree about one call."""


class ScriptedService(CallRecord):
    """A service whose calls take what a script says; the first are slow, as after a start."""

    def __init__(self, sleeps_s: Sequence[float]) -> None:
        super().__init__()
        self._sleeps_s = sleeps_s

    def __call__(self) -> str:
        self.sleep(self._sleeps_s[min(len(self.went), len(self._sleeps_s) - 1)])
        return "done"


def draw_services(seed: int) -> list[Case]:
    chance = random.Random(seed)
    cases: list[Case] = []
    for n, warmup in ((chance.randint(12, 20), chance.randint(2, 5)), (chance.randint(8, 12), 0)):
        cold = [chance.uniform(0.06, 0.09) for _ in range(warmup)]
        warm = [chance.uniform(0.004, 0.03) for _ in range(n)]
        cases.append({"call": ScriptedService(cold + warm), "n": n, "warmup": warmup})
    return cases


def drive_latency(answer: Answer, case: Case) -> Any:
    return case["call"].drive(answer, **case)


def judge_latency(case: Case, output: Any) -> None:
    service, n, warmup = case["call"], case["n"], case["warmup"]
    latencies_s = _numbers(output)
    calls = len(service.came)
    if calls == n and warmup:
        raise Wrong(
            f"The service was called {n} times and every call was timed, so there was no warm-up: "
            "the first calls of a service that has just started are slow for reasons that do not "
            f"come back. Call it {warmup} times, untimed, before the {n} calls you time."
        )
    if calls != warmup + n:
        raise Wrong(
            f"The service was called {calls} times; expected {warmup} for warm-up and {n} timed. "
            "Call it exactly warmup + n times."
        )
    if warmup and len(latencies_s) == n + warmup:
        raise Wrong(
            f"There are {len(latencies_s)} latencies for n = {n}: the {warmup} warm-up calls are "
            "among them. Leave the warm-up's out of the list."
        )
    if len(latencies_s) != n:
        raise Wrong(
            f"There are {len(latencies_s)} latencies for n = {n}. Return one for each timed call."
        )
    if n > 1 and len(set(latencies_s)) == 1:
        raise Wrong(
            f"All {n} latencies are the same number, an average perhaps; an average hides the "
            "slow calls that a percentile is there to show. Time each call on its own and return "
            "every latency."
        )
    for i, latency_s in enumerate(latencies_s):
        _judge_one(service, warmup, i, latency_s)


def _judge_one(service: ScriptedService, warmup: int, i: int, latency_s: float) -> None:
    least_s, most_s = service.least_s(warmup + i), service.most_s(warmup + i)
    if least_s - CLOCK_SLACK_S <= latency_s <= most_s + CLOCK_SLACK_S:
        return
    if least_s <= latency_s / 1000 <= most_s + CLOCK_SLACK_S:
        raise Wrong(
            f"Latency {i} is {latency_s:.3g} for a call of {least_s:.3g} s: that is milliseconds. "
            "Return seconds."
        )
    if i == 0 and warmup and latency_s > service.went[warmup - 1] - service.came[0]:
        raise Wrong(
            f"The first latency, {latency_s:.3g} s, contains the {warmup} warm-up calls: the "
            "clock was already running. Start the clock after the warm-up, once for each call."
        )
    if latency_s < least_s:
        raise Wrong(
            f"Latency {i} is {latency_s:.3g} s, but the service took {least_s:.3g} s for that "
            "call. Read the clock just before the call and just after it has returned."
        )
    raise Wrong(
        f"Latency {i} is {latency_s:.3g} s, but from the call before it to the call after it only "
        f"{most_s:.3g} s went by. Start the clock anew for each call, just before it."
    )


def _numbers(output: Any) -> list[float]:
    values = output.tolist() if hasattr(output, "tolist") else output
    if not isinstance(values, list) or not all(is_number(value) for value in values):
        raise Wrong(
            f"measure_latency returned {kind_of(output)}. Return a list of n latencies in seconds."
        )
    return [float(value) for value in values]


MEASURE_LATENCY = FunctionTask(
    name="measure_latency",
    title="Measure latency",
    points=2,
    function="measure_latency",
    draw=draw_services,
    judge=judge_latency,
    drive=drive_latency,
)
