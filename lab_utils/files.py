"""Where files live, and how they are written: beside their place, then moved into it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from lab_utils.errors import LabError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: the folder that holds `lab`, `curriculum/` and `notebooks/`."""


def cache_folder() -> Path:
    """The folder for what can be made again (fitted weights, converted models).

    `INFERENCE_LAB_CACHE` names another one.
    """
    named = os.environ.get("INFERENCE_LAB_CACHE")
    return Path(named) if named else platformdirs.user_cache_path("inference-lab")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: a reader never sees half of it.

    Raises LabError, naming the file and the cause, where the disk is full or read-only.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise LabError(_explain(path, error)) from None


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for text, in UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    """`write_text` for a JSON document, indented for a person."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """Where to make a folder, which takes the target's place when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as name:
        yield (beside := Path(name) / target.name)
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)


def _explain(path: Path, error: OSError) -> str:
    causes = {
        errno.ENOSPC: "the disk is full; free some space and try again",
        errno.EROFS: "the file system is read-only; work in a copy that you may write to",
        errno.EACCES: "permission is denied; work in a copy that you may write to",
    }
    cause = causes.get(error.errno or 0, error.strerror or str(error))
    return f"{path} could not be written: {cause}."
