"""Where a process's resident memory lies, as Linux counts it (/proc/PID/status).

    here = resident()
    here.private_bytes, here.mapped_bytes, here.peak_bytes

Memory that is asked for becomes resident page by page, when it is first written to.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from lab_utils.errors import LabError

STATUS = Path("/proc/self/status")
NO_HUGE_PAGES = 41
"""PR_SET_THP_DISABLE, of prctl(2)."""


@dataclass(frozen=True)
class Resident:
    """Bytes in memory.

    private_bytes: the process's own, written by it (RssAnon). mapped_bytes: pages of files, above
    all of libraries, which all processes that use the file share. peak_bytes: the most that was
    ever resident, both kinds together (VmHWM).
    """

    private_bytes: int
    mapped_bytes: int
    peak_bytes: int

    @property
    def resident_bytes(self) -> int:
        """The whole resident set."""
        return self.private_bytes + self.mapped_bytes

    def as_dict(self) -> dict[str, int]:
        """For sending it to another process."""
        return asdict(self)


def resident() -> Resident:
    """Of this process, now. Raises LabError where the system does not tell (other than Linux)."""
    try:
        kb = {
            name: int(value)
            for name, value in re.findall(r"^(\w+):\s+(\d+) kB", STATUS.read_text(), re.M)
        }
        mapped_kb = kb["RssFile"] + kb["RssShmem"]
        return Resident(1024 * kb["RssAnon"], 1024 * mapped_kb, 1024 * kb["VmHWM"])
    except (OSError, KeyError):
        raise LabError(
            f"{STATUS} does not say how much memory is resident; this is measured on Linux only."
        ) from None


def without_huge_pages() -> None:
    """Let this process's memory become resident in small pages, whatever the system prefers.

    Where huge pages are always on, the first byte of each array makes 2 MiB of it resident.
    """
    ctypes.CDLL(None).prctl(NO_HUGE_PAGES, 1, 0, 0, 0)
