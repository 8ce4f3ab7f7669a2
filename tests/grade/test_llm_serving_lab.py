"""Lab 2: what a hostile or a careless answer sends to its judges earns nothing, and says why."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch

from lab_utils.grade import design
from lab_utils.grade.spec import DesignTask, FunctionTask, Trial, Wrong, load_lab
from lab_utils.grade.verdict import Verdict
from lab_utils.measure.load.result import LoadResult
from lab_utils.serve.llm.contest import LOAD, Rush
from lab_utils.serve.llm.load import Served

GradeSource = Callable[..., Verdict]
LAB = load_lab("2")
TASKS = f"grader_{LAB.unit}.tasks"


def task(name: str) -> Any:
    return LAB[name]


def module(name: str) -> Any:
    return sys.modules[f"{TASKS}.{name}"]


# ---- numbers -------------------------------------------------------------------------------------

STRANGE = {
    "True": "a bool",
    "None": "nothing",
    "'5'": "a str",
    "[5]": "a list",
    "{}": "a dict",
    "float('nan')": "a float",
    "float('inf')": "a float",
    "5 + 0j": "complex",
    "lambda *_: 5": "",
    "type('Any', (int,), {'__eq__': lambda *_: True})(3)": "gave 3, expected",
    "10 ** 4000": "an int",
    "10 ** 5000": "",
    "-1": "expected",
}


@pytest.mark.parametrize("value", STRANGE)
@pytest.mark.parametrize("name", ["users_that_fit", "cost_per_1000"])
def test_a_strange_number_earns_nothing(grade_source: GradeSource, name: str, value: str) -> None:
    verdict = grade_source(f"def {name}(*_, **__):\n    return {value}\n", task=task(name))
    assert (verdict.state, verdict.points) == ("failed", 0), verdict.message
    if name == "users_that_fit":
        assert STRANGE[value] in verdict.message


def test_numpys_numbers_are_numbers(grade_source: GradeSource) -> None:
    source = """
import numpy as np
def users_that_fit(shape, memory_bytes, activation_bytes, tokens, weight_bits, cache_bits):
    left = memory_bytes - activation_bytes - shape["parameters"] * weight_bits / 8
    values = 2 * shape["layers"] * shape["cached_heads"] * shape["head_width"]
    return np.int64(max(left // (values * tokens * cache_bits / 8), 0))
"""
    assert grade_source(source, task=task("users_that_fit")).state == "passed"


# ---- plans ---------------------------------------------------------------------------------------

CHATBOT = {
    "weights": "q4_0",
    "batching": "continuous",
    "batch_most": 16,
    "queue_most": 32,
    "first": "chat",
}
AUTOSCALER = {
    "minReplicas": 2,
    "maxReplicas": 10,
    "metric": "in_flight",
    "target": 6,
    "scaleDownWindowSeconds": 60,
}
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("chatbot", {"batch_most": 0}),
    ("chatbot", {"batch_most": 65}),
    ("chatbot", {"batch_most": 10**400}),
    ("chatbot", {"batch_most": float("nan")}),
    ("chatbot", {"batch_most": 1.5}),
    ("chatbot", {"batch_most": True}),
    ("chatbot", {"batch_most": "16"}),
    ("chatbot", {"queue_most": -1}),
    ("chatbot", {"queue_most": float("inf")}),
    ("chatbot", {"weights": "f32"}),
    ("chatbot", {"weights": "../../secret.gguf"}),
    ("chatbot", {"weights": ["q4_0"]}),
    ("chatbot", {"first": "me"}),
    ("chatbot", {"port": 80}),
    ("chatbot", {"INFERENCE_PRECISION_HINT": "i8"}),
    ("autoscaler", {"minReplicas": 0}),
    ("autoscaler", {"maxReplicas": 21}),
    ("autoscaler", {"minReplicas": 11}),
    ("autoscaler", {"target": 0}),
    ("autoscaler", {"target": 5e-324}),
    ("autoscaler", {"target": float("nan")}),
    ("autoscaler", {"metric": "cpu", "target": 101}),
    ("autoscaler", {"metric": "__import__('os').system('true')"}),
    ("autoscaler", {"scaleDownWindowSeconds": 10**9}),
    ("autoscaler", {"selectPolicy": "Disabled"}),
]


def plan_of(name: str) -> dict[str, Any]:
    return {"chatbot": CHATBOT, "autoscaler": AUTOSCALER}[name]


def untried(name: str) -> DesignTask:
    """The task with a trial that gives every point: what is refused never comes to it."""
    found = task(name)
    assert isinstance(found, DesignTask)
    return found if name == "autoscaler" else replace(found, trial=lambda plan, seed: Trial(1))


@pytest.mark.parametrize(("name", "change"), HOSTILE, ids=str)
def test_a_hostile_plan_is_refused_before_anything_starts(
    name: str, change: dict[str, Any]
) -> None:
    assert design.tried(untried(name), plan_of(name), 1).share == 1
    with pytest.raises(Wrong):
        design.tried(untried(name), plan_of(name) | change, 1)


@pytest.mark.parametrize("name", ["chatbot", "autoscaler"])
@pytest.mark.parametrize(
    "given", ["None", "[]", "'{}'", "{}", "print", "object()", "(lambda: __plan)()", "{1: 2}"]
)
def test_what_is_no_plan_earns_nothing(grade_source: GradeSource, name: str, given: str) -> None:
    verdict = grade_source(f"def {name}():\n    return {given}\n", task=untried(name))
    assert (verdict.state, verdict.points) == ("failed", 0), verdict.message


def test_a_whole_number_with_a_point_is_one() -> None:
    given: list[Any] = []

    def kept(plan: Any, seed: int) -> Trial:
        given.append(plan)
        return Trial(1)

    design.tried(replace(task("chatbot"), trial=kept), CHATBOT | {"batch_most": 16.0}, 1)
    assert given == [CHATBOT]
    assert isinstance(given[0]["batch_most"], int)
    assert design.tried(task("autoscaler"), AUTOSCALER | {"minReplicas": 2.0}, 1).share == 1


def test_a_plan_that_starts_a_service_has_the_machine_to_itself() -> None:
    assert [one.name for one in LAB.tasks if one.alone] == ["chatbot"]


# ---- the chatbot's verdict, with services that do what is said here ------------------------------


@dataclass
class Said:
    """Stands in for both services; each run goes as the next of its list, or as the last.

    ratios: of the answers a second. steady: (latency of all, share refused). rushes: (a chat's
    latency, a report's, a chat's wait, a report's).
    """

    ratios: list[float]
    steady_runs: list[tuple[float, float]]
    rushes: list[tuple[float, float, float, float]]
    rates_rps: list[float] = field(default_factory=list)

    def warm_up(self) -> None: ...

    def pair(self, seed: int) -> tuple[float, float]:
        return 2.0, 2.0 * following(self.ratios)

    def steady(self, rate_rps: float, count: int, seed: int) -> Served:
        self.rates_rps.append(rate_rps)
        latency_s, refused = following(self.steady_runs)
        return served(np.full(500, latency_s), np.zeros(500), refused=round(500 * refused))

    def rush(self, rate_rps: float, lasts_s: float, seed: int) -> Rush:
        chat_s, report_s, chat_wait_s, report_wait_s = following(self.rushes)
        is_chat = np.arange(100) < 20
        took_s, waited_s = (
            np.where(is_chat, *pair) for pair in ((chat_s, report_s), (chat_wait_s, report_wait_s))
        )
        return Rush(served(took_s, waited_s), is_chat)


def following(values: list[Any]) -> Any:
    return values.pop(0) if len(values) > 1 else values[0]


def served(latency_s: np.ndarray, waited_s: np.ndarray, refused: int = 0) -> Served:
    count = latency_s.size
    failures = {"status 429": refused} if refused else {}
    load = LoadResult("test", "open", None, 10.0, count, failures, latency_s)
    ones = np.ones(count, int)
    return Served(load, np.arange(count), ones, waited_s, latency_s, latency_s, latency_s)


FAST, WELL, BORNE = [20.0], [(0.3, 0.0)], [(0.5, 1.0, 0.1, 0.6)]
LATE, MELTED, UNORDERED = (3.0, 0.0), (9.0, 9.0, 1.0, 8.0), (0.8, 0.8, 0.6, 0.6)


def verdict_on(monkeypatch: pytest.MonkeyPatch, said: Said) -> tuple[float, str]:
    monkeypatch.setattr(module("chatbot"), "contest", lambda plan, threads: nullcontext(said))
    try:
        trial = design.tried(task("chatbot"), CHATBOT, 5)
    except Wrong as wrong:
        return 0.0, str(wrong)
    return trial.share, trial.message


@pytest.mark.parametrize(
    ("said", "share", "message"),
    [
        (Said([*FAST], [*WELL], [*BORNE]), 1, ""),
        (Said([1.0], [*WELL], [*BORNE]), 0, "1.4 times the first version's"),
        (Said([*FAST], [LATE], [*BORNE]), 0, "100.0% of the answers came later than 2 s"),
        (Said([*FAST], [LATE, *WELL], [*BORNE]), 1, ""),
        (Said([*FAST], [(0.3, 0.1)], [*BORNE]), 0, "Let more of them wait"),
        (Said([*FAST], [*WELL], [MELTED]), 0, "Bound the queue"),
        (Said([*FAST], [*WELL], [(0.5, 4.1, 0.1, 4.0)]), 0, "of the reports"),
        (Said([*FAST], [*WELL], [UNORDERED]), 0, "Take the chats first"),
        (Said([*FAST], [*WELL], [UNORDERED, *BORNE]), 1, ""),
        (Said([*FAST], [*WELL], [MELTED, *BORNE]), 1, ""),
    ],
)
def test_what_the_services_do_decides(
    monkeypatch: pytest.MonkeyPatch, said: Said, share: float, message: str
) -> None:
    found, told = verdict_on(monkeypatch, said)
    assert found == share, told
    assert message in told
    assert bool(told) == (share < 1)


def test_between_two_costs_there_are_part_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = module("chatbot").CURVE
    half = (curve.none_at + curve.full_at) / 2
    share, told = verdict_on(monkeypatch, Said([half], [*WELL], [*BORNE]))
    assert share == pytest.approx(0.5)
    assert "fewer bits to read" in told


def test_a_cost_near_the_bar_is_measured_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair far off, as a disturbance makes it, decides nothing."""
    full = module("chatbot").CURVE.full_at
    said = Said([full * 0.3, *[full * 1.3] * 8], [*WELL], [*BORNE])
    assert verdict_on(monkeypatch, said)[0] == 1
    assert len(said.ratios) < 5


def test_a_plan_that_is_late_at_its_own_load_is_tried_at_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = Said([*FAST], [LATE, *WELL], [*BORNE])
    assert verdict_on(monkeypatch, said)[0] == 1
    own_rps, asked_rps = said.rates_rps
    assert asked_rps < own_rps == pytest.approx(LOAD * 40)
    reduction = module("chatbot").REDUCTION.full_at
    assert 1 - 2.0 / asked_rps == pytest.approx(reduction)


# ---- matrices ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(64, 128)).astype(np.float32)


def rounded(weights: np.ndarray, group: int = 32) -> dict[str, Any]:
    groups = weights.reshape(len(weights), -1, group)
    scales = np.abs(groups).max(-1) / 7
    integers = np.round(groups / scales[..., None]).astype(np.int8).reshape(weights.shape)
    return {"integers": integers, "scales": scales}


def test_a_right_answer_may_come_in_several_types(weights: np.ndarray) -> None:
    restore, plain = module("quantise").restore, rounded(weights)
    wanted = restore(weights, plain)
    assert np.abs(wanted - weights).max() <= 0.51 * plain["scales"].max()
    for integers, scales in (
        (plain["integers"].astype(np.int64), plain["scales"].astype(np.float64)),
        (plain["integers"].tolist(), plain["scales"].tolist()),
        (torch.from_numpy(plain["integers"]), torch.from_numpy(plain["scales"])),
        (np.asfortranarray(plain["integers"]), plain["scales"].astype(">f4")),
    ):
        found = restore(weights, {"integers": integers, "scales": scales})
        assert np.array_equal(found, wanted)


class Lenient(np.ndarray):
    """An array that says of itself that it keeps to every bound."""

    def min(self, *_: Any, **__: Any) -> Any:
        return -8

    def max(self, *_: Any, **__: Any) -> Any:
        return 7


ODD: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "nothing": (lambda a: None, "nothing"),
    "the weights": (lambda a: a["scales"], "ndarray"),
    "a list of pairs": (lambda a: [*a.items()], "a list"),
    "more names": (lambda a: a | {"zeros": 0}, "a dict"),
    "floats for integers": (lambda a: a | {"integers": a["integers"] * 1.0}, "whole numbers"),
    "booleans": (lambda a: a | {"integers": a["integers"] > 0}, "two dimensions"),
    "objects": (lambda a: a | {"integers": a["integers"].astype(object)}, "two dimensions"),
    "texts": (lambda a: a | {"scales": a["scales"].astype(str)}, "two dimensions"),
    "complex scales": (lambda a: a | {"scales": a["scales"] * 1j}, "two dimensions"),
    "five bits": (lambda a: a | {"integers": 2 * a["integers"]}, "four bits hold"),
    "unsigned": (lambda a: a | {"integers": a["integers"].view(np.uint8)}, "four bits hold"),
    "another shape": (lambda a: a | {"integers": a["integers"].T}, "one for each weight"),
    "one number": (lambda a: a | {"integers": 3}, "two dimensions"),
    "no scales": (lambda a: a | {"scales": a["scales"][:, :0]}, "groups of equal size"),
    "flat scales": (lambda a: a | {"scales": a["scales"].ravel()}, "two dimensions"),
    "rows too few": (lambda a: a | {"scales": a["scales"][1:]}, "groups of equal size"),
    "unequal groups": (lambda a: a | {"scales": a["scales"][:, :3]}, "groups of equal size"),
    "a scale a weight": (
        lambda a: a | {"scales": np.ones(a["integers"].shape)},
        "Make the groups larger",
    ),
    "NaN": (lambda a: a | {"scales": a["scales"] * np.nan}, "16 bits can hold"),
    "infinite": (lambda a: a | {"scales": a["scales"] / 0}, "16 bits can hold"),
    "beyond 16 bits": (lambda a: a | {"scales": a["scales"] * 1e9}, "16 bits can hold"),
    "whole scales": (lambda a: a | {"scales": np.ones((64, 4), int)}, "Return floats"),
    "unequal rows": (lambda a: a | {"scales": [[1.0], [1.0, 2.0]]}, "two dimensions"),
    "a lenient array": (
        lambda a: a | {"integers": (100 * a["integers"]).view(Lenient)},
        "four bits hold",
    ),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_matrix_is_named(weights: np.ndarray, odd: str) -> None:
    change, said = ODD[odd]
    with pytest.raises(Wrong, match=said):
        module("quantise").restore(weights, change(rounded(weights)))


def test_weights_that_overflow_earn_nothing_and_are_no_fault_of_the_grader(
    grade_source: GradeSource,
) -> None:
    source = """
import numpy as np
def quantise(weights):
    scales = np.full((len(weights), 1), 65504.0)
    return {"integers": np.full(weights.shape, 7, np.int8), "scales": scales}
"""
    quantise = task("quantise")
    assert isinstance(quantise, FunctionTask)
    verdict = grade_source(source, task=quantise)
    assert (verdict.state, verdict.points) == ("failed", 0), verdict.message


def test_an_answer_that_keeps_the_original_beside_it_earns_nothing(
    grade_source: GradeSource,
) -> None:
    source = """
import numpy as np
def quantise(weights):
    return {"integers": weights.view(np.int32), "scales": np.ones((len(weights), 1))}
"""
    verdict = grade_source(source, task=task("quantise"))
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert "four bits hold" in verdict.message
