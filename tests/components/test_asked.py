import sys
from pathlib import Path

import psutil
import pytest

from lab_utils.components.asked import AskedProcess
from lab_utils.errors import LabError

DOUBLER = """
import os, sys
from multiprocessing.connection import Connection
line = Connection(int(sys.argv[-1]))
line.send({"ready": sys.argv[1]})
while True:
    question = line.recv()
    if question == "die":
        print("out of numbers", flush=True)
        os._exit(3)
    if question == "hang":
        import time; time.sleep(600)
    line.send({"error": "No number was given."} if question is None else {"doubled": 2 * question})
"""


@pytest.fixture
def doubler(tmp_path: Path) -> list[str]:
    script = tmp_path / "doubler.py"
    script.write_text(DOUBLER)
    return [sys.executable, "-I", str(script), "said at the start"]


def test_it_says_that_it_is_ready_and_answers(doubler: list[str]) -> None:
    with AskedProcess("Doubler", doubler) as process:
        assert process.told == {"ready": "said at the start"}
        assert process.ask(21) == {"doubled": 42}
        with pytest.raises(LabError, match=r"^No number was given\.$"):
            process.ask(None)
        assert process.ask(1) == {"doubled": 2}
        started = process.processes()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert started
    assert alive == []


def test_its_end_is_told_with_its_last_words(doubler: list[str]) -> None:
    with (
        AskedProcess("Doubler", doubler) as process,
        pytest.raises(LabError, match="The process of Doubler ended: out of numbers"),
    ):
        process.ask("die")


def test_silence_is_told(doubler: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with AskedProcess("Doubler", doubler) as process:
        monkeypatch.setattr(process, "_answer_within_s", 0.3)  # a start may take longer
        with pytest.raises(LabError, match=r"Doubler did not answer in 0\.3 s"):
            process.ask("hang")


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("import no_such_package_anywhere\n")
    command = [sys.executable, "-I", str(script)]
    with pytest.raises(LabError, match="No module named 'no_such_package_anywhere'"):
        AskedProcess("Broken", command).__enter__()
