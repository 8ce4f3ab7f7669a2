"""One worker of a run: executes notebooks, one after the other, and says how it goes.

    python -m lab_utils.course.run.worker DESCRIPTOR LOG

Started by `pool` in a session of its own. Over the socket DESCRIPTOR it receives one `Task` a
line and answers {"cell": i, "of": n} before each cell, then a `Done`. SIGTERM ends it at once:
its kernel is killed, and what was executed so far is saved.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbconvert.exporters import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from papermill.log import logger

from lab_utils.components.process_tree import die_with_parent
from lab_utils.course.run.engine import LabEngine
from lab_utils.course.run.messages import Done, Task
from lab_utils.files import write_text

INTERRUPTED = 130


def execute(task: Task, connection: socket.socket, log: Path) -> Done:
    """Run one notebook, save it, and write it as a page."""

    def on_cell(index: int, cells: int) -> None:
        connection.sendall(json.dumps({"cell": index, "of": cells}).encode() + b"\n")

    os.truncate(log, 0)
    start = time.monotonic()
    passed, trouble = False, ""
    try:
        notebook = nbformat.read(task.path, as_version=4)
        papermill.execute_notebook(
            task.path,
            None,
            parameters={"scale": task.scale} if takes_parameters(notebook) else None,
            engine_name="inference-lab",
            cwd=str(Path(task.path).parent),
            progress_bar=False,
            save_to=task.executed,
            threads=task.threads,
            fork_address=task.fork_address,
            cell_timeout_s=task.cell_timeout_s,
            on_cell=on_cell,
            kernel_log=log,
        )
        passed = True
    except PapermillExecutionError:
        pass  # it stands in the cell's outputs
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"
    duration_s = time.monotonic() - start
    try:
        write_page(Path(task.executed), Path(task.page))
    except Exception as error:
        trouble = trouble or f"The page could not be written: {error}"
    return Done(duration_s, passed and not trouble, trouble)


def takes_parameters(notebook: Any) -> bool:
    """Whether a cell is tagged `parameters`, for papermill to put the scale after."""
    return any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)


def write_page(executed: Path, page: Path) -> None:
    """An executed notebook as one HTML file, pictures within; formulas need the internet."""
    exporter = HTMLExporter(embed_images=True, require_js_url="", jupyter_widgets_base_url="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    html, _ = exporter.from_filename(str(executed))
    html = html.replace('<script src=""></script>', "")
    # Without the internet the page must not wait for the script that sets formulas.
    html = html.replace('<script src="https:', '<script async src="https:')
    write_text(page, html)


def stop(*_: object) -> None:
    """SIGTERM: leave no kernel, save what there is, and go."""
    if LabEngine.client is not None:
        LabEngine.client.kill()
        LabEngine.client.nb_man.save_now()
    os._exit(INTERRUPTED)


def main() -> None:
    """Take tasks until the socket ends."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    log = Path(sys.argv[2])
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(os.getppid(), signal.SIGTERM)
    logger.setLevel("CRITICAL")  # what goes wrong goes into the report
    with connection.makefile("rb") as tasks:
        for line in tasks:
            connection.sendall(execute(Task(**json.loads(line)), connection, log).to_line())


if __name__ == "__main__":
    main()
