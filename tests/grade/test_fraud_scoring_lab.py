"""Lab 3: what a hostile or a careless answer sends to its judges earns nothing, and says why."""

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab_utils.files import ROOT
from lab_utils.grade import design
from lab_utils.grade.engine import run_cases
from lab_utils.grade.spec import DesignTask, FunctionTask, NotComparable, Trial, Wrong, load_lab
from lab_utils.grade.verdict import Verdict
from lab_utils.resilience.drill import Drill, Outcome

GradeSource = Callable[..., Verdict]
LAB = load_lab("3")
TASKS = f"grader_{LAB.unit}.tasks"


def task(name: str) -> Any:
    return LAB[name]


def module(name: str) -> Any:
    return sys.modules[f"{TASKS}.{name}"]


# ---- functions -----------------------------------------------------------------------------------


def may_ask(calls: list[dict[str, Any]], inside: int, now_s: float) -> bool:
    last = calls[-20:]
    if len(last) < 20 or sum(not call["ok"] for call in last) < 10:
        return True
    return inside == 0 and (last[-1]["ok"] or now_s - last[-1]["ended_s"] >= 0.5)


def may_retry(requests: int, retries: int, left_ms: float, usual_ms: float) -> bool:
    return left_ms > usual_ms and retries + 1 <= 0.1 * requests


def canary_at(error: float) -> Callable[..., str]:
    certain = math.log((1 - error) / error)

    def canary(usual: float, worse: float, answers: int, failed: int) -> str:
        speaks = failed * math.log(worse / usual)
        speaks += (answers - failed) * math.log((1 - worse) / (1 - usual))
        return "roll back" if speaks >= certain else "promote" if speaks <= -certain else "wait"

    return canary


def half_open_longer(calls: list[dict[str, Any]], inside: int, now_s: float) -> bool:
    """Another right breaker: five of the last ten, and a probe each quarter of a second."""
    last = calls[-10:]
    if sum(not call["ok"] for call in last) < 5:
        return True
    return inside < 2 and (last[-1]["ok"] or now_s - last[-1]["ended_s"] >= 0.25)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("may_ask", may_ask),
        ("may_ask", half_open_longer),
        ("may_retry", may_retry),
        ("canary", canary_at(0.02)),
        ("canary", canary_at(0.03)),
    ],
)
def test_a_right_function_passes_whatever_is_drawn(name: str, answer: Callable[..., Any]) -> None:
    for seed in range(12):
        run_cases(task(name), answer, 1000 * seed + 7)


EVERYWHERE = {
    "nothing": "return None",
    "a number": "return 1",
    "a text": "return 'True'",
    "NaN": "return float('nan')",
    "a mock that is everything": "from unittest.mock import MagicMock\n    return MagicMock()",
    "an end": "import os\n    os._exit(0)",
    "an error": "raise SystemError",
    "by lot": "import random\n    return random.choice(FORMS)",
    "the grader's own draw": (
        "import sys\n    found = [m for n, m in sys.modules.items() if 'grader_3' in n]\n"
        "    return found[0].LAB[NAME].draw(0)"
    ),
    "the file of the solution": (
        f"text = open({str(ROOT / 'solutions/3_fraud_scoring/lab.ipynb')!r}).read()\n"
        "    return text[:5]"
    ),
    "the frames of its callers": (
        "import inspect\n    frames = [f.frame.f_locals for f in inspect.stack()]\n"
        "    found = [f['case'] for f in frames if 'case' in f]\n    return found[0]['ill']"
    ),
    "a clock and a chance of its own": (
        "import random, time\n    import numpy\n"
        "    time.time = time.monotonic = time.perf_counter = lambda: 0.0\n"
        "    numpy.random.default_rng = lambda *_: None\n"
        "    random.seed(0)\n    return FORMS[0]"
    ),
    "a judge that it has replaced": (
        "import lab_utils.grade.spec as spec, lab_utils.grade.engine as engine\n"
        "    spec.Wrong = spec.Raised = ValueError\n"
        "    engine.run_cases = engine.judged = lambda *_: None\n    return FORMS[-1]"
    ),
}
FORMS = {
    "may_ask": "[True, False]",
    "may_retry": "[True, False]",
    "canary": "['promote', 'roll back', 'wait']",
}


@pytest.mark.parametrize(
    ("name", "attack"), [*zip(itertools.cycle(FORMS), EVERYWHERE, strict=False)], ids=str
)
def test_an_attack_on_a_function_task_earns_nothing(
    grade_source: GradeSource, name: str, attack: str
) -> None:
    body = EVERYWHERE[attack]
    source = f"FORMS, NAME = {FORMS[name]}, {name!r}\ndef {name}(*_, **__):\n    {body}\n"
    verdict = grade_source(source, task=task(name))
    assert (verdict.state, verdict.points) == ("failed", 0), verdict.message
    assert verdict.message


OF_ITS_OWN = {
    "illness by the clock of another draw": (
        "may_ask",
        "def may_ask(calls, inside, now_s):\n    return now_s % 8 < 4.5",
    ),
    "answers learned in another run": (
        "may_ask",
        "TURNS = iter(([True] * 500 + [False] * 400) * 99)\n"
        "def may_ask(calls, inside, now_s):\n    return next(TURNS)",
    ),
    "a list of calls that it has edited": (
        "may_ask",
        "def may_ask(calls, inside, now_s):\n"
        "    for call in calls: call['ok'] = True\n    calls.clear()\n    return True",
    ),
    "knows a broken version by its first look, and promotes the rest": (
        "canary",
        "def canary(usual, worse, answers, failed):\n"
        "    return 'roll back' if failed > answers / 10 else 'promote'",
    ),
    "counts the roll-outs": (
        "canary",
        "SEEN = []\ndef canary(usual, worse, answers, failed):\n    SEEN.append(answers)\n"
        "    return 'promote' if len(SEEN) % 2 else 'roll back'",
    ),
    "denies every second": (
        "may_retry",
        "SEEN = []\ndef may_retry(requests, retries, left_ms, usual_ms):\n"
        "    SEEN.append(1)\n    return left_ms > usual_ms and len(SEEN) % 2 == 0",
    ),
    "knows an outage only by its length": (
        "may_retry",
        "SEEN = []\ndef may_retry(requests, retries, left_ms, usual_ms):\n"
        "    SEEN.append(1)\n    return left_ms > usual_ms and len(SEEN) < 2000",
    ),
}


@pytest.mark.parametrize("attack", OF_ITS_OWN)
def test_an_answer_that_guesses_the_draw_earns_nothing(
    grade_source: GradeSource, attack: str
) -> None:
    name, source = OF_ITS_OWN[attack]
    verdict = grade_source(source, task=task(name), seed=99)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict.message


def test_numpys_yes_is_a_yes(grade_source: GradeSource) -> None:
    source = """
import numpy as np
def may_retry(requests, retries, left_ms, usual_ms):
    return np.bool_(left_ms > usual_ms and retries + 1 <= 0.1 * requests)
"""
    assert grade_source(source, task=task("may_retry")).state == "passed"


def test_function_tasks_are_drawn_anew_for_each_seed() -> None:
    for one in LAB.tasks:
        if isinstance(one, FunctionTask):
            assert one.draw(1) != one.draw(2)
            assert one.draw(1) == one.draw(1)


# ---- plans ---------------------------------------------------------------------------------------

GPU = {"use": "gpu", "budget_ms": 13, "breaker": True}
RULES = {"use": "rules", "budget_ms": 1, "breaker": False}
FALLBACK: dict[str, Any] = {"deadline_ms": 45, "tiers": [GPU, RULES]}
FLEET: dict[str, Any] = {
    "gpus": 7,
    "cpu_machines": 20,
    "queue_most": 300,
    "timeout_ms": 23,
    "attempts": 2,
    "retry_share": 0.1,
}
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("fallback", {"deadline_ms": 10**9}),
    ("fallback", {"deadline_ms": float("nan")}),
    ("fallback", {"deadline_ms": -1}),
    ("fallback", {"deadline_ms": "45"}),
    ("fallback", {"tiers": []}),
    ("fallback", {"tiers": [GPU] * 7}),
    ("fallback", {"tiers": {"0": GPU}}),
    ("fallback", {"tiers": [GPU | {"use": "oracle"}]}),
    ("fallback", {"tiers": [GPU | {"use": ["gpu"]}]}),
    ("fallback", {"tiers": [GPU | {"budget_ms": 0}]}),
    ("fallback", {"tiers": [GPU | {"budget_ms": 5e-324}]}),
    ("fallback", {"tiers": [GPU | {"budget_ms": float("inf")}]}),
    ("fallback", {"tiers": [GPU | {"breaker": 1}]}),
    ("fallback", {"tiers": [GPU | {"url": "http://127.0.0.1:1"}]}),
    ("fallback", {"worlds": []}),
    ("fleet", {"gpus": 0}),
    ("fleet", {"gpus": 10**400}),
    ("fleet", {"gpus": -1}),
    ("fleet", {"gpus": True}),
    ("fleet", {"cpu_machines": 10**9}),
    ("fleet", {"queue_most": 0}),
    ("fleet", {"queue_most": 1.5}),
    ("fleet", {"timeout_ms": 1e-9}),
    ("fleet", {"timeout_ms": float("inf")}),
    ("fleet", {"attempts": 100}),
    ("fleet", {"retry_share": -0.1}),
    ("fleet", {"retry_share": "0.1"}),
    ("fleet", {"seed": 1}),
]


def plan_of(name: str) -> dict[str, Any]:
    return {"fallback": FALLBACK, "fleet": FLEET}[name]


def untried(name: str) -> DesignTask:
    """The task with a trial that gives every point: what is refused never comes to it."""
    found = task(name)
    assert isinstance(found, DesignTask)
    return replace(found, trial=lambda plan, seed: Trial(1))


@pytest.mark.parametrize(("name", "change"), HOSTILE, ids=str)
def test_a_hostile_plan_is_refused_before_anything_starts(
    name: str, change: dict[str, Any]
) -> None:
    assert design.tried(untried(name), plan_of(name), 1).share == 1
    with pytest.raises(Wrong):
        design.tried(untried(name), plan_of(name) | change, 1)


@pytest.mark.parametrize("name", ["fallback", "fleet"])
@pytest.mark.parametrize("given", ["None", "[]", "'{}'", "{}", "print", "(lambda: plan)()"])
def test_what_is_no_plan_earns_nothing(grade_source: GradeSource, name: str, given: str) -> None:
    verdict = grade_source(f"def {name}():\n    return {given}\n", task=untried(name))
    assert (verdict.state, verdict.points) == ("failed", 0), verdict.message


def test_a_plan_that_starts_servers_has_the_machine_to_itself() -> None:
    assert [one.name for one in LAB.tasks if one.alone] == ["fallback"]


# ---- the chain's verdict, with outcomes that are said here ---------------------------------------


Worlds = Callable[[int], list[Outcome]]


def verdict_on(
    monkeypatch: pytest.MonkeyPatch, drills: list[tuple[Worlds, float]]
) -> tuple[Trial, int]:
    """The trial where each drill goes as the next of the list, or as the last; and how many.

    Each is what the worlds get, and how much the machine has disturbed it, in seconds.
    """
    done = []

    def drilled(steps: Any, ways: Any, worlds: Sequence[Any], **_: Any) -> Drill:
        given, disturbed_s = drills[min(len(done), len(drills) - 1)]
        done.append(given)
        return Drill([given(number) for number in range(len(worlds))], disturbed_s)

    monkeypatch.setattr(module("fallback"), "drill", drilled)
    return design.tried(task("fallback"), FALLBACK, 5), len(done)


CALM_S, BUSY_S = 0.001, 0.1


def all_by(way: str | None, latency_s: float = 0.006) -> Callable[[int], list[Outcome]]:
    return lambda world: [Outcome(way, latency_s)] * 60


def test_outcomes_decide_where_the_machine_was_calm(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, drills = verdict_on(monkeypatch, [(all_by("gpu"), CALM_S)])
    assert (trial.share, drills) == (1, 1), trial.message
    trial, drills = verdict_on(monkeypatch, [(all_by("gpu", 0.2), CALM_S)])
    assert (trial.share, drills) == (0, 1)
    assert "give the whole chain a deadline" in trial.message


def test_a_busy_machine_takes_no_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    late, quick = (all_by("gpu", 0.2), BUSY_S), (all_by("gpu"), BUSY_S)
    trial, drills = verdict_on(monkeypatch, [late, quick])
    assert (trial.share, drills) == (1, 2)
    trial, drills = verdict_on(monkeypatch, [late, (all_by("gpu", 0.2), CALM_S)])
    assert (trial.share, drills) == (0, 2)
    with pytest.raises(NotComparable, match="Close what else runs"):
        verdict_on(monkeypatch, [late])


def test_who_answers_everything_with_nothing_earns_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert verdict_on(monkeypatch, [(all_by("rules"), CALM_S)])[0].share == 0
    assert verdict_on(monkeypatch, [(all_by(None), CALM_S)])[0].share == 0
    assert verdict_on(monkeypatch, [(all_by(None, math.inf), CALM_S)])[0].share == 0


def by_world(ways: Callable[[Any], str]) -> Worlds:
    """Each world's payments by the way that it is given."""
    return lambda number: all_by(ways(module("fallback").worlds(5)[number]))(number)


def best_of(*ways: str) -> Worlds:
    """What a chain of these does: the first that works answers."""
    return by_world(lambda world: next(way for way in ways if way in world.works))


def test_marks_for_frauds_lie_between_rules_alone_and_the_best_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = [
        verdict_on(monkeypatch, [(best_of(*ways), CALM_S)])[0].share
        for ways in (
            ("rules_history", "rules"),
            ("gpu", "rules_history", "rules"),
            ("gpu", "cpu", "rules"),
            ("gpu", "cpu", "rules_history", "rules"),
        )
    ]
    assert shares[0] == pytest.approx(0.5)  # in time and quick, and nothing that a model brings
    assert shares == sorted(shares)
    assert shares[2] < 0.95
    assert shares[3] == 1


def test_rules_alone_are_told_what_a_model_would_have_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial, _ = verdict_on(monkeypatch, [(best_of("rules_history", "rules"), CALM_S)])
    assert "Order the tiers by what they catch" in trial.message
    assert "62.1% of the frauds; the best tier that still worked" in trial.message


def test_slow_answers_lose_their_part_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, _ = verdict_on(monkeypatch, [(all_by("gpu", 0.03), CALM_S)])
    assert trial.share == pytest.approx(0.75)
    assert "Do not ask, with every payment" in trial.message


def test_worlds_hold_every_kind_of_fault_whatever_is_drawn() -> None:
    """No draw may spare a plan what it is to be tried with."""
    for seed in range(50):
        drawn = module("fallback").worlds(seed)
        stopped = [w.parts for w in drawn if w.fault.silent or w.fault.slower > 1]
        assert sorted(stopped) == [("gpu",), ("gpu", "cpu"), ("store",)]
        assert sorted(w.fault.failing > 0 for w in drawn) == [False] * 4 + [True]
        assert all("rules" in w.works for w in drawn)
    orders = {tuple(w.parts for w in module("fallback").worlds(seed)) for seed in range(50)}
    assert len(orders) > 5


# ---- the fleet -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [3, 2**62 + 5, 11])
def test_a_right_fleet_passes_whatever_is_drawn(seed: int) -> None:
    trial = design.tried(task("fleet"), FLEET, seed)
    assert trial.share == 1, trial.message


@pytest.mark.parametrize(
    "change",
    [
        {"gpus": 1, "cpu_machines": 1},
        {"gpus": 60, "cpu_machines": 200},
        {"queue_most": 1_000_000, "gpus": 2},
        {"timeout_ms": 5, "attempts": 4, "retry_share": None, "queue_most": None},
        {"retry_share": 1},
    ],
    ids=str,
)
def test_the_ends_of_the_form_are_tried_and_earn_less(change: dict[str, Any]) -> None:
    trial = design.tried(task("fleet"), FLEET | change, 4)
    figures = [figure.value.median for figure in trial.figures.values()]
    assert all(np.isfinite(figures))
    assert trial.share < 1 or change == {"retry_share": 1}
