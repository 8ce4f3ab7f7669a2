"""What inputs are drawn from: a seed that only the instructor can know.

It depends on the instructor's key, the unit, the task and the notebook, and on nothing else: the
same submission is graded on the same inputs whoever grades it, in whatever order, on whatever
machine; another learner's inputs, or another task's, say nothing about it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from lab_utils.errors import LabError
from lab_utils.files import write_text

KEY = "key"
LEAST_CHARACTERS = 16


def key_in(folder: Path) -> bytes:
    """The key of the marks in a folder; made at the first call.

    Raises LabError where the file was emptied or cut.
    """
    path = folder / KEY
    if not path.exists():
        write_text(path, secrets.token_hex(32) + "\n")
        path.chmod(0o600)
    key = path.read_text().strip()
    if len(key) < LEAST_CHARACTERS:
        raise LabError(
            f"{path} holds {len(key)} characters, at least {LEAST_CHARACTERS} are needed; "
            "restore it, or remove it to draw other inputs from now on."
        )
    return key.encode()


def seed_of(key: bytes, unit: str, task: str, digest: str) -> int:
    """The seed for one task of one notebook: 63 bits."""
    said = hmac.new(key, f"{unit}/{task}/{digest}".encode(), hashlib.sha256).digest()
    return int.from_bytes(said[:8], "big") >> 1


def seed_id(seed: int) -> str:
    """What is recorded of a seed: enough to recognise it, not enough to use it."""
    return hashlib.sha256(str(seed).encode()).hexdigest()[:12]
