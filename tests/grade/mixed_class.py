"""A class as it really is: right and wrong answers to two quick tasks, in every form and state."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_utils.files import ROOT

UNIT = "1_resnet_service"
TASKS = ("postprocess", "measure_latency")
WRONG = {
    "drops_softmax": "postprocess",
    "softmax_over_the_top_k": "postprocess",
    "keeps_warmup_latencies": "measure_latency",
    "times_without_warmup": "measure_latency",
}
LEAVES = "import os\ndef postprocess(logits, labels, k):\n    os._exit(0)"
NOISY = "import sys, warnings\nwarnings.warn('old')\nprint('note', file=sys.stderr)\n"
LEARNERS = 30

Notebook = dict[str, Any]
Expected = Mapping[str, tuple[float, float] | None]
"""Learner → points in both tasks; None where the notebook cannot be read."""


def solution() -> Notebook:
    """The solved lab."""
    notebook: Notebook = json.loads((ROOT / "solutions" / UNIT / "lab.ipynb").read_text())
    return notebook


def answered(**sources: str) -> Notebook:
    """The solved lab with other answers to some tasks."""
    notebook = solution()
    for cell in notebook["cells"]:
        task = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if task in sources:
            cell["source"] = sources[task]
    return notebook


def source_of(task: str) -> str:
    """The solution's cell for a task."""
    return next(
        "".join(cell["source"])
        for cell in solution()["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == task
    )


def stripped(notebook: Notebook) -> Notebook:
    """As an editor leaves it that keeps no metadata; its lines end as on Windows."""
    cells = [
        cell | {"metadata": {}, "source": "".join(cell["source"]).replace("\n", "\r\n")}
        for cell in notebook["cells"]
    ]
    facts = {"inference_lab": notebook["metadata"]["inference_lab"]}
    return notebook | {"cells": cells, "metadata": facts}


def copied(notebook: Notebook) -> Notebook:
    """With a task's cell handed in twice, the first time wrong, and the cells in other order."""
    cells = list(notebook["cells"])
    place = next(
        i
        for i, cell in enumerate(cells)
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "postprocess"
    )
    wrong = cells[place] | {"source": "def postprocess(logits, labels, k):\n    return []"}
    moved = next(i for i, c in enumerate(cells) if "def measure_latency" in "".join(c["source"]))
    cells.insert(place, wrong)
    cells.append(cells.pop(moved + 1))
    return notebook | {"cells": cells}


def packed(members: Mapping[str, bytes]) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def write_class(folder: Path) -> Expected:
    """Write 30 submissions into a folder; gives what each must get."""
    folder.mkdir()
    right = json.dumps(solution()).encode()
    expected: dict[str, tuple[float, float] | None] = {}

    def put(learner: str, name: str, content: bytes, points: tuple[float, float] | None) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        expected[learner] = points

    def put_notebook(learner: str, notebook: Notebook, points: tuple[float, float]) -> None:
        put(learner, f"{learner}.ipynb", json.dumps(notebook).encode(), points)

    put("folder", "folder/week 3/lab.ipynb", right, (2, 2))
    put("archive", "archive.zip", packed({"work/lab.ipynb": right}), (2, 2))
    put("escape", "escape.zip", packed({"../../lab.ipynb": right}), None)
    put("cut", "cut.ipynb", right[:5000], None)
    put("nested", "nested.ipynb", b"[" * 1_000_000, None)
    with (folder / "huge.ipynb").open("wb") as stream:
        stream.truncate(200 * 2**20)
    expected["huge"] = None
    put_notebook("stripped", stripped(solution()), (2, 2))
    put_notebook("copied", copied(solution()), (2, 2))
    put_notebook("noisy", answered(postprocess=NOISY + source_of("postprocess")), (2, 2))
    put_notebook("leaves", answered(postprocess=LEAVES), (0, 2))
    put_notebook("unparsable", answered(postprocess="x = " + "-" * 100_000 + "1"), (0, 2))
    blank: Notebook = json.loads((ROOT / "labs" / UNIT / "lab.ipynb").read_text())
    put_notebook("blank", blank, (0, 0))
    for i in range(LEARNERS - len(expected)):
        name, task = list(WRONG.items())[i % len(WRONG)]
        source = (ROOT / "curriculum" / UNIT / "wrong" / f"{name}.py").read_text()
        points = (0.0, 2.0) if task == "postprocess" else (2.0, 0.0)
        put_notebook(f"wrong{i:02}", answered(**{task: source + f"\n# {i}"}), points)
    return expected
