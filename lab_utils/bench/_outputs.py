"""Whether two executions of a notebook gave the same outputs, as far as they must."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")


def differences(first: Path, second: Path) -> list[str]:
    """Where the outputs of two executed notebooks differ: kinds, deterministic text, counts.

    Timings differ from run to run, so text is compared only in cells tagged `deterministic`.
    """
    cells = [_code_cells(path) for path in (first, second)]
    if len(cells[0]) != len(cells[1]):
        return [f"{len(cells[0])} and {len(cells[1])} code cells"]
    found = []
    for number, (one, other) in enumerate(zip(*cells, strict=True), 1):
        for what, taken in (("kinds", _kinds), ("text", _text), ("widgets", _widgets)):
            if taken(one) != taken(other):
                found.append(f"code cell {number}, {what}: {taken(one)!r} and {taken(other)!r}")
    return found


def _code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _kinds(cell: dict[str, Any]) -> list[str]:
    """What each output is; a stream that came in pieces counts once."""
    kinds: list[str] = []
    for output in cell["outputs"]:
        pictures = [kind for kind in PICTURES if kind in output.get("data", {})]
        kind = " ".join([output["output_type"], output.get("name", ""), *pictures]).strip()
        if not (kind.startswith("stream") and kind in kinds):
            kinds.append(kind)
    return kinds


def _text(cell: dict[str, Any]) -> str:
    if "deterministic" not in cell["metadata"].get("tags", []):
        return ""
    pieces: list[str] = []
    for output in cell["outputs"]:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        pieces += [text] if isinstance(text, str) else text
    return "".join(pieces)


def _widgets(cell: dict[str, Any]) -> int:
    return sum(WIDGET in output.get("data", {}) for output in cell["outputs"])
