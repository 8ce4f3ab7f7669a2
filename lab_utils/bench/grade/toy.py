"""A toy assignment whose answers' speeds are known exactly, by construction.

Its work is one hash, the same, so many times over: an answer that does it 45 times where the
reference does it 99 times is 2.2 times as fast, on any machine, at any moment.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab_utils.grade.spec import Case, FunctionTask, Lab, TimedTask, Wrong
from lab_utils.grade.submission import Submission, parse

BAR = 2.0
REFERENCE_ROUNDS = 99
ROUNDS = {1.8: 55, 2.2: 45}
"""Rounds by speed-up: 99 is divided by both without a rest."""
DIGEST = """
import hashlib

def digest(data):
    for _ in range({rounds}):
        made = hashlib.pbkdf2_hmac("sha256", data, b"salt", 400)
    return made
"""
DOUBLE = "def double(x):\n    return 2 * x"


def draw_numbers(seed: int) -> list[Case]:
    """Ten numbers."""
    chance = random.Random(seed)
    return [{"x": chance.randrange(10**6)} for _ in range(10)]


def judge_double(case: Case, output: object) -> None:
    """Raises Wrong for anything but twice x."""
    if output != 2 * case["x"]:
        raise Wrong(f"Twice {case['x']} is not {output!r}. Return twice x.")


def draw_data(seed: int, count: int) -> list[Case]:
    """So many strings of 16 bytes."""
    chance = random.Random(seed)
    return [{"data": chance.randbytes(16)} for _ in range(count)]


def judge_digest(case: Case, expected: object, given: object) -> None:
    """Raises Wrong for another digest than the reference's."""
    if given != expected:
        raise Wrong("The digest is another one. Hash the data that you were given.")


CORRECT = FunctionTask("double", "Double it", 2, "double", draw_numbers, judge_double)
FAST = TimedTask(
    name="digest",
    title="Hash it faster",
    points=4,
    function="digest",
    reference=DIGEST.format(rounds=REFERENCE_ROUNDS),
    draw=draw_data,
    judge=judge_digest,
    bar=BAR,
    too_slow="Hash fewer times.",
)
LAB = Lab("0_toy", (CORRECT, FAST))


def submission(speedup: float) -> Submission:
    """A notebook that answers both tasks, the second one so many times as fast as the reference."""
    return parse(json.dumps(notebook(speedup)).encode(), str(Path("toy.ipynb")))


def notebook(speedup: float) -> dict[str, Any]:
    """The same as JSON."""
    answers = {"double": DOUBLE, "digest": DIGEST.format(rounds=ROUNDS[speedup])}
    return {
        "cells": [_cell(name, source) for name, source in answers.items()],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(name: str, source: str) -> Mapping[str, Any]:
    marks = {"grade_id": name, "solution": True, "grade": False, "locked": False, "task": False}
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"nbgrader": marks | {"schema_version": 3}},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
