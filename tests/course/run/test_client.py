"""One notebook's cells on one kernel: the cure for the stall, limits, what is kept."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import nbformat
import papermill
import pytest
from jupyter_client.channels import AsyncZMQSocketChannel
from nbformat.v4 import new_code_cell, new_notebook

from lab_utils.course.run.client import SLICE_S, in_slices
from lab_utils.errors import LabError

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
# Fills one widget with hundreds of outputs, each of which is a message back and forth.
FILL = """
import ipywidgets
from IPython.display import display
shown = ipywidgets.Output()
display(shown)
for i in range(200):
    with shown:
        print("line", i)
"""


class LostWakeUp:
    """A channel on which a message came, but whose waiting reader is not told."""

    def __init__(self, looks_needed: int) -> None:
        self.looks = 0
        self.longest_s = 0.0
        self._looks_needed = looks_needed

    async def get_msg(self, timeout: float | None = None) -> str:
        self.looks += 1
        if self.looks >= self._looks_needed:
            return "the message"
        assert timeout is not None, "this wait would never end"
        self.longest_s = max(self.longest_s, timeout)
        await asyncio.sleep(timeout)
        raise Empty


def test_a_lost_wake_up_costs_one_slice() -> None:
    channel = LostWakeUp(looks_needed=3)
    assert asyncio.run(in_slices(channel.get_msg)(timeout=None)) == "the message"
    assert channel.looks == 3
    assert channel.longest_s == SLICE_S


def test_a_limit_still_ends_the_wait() -> None:
    channel = LostWakeUp(looks_needed=1000)
    with pytest.raises(Empty):
        asyncio.run(in_slices(channel.get_msg)(timeout=0.6))
    assert channel.looks == 3  # 0.25 + 0.25 + 0.1


def test_cells_are_waited_for_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    get_msg = AsyncZMQSocketChannel.get_msg

    async def watched(channel: AsyncZMQSocketChannel, timeout: float | None = None) -> object:
        waits.append(timeout)
        return await get_msg(channel, timeout)

    monkeypatch.setattr(AsyncZMQSocketChannel, "get_msg", watched)
    slow = "import time; time.sleep(1)"
    execute(tmp_path / "a.ipynb", slow, on_cell=lambda index, cells: waits.clear())
    assert len(waits) > 4
    assert all(wait is not None and wait <= SLICE_S for wait in waits)


@pytest.fixture
def busy_machine() -> Iterator[None]:
    spin = "import time\nend = time.time() + 60\nwhile time.time() < end: pass"
    burners = [subprocess.Popen([sys.executable, "-S", "-c", spin]) for _ in range(2)]
    yield
    for burner in burners:
        burner.kill()
        burner.wait()


def execute(path: Path, *sources: str, **options: object) -> nbformat.NotebookNode:
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources], metadata=KERNEL)
    nbformat.write(notebook, path)
    return papermill.execute_notebook(
        path, None, engine_name="inference-lab", progress_bar=False, **options
    )


@pytest.mark.alone
@pytest.mark.usefixtures("busy_machine")
def test_a_notebook_that_fills_an_output_widget_under_load_finishes(tmp_path: Path) -> None:
    limit_s = 60.0
    executed = execute(tmp_path / "fill.ipynb", FILL, "1", cell_timeout_s=limit_s)
    # A wait that missed its wake-up looks once more when its limit is reached, and then passes.
    assert executed.cells[0].metadata.papermill.duration < limit_s / 2
    states = executed.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    (outputs,) = [s["state"]["outputs"] for s in states.values() if "outputs" in s["state"]]
    text = "".join(output["text"] for output in outputs)
    assert text == "".join(f"line {i}\n" for i in range(200))


def test_what_ran_is_on_disk_while_the_next_cell_runs(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "executed.ipynb"
    seen: list[list[int]] = []

    def on_cell(index: int, cells: int) -> None:
        assert cells == 3
        if index == 2:
            notebook = nbformat.read(kept, as_version=4)
            seen.append([len(cell.outputs) for cell in notebook.cells])

    slow = "import time; time.sleep(2.1); print('slow')"
    executed = execute(
        tmp_path / "a.ipynb", "print('first')", slow, "1 + 1", save_to=kept, on_cell=on_cell
    )
    assert seen == [[1, 1, 0]]
    assert nbformat.read(kept, as_version=4) == executed


def test_a_cells_time_limit_is_kept_and_said(tmp_path: Path) -> None:
    kept = tmp_path / "executed.ipynb"
    start = time.monotonic()
    with pytest.raises(papermill.PapermillExecutionError, match=r"longer than the limit of 1\.5 s"):
        execute(
            tmp_path / "a.ipynb",
            "print('before')",
            "import time; time.sleep(600)",
            "print('never')",
            save_to=kept,
            cell_timeout_s=1.5,
        )
    assert time.monotonic() - start < 300  # not the cell's ten minutes
    first, second, third = nbformat.read(kept, as_version=4).cells
    assert first.outputs[0].text == "before\n"
    assert second.outputs[0].ename == "CellTimeout"
    assert third.outputs == []


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="The limit for a cell is 0 s; expected more than 0"):
        execute(tmp_path / "a.ipynb", "1", cell_timeout_s=0)
