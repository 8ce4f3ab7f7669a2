"""One notebook's cells on one kernel: limits, progress, what a failure leaves, no stall."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import ensure_async
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.log import logger

from lab_utils.files import write_text
from lab_utils.machine.cores import thread_environment

SLICE_S = 0.25
IOPUB_TIMEOUT_S = 30
SAVE_EVERY_S = 2.0
LAST_WORDS_LINES = 12

OnCell = Callable[[int, int], None]


class SavingManager(NotebookExecutionManager):  # type: ignore[misc]
    """Keeps what has been executed so far on disk, whole, and seldom enough to cost nothing."""

    def __init__(self, notebook: NotebookNode, save_to: Path | None) -> None:
        super().__init__(notebook, output_path=None, progress_bar=False, autosave_cell_every=0)
        self._save_to = save_to
        self._saved_at = 0.0

    def save(self, **_: Any) -> None:
        """Save unless that was done a moment ago."""
        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self.save_now()

    def save_now(self) -> None:
        """Save the notebook as it is; also called from a signal's handler."""
        if self._save_to is not None:
            write_text(self._save_to, nbformat.writes(self.nb) + "\n")
        self._saved_at = time.monotonic()


class LabClient(PapermillNotebookClient):  # type: ignore[misc]
    """Runs one notebook's cells; the first that fails is the last that runs.

    fork_address: the fork server's socket, "" for a plain kernel. threads: compute threads of
    the kernel, None for the libraries' default. on_cell: called with a cell's index and the
    number of cells before each one. kernel_log: where the kernel's stray output goes; its end is
    shown when the kernel dies.
    """

    def __init__(
        self,
        manager: SavingManager,
        *,
        fork_address: str,
        threads: int | None,
        cell_timeout_s: float,
        on_cell: OnCell | None,
        kernel_log: Path | None,
        **options: Any,
    ) -> None:
        super().__init__(
            manager,
            timeout_func=lambda _: cell_timeout_s,
            iopub_timeout=IOPUB_TIMEOUT_S,
            log=logger,
            **options,
        )
        self._fork_address = fork_address
        self._threads = threads
        self._cell_timeout_s = cell_timeout_s
        self._on_cell = on_cell
        self._kernel_log = kernel_log

    def create_kernel_manager(self) -> Any:
        """A manager whose kernel comes from the fork server where there is one."""
        manager = super().create_kernel_manager()
        if self._fork_address and manager.kernel_spec is not None:
            config = {"address": self._fork_address, "threads": self._threads or 0}
            if self._kernel_log is not None:
                config["output"] = str(self._kernel_log)
            manager.kernel_spec.metadata["kernel_provisioner"] = {
                "provisioner_name": "inference-lab-fork",
                "config": config,
            }
        return manager

    def start_new_kernel_client(self) -> Any:
        """The client, reading its channels in slices.

        nbclient waits on a channel for as long as a cell takes, and now and then misses the
        wake-up when many messages come while the machine is busy; the next look finds them.
        """
        client = super().start_new_kernel_client()
        for channel in (client.shell_channel, client.iopub_channel):
            channel.get_msg = in_slices(channel.get_msg)
        return client

    def execute(self, **options: Any) -> Any:
        """Run the notebook, in a kernel that is gone afterwards."""
        self.reset_execution_trackers()
        environment = thread_environment(self._threads)
        with self.setup_kernel(env=environment, **options):
            info = self.wait_for_reply(self.kc.kernel_info())
            self.nb.metadata["language_info"] = info["content"]["language_info"]
            self.papermill_execute_cells()
            self.set_widgets_metadata()
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Run each cell; a time-out or a dead kernel is shown in the cell, like any other error."""
        for index, cell in enumerate(self.nb.cells):
            if self._on_cell is not None:
                self._on_cell(index, len(self.nb.cells))
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                return
            except CellTimeoutError:
                self._fail(cell, index, "CellTimeout", self._too_long())
                return
            except DeadKernelError:
                self._fail(cell, index, "KernelDied", self._died())
                return
            finally:
                self.nb_man.cell_complete(cell, cell_index=index)

    def kill(self) -> None:
        """End the kernel at once; for a signal's handler, so nothing here waits."""
        if self.km is None:
            return
        process = getattr(self.km.provisioner, "process", None)
        if process is not None:
            process.kill()
        self.km.cleanup_connection_file()

    def _fail(self, cell: NotebookNode, index: int, name: str, message: str) -> None:
        cell.outputs.append(
            nbformat.v4.new_output("error", ename=name, evalue=message, traceback=[message])
        )
        self.nb_man.cell_exception(cell, cell_index=index)
        self.shutdown_kernel = "immediate"  # it would not answer a polite request

    def _too_long(self) -> str:
        return (
            f"The cell was ended because it ran longer than the limit of "
            f"{self._cell_timeout_s:g} s; raise the limit with --cell-timeout if that is right."
        )

    def _died(self) -> str:
        status = None
        if self.km is not None and (process := getattr(self.km.provisioner, "process", None)):
            status = process.poll()
        how = {None: "without a status", -9: "killed, as when memory runs out"}.get(
            status, f"with exit status {status}"
        )
        words = ""
        if self._kernel_log is not None and self._kernel_log.exists():
            said = self._kernel_log.read_text(errors="replace").strip().splitlines()
            lines = [line for line in said if not line.startswith("[IPKernelApp]")]
            words = "".join(f"\n{line}" for line in lines[-LAST_WORDS_LINES:])
        return f"The kernel ended while this cell ran ({how}).{words}"


def in_slices(get_msg: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """The same reader of a channel, looking afresh every quarter of a second.

    Raises queue.Empty after `timeout` seconds, as the reader itself does; None waits for ever.
    """

    async def get(timeout: float | None = None) -> Any:
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            left_s = deadline - time.monotonic()
            try:
                return await ensure_async(get_msg(timeout=max(0.0, min(SLICE_S, left_s))))
            except Empty:
                if left_s <= SLICE_S:
                    raise

    return get
