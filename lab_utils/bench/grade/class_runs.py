"""A class graded: what a second worker gains, what a kill loses, and nbgrader's pace beside it.

A worker starts Python and imports torch twice, for itself and for the process that forks answers,
before it grades anything; then every answer is a fork. With start s and work w for the class, one
worker takes s + w and two take s + w / 2 as far as there are two cores: the speed-up tends to two
as the class grows.

- `worker_speedup`: `./lab grade` on 100 submissions, one worker's duration by two', from the
  command to its end. Both take turns, and the order changes from repeat to repeat.
- `graded_once`: the share of (learner, task) with exactly one verdict, the right one, after a run
  that was killed ten times (SIGKILL) at moments drawn by chance, and then left to end.
- `nbgrader_s`: nbgrader's `autograde` of a toy assignment, seconds a submission;
  `same_toy_s`: `./lab grade` with one worker on the same submissions, measured in turns with it.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab_utils.bench._document import Figure, say
from lab_utils.bench.grade.nbgrader_course import Course, Notebook, cut_down
from lab_utils.bench.run import timed
from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.grade.classroom.store import STORE
from lab_utils.measure.interval import interval, ratio_interval
from lab_utils.scale import at

UNIT = "1_resnet_service"
TASKS = ("postprocess", "measure_latency")
WRONG = {"postprocess": "def postprocess(logits, labels, k):\n    return []\n"}
KILLS = 10
KILLED_CLASS = 30
MOST_BETWEEN_KILLS = 6
"""Verdicts between two kills, at most: so many that ten kills fall within one class."""
SEED = 4


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """All figures of a class; each repeat times everything both ways once."""
    with tempfile.TemporaryDirectory(prefix="inference-lab-bench-") as folder:
        work = Path(folder)
        return {
            "worker_speedup": worker_speedup(
                work / "workers", at(scale, ci=100, laptop=100), repeats
            ),
            "graded_once": graded_once(work / "killed", KILLED_CLASS),
            **beside_nbgrader(work / "nbgrader", at(scale, ci=5, laptop=10), repeats),
        }


def worker_speedup(folder: Path, submissions: int, repeats: int) -> Figure:
    """One worker's duration over two workers', on a class of so many submissions."""
    write_class(folder / "class", submissions)
    durations_s: dict[int, list[float]] = {1: [], 2: []}
    say("Predicted: a second worker on two cores gains a factor of 1.7 or more.")
    for repeat in range(repeats):
        for workers in (1, 2) if repeat % 2 == 0 else (2, 1):
            out = folder / f"{repeat}-{workers}"
            command = grading(folder / "class", out, "--workers", str(workers))
            durations_s[workers].append(timed(command))
            say(f"{submissions} submissions, {workers} at once: {durations_s[workers][-1]:.1f} s")
            if (given := len(verdicts(out))) != submissions * len(TASKS):
                raise LabError(f"{given} verdicts were given, so nothing was timed.")
    return ratio_interval(durations_s[1], durations_s[2])


def graded_once(folder: Path, submissions: int, kills: int = KILLS) -> float:
    """The share of (learner, task) with exactly one verdict, the right one, in the end."""
    expected = write_class(folder / "class", submissions)
    out = folder / "out"
    draws = random.Random(SEED)
    say(f"Killing a class run {kills} times.")
    for _ in range(kills):
        _kill_at_random(folder / "class", out, draws)
        say(f"killed after {len(verdicts(out))} of {len(expected)} verdicts")
    timed(grading(folder / "class", out))
    given = verdicts(out)
    times = Counter((learner, task) for learner, task, _ in given)
    states = {(learner, task): state for learner, task, state in given}
    right = [key for key in expected if times[key] == 1 and states[key] == expected[key]]
    return len(right) / len(expected | times)


def beside_nbgrader(folder: Path, submissions: int, repeats: int) -> dict[str, Figure]:
    """Seconds a submission: nbgrader's autograde, and this grader's, on the same notebooks."""
    toy = cut_down(_solution(), TASKS)
    course = Course(folder / "course", toy)
    course.release()
    for i in range(submissions):
        notebook = _submission(toy, i)
        course.submit(_learner(i), notebook)
        _write(folder / "class" / f"{_learner(i)}.ipynb", notebook)
    nbgrader_s: list[float] = []
    ours_s: list[float] = []
    for repeat in range(repeats):
        for theirs in (True, False) if repeat % 2 == 0 else (False, True):
            start = time.perf_counter()
            if theirs:
                course.autograde()
            else:
                timed(grading(folder / "class", folder / f"{repeat}", "--workers", "1"))
            each_s = (time.perf_counter() - start) / submissions
            (nbgrader_s if theirs else ours_s).append(each_s)
            say(f"{'nbgrader' if theirs else './lab grade'}: {each_s:.1f} s a submission")
    return {"nbgrader_s": interval(nbgrader_s), "same_toy_s": interval(ours_s)}


def write_class(folder: Path, submissions: int) -> dict[tuple[str, str], str]:
    """Notebooks of the whole lab, each its own; gives what each (learner, task) must get."""
    whole = _solution()
    expected = {}
    for i in range(submissions):
        _write(folder / f"{_learner(i)}.ipynb", _submission(whole, i))
        for task in TASKS:
            wrong = task in WRONG and _is_wrong(i)
            expected[_learner(i), task] = "failed" if wrong else "passed"
    return expected


def grading(folder: Path, out: Path, *options: str) -> list[str]:
    """The command that grades a class."""
    command = [sys.executable, "-m", "lab_utils.cli.app", "grade", str(folder), "--out", str(out)]
    return [*command, *(word for task in TASKS for word in ("--task", task)), *options]


def verdicts(out: Path) -> list[tuple[str, str, str]]:
    """(learner, task, state) of every verdict recorded so far."""
    if not (out / STORE).exists():
        return []
    with sqlite3.connect(f"file:{out / STORE}?mode=ro", uri=True) as database:
        try:
            return list(database.execute("SELECT learner, task, state FROM verdicts"))
        except sqlite3.OperationalError:  # its tables are not there yet
            return []


def _kill_at_random(folder: Path, out: Path, draws: random.Random) -> None:
    """Start the run and kill it after some more verdicts, at no moment in particular."""
    before = len(verdicts(out))
    more = draws.randrange(MOST_BETWEEN_KILLS)
    process = subprocess.Popen(
        grading(folder, out),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and len(verdicts(out)) < before + more:
            time.sleep(0.01)
        time.sleep(draws.uniform(0, 0.5))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _solution() -> Notebook:
    notebook: Notebook = json.loads((ROOT / "solutions" / UNIT / "lab.ipynb").read_text())
    return notebook


def _submission(notebook: Notebook, number: int) -> Notebook:
    """The notebook as one learner hands it in: unlike the others', every third with a mistake."""
    cells = []
    for cell in notebook["cells"]:
        task = cell["metadata"].get("nbgrader", {}).get("grade_id")
        source = "".join(cell["source"])
        if task in WRONG and _is_wrong(number):
            source = WRONG[task]
        if task in TASKS:
            source += f"\n# {number}"
        cells.append(cell | {"source": source})
    return notebook | {"cells": cells}


def _is_wrong(number: int) -> bool:
    return number % 3 == 2


def _learner(number: int) -> str:
    return f"learner{number:03}"


def _write(path: Path, notebook: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
