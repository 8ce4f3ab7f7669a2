"""A class graded: what is not yet recorded is graded, task by task, and recorded at once."""

from __future__ import annotations

import math
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from lab_utils.errors import LabError
from lab_utils.grade.classroom.handed_in import HandedIn, handed_in
from lab_utils.grade.classroom.job import Done, Job, now
from lab_utils.grade.classroom.progress import Estimate, Shown
from lab_utils.grade.classroom.seeds import key_in, seed_id, seed_of
from lab_utils.grade.classroom.store import UNREAD, Row, Store
from lab_utils.grade.classroom.version import version_of
from lab_utils.grade.classroom.workers import LocalWorkers
from lab_utils.grade.spec import Lab, load_lab
from lab_utils.machine.cores import available_cores
from lab_utils.machine.facts import facts, memory_bytes, versions

WAIT_S = 0.5
BYTES_A_WORKER = 2 * 2**30
"""One process that grades, the one that forks answers, and an answer with a model in it."""


class Graders(Protocol):
    """Whoever grades: processes of this machine, or of a cluster."""

    @property
    def slots(self) -> int:
        """How many jobs may be in hand at the same time."""

    def submit(self, job: Job) -> None:
        """Take a job in hand."""

    def wait(self, timeout_s: float) -> list[tuple[Job, Done]]:
        """What was finished; waits up to `timeout_s` for the first."""


Open = Callable[[Path, bool], AbstractContextManager[Graders]]
"""(folder of notebooks, whether for timings) → graders for as long as a block lasts."""


@dataclass(frozen=True)
class Order:
    """What is asked for. paths: folders, archives, notebooks. unit, tasks: default all there are.

    out: the folder of the store. again: grade also what has been graded.
    """

    paths: Sequence[Path]
    out: Path
    unit: str | None = None
    tasks: Sequence[str] = ()
    again: bool = False


@dataclass
class Outcome:
    """What a run did. Counts of submissions, then of verdicts."""

    submissions: int = 0
    unread: dict[str, str] = field(default_factory=dict)
    kept: int = 0
    graded: int = 0
    states: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the JSON of `./lab grade`."""
        return vars(self) | {"states": dict(self.states)}


def grade_class(order: Order, open_graders: Open, console: Console) -> Outcome:
    """Grade what is not recorded yet, record each verdict as it comes; Ctrl-C ends it cleanly.

    Raises LabError for what concerns the whole class: a folder without submissions, a unit or
    task that does not exist, a store that cannot be used.
    """
    with Store(order.out) as store:
        run = _Run(order, store)
        shared, alone = run.left_to_grade()
        with _interruptible(), Shown(len(shared) + len(alone), console) as shown:
            try:
                for jobs, timed in ((shared, False), (alone, True)):
                    if jobs:
                        with open_graders(order.out / "notebooks", timed) as graders:
                            run.grade(jobs, () if timed else alone, graders, shown)
            except KeyboardInterrupt:
                run.outcome.interrupted = True
    return run.outcome


def local(count: int) -> Open:
    """Processes of this machine: `count` at a time, one where timings are taken."""

    def opened(notebooks: Path, timed: bool) -> LocalWorkers:
        at_once = 1 if timed else count
        return LocalWorkers(at_once, notebooks, apart=at_once > 1)

    return opened


def on_cluster(address: str) -> Open:
    """The workers of a Dask cluster; one at a time on each machine where timings are taken."""

    def opened(notebooks: Path, timed: bool) -> AbstractContextManager[Graders]:
        from lab_utils.grade.classroom.cluster import Cluster  # Dask, for those who use it

        return Cluster(address, notebooks, timed=timed)

    return opened


def workers_by_default() -> int:
    """One a core, fewer where memory is short."""
    return max(1, min(available_cores(), math.floor(memory_bytes() / BYTES_A_WORKER)))


class _Run:
    """One run: the labs it has met, what it did."""

    def __init__(self, order: Order, store: Store) -> None:
        self.outcome = Outcome()
        self._order = order
        self._store = store
        self._key = key_in(order.out)
        self._labs: dict[str, Lab] = {}
        self._versions: dict[str, str] = {"": ""}
        self._finished = 0
        self._estimate = Estimate(store.durations_s())

    def left_to_grade(self) -> tuple[list[Job], list[Job]]:
        """Note every submission; what may share the machine and what may not is left to grade.

        What cannot be read gets its one verdict here.
        """
        unit = load_lab(self._order.unit).unit if self._order.unit else None
        jobs: list[Job] = []
        nameless: list[HandedIn] = []
        for path in self._order.paths:
            for found in map(self._of_known_unit, handed_in(path, unit)):
                if found.unit:
                    jobs += self._jobs(found)
                else:
                    nameless.append(found)
        for found in nameless:  # what cannot be read belongs to the class that the others are
            self._jobs(replace(found, unit=self._only_unit()))
        if self._order.again:
            self._store.ask_again((job.learner, job.unit, job.task) for job in jobs)
        left: tuple[list[Job], list[Job]] = [], []
        for job in jobs:
            if self._is_graded(job):
                self.outcome.kept += 1
            else:
                left[self._labs[job.unit][job.task].alone].append(job)
        return left

    def grade(
        self, jobs: Sequence[Job], later: Sequence[Job], graders: Graders, shown: Shown
    ) -> None:
        """Grade these; `later` ones count towards what is left."""
        waiting, at_work = deque(jobs), list[Job]()
        while waiting or at_work:
            while waiting and len(at_work) < graders.slots:
                at_work.append(waiting.popleft())
                graders.submit(at_work[-1])
            for job, done in graders.wait(WAIT_S):
                at_work.remove(job)
                self._record(job, done)
                self._finished += 1
                self._estimate.learn(job, done.verdict["duration_s"])
            alone, shared = (later, [*waiting, *at_work]) if later else ([*waiting, *at_work], ())
            left_s = self._estimate.left_s(shared, alone, graders.slots)
            shown.changed(self._finished, at_work, left_s)

    def _of_known_unit(self, found: HandedIn) -> HandedIn:
        """The submission, under its unit's whole name; a problem where there is no such unit."""
        if not found.unit:
            return found
        try:
            lab = load_lab(found.unit)
        except LabError as error:
            return replace(found, unit="", content=None, problem=str(error))
        if lab.unit not in self._labs:
            for name in self._order.tasks:
                lab[name]  # raises for one that does not exist
            self._labs[lab.unit] = lab
        return replace(found, unit=lab.unit)

    def _only_unit(self) -> str:
        """The unit of all who were ever read here, or of the course; "" where there are several."""
        read = {*self._labs, *(known.unit for known in self._store.submissions() if known.unit)}
        if len(read) == 1:
            return read.pop()
        try:
            return load_lab(None).unit
        except LabError:
            return ""

    def _jobs(self, submission: HandedIn) -> list[Job]:
        self.outcome.submissions += 1
        learner, unit, digest = submission.learner, submission.unit, submission.digest
        self._store.found(submission, self._version(unit))
        if submission.content is None:
            self._refuse(submission)
            return []
        return [
            Job(learner, unit, task.name, digest, seed_of(self._key, unit, task.name, digest))
            for task in self._labs[unit].tasks
            if not self._order.tasks or task.name in self._order.tasks
        ]

    def _refuse(self, submission: HandedIn) -> None:
        """One verdict on the whole of what could not be read: an error, not a mark."""
        self.outcome.unread[submission.learner] = submission.problem
        job = Job(submission.learner, submission.unit, UNREAD, submission.digest, 0)
        if self._is_graded(job):
            self.outcome.kept += 1
            return
        verdict = {
            "task": UNREAD,
            "title": "The whole notebook",
            "state": "error",
            "points": 0,
            "out_of": load_lab(job.unit).points if job.unit else 0,
            "message": submission.problem,
            "figures": {},
            "isolation": "not run",
            "duration_s": 0.0,
        }
        moment = now()
        self._record(job, Done(verdict, facts().as_dict(), versions(), moment, moment))

    def _record(self, job: Job, done: Done) -> None:
        self._store.record(
            Row(
                learner=job.learner,
                unit=job.unit,
                task=job.task,
                content=job.digest,
                version=self._version(job.unit),
                verdict=done.verdict,
                machine=done.machine,
                versions=done.versions,
                seed_id=seed_id(job.seed),
                started=done.started,
                finished=done.finished,
            )
        )
        self.outcome.graded += 1
        self.outcome.states[done.verdict["state"]] += 1

    def _is_graded(self, job: Job) -> bool:
        version = self._version(job.unit)
        return self._store.is_graded(job.learner, job.unit, job.task, job.digest, version)

    def _version(self, unit: str) -> str:
        if unit not in self._versions:
            self._versions[unit] = version_of(unit)
        return self._versions[unit]


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
