"""What the grader itself costs: seconds for a submission beyond what is measured.

- `overhead_s`: from a notebook's bytes to its marks, without the time in which the toy's functions
  (`toy`: one that is judged, one that is timed) ran. Workers are forked, sandboxed and ended,
  inputs drawn, messages packed, outputs judged, whoever is not timed is stopped.
- `first_s`: what the first submission of a run costs besides: two processes import torch once.

    ./lab bench grade --json
"""

from __future__ import annotations

import json
import time
from dataclasses import replace

from lab_utils.bench._document import Figure, say
from lab_utils.bench.grade import toy
from lab_utils.grade import timed
from lab_utils.grade.engine import grade_task
from lab_utils.grade.spec import Answer, Case
from lab_utils.grade.submission import parse
from lab_utils.grade.workers import Workers
from lab_utils.measure.interval import interval

SUBMISSIONS_A_REPEAT = 5


def measure(scale: str, repeats: int) -> dict[str, Figure]:
    """Grade the same toy again and again, with the workers of one run."""
    say("Predicted: overhead_s 0.5: two workers in sandboxes of 0.1 s each, and messages.")
    with Workers() as workers:
        first_s = overhead_s(workers)
        each_s = [overhead_s(workers) for _ in range(SUBMISSIONS_A_REPEAT * repeats)]
    return {"overhead_s": interval(each_s), "first_s": first_s - interval(each_s).median}


def overhead_s(workers: Workers) -> float:
    """Seconds that one submission takes beyond its functions' own."""
    content = json.dumps(toy.notebook(2.2)).encode()
    called_s = 0.0

    def drive(answer: Answer, case: Case) -> object:
        nonlocal called_s
        start_s = time.perf_counter()
        output = answer(**case)
        called_s += time.perf_counter() - start_s
        return output

    start_s = time.perf_counter()
    submission = parse(content, "toy.ipynb")
    verdict = grade_task(submission, replace(toy.CORRECT, drive=drive), 1, workers)
    found = timed.compare(toy.FAST, submission.cells_for(toy.FAST), 1, workers)
    took_s = time.perf_counter() - start_s
    assert verdict.state == "passed", verdict.message
    return took_s - called_s - found.measured_s
