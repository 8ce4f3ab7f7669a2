"""The course as a learner gets it: without solutions, their sources, or the wrong answers.

Gradescope gets the same, since answers run there beside it, with the two scripts that it calls.
"""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from lab_utils.errors import LabError
from lab_utils.files import ROOT, write_bytes

WITHHELD = (
    "solutions/*",
    "curriculum/*/lab.py",
    "curriculum/*/wrong/*",
    "tests/*",
    ".ci/*",
    ".github/*",
)
FOLDER = "inference-lab"
GRADESCOPE = Path(__file__).with_name("gradescope")
SCRIPTS = ("setup.sh", "run_autograder")
"""What Gradescope looks for at the top of an autograder's archive."""
ORDER = "order.json"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date in every entry, so that the same files give the same archive."""


def release(target: Path, root: Path = ROOT) -> list[str]:
    """Write a zip archive for learners; gives the names in it.

    It holds the files that git knows, less what is withheld. Raises LabError outside a git
    checkout.
    """
    names = _released(root)
    _write(target, {f"{FOLDER}/{name}": _file(root / name) for name in names})
    return names


def release_autograder(
    target: Path, unit: str, tasks: Sequence[str] = (), root: Path = ROOT
) -> list[str]:
    """Write the zip archive that Gradescope takes for a unit's lab; gives the names in it.

    tasks: the only ones to be graded there, default all. Raises LabError outside a git checkout.
    """
    files = {f"course/{name}": _file(root / name) for name in _released(root)}
    scripts = {name: _file(GRADESCOPE / name) for name in SCRIPTS}
    order = json.dumps({"unit": unit, "tasks": list(tasks)}).encode()
    _write(target, scripts | {ORDER: (order, 0o644)} | files)
    return [*scripts, ORDER, *files]


def is_withheld(name: str) -> bool:
    """Whether a learner must not get this file (a path below the checkout).

    >>> is_withheld("solutions/1_resnet_service/lab.ipynb"), is_withheld("labs/1_x/lab.ipynb")
    (True, False)
    """
    path = PurePosixPath(name)
    folders = [path, *path.parents]
    return any(folder.match(pattern) for folder in folders for pattern in WITHHELD)


def _released(root: Path) -> list[str]:
    return [name for name in _tracked(root) if not is_withheld(name)]


def _file(path: Path) -> tuple[bytes, int]:
    """A file's content and its mode in an archive."""
    return path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644


def _write(target: Path, files: dict[str, tuple[bytes, int]]) -> None:
    """The same files give the same archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (content, mode) in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    write_bytes(target, stream.getvalue())


def _tracked(root: Path) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(f"{root} is not a git checkout; make a release from a clone.")
    return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]
