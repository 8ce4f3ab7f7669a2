"""Grading one submission: each task's answer in a worker of its own, judged from outside.

The grader's process draws the inputs, holds the clock and judges; the answer sees one input at a
time and nothing of the rest.
"""

from __future__ import annotations

import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lab_utils.components.sandbox import Sandbox
from lab_utils.components.watch import Greedy
from lab_utils.errors import LabError
from lab_utils.grade import design, services, timed, wire
from lab_utils.grade.answer import write_answer
from lab_utils.grade.faults import GraderFault, judged, own
from lab_utils.grade.findings import (
    Finding,
    figures_of,
    figures_of_timing,
    finding_on,
    finding_on_timing,
)
from lab_utils.grade.session import NOT_PLAIN, Raised
from lab_utils.grade.spec import (
    Answer,
    DesignTask,
    FunctionTask,
    Lab,
    NotComparable,
    ServiceTask,
    Task,
    TimedTask,
    Wrong,
)
from lab_utils.grade.submission import Submission
from lab_utils.grade.verdict import Figure, Marks, Verdict, readable
from lab_utils.grade.workers import Workers

Progress = Callable[[str], None]
Seeds = Callable[[Task], int]
GRADER_FAILED = (
    "The grader itself failed ({}). That says nothing about your answer and is no mark: tell your "
    "instructor."
)
NOT_DONE = "Not done yet: write your answer in the cell of this task, then run the check again."


def grade(
    submission: Submission,
    lab: Lab,
    only: Iterable[str] | None = None,
    seed: int | Seeds | None = None,
    workers: Workers | None = None,
    progress: Progress = lambda text: None,
) -> Marks:
    """The marks of one submission.

    only: names of tasks, default all. seed: what inputs are drawn from, of the whole or for each
    task, default a fresh one.
    workers: to share between submissions. progress: told what is being done.
    """
    if not callable(seed):
        seed = partial(task_seed, secrets.randbits(63) if seed is None else seed)
    tasks = lab.tasks if only is None else [lab[name] for name in only]
    if workers is None:
        with Workers() as own:
            return grade(submission, lab, [t.name for t in tasks], seed, own, progress)
    lab.prepare()
    verdicts = []
    for task in tasks:
        progress(task.title)
        verdicts.append(grade_task(submission, task, seed(task), workers, progress))
    return Marks(str(submission.path), lab.unit, tuple(verdicts))


def grade_task(
    submission: Submission,
    task: Task,
    seed: int,
    workers: Workers,
    progress: Progress = lambda text: None,
) -> Verdict:
    """The verdict on one task; nothing that an answer does makes this raise."""
    start = time.perf_counter()
    figures: Mapping[str, Figure] = {}
    try:
        cells = submission.cells_for(task)
        if isinstance(task, FunctionTask):
            with workers.answer(cells, task.function, task.limit_s) as answer:
                run_cases(task, answer, seed)
            finding = Finding(1)
        elif isinstance(task, TimedTask):
            timing = timed.compare(task, cells, seed, workers, progress=progress)
            finding, figures = finding_on_timing(task, timing), figures_of_timing(timing)
        elif isinstance(task, DesignTask):
            with workers.answer(cells, task.function, task.limit_s) as answer:
                plan = answer()
            trial = design.tried(task, plan, seed)
            finding, figures = Finding(trial.share, trial.message), trial.figures
        else:
            found = _compare_services(task, cells, seed, workers, progress)
            finding, figures = finding_on(task, found), figures_of(task, found)
    except (NotComparable, LabError) as error:
        finding = Finding(0, str(error), "error")
    except GraderFault as error:
        finding = Finding(0, GRADER_FAILED.format(error), "error")
    except Exception as error:
        finding = Finding(0, explain(error, task))
    return Verdict(
        task=task.name,
        title=task.title,
        state=finding.state,
        points=finding.points(task),
        out_of=task.points,
        message=readable(finding.message),
        isolation=workers.isolation,
        duration_s=time.perf_counter() - start,
        figures=figures,
    )


def run_cases(task: FunctionTask, answer: Answer, seed: int) -> None:
    """Drive an answer through every case and judge each output; raises Wrong at the first.

    Raises GraderFault where the task's own code fails.
    """
    try:
        cases = task.draw(seed)
    except Exception as error:
        raise own(error) from error
    for case in cases:
        judged(partial(task.judge, case), task.drive(answer, case))


def task_seed(seed: int, task: Task) -> int:
    """A seed for one task, so that one task's inputs tell nothing of another's."""
    return random.Random(f"{seed}/{task.name}").getrandbits(63)


def explain(error: Exception, task: Task) -> str:
    """For the answer's author: why it failed, and what to do. Never the grader's own inputs."""
    if isinstance(error, Wrong):
        return str(error)
    if isinstance(error, wire.TimeUp):
        return (
            f"{task.function} was ended after {task.limit_s:g} s, cells before it included. "
            "Look for a loop that does not end, and keep long experiments out of the notebook "
            "that you hand in."
        )
    if isinstance(error, wire.Closed):
        return (
            f"The process that ran {task.function} ended before it answered (sys.exit, os._exit "
            "or a crash). Return a value instead."
        )
    if isinstance(error, Greedy):
        return (
            f"{task.function}, or what it started, {error} and was ended. Look for a loop that "
            "starts or allocates without end."
        )
    if isinstance(error, wire.WireError):
        return (
            f"{task.function} gave {error}, which is not a plain value. Return numbers, strings, "
            "lists, dicts, arrays or tensors as the task says."
        )
    if isinstance(error, Raised):
        return _explain_raised(error, task)
    # Driving or examining it failed here: it gave a value that the task's code was not written for.
    return (
        f"The output of {task.function} has a form that could not be judged "
        f"({type(error).__name__}: {error}). Return exactly what the task asks for."
    )


def _explain_raised(error: Raised, task: Task) -> str:
    if error.kind == "NotImplementedError":
        return NOT_DONE
    if error.kind == NOT_PLAIN:
        return explain(wire.WireError(error.text), task)
    if error.kind == "NotDefined":
        return f"In your notebook {error.text}. Define {task.function} in the cell of this task."
    where = f" in cell {error.cell}, line {error.line}" if error.cell else ""
    return (
        f"{task.function} raised {error}{where}. "
        "Restart the kernel, run all cells, and mend what fails."
    )


def _compare_services(
    task: ServiceTask,
    cells: list[dict[str, Any]],
    seed: int,
    workers: Workers,
    progress: Progress,
) -> services.Comparison:
    with workers.folder() as made, tempfile.TemporaryDirectory(prefix="answer-") as folder:
        with workers.answer(cells, task.function, task.limit_s) as answer:
            deployment = task.examine(answer, services.cores_to_use(), seed, str(made))
        path = Path(folder) / "answer.json"
        write_answer(path, cells, task.function, deployment.arguments)
        sandbox = Sandbox((path.parent,), (made,)) if workers.sandboxed else None
        return services.compare(
            task, deployment, path, seed, sandbox, workers.share, progress=progress
        )
