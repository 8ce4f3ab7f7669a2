"""Processes of this machine that grade, each with answers' workers of its own.

A worker is given one job at a time on a socket, as a line of JSON. It dies with the process that
started it, and its answers and services with it. A worker that ends in the middle of a job costs
that job an "error", and another takes its place.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Self

from lab_utils.command import last_words
from lab_utils.grade.classroom.job import Done, Job, not_graded, now
from lab_utils.grade.spec import load_lab
from lab_utils.grade.workers import isolation
from lab_utils.machine.facts import facts, versions

MODULE = "lab_utils.grade.classroom.worker"
STOP_S = 15.0


class LocalWorkers:
    """`count` processes, alive inside the `with` block.

    notebooks: the folder with the notebooks, each under its digest. apart: each gets its share of
    the cores, so that they do not fight over them; for answers that are not timed.
    """

    def __init__(self, count: int, notebooks: Path, *, apart: bool) -> None:
        self._count = count
        self._notebooks = notebooks
        self._apart = apart
        self._workers: list[Grader] = []
        self._stack = ExitStack()

    @property
    def slots(self) -> int:
        """How many jobs may be in hand at the same time."""
        return self._count

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="class-"))
        self._logs = Path(folder)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.ask_to_stop()
        for worker in self._workers:
            worker.close()
        self._workers.clear()
        self._stack.close()

    def submit(self, job: Job) -> None:
        """Hand a job to an idle worker; there is one while fewer than `slots` are in hand."""
        idle = next((w for w in self._workers if w.job is None), None)
        if idle is None:
            number = len(self._workers)
            cores = share_of_cores(number, self._count) if self._apart else None
            idle = Grader(self._logs / f"{number}.log", cores)
            self._workers.append(idle)
        idle.give(job, self._notebooks / f"{job.digest}.ipynb")

    def wait(self, timeout_s: float) -> list[tuple[Job, Done]]:
        """What was finished; waits up to `timeout_s` for the first."""
        busy = {w.channel: w for w in self._workers if w.job is not None}
        readable, _, _ = select.select(list(busy), [], [], timeout_s)
        finished = []
        for channel in readable:
            worker = busy[channel]
            job = worker.job
            assert job is not None
            done = worker.read()
            if done is None:
                continue
            finished.append((job, done))
            if worker.ended:
                worker.close()
                self._workers.remove(worker)
        return finished


def share_of_cores(place: int, of: int) -> Sequence[int] | None:
    """The cores of the process that is the `place`th of `of` on this machine; None: no limit."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return [cores[place % len(cores)]] if of > len(cores) else cores[place % of :: of]


class Grader:
    """One process that grades, and the job it has in hand.

    log: what it says besides. cores: the ones it keeps to, None for all.
    """

    def __init__(self, log: Path, cores: Sequence[int] | None) -> None:
        self.job: Job | None = None
        self.ended = False
        self._started = ""
        self._log = log
        self._received = b""
        self.channel, theirs = socket.socketpair()
        arguments = [str(os.getpid()), str(theirs.fileno()), ",".join(map(str, cores or []))]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the process that started it
            )
        theirs.close()

    def give(self, job: Job, notebook: Path) -> None:
        """Hand it a job; it has none."""
        self.job, self._started = job, now()
        line = json.dumps(asdict(job) | {"notebook": str(notebook)}).encode() + b"\n"
        with suppress(OSError):  # it has ended; reading says so
            self.channel.sendall(line)

    def read(self) -> Done | None:
        """What it said; None where that is not yet a whole answer."""
        try:
            received = self.channel.recv(2**20)
        except OSError:
            received = b""
        if not received:
            self.ended = True
            return self._lost()
        self._received += received
        if not self._received.endswith(b"\n"):
            return None
        done = Done(**json.loads(self._received))
        self._received, self.job = b"", None
        return done

    def _lost(self) -> Done:
        assert self.job is not None
        status = self._process.wait()
        task = load_lab(self.job.unit)[self.job.task]
        said = last_words(self._log.read_text(errors="replace"))
        message = (
            f"The process that graded this ended with status {status} (it said: {said}). "
            "Grade it anew with --again; should it end so once more, look at the notebook."
        )
        verdict = not_graded(task, message, isolation()).as_dict()
        return Done(verdict, facts().as_dict(), versions(), self._started, now())

    def ask_to_stop(self) -> None:
        """End it, its answers and their services; `close` waits until it has."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Wait until it has ended; kill it where it does not."""
        self.channel.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
