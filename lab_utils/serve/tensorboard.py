"""TensorBoard on a loopback port of its own, opened inside the notebook.

    folder = tensorboard.folder()
    pytorch.profile(request, trace=pytorch.tensorboard_trace(folder, "one request"))
    board = tensorboard.show(folder)

Its PyTorch plugin (torch-tb-profiler) lists every trace in the folder. The page's tables and the
trace view work offline; its charts load a script from the internet and stay empty without.

`%tensorboard --logdir FOLDER` does the same where the notebook server is another machine: behind
jupyter-server-proxy, with TENSORBOARD_PROXY_URL=/proxy/%PORT%/ in the server's environment.
"""

from __future__ import annotations

import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

import httpx

from lab_utils.components.process import Process
from lab_utils.errors import LabError
from lab_utils.show.surface import Note, surface

POLL_S = 0.2
PLUGIN = "data/plugin/pytorch_profiler/runs"
TIMEOUT_S = 20.0
HEIGHT_PX = 700


class TensorBoard(Process):
    """TensorBoard on the traces in `folder`, alive only inside the `with` block.

    `url` is known inside. Raises LabError where the folder is missing, or where it does not start.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise LabError(f"There is no folder {folder}; write a trace into it first.")
        self._traces = folder
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
        command += ["--host", "127.0.0.1", "--port", "0", "--load_fast", "false"]
        super().__init__("TensorBoard", command, ready=lambda: bool(self.url))

    def runs(self) -> list[str]:
        """The folders with traces that its PyTorch plugin has read: what its page lists.

        Waits for the plugin's first look into the folder. Raises LabError where it finds none.
        """
        deadline_s = time.monotonic() + TIMEOUT_S
        with httpx.Client(base_url=self.url, trust_env=False, timeout=TIMEOUT_S) as http:
            while time.monotonic() < deadline_s:
                answer: dict[str, Any] = http.get(PLUGIN).raise_for_status().json()
                if answer["runs"]:
                    return list(answer["runs"])
                time.sleep(POLL_S)
        raise LabError(
            f"TensorBoard found no PyTorch trace in {self._traces}; write one there with "
            "pytorch.profile(…, trace=pytorch.tensorboard_trace(folder, name))."
        )


def folder() -> Path:
    """A new folder for traces that goes when this process ends."""
    made = tempfile.TemporaryDirectory(prefix="inference-lab-traces-", ignore_cleanup_errors=True)
    path = Path(made.name)
    _KEPT.append(made)
    return path


def show(folder: Path) -> TensorBoard | None:
    """Open TensorBoard beneath the cell. It runs until the kernel ends.

    Without a person before the page (headless) it is started, asked for its traces, and stopped.
    """
    if surface() != "live":
        with TensorBoard(folder) as board:
            runs = ", ".join(board.runs())
        print(f"TensorBoard started, listed the PyTorch trace of: {runs}; and was stopped.")
        return None
    from IPython.display import IFrame, display

    board = TensorBoard(folder).__enter__()
    weakref.finalize(board, board.__exit__)
    display(IFrame(f"{board.url}/#pytorch_profiler", "100%", HEIGHT_PX))  # type: ignore[no-untyped-call]
    display(Note(f"In a tab of its own: {board.url}"))  # type: ignore[no-untyped-call]
    return board


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
