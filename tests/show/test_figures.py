import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import nbclient
import nbformat
import pytest

from lab_utils.measure.interval import Interval
from lab_utils.show.figures import MIME, KeyFigure, key_figure


def test_a_key_figure_is_one_line_of_text_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    key_figure("warm request", Interval(124.3, 120.1, 130.9, 24), "ms")
    assert capsys.readouterr().out == "warm request: 124 ms [120 to 131], n = 24\n"


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (2, {"value": 2.0}),
        (Interval(2, 1, 3, 9), {"median": 2, "low": 1, "high": 3, "n": 9}),
    ],
)
def test_a_key_figure_is_data_for_the_report(value: float, parts: dict[str, float]) -> None:
    bundle = KeyFigure("speed", value, "times")._repr_mimebundle_()
    assert bundle[MIME] == {"name": "speed", "unit": "times", **parts}
    json.dumps(bundle[MIME], allow_nan=False)


NOTEBOOK = """
from lab_utils.show.figures import key_figure
from lab_utils.show.predict import predict
from lab_utils.show.progress import progress, waiting
guess = predict("How long?", unit="ms")
for _ in progress(range(3), "Requests"):
    pass
with waiting("A service starts", about_s=1):
    pass
guess.reveal(7)
key_figure("latency", 7, "ms")
"""


def test_a_headless_notebook_keeps_a_clean_page() -> None:
    """Run by a real kernel: no widget, one line for each step, the figure as data."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    environment = {k: v for k, v in os.environ.items() if k != "JPY_SESSION_NAME"}
    nbclient.NotebookClient(notebook, timeout=120).execute(env=environment)
    outputs = notebook.cells[0].outputs
    texts = [output.data["text/plain"] for output in outputs]
    assert texts[0] == "Your guess: How long? (in ms)"
    assert texts[1].startswith("Requests: 3 of 3, ")
    assert texts[2].startswith("A service starts: done in ")
    assert texts[3:] == ["Measured: You made no guess; measured 7 ms.", "latency: 7 ms"]
    assert outputs[4].data[MIME] == {"name": "latency", "unit": "ms", "value": 7.0}
    assert not any("widget" in kind for output in outputs for kind in output.data)


def test_progress_in_a_script_is_one_line_on_stderr(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["Requests", "A service starts"]
    assert "latency: 7 ms" in done.stdout


def test_what_is_made_side_by_side_is_made_at_the_same_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lab_utils.show.progress import side_by_side

    both = threading.Barrier(2, timeout=30)
    found = side_by_side(
        {"a": lambda: (both.wait(), 1)[1], "b": lambda: (both.wait(), 2)[1]}, "Two"
    )
    assert found == {"a": 1, "b": 2}
    assert "Two: 2 of 2" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        side_by_side({"a": lambda: 1, "b": lambda: 1 // 0}, "Two")


def test_waiting_says_when_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    from lab_utils.show.progress import waiting

    with pytest.raises(ZeroDivisionError), waiting("A step", about_s=1):
        _ = 1 / 0
    assert "A step: stopped by an error after" in capsys.readouterr().err
