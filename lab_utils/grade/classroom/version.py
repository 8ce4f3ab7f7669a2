"""Which grader gave a mark: a digest of the sources that decide it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lab_utils.files import ROOT

DIGITS = 12


def version_of(unit: str, root: Path = ROOT) -> str:
    """A digest of the unit's tasks and of the grader beneath them.

    Sources that only collect, record and show marks are in folders of their own and do not count:
    a nicer report grades nobody anew.
    """
    folder = root / "curriculum" / unit
    return digest([*folder.glob("grader.py"), *folder.glob("tasks/**/*.py"), *_grader(root)], root)


@cache
def course_version(root: Path = ROOT) -> str:
    """A digest of all that grading may run: machines that grade a class together must agree."""
    graders = (root / "curriculum").glob("*/grader.py")
    tasks = (root / "curriculum").glob("*/tasks/**/*.py")
    return digest([*(root / "lab_utils").rglob("*.py"), *graders, *tasks], root)


def digest(paths: Iterable[Path], root: Path) -> str:
    """A digest of files' places below the root and their contents."""
    total = hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return total.hexdigest()[:DIGITS]


def _grader(root: Path) -> Iterable[Path]:
    return (root / "lab_utils" / "grade").glob("*.py")
