"""Many machines that grade one class: the workers of a Dask cluster.

The process that runs the class hands out jobs and alone writes to the store; the workers need the
same version of the course and nothing else, no shared folder. Correctness is graded by as many
workers at once as the cluster has threads, timings one at a time on each machine. A job whose
worker dies is given to another by Dask; after a few deaths it is recorded as an error.

Whoever reaches a Dask scheduler may run anything on its workers: keep it on a network of your own,
or use Dask's TLS.
"""

from __future__ import annotations

import logging
import queue
import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from lab_utils.errors import LabError
from lab_utils.grade.classroom import cluster_worker
from lab_utils.grade.classroom.job import Done, Job, not_graded, now
from lab_utils.grade.classroom.version import course_version
from lab_utils.grade.spec import load_lab

CONNECT_S = 5.0
LOOK_EVERY_S = 2.0
WITHOUT_WORKERS_S = 60.0
COURSE = "lab_utils.grade.classroom.version"
KEPT = "What was graded is recorded: mend it and give the same command again."


class Cluster:
    """A cluster's workers, inside the `with` block.

    address: of the scheduler, as tcp://10.0.0.5:8786. notebooks: the folder with the notebooks,
    each under its digest. timed: the jobs are timings. Raises LabError where the cluster does not
    answer, has no workers, or has some that lack this version of the course.
    """

    def __init__(self, address: str, notebooks: Path, *, timed: bool) -> None:
        self._address = address
        self._notebooks = notebooks
        self._timed = timed
        self._run = secrets.token_hex(8)
        self._at_work: dict[Future[Any], tuple[Job, str, str]] = {}
        self._finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._workers: Mapping[str, Any] = {}
        self._looked_s = self._seen_s = time.monotonic()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # it is said in a sentence
        try:
            self._client = self._stack.enter_context(
                Client(self._address, timeout=CONNECT_S, set_as_default=False)
            )
        except (OSError, ValueError) as error:
            raise LabError(
                f"No Dask scheduler answers at {self._address} ({str(error).splitlines()[0]}); "
                "expected an address as in tcp://10.0.0.5:8786."
            ) from None
        self._stack.callback(self._let_go)
        try:
            self._look()
            self._check()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def slots(self) -> int:
        """How many jobs may be in hand: one a thread, or one a machine where they are timed."""
        self._look_now_and_then()
        if self._timed:
            return max(1, len({info["host"] for info in self._workers.values()}))
        return max(1, sum(int(info["nthreads"]) for info in self._workers.values()))

    def submit(self, job: Job) -> None:
        """Hand a job to the cluster."""
        host = self._free_machine() if self._timed else ""
        future = self._client.submit(
            cluster_worker.grade,
            (self._notebooks / f"{job.digest}.ipynb").read_bytes(),
            asdict(job),
            self._run,
            course_version(),
            {} if self._timed else self._shares(),
            key=f"grade-{secrets.token_hex(8)}",
            pure=False,
            workers=[host] if host else None,
            allow_other_workers=bool(host),  # where that machine has gone
        )
        self._at_work[future] = job, now(), host
        future.add_done_callback(self._finished.put)

    def wait(self, timeout_s: float) -> list[tuple[Job, Done]]:
        """What was finished; waits up to `timeout_s` for the first."""
        self._look_now_and_then()
        finished: list[tuple[Job, Done]] = []
        with suppress(queue.Empty):
            finished.append(self._done(self._finished.get(timeout=timeout_s)))
            while True:
                future = self._finished.get_nowait()
                try:
                    finished.append(self._done(future))
                except LabError:  # these first, then that
                    self._finished.put(future)
                    break
        return finished

    def _done(self, future: Future[Any]) -> tuple[Job, Done]:
        job, started, _ = self._at_work[future]
        if future.status == "finished":
            self._at_work.pop(future)
            return job, Done(**future.result())
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            self._at_work.pop(future)
            task = load_lab(job.unit)[job.task]
            message = (
                "The cluster's workers ended while they graded this, again and again; look at the "
                "machines, then grade it anew with --again."
            )
            verdict = not_graded(task, message, "not run").as_dict()
            return job, Done(verdict, {}, {}, started, now())
        if isinstance(error, LabError):
            raise LabError(f"A worker of the cluster at {self._address} has {error}. {KEPT}")
        if error is not None:
            raise LabError(
                f"A worker of the cluster at {self._address} could not grade "
                f"({type(error).__name__}: {error}). {KEPT}"
            )
        raise self._gone()

    def _look_now_and_then(self) -> None:
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._look()

    def _look(self) -> None:
        """See which workers there are."""
        try:
            self._workers = self._client.scheduler_info()["workers"]
        except (OSError, TimeoutError, ValueError, RuntimeError):
            raise self._gone() from None
        self._looked_s = time.monotonic()
        if self._workers:
            self._seen_s = self._looked_s
        elif self._looked_s - self._seen_s > WITHOUT_WORKERS_S:
            raise LabError(
                f"The cluster at {self._address} has had no worker for {WITHOUT_WORKERS_S:g} s. "
                f"{KEPT}"
            )

    def _check(self) -> None:
        """Every worker has the course, and this version of it."""
        if not self._workers:
            raise LabError(
                f"The cluster at {self._address} has no workers; start one on each machine, from "
                f"its checkout of the course: .venv/bin/dask worker {self._address}"
            )
        # Not a function of ours: where the course is missing, it could not even be named.
        ask = f"__import__({COURSE!r}, fromlist=['x']).course_version()"
        versions = self._client.run(eval, ask, on_error="return")
        hosts = {address: self._workers.get(address, {}).get("host", "") for address in versions}
        lacking = {hosts[a] for a, said in versions.items() if isinstance(said, BaseException)}
        other = {hosts[a] for a, said in versions.items() if said != course_version()} - lacking
        remedy = "bring its checkout to the same commit, run ./lab doctor there and start it again"
        if lacking:
            raise LabError(
                f"Workers of the cluster on {', '.join(sorted(lacking))} lack the course: {remedy}."
            )
        if other:
            raise LabError(
                f"Workers of the cluster on {', '.join(sorted(other))} have another version of the "
                f"course than this one, so their marks could differ: {remedy}."
            )

    def _shares(self) -> dict[str, tuple[int, int]]:
        """Worker → which of its machine's cores are its own (as `cluster_worker.grade` says)."""
        total: dict[str, int] = {}
        first = {}
        for address, info in sorted(self._workers.items()):
            first[address] = total.get(info["host"], 0)
            total[info["host"]] = first[address] + info["nthreads"]
        return {a: (place, total[self._workers[a]["host"]]) for a, place in first.items()}

    def _free_machine(self) -> str:
        busy = {host for _, _, host in self._at_work.values()}
        hosts = sorted({info["host"] for info in self._workers.values()})
        return next((host for host in hosts if host not in busy), "")

    def _gone(self) -> LabError:
        return LabError(f"The cluster at {self._address} no longer answers. {KEPT}")

    def _let_go(self) -> None:
        """Leave nothing of this run on the cluster."""
        with suppress(Exception):  # it may be what has failed
            if self._at_work:
                self._client.cancel(list(self._at_work), force=True)
            self._client.run(cluster_worker.stop, self._run, on_error="ignore")
