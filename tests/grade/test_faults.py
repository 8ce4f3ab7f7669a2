"""A judge that breaks down: the answer's fault, or the grader's own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from lab_utils.grade.faults import GraderFault, all_judged, judged
from lab_utils.grade.spec import Wrong
from lab_utils.grade.verdict import Verdict
from tests.grade.conftest import DOUBLE

GradeSource = Callable[..., Verdict]
RIGHT = "def double(x):\n    return 2 * x"


def broken(output: Any) -> None:
    raise KeyError("no such case")


def naive(output: Any) -> None:
    if output != 4:
        raise Wrong("not four")


def reads_a_dict(output: Any) -> None:
    if output["share"] > 1:
        raise Wrong("that is per cent")


def looks_at_the_form(output: Any) -> None:
    if not isinstance(output, dict) or "share" not in output:
        raise Wrong("no dict with a share")
    if output["share"] > 1:
        raise Wrong("that is per cent")


def divides_by_it(output: Any) -> None:
    if not isinstance(output, int):
        raise Wrong("no number")
    assert 1 / (output - 4)


@pytest.mark.parametrize(
    ("judge", "output", "whose"),
    [
        (broken, 4, GraderFault),
        (broken, {"share": 2}, GraderFault),
        (naive, torch.ones(2), Wrong),
        (naive, 5, Wrong),
        (reads_a_dict, {"part": 2}, Wrong),
        (reads_a_dict, [], Wrong),
        (looks_at_the_form, {"part": 2}, Wrong),
        (looks_at_the_form, {"share": "all"}, GraderFault),
        (divides_by_it, 4, GraderFault),
        (lambda output: output(), 4, Wrong),
    ],
)
def test_whose_fault_it_is(judge: Callable[[Any], None], output: Any, whose: type) -> None:
    with pytest.raises(whose):
        judged(judge, output)


@pytest.mark.parametrize(
    ("judge", "outputs", "whose"),
    [(naive, [4, 5], Wrong), (broken, [4, 4], GraderFault), (reads_a_dict, [[], {}], Wrong)],
)
def test_many_outputs_are_told_apart_one_by_one(
    judge: Callable[[Any], None], outputs: list[Any], whose: type
) -> None:
    def judge_all(expected: Any, given: Any) -> None:
        for output in given:
            judge(output)

    with pytest.raises(whose):
        all_judged(judge_all, [0, 0], outputs)


def test_what_is_right_passes() -> None:
    judged(naive, 4)


def test_a_judges_own_fault_is_no_mark(grade_source: GradeSource) -> None:
    def judge(case: Any, output: Any) -> None:
        raise KeyError(f"a secret input: {case['x']}")

    verdict = grade_source(RIGHT, task=replace(DOUBLE, judge=judge))
    assert (verdict.state, verdict.points) == ("error", 0)
    assert "The grader itself failed (KeyError in judge, line" in verdict.message
    assert "secret" not in verdict.message


def test_inputs_that_cannot_be_drawn_are_the_graders_fault(grade_source: GradeSource) -> None:
    def draw(seed: int) -> list[dict[str, Any]]:
        raise OSError("no pictures")

    verdict = grade_source(RIGHT, task=replace(DOUBLE, draw=draw))
    assert verdict.state == "error"
    assert "The grader itself failed (OSError in draw" in verdict.message


def test_a_strange_form_is_the_answers_fault(grade_source: GradeSource) -> None:
    strange = grade_source("import numpy\ndef double(x):\n    return numpy.array([x, x])")
    assert (strange.state, strange.points) == ("failed", 0)
    assert "has a form that could not be judged (ValueError" in strange.message
