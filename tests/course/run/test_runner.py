"""`./lab run` as a person types it: real processes, a real report."""

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.bench import _outputs, _trial
from lab_utils.course.run.runner import run
from lab_utils.course.run.targets import resolve
from lab_utils.errors import LabError
from tests.started import LAB, MARK, marked

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
FINISHES_WITHIN_S = 300
CELL_TIMEOUT_S = 8

FIGURE = """
from IPython.display import display
kind = "application/vnd.inference-lab.figure+json"
figure = {"name": "latency", "unit": "ms", "median": 61.2, "low": 58.0, "high": 66.0, "n": 40}
display({kind: figure, "text/plain": "latency"}, raw=True)
"""
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
SERVER = """
import sys
from lab_utils.components.process import Process
server = Process("server", [sys.executable, "-S", "-c", "import time; time.sleep(600)"])
server.__enter__()
"""
THREADS = (
    "import os, torch\nprint(scale, torch.get_num_threads(), os.environ['OMP_NUM_THREADS'], "
    "os.getloadavg() and 'here')"
)


def write_notebook(path: Path, *sources: str, timing: str = "shared") -> Path:
    """`# …` is a text cell; the first code cell takes the parameters."""
    cells = [
        new_markdown_cell(source) if source.startswith("#") else new_code_cell(source)
        for source in sources
    ]
    next(c for c in cells if c.cell_type == "code").metadata["tags"] = ["parameters"]
    metadata = {"kernelspec": KERNEL, "inference_lab": {"timing": timing}}
    path.write_text(nbformat.writes(new_notebook(cells=cells, metadata=metadata)))
    return path


class Finished:
    """A run that has ended: what it printed, its report, what it left behind."""

    def __init__(self, folder: Path) -> None:
        parameters = 'scale = "laptop"'
        notebooks = [
            write_notebook(folder / "good.ipynb", "# Good", parameters, "## Shown", FIGURE, PLOT),
            write_notebook(
                folder / "fails.ipynb",
                "# Fails",
                parameters,
                "## Where it fails",
                "answer = 1 / 0",
                "print('never')",
            ),
            write_notebook(folder / "hangs.ipynb", "# Hangs", "import time", "time.sleep(600)"),
            write_notebook(folder / "dies.ipynb", "# Dies", "import os", "os._exit(7)"),
            write_notebook(folder / "leaves.ipynb", "# Leaves a server", "1", SERVER),
            write_notebook(folder / "alone.ipynb", "# Alone", parameters, THREADS, timing="alone"),
            write_notebook(folder / "beside.ipynb", "# Beside", parameters, THREADS),
        ]
        self.trial = _trial.make(folder, 1)[0]
        notebooks.append(self.trial)
        self.mark = uuid.uuid4().hex
        self.folder = folder / "report"
        options = ["--workers", "2", "--cell-timeout", str(CELL_TIMEOUT_S), "--json"]
        self.process = subprocess.run(
            [*LAB, "run", *map(str, notebooks), *options, "--report", str(self.folder)],
            capture_output=True,
            text=True,
            timeout=FINISHES_WITHIN_S,
            env=os.environ | {MARK: self.mark},
        )
        self.left = marked(self.mark)
        self.report = json.loads((self.folder / "report.json").read_text())
        self.by_name = {notebook["name"]: notebook for notebook in self.report["notebooks"]}

    def cells(self, name: str) -> Any:
        """The code cells of an executed notebook, without the injected one."""
        cells = nbformat.read(self.folder / "notebooks" / f"{name}.ipynb", as_version=4).cells
        injected = "injected-parameters"
        return [
            cell
            for cell in cells
            if cell.cell_type == "code" and injected not in cell.metadata.get("tags", [])
        ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("run"))


def test_the_others_run_when_some_fail(finished: Finished) -> None:
    assert finished.process.returncode == 1
    states = {name: notebook["state"] for name, notebook in finished.by_name.items()}
    failing = {"fails", "hangs", "dies"}
    assert states == {name: "failed" if name in failing else "passed" for name in states}
    assert finished.report["status"] == "failed"


def test_the_failing_cell_is_named_with_its_error(finished: Finished) -> None:
    error = finished.by_name["fails"]["error"]
    # The injected cell does not count: this is the cell a person finds in the source.
    assert (error["cell"], error["heading"], error["line"]) == (
        4,
        "Where it fails",
        "answer = 1 / 0",
    )
    assert (error["name"], error["message"]) == ("ZeroDivisionError", "division by zero")
    assert "answer = 1 / 0" in error["traceback"]
    said = "fails failed in cell 4 (Where it fails): ZeroDivisionError: division by zero"
    assert said in finished.process.stdout
    assert finished.cells("fails")[-1].outputs == []


def test_a_cell_that_hangs_is_ended_at_its_limit_and_named(finished: Finished) -> None:
    error = finished.by_name["hangs"]["error"]
    assert (error["cell"], error["name"]) == (3, "CellTimeout")
    assert f"longer than the limit of {CELL_TIMEOUT_S} s" in error["message"]
    assert f"hangs failed in cell 3 (Hangs): {error['name']}" in finished.process.stdout


def test_a_dead_kernel_is_a_failure_with_its_status(finished: Finished) -> None:
    error = finished.by_name["dies"]["error"]
    assert (error["cell"], error["name"]) == (3, "KernelDied")
    assert "with exit status 7" in error["message"]


def test_no_process_is_left_nor_a_server_that_a_kernel_started(finished: Finished) -> None:
    assert finished.by_name["leaves"]["state"] == "passed"
    assert finished.left == []


def test_threads_are_pinned_and_said(finished: Finished) -> None:
    threads = finished.report["threads"]
    for name, timing in (("alone", "alone"), ("beside", "shared")):
        pinned = threads[timing]
        assert finished.by_name[name]["threads"] == pinned
        assert finished.cells(name)[-1].outputs[0].text == f"ci {pinned} {pinned} here\n"


def test_nothing_runs_beside_a_timing(finished: Finished) -> None:
    begun, ended = {}, {}
    for name in finished.by_name:
        path = finished.folder / "notebooks" / f"{name}.ipynb"
        times = nbformat.read(path, as_version=4).metadata.papermill
        begun[name], ended[name] = times.start_time, times.end_time
    others = set(begun) - {"alone"}
    assert all(ended[name] <= begun["alone"] for name in others)
    assert sum(begun[a] < ended[b] and begun[b] < ended[a] for a in others for b in others) > len(
        others
    )  # while those did run beside one another


def test_the_report_holds_figures_plots_and_the_machine(finished: Finished) -> None:
    good = finished.by_name["good"]
    assert good["figures"] == [
        {"name": "latency", "unit": "ms", "median": 61.2, "low": 58.0, "high": 66.0, "n": 40}
    ]
    assert good["plots"] == 1
    assert finished.report["kernels"] == "forked"
    assert finished.report["machine"]["cores"] >= 1
    assert "torch" in finished.report["versions"]
    page = (finished.folder / "index.html").read_text()
    png = finished.cells("good")[-1].outputs[0].data["image/png"].strip()
    for text in ("latency", "58 to 66", "Where it fails", f"data:image/png;base64,{png}"):
        assert text in page
    assert "src=http" not in page.replace('"', "")
    assert (finished.folder / "notebooks" / "good.html").exists()


def test_the_last_line_is_the_report(finished: Finished) -> None:
    last = json.loads(finished.process.stdout.splitlines()[-1])
    assert last["notebooks"] == finished.report["notebooks"]


def test_durations_are_kept_for_the_next_estimate(finished: Finished) -> None:
    assert "ci/good" in finished.report["durations"]
    assert "ci/fails" not in finished.report["durations"]


def test_forked_and_plain_kernels_give_the_same_outputs(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)  # ipykernel asks for it
    plain = run([str(finished.trial)], folder=tmp_path, plain=True)
    assert plain.cell_timeout_s == 120
    assert (finished.report["kernels"], plain.kernels) == ("forked", "plain")
    assert plain.passed, plain.failures()
    name = f"notebooks/{finished.trial.name}"
    assert _outputs.differences(finished.folder / name, tmp_path / name) == []
    assert len(plain.notebooks[0].plots) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": "huge"}, "The scale is 'huge'; expected one of ci, laptop, gpu"),
        ({"workers": 0}, "The number of workers is 0; expected at least 1"),
        ({"cell_timeout_s": -1.0}, "The cell limit is -1 s; expected more than 0"),
    ],
)
def test_bad_options_are_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        run([], **options)


def test_a_folder_that_is_no_report_is_not_emptied(tmp_path: Path) -> None:
    kept = tmp_path / "mine" / "notebooks" / "thesis.ipynb"
    kept.parent.mkdir(parents=True)
    notebook = write_notebook(kept, "# Thesis", "1")
    with pytest.raises(LabError, match="is not empty and holds no report"):
        run([str(notebook)], folder=tmp_path / "mine")
    assert kept.exists()


def test_a_report_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notebook = write_notebook(tmp_path / "a.ipynb", "# A", "1")
    with pytest.raises(LabError, match="could not be written"):
        run([str(notebook)], folder=tmp_path / "file" / "report")


def test_a_broken_file_and_two_of_one_name_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(LabError, match=r"broken\.ipynb is not a notebook"):
        resolve([str(tmp_path / "broken.ipynb")])
    (tmp_path / "other").mkdir()
    twice = [
        write_notebook(folder / "a.ipynb", "# A", "1") for folder in (tmp_path, tmp_path / "other")
    ]
    with pytest.raises(LabError, match="Two of the notebooks are called 'a'"):
        resolve([str(path) for path in twice])


def test_an_unknown_target_is_one_sentence_with_near_ones() -> None:
    with pytest.raises(LabError, match="There is no unit or notebook '1_resnet_servce'"):
        resolve(["1_resnet_servce"])
