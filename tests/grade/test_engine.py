"""An answer in a worker of its own: what reaches the grader, and what a failure says."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab_utils.components.sandbox import refusal
from lab_utils.grade.decision import Standing
from lab_utils.grade.engine import task_seed
from lab_utils.grade.findings import finding_on
from lab_utils.grade.services import Comparison
from lab_utils.grade.spec import FunctionTask, ServiceTask, Wrong, load_lab
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from lab_utils.measure.interval import Interval
from lab_utils.models import resnet
from tests.grade.conftest import DOUBLE

GradeSource = Callable[..., Verdict]
RIGHT = "def double(x):\n    return 2 * x"


def test_a_right_answer_earns_its_points(grade_source: GradeSource, workers: Workers) -> None:
    verdict = grade_source(RIGHT)
    assert (verdict.state, verdict.points, verdict.message) == ("passed", 3, "")
    refused = refusal()
    assert verdict.isolation == (f"not isolated: {refused}" if refused else "isolated")


def test_helpers_and_magics_before_the_answer_are_run(grade_source: GradeSource) -> None:
    helpers = ["%matplotlib inline\nTWO = 2", "%%bash\nrm nothing", "!ls\nimport math"]
    assert grade_source(*helpers, "def double(x):\n    return TWO * math.floor(x)").points == 3


def test_warnings_and_prints_cost_nothing(grade_source: GradeSource) -> None:
    noisy = "import sys, warnings\nwarnings.warn('old')\nprint('x', file=sys.stderr)\n"
    assert grade_source(noisy + RIGHT).points == 3


def test_a_broken_helper_fails_only_what_needs_it(grade_source: GradeSource) -> None:
    assert grade_source("1 / 0", RIGHT).points == 3
    needs_it = grade_source(
        "import nowhere_at_all", "def double(x):\n    return nowhere_at_all.f(x)"
    )
    assert needs_it.state == "failed"
    assert "cell 2, line 2" in needs_it.message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def double(x):\n    raise NotImplementedError('double')", "Not done yet"),
        ("def double(x):\n    return 3 * x", "Return twice x."),
        (
            "def double(x):\n    y = x\n    return y / 0",
            "ZeroDivisionError: division by zero in cell",
        ),
        ("def double(x):\n    return undefined", "NameError"),
        ("def double(x:\n    return 2 * x", "SyntaxError"),
        ("def twice(x):\n    return 2 * x", "no function double is defined"),
        ("double = 2", "no function double is defined"),
        ("def double(x):\n    return {2 * x}", "gave a set, which is not a plain value"),
        ("def double(x):\n    return double", "got <function"),
    ],
)
def test_a_wrong_answer_gets_a_sentence(grade_source: GradeSource, source: str, said: str) -> None:
    verdict = grade_source(source)
    assert (verdict.state, verdict.points) == ("failed", 0)
    assert said in verdict.message


def test_the_line_of_an_exception_is_named(grade_source: GradeSource) -> None:
    verdict = grade_source("import math", "def double(x):\n    y = x\n    return y / 0")
    assert "in cell 2, line 3" in verdict.message


def test_values_of_every_kind_cross(grade_source: GradeSource) -> None:
    def judge(case: Any, output: Any) -> None:
        assert torch.equal(output["tensor"], 2 * case["tensor"])
        assert np.array_equal(output["array"], case["array"] + 1)
        assert output["bytes"] == case["bytes"] + b"!"
        assert np.isnan(output["nan"])
        assert output["called"] == "parent heard 5"

    source = (
        "def both(tensor, array, bytes, hear):\n"
        "    return {'tensor': 2 * tensor, 'array': array + 1, 'bytes': bytes + b'!',\n"
        "            'nan': float('nan'), 'called': hear(5)}"
    )
    task = FunctionTask(
        name="both",
        title="",
        points=1,
        function="both",
        draw=lambda seed: [
            {
                "tensor": torch.ones(2, 3),
                "array": np.arange(4, dtype=np.int16),
                "bytes": b"\x00\xff",
                "hear": lambda x: f"parent heard {x}",
            }
        ],
        judge=judge,
    )
    verdict = grade_source(source, task=task)
    assert verdict.state == "passed", verdict.message


def test_an_answer_may_be_a_function_that_is_called_later(grade_source: GradeSource) -> None:
    def judge(case: Any, output: Any) -> None:
        if output(x=case["x"]) != 2 * case["x"]:
            raise Wrong("no")

    task = replace(DOUBLE, judge=judge, drive=lambda answer, case: answer())
    assert grade_source("def double():\n    return lambda x: 2 * x", task=task).points == 3


def test_a_slow_answer_is_ended_at_its_limit(grade_source: GradeSource) -> None:
    task = replace(DOUBLE, limit_s=1.5)
    verdict = grade_source("def double(x):\n    while True: pass", task=task)
    assert verdict.state == "failed"
    assert "ended after 1.5 s" in verdict.message


def test_seeds_differ_between_tasks_and_are_repeatable() -> None:
    first, second = load_lab("1").tasks[:2]
    assert task_seed(1, first) == task_seed(1, first)
    assert len({task_seed(1, first), task_seed(1, second), task_seed(2, first)}) == 3


@pytest.mark.parametrize(
    ("ratio", "share", "decided", "state", "said"),
    [
        (1.4, 1, True, "passed", ""),
        (1.0, 0, True, "failed", "as the reference; 1.2 is asked. Run the network"),
        (1.25, 1, False, "passed", "could not tell the two apart, so its median decides"),
        (1.15, 0, False, "failed", "could not tell the two apart, so its median decides"),
    ],
)
def test_a_ratio_becomes_a_verdict(
    ratio: float, share: float, decided: bool, state: str, said: str
) -> None:
    task = load_lab("1")["build_predictor"]  # its bar is 1.2
    assert isinstance(task, ServiceTask)
    got = finding_on(replace(task, work=None), comparison(ratio, Standing(share, decided)))
    assert got.state == state
    assert said in got.message
    assert bool(got.message) == bool(said)


@pytest.mark.parametrize(
    ("answer_ms", "state"), [((180, 190, 200), "failed"), ((90, 105, 120), "passed")]
)
def test_a_faster_service_with_a_worse_tail_fails(
    answer_ms: tuple[float, float, float], state: str
) -> None:
    task = load_lab("1")["build_int8_predictor"]
    assert isinstance(task, ServiceTask)
    low, median, high = answer_ms
    tails_s = Interval(0.1, 0.09, 0.11, 500), Interval(median / 1e3, low / 1e3, high / 1e3, 500)
    found = replace(comparison(4.0, Standing(1, decided=True)), tails_s=tails_s)
    got = finding_on(replace(task, work=None), found)
    assert got.state == state
    assert ("its p99 is 190 [180 to 200] ms" in got.message) == (state == "failed")


def comparison(ratio: float, standing: Standing) -> Comparison:
    near = Interval(ratio, 0.98 * ratio, 1.02 * ratio, 6)
    return Comparison(near, near, near, 2, standing)


def test_lab_1_sees_to_the_weights_that_its_answers_cannot_make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[str] = []
    monkeypatch.setenv("INFERENCE_LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(resnet, "load", lambda: made.append("weights"))
    load_lab("1").prepare()
    assert made == ["weights"]
    resnet._stand_in_path().touch()
    load_lab("1").prepare()
    assert made == ["weights"]  # they are there: nothing is loaded
