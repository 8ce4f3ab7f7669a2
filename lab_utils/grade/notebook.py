"""The check that stands after each task of a lab's notebook.

check = checks_for("1_resnet_service")
check("preprocess", preprocess)

It runs in the learner's own process, so it is advice: marks come from `./lab check` and
`./lab grade`, which run the answer elsewhere. In a live notebook a button beneath the verdict
checks again, with the function as the notebook defines it by then. A check says what is wrong and
never raises, so that "Run All" goes on; with `INFERENCE_LAB_STRICT=1`, as in a headless run of a
solution, whatever does not pass is an error.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from typing import Any

from lab_utils.errors import LabError
from lab_utils.grade import design, engine, services, timed, wire
from lab_utils.grade.answer import GRADING
from lab_utils.grade.decision import Look, Plan, curve_of
from lab_utils.grade.faults import GraderFault
from lab_utils.grade.findings import Finding, finding_on, finding_on_timing
from lab_utils.grade.spec import (
    Answer,
    DesignTask,
    FunctionTask,
    NotComparable,
    ServiceTask,
    Task,
    TimedTask,
    Trial,
    Wrong,
    load_lab,
)
from lab_utils.grade.verdict import COLOURS, MARKS, Figure, State
from lab_utils.show.again import with_button
from lab_utils.show.figures import key_figure
from lab_utils.show.surface import Note, Shown, surface

STRICT = "INFERENCE_LAB_STRICT"
PAIRS = 4
ADVICE = Plan((Look(2, 0.0025, margin=3.0), Look(PAIRS, 0.0625)))
"""A look that is wrong on a side in one of sixteen at the bar: quick, since it is advice only."""
ADVISORY = "advice, not a mark"
TRIAL_S = 35
"""About how long a plan takes that is tried on real services."""

TIMED_ADVICE = Plan((Look(3, 0.001, margin=2.0), Look(9, 0.002), Look(18, 0.002)))


def checks_for(unit: str) -> Callable[[str, Answer], None]:
    """The `check` of a unit's notebook: `check(task, answer)` says whether the answer is right."""

    def check(task: str, answer: Answer) -> None:
        if os.environ.get(GRADING):  # while it is being graded, a notebook checks nothing
            return
        found = load_lab(unit)[task]
        if surface() == "live" and not os.environ.get(STRICT):
            with_button(
                "Check again",
                first=lambda: _check(found, answer),
                again=lambda: _check(found, _defined(found.function)),
            )
        else:
            _check(found, answer)

    return check


def _defined(function: str) -> Answer:
    """The notebook's function of that name as it is now; one that says so where there is none."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    assert shell is not None
    found: Answer | None = shell.user_ns.get(function)
    if found is None:
        raise LabError(f"No function {function} is defined; run the cell of this task first.")
    return found


def _check(task: Task, answer: Answer) -> None:
    state, message, figures = _state_of(task, answer)
    for name, figure in figures.items():
        key_figure(name, figure.value, figure.unit)
    Shown(Note(message, COLOURS[state], f"{MARKS[state]} {task.name}"))
    if state != "passed" and os.environ.get(STRICT):
        raise LabError(f"The check of {task.name!r} did not pass: {message}")


def _state_of(task: Task, answer: Answer) -> tuple[State, str, dict[str, Figure]]:
    plain = _plain(answer)
    seed = secrets.randbits(63)
    try:
        if isinstance(task, FunctionTask):
            engine.run_cases(task, plain, seed)
            return "passed", f"right on every input tried ({ADVISORY}).", {}
        if isinstance(task, TimedTask):
            return _timed(task, plain, seed)
        if isinstance(task, DesignTask):
            trial = _tried(task, plain, seed)
            said = trial.message or f"the plan did what is asked ({ADVISORY})."
            return Finding(trial.share).state, said, dict(trial.figures)
        if task.rehearse is not None:
            return _rehearsed(task, plain, seed)
        return _compared(task, plain, seed)
    except NotComparable as error:
        return "inconclusive", str(error), {}
    except GraderFault as error:
        return "error", engine.GRADER_FAILED.format(error), {}
    except NotImplementedError:
        return "failed", engine.NOT_DONE, {}
    except Exception as error:
        if isinstance(error, Wrong | wire.WireError):
            return "failed", engine.explain(error, task), {}
        return "failed", f"{task.function} raised {type(error).__name__}: {error}", {}


def _tried(task: DesignTask, answer: Answer, seed: int) -> Trial:
    from lab_utils.show.progress import waiting

    plan = answer()
    if not task.alone:
        return design.tried(task, plan, seed)
    with waiting("The plan is tried", about_s=TRIAL_S):
        return design.tried(task, plan, seed)


def _timed(task: TimedTask, answer: Answer, seed: int) -> tuple[State, str, dict[str, Figure]]:
    found = timed.rehearse(task, answer, seed, TIMED_ADVICE)
    figures = {f"{task.function}, in process": Figure(found.ratio, "×")}
    finding = finding_on_timing(task, found)
    said = (
        f"same answers, {found.ratio:.2f} times as fast as the reference in this process; "
        f"{curve_of(task.bar).full_at:g} is asked ({ADVISORY})."
    )
    return finding.state, finding.message or said, figures


def _rehearsed(
    task: ServiceTask, answer: Answer, seed: int
) -> tuple[State, str, dict[str, Figure]]:
    assert task.rehearse is not None
    found = task.rehearse(answer, seed)
    figures = {f"{task.function}, in process": Figure(found, "×")}
    bar = curve_of(task.bar(services.cores_to_use())).full_at
    said = (
        f"same answers, {found:.2f} times as fast as the job's in this process. The mark is "
        f"measured over HTTP, where {bar:g} times is asked ({ADVISORY})."
    )
    if found.median >= bar:
        return "passed", said, figures
    return "failed", f"{said} {task.too_slow}", figures


def _compared(task: ServiceTask, answer: Answer, seed: int) -> tuple[State, str, dict[str, Figure]]:
    from lab_utils.show.progress import waiting

    with tempfile.TemporaryDirectory() as folder:
        deployment = task.examine(answer, services.cores_to_use(), seed, folder)
    with waiting("Starting both services and comparing them", about_s=45):
        found = services.compare(task, deployment, None, seed, plan=ADVICE)
    figures = {f"{task.function}, served": Figure(found.ratio, "×")}
    finding = finding_on(task, found)
    asked = curve_of(task.bar(found.cores)).full_at
    if not found.standing.decided:
        message = (
            f"{found.ratio:.2f} times the reference's requests a second: {found.ratio.n} pairs "
            f"cannot say whether that reaches {asked:g}. Close what else runs here and check again."
        )
        return "inconclusive", message, figures
    said = (
        f"same answers, {found.ratio:.2f} times the reference's requests a second; "
        f"{asked:g} is asked ({ADVISORY})."
    )
    return finding.state, finding.message or said, figures


def _plain(function: Answer) -> Answer:
    """The function as the grader will see it: only plain values go in and come out."""

    def called(*arguments: Any, **named: Any) -> Any:
        arguments, named = _crossed(list(arguments)), _crossed(named)
        return _crossed(function(*arguments, **named))

    return called


def _crossed(value: Any) -> Any:
    functions: list[Answer] = []

    def register(function: Answer) -> int:
        functions.append(function)
        return len(functions) - 1

    frames = wire.pack(value, register)
    return wire.unpack(frames, lambda number: _plain(functions[number]))
