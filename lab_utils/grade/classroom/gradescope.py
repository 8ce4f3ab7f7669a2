"""Marks as Gradescope's `results.json`.

Its format: gradescope-autograders.readthedocs.io, "Autograder Specifications".
"""

from __future__ import annotations

from typing import Any

from lab_utils.grade.classroom.gradebook import COULD_NOT, Graded

STATUS = {"passed": "passed"}


def results(graded: Graded) -> dict[str, Any]:
    """One submission's document: a test for each task, shown to the learner at once."""
    tests = [_test(i, verdict) for i, verdict in enumerate(graded.verdicts, 1)]
    isolation = ", ".join(sorted({str(v["isolation"]) for v in graded.verdicts}))
    return {
        "score": graded.points,
        "execution_time": round(sum(v["duration_s"] for v in graded.verdicts)),
        "output": f"Answers ran {isolation}." if isolation else COULD_NOT,
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def _test(number: int, verdict: Any) -> dict[str, Any]:
    output = str(verdict["message"]) or "Passed."
    if verdict["state"] == "error":
        output = f"{COULD_NOT}: {output}"
    return {
        "number": str(number),
        "name": verdict["title"],
        "score": verdict["points"],
        "max_score": verdict["out_of"],
        "status": STATUS.get(verdict["state"], "failed"),
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "extra_data": {"state": verdict["state"], "figures": verdict["figures"]},
    }
