"""A plan that is tried: an autoscaler's settings, in a simulated rush of requests."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lab_utils.grade import design
from lab_utils.grade.spec import DesignTask, Trial, Wrong
from lab_utils.grade.verdict import Figure, Verdict
from lab_utils.measure.interval import interval
from lab_utils.measure.load.arrivals import poisson
from lab_utils.simulate.hpa import Autoscaler, average_value
from lab_utils.simulate.station import Scaling, simulate

GradeSource = Callable[..., Verdict]
SERVICE_S, START_S, WAIT_BAR_S = 0.1, 5, 25.0


def rush(plan: dict[str, Any], seed: int) -> Trial:
    """Ten times the load after a minute. Half the points for the wait, half for the machines."""
    if plan["least"] > plan["most"]:
        raise Wrong("least is more than most. Swap them.")
    arrived_s = np.concatenate([poisson(4, 60, seed).due_s, 60 + poisson(40, 120, seed + 1).due_s])
    scaling = Scaling(
        Autoscaler(plan["least"], plan["most"], average_value(plan["target"])), START_S
    )
    run = simulate(arrived_s, lambda _: SERVICE_S, scaling=scaling)
    worst_s = float(np.quantile(run.sojourn_s, 0.99))
    figures = {"p99": Figure(interval([worst_s]), "s")}
    if worst_s > WAIT_BAR_S:
        return Trial(0, f"The p99 was {worst_s:.0f} s. Let more replicas start, earlier.", figures)
    if plan["least"] > 2:
        return Trial(0.5, "Fast enough, and four replicas idle all night. Begin lower.", figures)
    return Trial(1, figures=figures)


TASK = DesignTask(
    name="plan",
    title="Plan for the rush",
    points=4,
    function="plan",
    form={
        "type": "object",
        "properties": {
            "least": {"type": "integer", "minimum": 1, "maximum": 20},
            "most": {"type": "integer", "minimum": 1, "maximum": 20},
            "target": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
        },
        "required": ["least", "most", "target"],
        "additionalProperties": False,
    },
    trial=rush,
    limit_s=20,
)


def source(plan: str) -> str:
    return f"def plan():\n    return {plan}\n"


@pytest.mark.parametrize(
    ("plan", "state", "points", "said"),
    [
        ("{'least': 1, 'most': 12, 'target': 5}", "passed", 4, ""),
        ("{'least': 12, 'most': 12, 'target': 5}", "partial", 2, "idle all night"),
        ("{'least': 1, 'most': 2, 'target': 5}", "failed", 0, "Let more replicas start"),
        ("{'least': 1, 'most': 12, 'target': 900}", "failed", 0, "Let more replicas start"),
        ("{'least': 3, 'most': 2, 'target': 5}", "failed", 0, "Swap them"),
        ("{'least': 1, 'most': 12}", "failed", 0, "'target' is a required property"),
        ("{'least': 1, 'most': 'x', 'target': 5}", "failed", 0, r"plan\(\)\.most: 'x' is not of"),
        ("{'least': 1, 'most': 10**9, 'target': 5}", "failed", 0, "greater than the maximum"),
        ("{'least': 1, 'most': 9, 'target': 5, 'points': 4}", "failed", 0, "'points' was unexp"),
        ("[1, 2]", "failed", 0, "is not of type 'object'"),
        ("{'least': 1, 'most': 9, 'target': float('nan')}", "failed", 0, "is not JSON"),
        ("{'least': 1, 'most': 9, 'target': lambda: 5}", "failed", 0, "is not JSON"),
        ("{'text': 'x' * 200_000}", "failed", 0, "of 200,012 characters"),
        ("object()", "failed", 0, "not a plain value"),
        ("1 / 0", "failed", 0, "plan raised ZeroDivisionError"),
    ],
)
def test_a_plan_earns_what_comes_of_it(
    grade_source: GradeSource, plan: str, state: str, points: float, said: str
) -> None:
    verdict = grade_source(source(plan), task=TASK)
    assert (verdict.state, verdict.points) == (state, points), verdict.message
    assert re.search(said, verdict.message), verdict.message
    assert ("p99" in verdict.figures) == ("replicas" in verdict.message or state == "passed")


def test_a_plan_that_judges_itself_gains_nothing(grade_source: GradeSource) -> None:
    """The trial runs in the grader's process: what the answer replaces in its own is its own."""
    patched = """
import jsonschema.validators, lab_utils.grade.design as design, lab_utils.simulate.station as s
jsonschema.validators.validator_for = lambda form: lambda form: None
design.tried = lambda *_: 1
s.simulate = lambda *_, **__: 1 / 0
def plan():
    return {"least": 1, "most": 2, "target": 5}
"""
    verdict = grade_source(patched, task=TASK)
    assert verdict.points == 0


def test_a_trial_that_breaks_costs_nobody_a_mark(grade_source: GradeSource) -> None:
    broken = replace(TASK, trial=lambda plan, seed: plan["no such key"])
    verdict = grade_source(source("{'least': 1, 'most': 9, 'target': 5}"), task=broken)
    assert verdict.state == "error"
    assert "KeyError" in verdict.message


def test_the_same_plan_meets_another_rush_each_time() -> None:
    plan = {"least": 1, "most": 12, "target": 5}
    found = {design.tried(TASK, plan, seed).figures["p99"].value.median for seed in range(3)}
    assert len(found) == 3
