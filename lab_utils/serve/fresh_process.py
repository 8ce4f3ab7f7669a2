"""A new Python process that is given its order, runs to its end, and is read afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lab_utils.errors import LabError

TIME_LIMIT_S = 300.0


def output_of(
    module: str, order: Any, environment: Mapping[str, str], arguments: Sequence[str] = ()
) -> list[str]:
    """The lines that `python -m module arguments…` prints when it reads `order` as JSON.

    Raises LabError with its last words where it fails, or where it does not end in time.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            input=json.dumps(order),
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            f"A fresh process did not answer in {TIME_LIMIT_S:g} s; is the machine overloaded?"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LabError(f"A fresh process ended before it had answered: {last}")
    return done.stdout.splitlines()
