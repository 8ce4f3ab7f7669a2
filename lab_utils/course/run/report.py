"""What a run leaves behind: report.json for programs, index.html for a person.

report/index.html                    one page: no script, nothing from the internet
report/report.json                   the same figures
report/notebooks/<unit>/<name>.ipynb as executed
report/notebooks/<unit>/<name>.html  the same, to read
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab_utils.course.run.state import Failure, NotebookRun, Plot, RunResult
from lab_utils.errors import LabError
from lab_utils.files import write_json, write_text
from lab_utils.machine.facts import facts, versions
from lab_utils.show.page import page

FIGURE = "application/vnd.inference-lab.figure+json"
TEMPLATE = Path(__file__).with_name("report.html.j2")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
LINE_CHARACTERS = 80


def executed_path(folder: Path, name: str) -> Path:
    """Where the executed notebook of this name stands below the report's folder."""
    return folder / "notebooks" / f"{name}.ipynb"


def page_path(folder: Path, name: str) -> Path:
    """Where the page of an executed notebook stands."""
    return folder / "notebooks" / f"{name}.html"


def clear(folder: Path) -> None:
    """Remove the last run's notebooks from its report's folder.

    Raises LabError for a folder that holds something else, which nobody meant to lose.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "report.json").exists():
        raise LabError(
            f"{folder} is not empty and holds no report; name a new folder for the report."
        )
    shutil.rmtree(folder / "notebooks", ignore_errors=True)


def read_outputs(run: NotebookRun, executed: Path) -> None:
    """Take figures, plots and the failing cell's error from an executed notebook.

    Does nothing where there is no such file: the notebook never started.
    """
    try:
        cells = json.loads(executed.read_text())["cells"]
    except (OSError, ValueError, KeyError):
        return
    run.figures, run.plots = [], []
    for number, heading, cell in numbered(cells):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if FIGURE in data:
                run.figures.append(dict(data[FIGURE]))
            elif "image/png" in data:
                run.plots.append(Plot(joined(data["image/png"]).strip(), heading))
            failed = cell["metadata"].get("papermill", {}).get("status") == "failed"
            if output["output_type"] == "error" and failed:
                run.failure = _failure(number, heading, cell, output)


def numbered(cells: list[dict[str, Any]]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Each cell with its number in the source and the heading it stands under.

    The cell that papermill injects has no number of its own: it gets its forerunner's.
    """
    number, heading = 0, ""
    for cell in cells:
        if "injected-parameters" not in cell["metadata"].get("tags", []):
            number += 1
        text = joined(cell["source"])
        if cell["cell_type"] == "markdown":
            found = re.findall(r"^#+\s+(.+)$", text, re.MULTILINE)
            heading = found[-1].strip() if found else heading
        yield number, heading, cell


def joined(text: str | list[str]) -> str:
    """A notebook file's text, which may be kept as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def document(result: RunResult) -> dict[str, Any]:
    """The run as it stands in report.json."""
    return {
        "status": result.status,
        "scale": result.scale,
        "started": result.started,
        "duration_s": round(result.elapsed_s(), 2),
        "workers": result.workers,
        "threads": result.threads,
        "kernels": result.kernels,
        "cell_timeout_s": result.cell_timeout_s,
        "notes": result.notes,
        "prepare": {
            "state": result.prepare.state,
            "duration_s": _rounded(result.prepare.duration_s),
            "message": result.prepare.message,
        },
        "machine": facts().as_dict(),
        "versions": versions(),
        "notebooks": [_notebook(run) for run in result.notebooks],
        "durations": {name: round(s, 2) for name, s in sorted(result.durations.items())},
    }


def write(result: RunResult, folder: Path) -> dict[str, Any]:
    """Write report.json and index.html, each whole; gives the document.

    Raises LabError where the folder cannot be written to.
    """
    content = document(result)
    write_json(folder / "report.json", content)
    plots = {run.notebook.name: run.plots for run in result.notebooks}
    made = (page_path, executed_path)
    links = {
        run.notebook.name: [
            path(folder, run.notebook.name).relative_to(folder).as_posix()
            for path in made
            if path(folder, run.notebook.name).exists()
        ]
        for run in result.notebooks
    }
    write_text(folder / "index.html", render(content, plots, links))
    return content


def render(
    content: dict[str, Any], plots: dict[str, list[Plot]], links: dict[str, list[str]]
) -> str:
    """index.html of a report's document; `links` are the files that each notebook left."""
    return page(TEMPLATE, report=content, plots=plots, links=links)


def read_durations(folder: Path) -> dict[str, float]:
    """How long the notebooks took before, from the last report; empty where there is none."""
    try:
        durations = json.loads((folder / "report.json").read_text())["durations"]
        return {str(name): float(s) for name, s in durations.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _notebook(run: NotebookRun) -> dict[str, Any]:
    failure = run.failure
    return {
        "name": run.notebook.name,
        "path": str(run.notebook.path),
        "title": run.notebook.title,
        "kind": run.notebook.kind,
        "timing": run.notebook.timing,
        "state": run.state,
        "duration_s": _rounded(run.duration_s),
        "threads": run.threads,
        "cells": run.cells,
        "cells_run": run.cell,
        "figures": run.figures,
        "plots": len(run.plots),
        "error": None if failure is None else vars(failure),
        "executed": f"notebooks/{run.notebook.name}.ipynb",
    }


def _failure(number: int, heading: str, cell: dict[str, Any], output: dict[str, Any]) -> Failure:
    lines = [line for line in joined(cell["source"]).splitlines() if line.strip()]
    return Failure(
        cell=number,
        heading=heading,
        line=lines[0].strip()[:LINE_CHARACTERS] if lines else "",
        name=output["ename"],
        message=ANSI.sub("", output["evalue"]),
        traceback=ANSI.sub("", "\n".join(output["traceback"])),
    )


def _rounded(duration_s: float | None) -> float | None:
    return None if duration_s is None else round(duration_s, 2)
