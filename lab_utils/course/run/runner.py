"""Runs the course headless: `./lab run`.

    result = run(["1_resnet_service"], scale="ci", workers=2)

Worker processes execute one notebook at a time with papermill on kernels forked from a process
that has imported torch (`provisioner`). Notebooks whose figures are timings run last, one by one,
with nothing beside them and all cores; the others share the cores. A notebook that fails stops
no other. Whatever happens, no process is left and a report says how far the run came.
"""

from __future__ import annotations

import os
import selectors
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from lab_utils.components.catalogue import CATALOGUE
from lab_utils.components.forked import ForkServer
from lab_utils.components.process_tree import adopted_orphans, descendants, end
from lab_utils.course.run import report
from lab_utils.course.run.messages import Task
from lab_utils.course.run.pool import PrepareProcess, Worker
from lab_utils.course.run.progress import Progress, Quiet
from lab_utils.course.run.state import Failure, NotebookRun, Preparation, RunResult
from lab_utils.course.run.targets import resolve
from lab_utils.course.sources import Notebook
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.machine.cores import available_cores
from lab_utils.scale import at

REPORT = ROOT / "report"
IMPORTS = "lab_utils.course.run.imports"
CELL_TIMEOUT_S = {"ci": 120.0, "laptop": 600.0, "gpu": 600.0}
"""By scale: at a larger one a cell may write gigabytes before it measures."""
BYTES_A_WORKER = 2e9
TICK_S = 0.25
STRAYS_END_WITHIN_S = 8.0
"""More than the grace that a supervisor gives the server of a lesson (`components.process`)."""

__all__ = ["CELL_TIMEOUT_S", "REPORT", "NotebookRun", "RunResult", "run"]


def run(
    targets: Sequence[str] = (),
    *,
    scale: str = "ci",
    workers: int | None = None,
    cell_timeout_s: float | None = None,
    plain: bool = False,
    folder: Path = REPORT,
    progress: Progress | None = None,
) -> RunResult:
    """Execute notebooks and write the report into `folder`.

    targets: units, notebooks' names or paths of .ipynb files; none: the whole course. workers:
    processes, default one a core as far as memory goes. cell_timeout_s: the limit for one cell;
    none: the scale's. plain: the reference, one notebook after the other, each on an ordinary
    kernel.

    SIGINT and SIGTERM end the run early: the result's status is then "interrupted". Raises
    LabError for an unknown target, scale or number, and where the report cannot be written.
    """
    at(scale, ci=0, laptop=0)
    if cell_timeout_s is None:
        cell_timeout_s = CELL_TIMEOUT_S[scale]
    if cell_timeout_s <= 0:
        raise LabError(f"The cell limit is {cell_timeout_s:g} s; expected more than 0.")
    if workers is not None and workers < 1:
        raise LabError(f"The number of workers is {workers}; expected at least 1.")
    notebooks = resolve(targets)
    cores = available_cores()
    workers = 1 if plain else workers or default_workers(notebooks)
    result = RunResult(
        scale=scale,
        workers=workers,
        cell_timeout_s=cell_timeout_s,
        notebooks=[NotebookRun(notebook) for notebook in notebooks],
        threads={"shared": max(1, cores // workers), "alone": cores},
        kernels="plain" if plain else "",
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        durations=report.read_durations(folder),
    )
    report.clear(folder)
    report.write(result, folder)  # where that is impossible, say so before anything runs
    with ExitStack() as stack:
        before = descendants()
        stopped = stack.enter_context(_signals())
        stack.enter_context(adopted_orphans())
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inference-lab-")))
        stack.callback(lambda: _end_strays(result, descendants() - before))
        shown = stack.enter_context(progress or Quiet())
        server = None if plain else stack.enter_context(ForkServer(work, [IMPORTS]))
        runner = _Runner(result, folder, work, shown, server, stopped, before)
        stack.callback(runner.close)  # before the server: a worker saves what its kernel did
        try:
            runner.run()
        finally:
            _conclude(result)
            shown.changed(result, None)
    report.write(result, folder)
    return result


def default_workers(notebooks: Sequence[Notebook]) -> int:
    """One a core, as far as there are notebooks that may share and memory for their kernels."""
    shared = sum(notebook.timing == "shared" for notebook in notebooks)
    fitting = int(psutil.virtual_memory().available // BYTES_A_WORKER)
    return max(1, min(available_cores(), shared, fitting))


class _Runner:
    """One run's processes and the loop that listens to them."""

    def __init__(
        self,
        result: RunResult,
        folder: Path,
        work: Path,
        progress: Progress,
        server: ForkServer | None,
        stopped: threading.Event,
        before: set[psutil.Process],
    ) -> None:
        self._result = result
        self._folder = folder
        self._work = work
        self._progress = progress
        self._before = before
        self._server = server
        self._stopped = stopped
        self._fork_address = ""
        self._prepare: PrepareProcess | None = None
        self._workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        # Kernels keep their files here; a person's IPython start-up files stay out of it.
        self._environment = dict(os.environ) | {
            "JUPYTER_RUNTIME_DIR": str(work / "runtime"),
            "IPYTHONDIR": str(work / "ipython"),
        }
        longest_first = sorted(
            result.notebooks, key=lambda run: result.expected_s(run), reverse=True
        )
        self._shared = [r for r in longest_first if r.notebook.timing == "shared"]
        self._alone = [r for r in result.notebooks if r.notebook.timing == "alone"]

    def run(self) -> None:
        """Everything, until it is done or a signal comes."""
        if self._server is not None and self._server.output is not None:
            self._selector.register(self._server.output, selectors.EVENT_READ, self._server)
        for _ in range(self._result.workers):
            self._start_worker()
        self._result.prepare.state = "running"
        self._result.prepare.started_at = time.monotonic()
        self._tell(self._result.prepare)
        while not self._stopped.is_set() and self._unfinished():
            self._advance()
            for key, _ in self._selector.select(TICK_S):
                if isinstance(key.data, Worker):
                    self._hear(key.data)
                else:
                    self._hear_server()
            self._progress.changed(self._result, None)

    def _advance(self) -> None:
        """Start what can be started now."""
        result = self._result
        if not result.kernels:
            if self._server is None or self._server.state == "starting":
                return
            if self._server.state == "ready":
                result.kernels, self._fork_address = "forked", self._server.address
            else:
                result.kernels = f"plain: {self._server.reason}"
                result.notes.append(
                    f"Kernels are not forked, so this takes longer: {self._server.reason}."
                )
        if result.prepare.step == "libraries":
            self._start_preparing()
        if result.prepare.state == "running":
            self._finish_preparing()
        if result.prepare.state in ("passed", "failed"):
            self._hand_out()

    def _start_preparing(self) -> None:
        prepare = self._result.prepare
        notebooks = [run.notebook for run in self._result.notebooks]
        saved_models = sorted({name for notebook in notebooks for name in notebook.saved_models})
        prepare.step = "weights, saved models" if saved_models else "weights"
        if any(map(needs_weights, notebooks)):
            threads = self._result.threads["alone"]
            self._prepare = PrepareProcess(
                self._fork_address,
                self._work / "prepare.log",
                threads,
                environments_of(notebooks),
                saved_models,
            )
        else:
            prepare.state, prepare.duration_s = "passed", prepare.elapsed_s()
            prepare.message = "no weights needed"
        self._tell(prepare)

    def _finish_preparing(self) -> None:
        prepare = self._result.prepare
        if self._prepare is None or (status := self._prepare.poll()) is None:
            return
        prepare.duration_s = prepare.elapsed_s()
        prepare.state = "failed" if status else "passed"
        prepare.message = self._prepare.said()
        self._tell(prepare)

    def _hand_out(self) -> None:
        idle = [worker for worker in self._workers if worker.run is None]
        while idle and self._shared:
            self._execute(idle.pop(), self._shared.pop(0))
        if not self._shared and self._alone and len(idle) == len(self._workers) and idle:
            self._wait_for_strays()
            self._execute(idle[0], self._alone.pop(0))

    def _execute(self, worker: Worker, run: NotebookRun) -> None:
        name = run.notebook.name
        run.state, run.started_at = "running", time.monotonic()
        run.threads = self._result.threads[run.notebook.timing]
        task = Task(
            path=str(run.notebook.path.resolve()),
            executed=str(report.executed_path(self._folder, name).resolve()),
            page=str(report.page_path(self._folder, name).resolve()),
            scale=self._result.scale,
            threads=run.threads,
            fork_address=self._fork_address,
            cell_timeout_s=self._result.cell_timeout_s,
        )
        worker.execute(run, task)
        self._tell(run)

    def _hear(self, worker: Worker) -> None:
        for message in worker.messages():
            run = worker.run
            if "ended" in message:
                self._replace(worker)
                if run is not None:
                    self._finish(run, passed=False, trouble=message["ended"])
            elif run is None:
                continue
            elif "cell" in message:
                run.cell, run.cells = message["cell"] + 1, message["of"]
                self._tell(run)
            elif "done" in message:
                worker.run = None
                run.duration_s = message["done"]["duration_s"]
                self._finish(run, message["done"]["passed"], message["done"]["trouble"])

    def _hear_server(self) -> None:
        assert self._server is not None
        assert self._server.output is not None
        self._selector.unregister(self._server.output)  # it says one line
        self._server.check()

    def _finish(self, run: NotebookRun, passed: bool, trouble: str) -> None:
        run.duration_s = run.elapsed_s()
        run.state = "passed" if passed else "failed"
        report.read_outputs(run, report.executed_path(self._folder, run.notebook.name))
        if passed:
            run.cell = run.cells
            self._result.durations[f"{self._result.scale}/{run.notebook.name}"] = run.duration_s
        elif run.failure is None:
            run.failure = Failure(0, "", "", "", trouble or "It failed without a message.", "")
        self._tell(run)
        report.write(self._result, self._folder)

    def _start_worker(self) -> None:
        log = self._work / f"worker-{len(os.listdir(self._work))}.log"
        worker = Worker(log, self._environment)
        self._workers.append(worker)
        self._selector.register(worker.connection, selectors.EVENT_READ, worker)

    def _replace(self, worker: Worker) -> None:
        self._selector.unregister(worker.connection)
        worker.close()
        self._workers.remove(worker)
        if self._shared or self._alone:
            self._start_worker()

    def _unfinished(self) -> bool:
        return any(run.state in ("waiting", "running") for run in self._result.notebooks)

    def _wait_for_strays(self) -> None:
        """Servers that earlier notebooks left behind must not run beside one that measures."""
        ours = {worker.pid for worker in self._workers}
        ours |= {self._server.pid or 0} if self._server is not None else set()
        children = set(psutil.Process().children()) - self._before
        _end_strays(self._result, {child for child in children if child.pid not in ours})

    def close(self) -> None:
        """End the workers; what they were executing is saved as far as it came."""
        for worker in self._workers:
            worker.ask_to_stop()
        for worker in self._workers:
            worker.close()
            if worker.run is not None:  # it saved what it had executed
                executed = report.executed_path(self._folder, worker.run.notebook.name)
                report.read_outputs(worker.run, executed)
        if self._prepare is not None:
            self._prepare.close()
        self._selector.close()

    def _tell(self, step: NotebookRun | Preparation) -> None:
        self._progress.changed(self._result, step)


def environments_of(notebooks: Iterable[Notebook]) -> list[str]:
    """The component environments that the notebooks use, by name."""
    used = {CATALOGUE[name].environment for notebook in notebooks for name in notebook.uses}
    return sorted(name for name in used if name is not None)


def needs_weights(notebook: Notebook) -> bool:
    """Whether the notebook uses this package at all, and so perhaps a network's weights."""
    return "lab_utils" in notebook.path.read_text()


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Inside the block, SIGINT and SIGTERM set the event; only the main thread can ask for that."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    kept = {s: signal.signal(s, lambda *_: stopped.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for signum, handler in kept.items():
            signal.signal(signum, handler)


def _conclude(result: RunResult) -> None:
    result.duration_s = result.elapsed_s()
    for run in result.notebooks:
        if run.state == "running":
            run.duration_s, run.state = run.elapsed_s(), "interrupted"
    if result.prepare.state == "running":
        result.prepare.duration_s = result.prepare.elapsed_s()
        result.prepare.state = "interrupted"
    states = {run.state for run in result.notebooks}
    if states & {"waiting", "interrupted"}:
        result.status = "interrupted"
    elif "failed" in states or result.prepare.state == "failed":
        result.status = "failed"
    else:
        result.status = "passed"


def _end_strays(result: RunResult, strays: set[psutil.Process]) -> None:
    killed = end(strays, STRAYS_END_WITHIN_S)
    if killed:
        result.notes.append(f"Processes that notebooks left behind and that were ended: {killed}.")
