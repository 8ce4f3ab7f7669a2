"""A recording as text: a thing a line; empty lines and lines that begin with # are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lab_utils.errors import LabError


def lines_of(path: str | Path, expected: str) -> Iterator[tuple[int, str]]:
    """Each line that says something, with its number, from 1; without spaces around it.

    expected: what a file holds, for the message ("one number of seconds a line"). Raises LabError
    where it cannot be read, or is not text.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise LabError(f"{path} could not be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise LabError(f"{path} is not text; expected {expected}.") from None
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text
