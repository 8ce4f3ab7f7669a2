"""A small C program whose memory accesses are timed, and counted by valgrind's cachegrind.

    program = compiled(MEMORY_ACCESS)
    seconds(program, "nchw", 256, 3136, 20)          # the program's own clock, one a repeat
    cache_misses(program, "nchw", 256, 3136, 1)      # CacheMisses

cachegrind runs the program on a simulated processor with this machine's cache sizes: it needs no
hardware counters, which virtual machines hide, and it counts the same in every run.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab_utils.command import completed, last_words
from lab_utils.components.catalogue import needed
from lab_utils.errors import LabError
from lab_utils.files import cache_folder

MEMORY_ACCESS = Path(__file__).with_name("memory_access.c")
FLAGS = ("-O2", "-std=gnu11")
TIMEOUT_S = 120


@dataclass(frozen=True)
class CacheMisses:
    """Loads of data, those that the first-level cache did not hold, and those that none held."""

    loads: int
    first_level: int
    last_level: int

    def __sub__(self, other: CacheMisses) -> CacheMisses:
        return CacheMisses(
            self.loads - other.loads,
            self.first_level - other.first_level,
            self.last_level - other.last_level,
        )


def compiled(source: Path) -> Path:
    """The program of a C file; compiled on first use, then kept.

    Raises LabError where there is no compiler, or with what it said.
    """
    compiler = needed("cc")
    digest = hashlib.sha256(source.read_bytes() + repr((compiler, FLAGS)).encode()).hexdigest()
    path = cache_folder() / f"{source.stem}-{digest[:16]}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / source.stem
        _run([str(compiler), *FLAGS, "-o", str(made), str(source)])
        os.replace(made, path)
    return path


def seconds(made: Path, *arguments: object) -> list[float]:
    """What the program printed: seconds, one a line. Raises LabError where it failed."""
    return [float(line) for line in _run([str(made), *map(str, arguments)]).split()]


def cache_misses(made: Path, *arguments: object) -> CacheMisses:
    """Run the program under cachegrind and count. Raises LabError where valgrind is missing."""
    valgrind = needed("valgrind")
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts"
        options = ["--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={counts}"]
        _run([str(valgrind), *options, str(made), *map(str, arguments)])
        return parse(counts.read_text())


def parse(counts: str) -> CacheMisses:
    """The totals of a cachegrind output file.

    >>> parse("events: Ir Dr D1mr DLmr\\nsummary: 90 40 10 2\\n")
    CacheMisses(loads=40, first_level=10, last_level=2)
    """
    events = re.search(r"^events: (.+)$", counts, re.MULTILINE)
    totals = re.search(r"^summary: (.+)$", counts, re.MULTILINE)
    if events is None or totals is None:
        raise LabError("cachegrind's output has no totals; expected lines of events and summary.")
    found = dict(zip(events[1].split(), map(int, totals[1].split()), strict=True))
    return CacheMisses(found["Dr"], found["D1mr"], found["DLmr"])


def _run(command: list[str]) -> str:
    name = Path(command[0]).name
    late = f"{name} had not ended after {TIMEOUT_S} s."
    done = completed(command, limit_s=TIMEOUT_S, late=late)
    if done.returncode != 0:
        raise LabError(f"{name} ended with {done.returncode}; it said: {last_words(done.stderr)}")
    return done.stdout
