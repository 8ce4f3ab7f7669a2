"""A program that is run to its end and read afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError

PYTHON_ENDS_WITHIN_S = 300.0


def completed(
    command: Sequence[str],
    *,
    limit_s: float,
    late: str,
    order: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """What the program printed and its exit status, whatever that is.

    order: what it reads on standard input. folder: where it runs. environment: all of it, default
    this process's. Raises LabError with the text `late` where it has not ended after `limit_s`,
    and OSError where it cannot be started.
    """
    try:
        return subprocess.run(
            command,
            input=order,
            cwd=folder,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(late) from None


def output_of(
    module: str, order: Any, environment: Mapping[str, str], arguments: Sequence[str] = ()
) -> list[str]:
    """The lines that a new `python -m module arguments…` prints when it reads `order` as JSON.

    Raises LabError with its last words where it fails, or where it does not end in time.
    """
    done = completed(
        [sys.executable, "-m", module, *arguments],
        order=json.dumps(order),
        environment=environment,
        limit_s=PYTHON_ENDS_WITHIN_S,
        late=f"A fresh process did not answer in {PYTHON_ENDS_WITHIN_S:g} s; is the machine "
        "overloaded?",
    )
    if done.returncode != 0:
        raise LabError(
            f"A fresh process ended before it had answered; it said: {last_words(done.stderr)}"
        )
    return done.stdout.splitlines()


def last_words(said: str, lines: int = 1) -> str:
    """The last lines that a program printed, on one line; "nothing" where there are none.

    >>> last_words("starting\\n\\nno port is free\\n")
    'no port is free'
    """
    spoken = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(spoken[-lines:]) or "nothing"
