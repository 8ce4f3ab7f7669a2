import os
import sys
from pathlib import Path

import pytest

from lab_utils.command import completed, last_words, output_of
from lab_utils.errors import LabError


def python(source: str) -> list[str]:
    return [sys.executable, "-S", "-c", source]


def test_what_it_printed_and_how_it_ended(tmp_path: Path) -> None:
    source = (
        "import os, sys\n"
        "print(sys.stdin.read(), os.getcwd(), os.environ.get('COLOUR'), sep='|')\n"
        "sys.exit('it fell over')"
    )
    done = completed(
        python(source),
        limit_s=60,
        late="",
        order="an order",
        folder=tmp_path,
        environment={"COLOUR": "blue"},
    )
    assert done.stdout == f"an order|{tmp_path}|blue\n"
    assert (done.returncode, last_words(done.stderr)) == (1, "it fell over")


def test_one_that_does_not_end_is_ended_and_named() -> None:
    with pytest.raises(LabError, match="The program is late"):
        completed(python("import time; time.sleep(600)"), limit_s=0.3, late="The program is late.")


def test_last_words() -> None:
    assert last_words("a\n\n b \n c \n\n", lines=2) == "b / c"
    assert last_words("\n") == "nothing"


def test_a_module_reads_its_order_and_prints_lines(tmp_path: Path) -> None:
    (tmp_path / "echoes.py").write_text(
        "import json, sys\nprint(json.load(sys.stdin)['x'], sys.argv[1], sep='\\n')\n"
    )
    (tmp_path / "falls.py").write_text("import sys\nsys.exit('no model here')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    assert output_of("echoes", {"x": 2}, environment, ["three"]) == ["2", "three"]
    with pytest.raises(LabError, match="before it had answered; it said: no model here"):
        output_of("falls", None, environment)
