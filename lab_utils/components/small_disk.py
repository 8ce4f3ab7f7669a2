"""A disk of a few megabytes, to be filled: a tmpfs, mounted while the block runs.

    with SmallDisk(megabytes=24) as disk:
        disk.folder
        disk.fill()         # until nothing more fits
        disk.clear()        # what `fill` wrote is gone

Only root may mount. It lies in memory: what is flushed to it is there at once, and gone with it. A
process of its own mounts it and unmounts it, so it goes with a killed kernel, too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Self

from lab_utils.components.process import Process
from lab_utils.errors import LabError

MOUNTED = "mounted"
KEEP = f"""
trap 'umount -l "$1"; exit' TERM INT
mount -t tmpfs -o "size=$2,mode=700" tmpfs "$1" || exit 1
echo {MOUNTED}
while :; do sleep 3600 & wait $!; done
"""
FILLER = "filler"
CHUNK = bytes(64 * 1024)


class SmallDisk:
    """The disk, there only inside the `with` block.

    Raises LabError where this machine does not let it be mounted; `possible` says so before.
    """

    def __init__(self, megabytes: float) -> None:
        self._size = round(megabytes * 2**20)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._keeper: Process | None = None
        self.folder = Path()

    @staticmethod
    def possible() -> bool:
        """Whether this process may mount, as far as that can be told without trying."""
        return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None

    def __enter__(self) -> Self:
        if not self.possible():
            raise LabError("A small disk needs mount and root, on Linux; run this as root.")
        self._folder = tempfile.TemporaryDirectory(prefix="small-disk-")
        self.folder = Path(self._folder.name)
        self._keeper = keeper = Process(
            "A small disk",
            ["sh", "-c", KEEP, "sh", str(self.folder), str(self._size)],
            ready=lambda: MOUNTED in keeper.log(),
        )
        try:
            keeper.__enter__()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._keeper is not None
        assert self._folder is not None
        self._keeper.__exit__()
        self._folder.cleanup()

    def fill(self) -> None:
        """Write until there is no room for one byte more."""
        chunk = CHUNK
        with open(self.folder / FILLER, "ab", buffering=0) as file:
            while chunk:
                try:
                    if file.write(chunk) < len(chunk):
                        chunk = chunk[: len(chunk) // 2]
                except OSError:
                    chunk = chunk[: len(chunk) // 2]

    def clear(self) -> None:
        """Delete what `fill` wrote."""
        (self.folder / FILLER).unlink(missing_ok=True)
