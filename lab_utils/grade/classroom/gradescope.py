"""Marks as Gradescope's `results.json`.

Its format: gradescope-autograders.readthedocs.io, "Autograder Specifications". A task with part of
its points has no status: Gradescope colours it by its points then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_utils.grade.classroom.gradebook import COULD_NOT

Given = Mapping[str, Any]
"""A verdict, as `./lab grade --json` gives it."""


def results(verdicts: Sequence[Given]) -> dict[str, Any]:
    """One submission's document: a test for each task, shown to the learner at once.

    What the grader prints stays hidden from them.
    """
    isolation = ", ".join(sorted({str(v["isolation"]) for v in verdicts} - {"not run"}))
    return {
        "score": float(sum(verdict["points"] for verdict in verdicts)),
        "execution_time": round(sum(v["duration_s"] for v in verdicts)),
        "output": f"Answers ran {isolation}." if isolation else f"{COULD_NOT}.",
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(i, verdict) for i, verdict in enumerate(verdicts, 1)],
    }


def unread(problem: str) -> dict[str, Any]:
    """The document for a submission that cannot be read."""
    return {
        "score": 0.0,
        "output": f"{COULD_NOT}: {problem}",
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [],
    }


def _test(number: int, verdict: Given) -> dict[str, Any]:
    output = str(verdict["message"]) or "Passed."
    if verdict["state"] == "error":
        output = f"{COULD_NOT}: {output}"
    return {
        "number": str(number),
        "name": verdict["title"],
        "score": verdict["points"],
        "max_score": verdict["out_of"],
        **_status(verdict),
        "output": output,
        "output_format": "text",
        "visibility": "visible",
        "extra_data": {"state": verdict["state"], "figures": verdict["figures"]},
    }


def _status(verdict: Given) -> dict[str, str]:
    if verdict["state"] == "passed":
        return {"status": "passed"}
    return {} if verdict["points"] else {"status": "failed"}
