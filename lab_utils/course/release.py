"""The course as a learner gets it: without solutions, their sources, or the wrong answers."""

from __future__ import annotations

import io
import subprocess
import zipfile
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
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date in every entry, so that the same files give the same archive."""


def release(target: Path, root: Path = ROOT) -> list[str]:
    """Write a zip archive for learners; gives the names in it.

    It holds the files that git knows, less what is withheld. Raises LabError outside a git
    checkout.
    """
    stream = io.BytesIO()
    names = [name for name in _tracked(root) if not is_withheld(name)]
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", EPOCH)
            mode = 0o755 if (root / name).stat().st_mode & 0o100 else 0o644
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / name).read_bytes())
    write_bytes(target, stream.getvalue())
    return names


def is_withheld(name: str) -> bool:
    """Whether a learner must not get this file (a path below the checkout).

    >>> is_withheld("solutions/1_resnet_service/lab.ipynb"), is_withheld("labs/1_x/lab.ipynb")
    (True, False)
    """
    path = PurePosixPath(name)
    folders = [path, *path.parents]
    return any(folder.match(pattern) for folder in folders for pattern in WITHHELD)


def _tracked(root: Path) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(f"{root} is not a git checkout; make a release from a clone.")
    return [name for name in done.stdout.split("\0") if name and (root / name).is_file()]
