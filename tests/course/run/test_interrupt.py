"""Ctrl-C and SIGTERM: no process left, a usable report, exit status 130."""

import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.started import LAB, MARK, marked

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
BEGINS_WITHIN_S = 120
ENDS_WITHIN_S = 60
# The server's own child, as a web server's worker; and a stray that nobody watches over. A module
# beside the notebook: for one that names this package, weights would be prepared first.
STUCK = """
import subprocess, sys, time
from pathlib import Path
from lab_utils.components.process import Process
worker = "import subprocess; subprocess.run(['sleep', '600'])"
server = Process("server", [sys.executable, "-S", "-c", worker])
server.__enter__()
stray = subprocess.Popen(["sleep", "600"], start_new_session=True)
while len(server.processes()) < 2:
    time.sleep(0.05)
Path({begun!r}).touch()
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("signum", "options"), [(signal.SIGINT, []), (signal.SIGTERM, ["--plain"])]
)
def test_an_interrupted_run_leaves_a_report_and_no_process(
    tmp_path: Path, signum: int, options: list[str]
) -> None:
    begun = tmp_path / "begun"
    paths = []
    (tmp_path / "stuck.py").write_text(STUCK.format(begun=str(begun)))
    for name, source in (("a_stuck", "import stuck"), ("b_waits", "1")):
        cells = [new_markdown_cell(f"# {name}"), new_code_cell("print('ran')")]
        notebook = new_notebook(
            cells=[*cells, new_code_cell(source)], metadata={"kernelspec": KERNEL}
        )
        paths.append(tmp_path / f"{name}.ipynb")
        paths[-1].write_text(nbformat.writes(notebook))
    mark = uuid.uuid4().hex
    report = tmp_path / "report"
    process = subprocess.Popen(
        [*LAB, "run", *map(str, paths), "--workers", "1", "--report", str(report), *options],
        env=os.environ | {MARK: mark},
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + BEGINS_WITHIN_S
    while not begun.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    running = marked(mark)
    process.send_signal(signum)
    said, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert begun.exists(), said
    assert len(running) >= 7  # runner, worker, kernel, supervisor, server, its child, stray

    assert marked(mark) == []
    assert process.returncode == 130
    assert "interrupted: 0 of 2 notebooks passed" in said
    content = json.loads((report / "report.json").read_text())
    assert content["status"] == "interrupted"
    stuck, waits = content["notebooks"]
    assert (stuck["state"], waits["state"]) == ("interrupted", "waiting")
    assert ">interrupted<" in (report / "index.html").read_text()
    executed = nbformat.read(report / "notebooks" / "a_stuck.ipynb", as_version=4)
    assert executed.cells[1].outputs[0].text == "ran\n"
