"""One task of one notebook graded: what a local worker process and a Dask worker both do."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.grade import submission as submissions
from lab_utils.grade.spec import Task, load_lab
from lab_utils.grade.verdict import Verdict
from lab_utils.grade.workers import Workers
from lab_utils.machine.facts import facts, versions

MACHINE_LOCK = "inference-lab-grading.lock"


@dataclass(frozen=True)
class Job:
    """What is to be graded. digest: of the notebook. seed: what the task's inputs come from."""

    learner: str
    unit: str
    task: str
    digest: str
    seed: int


@dataclass(frozen=True)
class Done:
    """What came of a job: the verdict as in `./lab grade --json`, and where and when."""

    verdict: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    started: str
    finished: str


def grade_one(content: bytes, job: Job, workers: Workers) -> Done:
    """Grade one task of a notebook; nothing in it makes this raise.

    What is timed has the machine to itself; other tasks share it.
    """
    # It imports torch, which whoever hands out jobs never needs.
    from lab_utils.grade.engine import grade_task

    started = now()
    lab = load_lab(job.unit)
    task = lab[job.task]
    with machine(alone=task.alone):
        try:
            lab.prepare()
            submission = submissions.parse(content, job.learner)
            verdict = grade_task(submission, task, job.seed, workers)
        except LabError as error:
            verdict = not_graded(task, str(error), workers.isolation)
        except Exception as error:  # a fault of the grader's own costs one task, not the class
            verdict = not_graded(task, f"{type(error).__name__}: {error}", workers.isolation)
    return Done(verdict.as_dict(), facts().as_dict(), versions(), started, now())


def not_graded(task: Task, message: str, isolation: str) -> Verdict:
    """The verdict on an answer that could not be graded."""
    return Verdict(task.name, task.title, "error", 0, task.points, message, isolation, 0.0)


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def machine(*, alone: bool) -> Iterator[None]:
    """Hold this machine: alone for a timing, shared for what is not timed.

    Every ./lab grade and every worker of a cluster on this machine keeps to it.
    """
    path = Path(tempfile.gettempdir()) / MACHINE_LOCK
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
