"""A new Python process that is given its order, runs to its end, and is read afterwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lab_utils.command import completed, last_words
from lab_utils.errors import LabError

TIME_LIMIT_S = 300.0


def output_of(
    module: str, order: Any, environment: Mapping[str, str], arguments: Sequence[str] = ()
) -> list[str]:
    """The lines that `python -m module arguments…` prints when it reads `order` as JSON.

    Raises LabError with its last words where it fails, or where it does not end in time.
    """
    done = completed(
        [sys.executable, "-m", module, *arguments],
        order=json.dumps(order),
        environment=environment,
        limit_s=TIME_LIMIT_S,
        late=f"A fresh process did not answer in {TIME_LIMIT_S:g} s; is the machine overloaded?",
    )
    if done.returncode != 0:
        raise LabError(
            f"A fresh process ended before it had answered; it said: {last_words(done.stderr)}"
        )
    return done.stdout.splitlines()
