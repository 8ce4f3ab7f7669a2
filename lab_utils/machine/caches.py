"""The processor's caches: which there are, and how many bytes each holds."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
LINE_BYTES = 64
"""What moves between a cache and memory at once, on x86-64 and most of ARM."""


def caches(folder: Path = FOLDER) -> dict[str, int]:
    """Bytes of each cache that holds data, from the first level on: {"L1": 49152, "L2": …}.

    What Linux reports for the first core; empty where it says nothing. A virtual machine may
    report a cache that it shares with others.
    """
    found = {}
    for index in sorted(folder.glob("index*")):
        try:
            kind = (index / "type").read_text().strip()
            level = (index / "level").read_text().strip()
            size = (index / "size").read_text().strip()
        except OSError:
            continue
        if kind in ("Data", "Unified"):
            found[f"L{level}"] = _bytes(size)
    return dict(sorted(found.items()))


def _bytes(size: str) -> int:
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    return int(size[:-1]) * units[size[-1]] if size[-1] in units else int(size)
