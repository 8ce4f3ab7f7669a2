"""How long the two commands take: setting up, and running the course headless.

Most of a short notebook's time is a fresh kernel importing torch. One by one, n notebooks cost
n · (import + work). The runner imports once, forks, and lets w workers share what is left:
import + n · work / w. Their ratio is the speed-up to expect; with many notebooks it tends to
w · (1 + import / work), which is how two workers can gain far more than a factor of two.

- `setup_s`: `./lab doctor` in a fresh clone of HEAD with an empty HOME, so every package is
  fetched and unpacked anew.
- `run_s`: `./lab run --scale SCALE`, from the command to its end.
- `parallel_speedup`: papermill one by one on plain kernels against the runner with two workers,
  on twelve notebooks in the course's form (`_trial`). The course itself has few notebooks that may
  share the machine as yet: its timings have to be taken alone.
- `same_outputs`: 1 where both ways gave outputs of the same kinds, the same text in deterministic
  cells and as many pictures and widgets; else 0, and the differences are printed.

Both ways take turns within a repeat, and the order changes from repeat to repeat. (For the course
itself, `./lab test` compares the deterministic outputs of forked and plain kernels.)

    ./lab bench run --json
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_utils.bench import _outputs, _trial
from lab_utils.bench._document import Figure, say
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.interval import interval, ratio_interval

TRIAL_NOTEBOOKS = 12
WORKERS = 2
IMPORTS = "import torch, torchvision, torch._dynamo, matplotlib.pyplot, sklearn.datasets"
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
KEPT_PREFIXES = ("PIP_", "UV_", "http_", "https_", "HTTP_", "HTTPS_", "no_", "NO_", "all_", "ALL_")
CACHE_VARIABLES = ("PIP_CACHE_DIR", "UV_CACHE_DIR")
LAST_LINES = 5


@dataclass
class Pairs:
    """Paired durations, and where outputs differed."""

    runner_s: list[float] = field(default_factory=list)
    one_by_one_s: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """All figures; each repeat runs everything both ways once."""
    with tempfile.TemporaryDirectory(prefix="inference-lab-bench-") as folder:
        work = Path(folder)
        say("Predicted: setup_s under 120, most of it fetching and unpacking; run_s under 240.")
        setup_s = set_up(work / "setup")
        say(f"setup_s: {setup_s:.1f}")
        trial = _trial.make(work / "trial", TRIAL_NOTEBOOKS)
        predict(trial, scale, work / "predict")
        pairs = compare(trial, scale, repeats, work / "compared")
        run_s = [run_course(scale, work / f"course_{repeat}") for repeat in range(repeats)]
    for difference in pairs.differences:
        say(f"outputs differ: {difference}")
    return {
        "setup_s": setup_s,
        "run_s": interval(run_s),
        "parallel_speedup": ratio_interval(pairs.one_by_one_s, pairs.runner_s),
        "same_outputs": float(not pairs.differences),
    }


def run_course(scale: str, report: Path) -> float:
    """Seconds that one run of the whole course takes."""
    duration_s = timed([*_lab_run(), "--scale", scale, "--report", str(report)])
    say(f"the course: {duration_s:.1f} s")
    return duration_s


def predict(trial: Sequence[Path], scale: str, folder: Path) -> float:
    """The speed-up to expect on the trial, from one import and one notebook timed now."""
    import_s = timed([sys.executable, "-c", IMPORTS])
    one_s = timed(_one_by_one_command(trial[:1], scale, folder))
    work_s = max(0.1, one_s - import_s)
    n = len(trial)
    predicted = n * one_s / (import_s + n * work_s / WORKERS)
    say(
        f"One notebook alone takes {one_s:.1f} s, the import {import_s:.1f} s of it. Predicted "
        f"parallel_speedup: {predicted:.1f} or more, since one by one papermill itself is loaded "
        "once."
    )
    return predicted


def compare(notebooks: Sequence[Path], scale: str, repeats: int, folder: Path) -> Pairs:
    """Run the notebooks both ways, `repeats` times, taking turns."""
    pairs = Pairs()
    for repeat in range(repeats):
        report, reference = folder / f"report_{repeat}", folder / f"reference_{repeat}"
        runner = [*_lab_run(), *map(str, notebooks), "--workers", str(WORKERS)]
        runner += ["--scale", scale, "--report", str(report)]
        ways = [
            (pairs.runner_s, runner),
            (pairs.one_by_one_s, _one_by_one_command(notebooks, scale, reference)),
        ]
        for durations_s, command in ways if repeat % 2 == 0 else ways[::-1]:
            durations_s.append(timed(command))
        say(
            f"{len(notebooks)} notebooks, repeat {repeat + 1} of {repeats}: "
            f"runner {pairs.runner_s[-1]:.1f} s, one by one {pairs.one_by_one_s[-1]:.1f} s"
        )
        for notebook in _notebooks(report):
            other = reference / f"{notebooks.index(Path(notebook['path']))}.ipynb"
            found = _outputs.differences(report / notebook["executed"], other)
            pairs.differences += [f"{notebook['name']}, {where}" for where in found]
    return pairs


def set_up(folder: Path) -> float:
    """Seconds from a fresh clone of HEAD, with an empty HOME, to the end of `./lab doctor`."""
    home, clone = folder / "home", folder / "clone"
    home.mkdir(parents=True)
    git = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)]
    timed(git)
    environment = {
        name: value
        for name, value in os.environ.items()
        if (name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES))
        and name not in CACHE_VARIABLES
    }
    environment["PATH"] = os.pathsep.join(
        part for part in environment["PATH"].split(os.pathsep) if not _inside_venv(part)
    )
    try:
        return timed(["./lab", "doctor"], cwd=clone, env=environment | {"HOME": str(home)})
    finally:
        shutil.rmtree(folder)  # 7 GB


def timed(command: Sequence[str], **options: Any) -> float:
    """Seconds that a command took. Raises LabError with its last words where it failed."""
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        status = subprocess.run(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False, **options
        ).returncode
        duration_s = time.perf_counter() - start
        log.seek(0)
        said = log.read().decode(errors="replace").strip().splitlines()
    if status:
        words = "\n".join(said[-LAST_LINES:])
        shown = " ".join(command[:5])
        raise LabError(f"{shown} … ended with status {status}, so nothing was timed:\n{words}")
    return duration_s


def _lab_run() -> list[str]:
    return [sys.executable, "-m", "lab_utils.cli.app", "run"]


def _one_by_one_command(notebooks: Sequence[Path], scale: str, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "lab_utils.bench._one_by_one", scale, str(folder)]
    return [*command, *map(str, notebooks)]


def _notebooks(report: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((report / "report.json").read_text())["notebooks"]
    return found


def _inside_venv(folder: str) -> bool:
    return Path(folder).is_relative_to(ROOT)
