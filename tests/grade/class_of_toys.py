"""A class that is graded in a moment, by nothing heavy: run by `test_class.py`, and killed by it.

    python tests/grade/class_of_toys.py SUBMISSIONS OUT LOG [--again] [--never-ends]

Every task that is graded leaves a line in LOG before its verdict is handed over.
"""

import math
import random
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from lab_utils.grade.classroom import run
from lab_utils.grade.classroom.job import Done, Job, now
from lab_utils.grade.spec import Case, FunctionTask, Lab
from lab_utils.grade.verdict import Verdict


def judge(case: Case, output: object) -> None:
    """Never called: the toys are marked by what their text says."""


TASKS = tuple(
    FunctionTask(name, name.title(), 2, name, lambda seed: [{}], judge)
    for name in ("first", "second")
)
LAB = Lab("1_toy", TASKS)
MOST = 40
"""So many tasks are graded in a run that never ends: fewer than there are."""


class Toys:
    """Grades two at a time, in a few milliseconds, in this process."""

    slots = 2

    def __init__(self, notebooks: Path, log: Path, most: float) -> None:
        self._notebooks, self._log, self._jobs = notebooks, log, list[Job]()
        self._left = most

    def submit(self, job: Job) -> None:
        """Take a job in hand."""
        self._jobs.append(job)

    def wait(self, timeout_s: float) -> list[tuple[Job, Done]]:
        """One verdict, or none any more."""
        time.sleep(random.uniform(0, 0.008) if self._left > 0 else timeout_s)
        if self._left <= 0:
            return []
        self._left -= 1
        job = self._jobs.pop(random.randrange(len(self._jobs)))
        passed = job.task in (self._notebooks / f"{job.digest}.ipynb").read_text()
        verdict = Verdict(
            job.task,
            job.task.title(),
            "passed" if passed else "failed",
            2 if passed else 0,
            2,
            "" if passed else f"seed {job.seed}",
            "not isolated",
            0.01,
        )
        with self._log.open("a") as log:
            log.write(f"{job.learner} {job.task}\n")
        return [(job, Done(verdict.as_dict(), {}, {}, now(), now()))]


def main() -> None:
    """Grade the class and print how many verdicts were kept and given."""
    folder, out, log = map(Path, sys.argv[1:4])
    run.load_lab = lambda unit=None: LAB  # type: ignore[assignment]
    run.version_of = lambda unit: "version"  # type: ignore[assignment]
    order = run.Order([folder], out, again="--again" in sys.argv)
    most = MOST if "--never-ends" in sys.argv else math.inf
    outcome = run.grade_class(
        order,
        lambda notebooks, timed: nullcontext(Toys(notebooks, log, most)),
        Console(stderr=True),
    )
    print(outcome.kept, outcome.graded)


if __name__ == "__main__":
    main()
