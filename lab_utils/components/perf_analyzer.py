"""NVIDIA's perf_analyzer on a running Triton: rate, latency, and where a request's time went.

    with Triton(repository) as server:
        for row in perf_analyzer(server, "resnet", concurrencies=(1, 4, 16)):
            print(row.concurrency, row.rate_rps, row.p99_s, row.parts_s["queue"])

A closed loop: so many requests are always under way. It measures windows until three in a row
agree, and asks the server for its own statistics of the same time.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.command import completed, last_words
from lab_utils.components import environments
from lab_utils.components.triton import ENVIRONMENT, Triton
from lab_utils.errors import LabError

LIBRARIES = {"libb64.so.0d": "libb64-*", "libcudart.so.12": "libcudart-*"}
"""What the program is linked with, and under which names the server's package carries it."""
PARTS = {
    "queue": "Server Queue",
    "input": "Server Compute Input",
    "compute": "Server Compute Infer",
    "output": "Server Compute Output",
}
STABLE_PERCENT = 30
MOST_WINDOWS = 16


@dataclass(frozen=True)
class Row:
    """One concurrency. parts_s: mean seconds of a request in the server, by PARTS' names."""

    concurrency: int
    rate_rps: float
    mean_s: float
    p50_s: float
    p99_s: float
    parts_s: dict[str, float]


def perf_analyzer(
    server: Triton,
    model: str,
    concurrencies: Sequence[int],
    window_s: float = 1.0,
    requests: Sequence[Mapping[str, Sequence[float]]] = (),
    stable_percent: int = STABLE_PERCENT,
) -> list[Row]:
    """Measure the model, one row for each concurrency.

    window_s: of each measurement; long against a request. requests: what is sent in turn, each the
    values of every input by its name, without the batch (floats for a float input, even 1.0); by
    default random numbers.
    stable_percent: by how much three windows in a row may differ. Raises LabError, with the
    program's own words, where they differ by more to the end, or the model is not there.
    """
    python = environments.python(ENVIRONMENT)
    packages = environments.packages(python)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for library, pattern in LIBRARIES.items():
            carried = next((packages / "nvidia_pytriton.libs").glob(pattern))
            (folder / library).symlink_to(carried)
        (folder / "requests.json").write_text(json.dumps({"data": [_asked(r) for r in requests]}))
        for concurrency in concurrencies:
            command = [str(python.parent / "perf_analyzer"), "-m", model]
            command += ["-u", server.url.removeprefix("http://")]
            command += ["--concurrency-range", str(concurrency), "-r", str(MOST_WINDOWS)]
            command += ["-p", str(round(1e3 * window_s)), "-s", str(stable_percent)]
            command += ["--verbose-csv", "-f", str(folder / "rows.csv")]
            if requests:
                command += ["--input-data", str(folder / "requests.json")]
            done = completed(
                command,
                limit_s=60 + 2 * MOST_WINDOWS * window_s,
                late=f"perf_analyzer did not end with {model}; is a request longer than a window?",
                environment=os.environ | {"LD_LIBRARY_PATH": name},
            )
            if done.returncode:
                said = last_words(done.stderr) or last_words(done.stdout)
                raise LabError(f"perf_analyzer failed with the model {model}: {said}")
            rows += read(folder / "rows.csv")
    return rows


def _asked(request: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    return {name: {"content": list(v), "shape": [len(v)]} for name, v in request.items()}


def read(path: Path) -> list[Row]:
    """The rows of its CSV file, whose times are in microseconds."""
    with path.open() as file:
        return [
            Row(
                concurrency=int(row["Concurrency"]),
                rate_rps=float(row["Inferences/Second"]),
                mean_s=float(row["Avg latency"]) / 1e6,
                p50_s=float(row["p50 latency"]) / 1e6,
                p99_s=float(row["p99 latency"]) / 1e6,
                parts_s={part: float(row[name]) / 1e6 for part, name in PARTS.items()},
            )
            for row in csv.DictReader(file)
        ]
