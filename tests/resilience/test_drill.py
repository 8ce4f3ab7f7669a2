import math
import time
from typing import Any

import pytest

from lab_utils.errors import LabError
from lab_utils.resilience.chain import RESERVE_S
from lab_utils.resilience.drill import Step, drill, needed_s
from lab_utils.resilience.practice_server import Fault

WAYS = {"model": {"store": 0.001, "gpu": 0.001}, "history": {"store": 0.001}, "rules": {}}
CHAIN = [Step("model", 0.1), Step("history", 0.1), Step("rules", 0.001)]
WORLDS = {
    "well": ({}, "model"),
    "no gpu": ({"gpu": Fault(silent=True)}, "history"),
    "gpu fails": ({"gpu": Fault(failing=1)}, "history"),
    "no store": ({"store": Fault(silent=True)}, "rules"),
}


def test_each_world_has_faults_of_its_own_and_the_next_step_answers() -> None:
    worlds = [faults for faults, _ in WORLDS.values()]
    found = drill(CHAIN, WAYS, worlds, deadline_s=0.3, promised_s=0.3, due_s=[0.0, 0.01])
    ways = {
        name: [one.way for one in outcomes]
        for name, outcomes in zip(WORLDS, found.outcomes, strict=True)
    }
    assert ways == {name: [way, way] for name, (_, way) in WORLDS.items()}
    for outcomes, name in zip(found.outcomes, WORLDS, strict=True):
        waited_s = {"no gpu": 0.1, "no store": 0.2}.get(name, 0.0)
        assert all(one.latency_s >= 0.9 * waited_s for one in outcomes)


def test_slow_motion_is_taken_out_of_the_latency() -> None:
    chain = [Step("history", 0.02)]
    found = drill(
        chain,
        WAYS,
        [{"store": Fault(silent=True)}],
        deadline_s=0.03,
        promised_s=0.1,
        due_s=[0.0],
        slow_motion=10,
    )
    (slow,) = found.outcomes
    assert slow[0].way is None  # the last step needs what is silent, and nobody comes after it
    assert 0.019 <= slow[0].latency_s < 0.1


def test_what_has_not_come_by_the_end_never_comes() -> None:
    chain = [Step("history", 60.0, guarded=False), Step("rules", 0.001)]
    found = drill(
        chain,
        WAYS,
        [{"store": Fault(silent=True)}],
        deadline_s=100.0,
        promised_s=0.05,
        due_s=[0.0, 0.01],
    )
    assert [(one.way, one.latency_s) for one in found.outcomes[0]] == [(None, math.inf)] * 2


def test_a_last_step_that_asks_nobody_needs_no_budget() -> None:
    assert needed_s(CHAIN, WAYS) == pytest.approx(0.2 + RESERVE_S)
    assert needed_s(CHAIN[:2], WAYS) == pytest.approx(0.2 + RESERVE_S)


def test_what_is_not_there_is_named() -> None:
    for steps, worlds, said in (
        ([], [{}], "0 steps"),
        ([Step("oracle", 0.1)], [{}], "oracle"),
        (CHAIN, [{"disk": Fault()}], "disk"),
    ):
        with pytest.raises(LabError, match=said):
            drill(steps, WAYS, worlds, deadline_s=0.3, promised_s=0.3, due_s=[0.0])


def test_the_control_tells_of_a_machine_that_stands_still() -> None:
    """The event loop is held for a while, as a busy machine would hold it."""
    held_s = 0.3

    class Holding(dict[str, float]):
        def items(self) -> Any:
            time.sleep(held_s)
            return super().items()

    ways = {"model": Holding(store=0.001), "rules": {}}
    found = drill(
        [Step("model", 5.0), Step("rules", 0.001)],
        ways,
        [{}],
        deadline_s=6.0,
        promised_s=6.0,
        due_s=[0.0, 0.2],
        slow_motion=2,
    )
    assert 0.5 * held_s / 2 < found.disturbed_s
    calm = drill(CHAIN, WAYS, [{}], deadline_s=0.3, promised_s=0.3, due_s=[0.0])
    assert calm.disturbed_s >= 0
