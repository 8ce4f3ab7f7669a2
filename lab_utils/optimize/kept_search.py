"""What a search for fast programs has left behind: Apache TVM's tuning database, and its origin.

    search = kept_search.load()      # this machine's own, else the one that the course carries
    search.machine, search.date, search.best_so_far_ms()
    search.lacks()                   # a sentence where its programs cannot run here, else None

A database names programs (tiles, order, vector width, pieces for threads), not machine code: TVM
generates the code anew, in a second. The best program is kept, and the times of all.
"""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.errors import LabError
from lab_utils.files import ROOT, cache_folder
from lab_utils.machine.facts import facts

COURSE = ROOT / "data" / "tvm"
"""The searches that the course carries: one folder for each of LEVELS."""
LEVELS = {"AVX-512": "skylake-avx512", "AVX2": "core-avx2"}
"""What programs may need of a processor, the newest first, and how TVM names such a processor."""
ORIGIN = "origin.json"
RECORDS = "database_tuning_record.json"
WORKLOADS = "database_workload.json"
FILES = (ORIGIN, RECORDS, WORKLOADS)
NEEDED = {"needs", "target", "machine", "date", "duration_s", "trials_ms", "recorded_ms", "built"}
FAILED_S = 1e9
"""TVM writes 1e10 s for a program that did not compile or did not end."""


@dataclass(frozen=True)
class Search:
    """A search that is over.

    origin: target, shapes, machine, date, duration_s, trials_ms (in the order in which they were
    tried; None for those that failed), recorded_ms (the layer by each program, on that machine),
    built (what TVM told of its own).
    """

    folder: Path
    origin: dict[str, Any]

    @property
    def needs(self) -> str:
        """The instructions that its programs use: one of LEVELS."""
        return str(self.origin["needs"])

    @property
    def machine(self) -> str:
        """Its processor, with the number of cores that it used."""
        return f"{self.origin['machine']['processor']}, {self.origin['machine']['cores']} cores"

    @property
    def date(self) -> str:
        """The day on which it ended."""
        return str(self.origin["date"])

    @property
    def trials(self) -> int:
        """Programs that it tried."""
        return len(self.origin["trials_ms"])

    @property
    def duration_s(self) -> float:
        """Seconds that it took, with all cores."""
        return float(self.origin["duration_s"])

    @property
    def recorded_s(self) -> dict[str, float]:
        """Seconds for the layer by each program, on the machine of the search."""
        return {name: value / 1e3 for name, value in self.origin["recorded_ms"].items()}

    @property
    def built(self) -> dict[str, dict[str, Any]]:
        """What TVM told of each of its programs there: loops, and whether the database knew it."""
        return dict(self.origin["built"])

    @property
    def is_own(self) -> bool:
        """Whether it was made on this machine by the learner, not carried by the course."""
        return self.folder.parent != COURSE

    def best_so_far_ms(self) -> list[float]:
        """After each trial that ran, the time of the best program found until then."""
        best: list[float] = []
        for tried in self.origin["trials_ms"]:
            if tried is not None:
                best.append(min(tried, best[-1]) if best else tried)
        return best

    def lacks(self) -> str | None:
        """Why its programs cannot run here, as a sentence; None where they can."""
        if platform.machine() in ("x86_64", "AMD64") and self.needs in facts().instruction_sets:
            return None
        return (
            f"The kept programs are for x86-64 with {self.needs}; this machine is "
            f"{platform.machine()} ({facts().processor})."
        )

    def for_older_processors(self) -> Search | None:
        """The course's search for processors with less, where there is one."""
        levels = list(LEVELS)
        older = levels[levels.index(self.needs) + 1 :]
        return read(folder_of(older[0])) if older else None

    def copy_to(self, folder: Path) -> None:
        """Its files, into a folder that may not be there yet."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copy(self.folder / name, folder)


def folder_of(level: str) -> Path:
    """Where the course keeps the search for a level."""
    return COURSE / level.lower().replace("-", "")


def own_folder() -> Path:
    """Where this machine's own search is kept."""
    return cache_folder() / "tvm-search"


def load() -> Search:
    """This machine's own search where there is one, else the course's that suits it best."""
    if (own_folder() / ORIGIN).exists():
        return read(own_folder())
    searches = [read(folder_of(level)) for level in LEVELS]
    return next((search for search in searches if search.lacks() is None), searches[-1])


def read(folder: Path) -> Search:
    """The search in a folder. Raises LabError where it is not whole."""
    try:
        origin = json.loads((folder / ORIGIN).read_text())
        whole = all((folder / name).stat().st_size > 0 for name in FILES)
        missing = NEEDED - set(origin)
    except (OSError, ValueError):
        whole, missing = False, set()
    if not whole or missing:
        raise LabError(
            f"{folder} holds no search that is whole: expected {', '.join(FILES)}; "
            "delete the folder, or search again: python -m lab_utils.optimize.tune"
        )
    return Search(folder, origin)


def trials_ms(records: str) -> list[float | None]:
    """The median of each record's runs, in the order of the file; None where a program failed.

    >>> trials_ms('[0, [["trace"], [0.004, 0.002, 0.003], "target", "shapes"]]\\n')
    [3.0]
    """
    times: list[float | None] = []
    for line in records.splitlines():
        runs = sorted(json.loads(line)[1][1])
        middle = runs[len(runs) // 2]
        times.append(None if middle > FAILED_S else round(1e3 * middle, 4))
    return times


def best_record(records: str) -> str:
    """The one line of a database of one layer whose program was fastest."""
    times = trials_ms(records)
    ran = [(time, index) for index, time in enumerate(times) if time is not None]
    if not ran:
        raise LabError("No program of the search ran; search on with more trials.")
    return records.splitlines()[min(ran)[1]] + "\n"
