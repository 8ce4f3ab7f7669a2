"""Nsight Systems: a timeline of named ranges, operating-system calls and GPU kernels.

    nsys = catalogue.program("nsys")
    profile = nsight.run(nsys, [sys.executable, "program.py"])

A program names its ranges with NVTX: `torch.cuda.nvtx.range("decode")`, which needs no GPU. Inside
each range the calls that may wait (sleep, read, poll, a lock) are recorded with their length, which
is what samplers leave out. Recordings are read from nsys's own sqlite export.

What worked on a machine without a GPU: version 2022.4.2 with exactly the options below (others
hung). Debian's package puts nsys and its importer into two folders where the one does not find the
other; the importer is then run from here.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab_utils.command import completed
from lab_utils.errors import LabError
from lab_utils.measure.profile.result import Profile, Row, Stack, largest_first, rows_of_stacks

OPTIONS = ("-t", "nvtx,osrt", "-s", "none", "--cpuctxsw=none")
OPTIONS_GPU = ("-t", "nvtx,osrt,cuda", "-s", "none", "--cpuctxsw=none")
MAY_TAKE_S = 120.0
PUSH_POP_RANGE = 59
"""NvtxPushPopRange in the export's table ENUM_NSYS_EVENT_TYPE."""
BLIND_TO = (
    "whatever has no named range: the program has to be annotated, library by library",
    "Python functions and operators: a range's own time is not divided further",
    "operating-system calls shorter than a microsecond, which it leaves out",
    "running against waiting for a core, without the right to trace context switches",
)


@dataclass(frozen=True)
class _Event:
    start_ns: int
    end_ns: int
    thread: int
    name: str


def run(
    program: Path,
    command: Sequence[str],
    *,
    gpu: bool = False,
    report: Path | None = None,
    may_take_s: float = MAY_TAKE_S,
) -> Profile:
    """Run a command to its end under nsys and read what it recorded.

    program: nsys. gpu: trace CUDA, too. report: where to keep the .nsys-rep file for nsys's own
    viewer. Raises LabError with nsys's words where it makes no report.
    """
    if not command:
        raise LabError("No command was given; expected a program and its arguments.")
    with tempfile.TemporaryDirectory(prefix="inference-lab-nsys-") as folder:
        made = Path(folder, "recording.nsys-rep")
        options = OPTIONS_GPU if gpu else OPTIONS
        said = _call(
            [str(program), "profile", *options, "-o", str(made.with_suffix("")), *command],
            may_take_s,
        )
        raw = made.with_suffix(".qdstrm")
        if not made.exists() and raw.exists():
            importer = _importer(program)
            said = _call([str(importer), "-i", str(raw), "-o", str(made)], may_take_s)
        if not made.exists():
            raise LabError(f"nsys made no report of {command[0]}; it said: {said[-400:].strip()}")
        export = made.with_suffix(".sqlite")
        said = _call(
            [str(program), "export", "--type", "sqlite", "-o", str(export), str(made)], may_take_s
        )
        if not export.exists():
            raise LabError(f"nsys exported nothing; it said: {said[-400:].strip()}")
        if report is not None:
            report.parent.mkdir(parents=True, exist_ok=True)
            made.replace(report)
        return read(export, trace=report)


def read(export: Path, *, trace: Path | None = None) -> Profile:
    """The profile in nsys's sqlite export.

    Ranges nest on their thread; operating-system calls are kept where they lie inside a range, or
    all of them where the program named none. GPU kernels, if any, are rows of their own.

    Raises LabError where the file is no such export, or holds none of these.
    """
    if not export.is_file():
        raise LabError(f"There is no file {export}; expected an sqlite export of nsys.")
    database = sqlite3.connect(f"file:{export}?mode=ro", uri=True)
    try:
        ranges = list(_ranges(database))
        calls = list(_calls(database))
        kernels = list(_kernels(database))
        version = _version(database)
    except sqlite3.DatabaseError as error:
        raise LabError(
            f"{export.name} is no sqlite export of nsys ({error}); make one with "
            "nsys export --type sqlite."
        ) from None
    finally:
        database.close()
    stacks, counts = _nest(ranges, calls)
    rows = [*rows_of_stacks(stacks, counts), *_kernel_rows(kernels)]
    events = [*(ranges or calls), *kernels]
    if not events:
        raise LabError(
            f"{export.name} holds no range, call or kernel; name ranges in the program with "
            'torch.cuda.nvtx.range("name").'
        )
    return Profile(
        tool=f"Nsight Systems {version}",
        counts="wall-clock time of named ranges and of the waits inside them",
        rows=largest_first(rows),
        blind_to=BLIND_TO,
        elapsed_s=(max(e.end_ns for e in events) - min(e.start_ns for e in events)) / 1e9,
        stacks=stacks | {(r.name,): r.self_s for r in _kernel_rows(kernels)},
        trace=trace,
    )


def _ranges(database: sqlite3.Connection) -> Iterator[_Event]:
    if _has(database, "NVTX_EVENTS"):
        query = """
            SELECT start, end, globalTid, coalesce(text, value, '(no name)')
            FROM NVTX_EVENTS LEFT JOIN StringIds ON StringIds.id = textId
            WHERE eventType = ? AND end IS NOT NULL"""
        yield from (_Event(*row) for row in database.execute(query, [PUSH_POP_RANGE]))


def _calls(database: sqlite3.Connection) -> Iterator[_Event]:
    if _has(database, "OSRT_API"):
        query = """
            SELECT start, end, globalTid, value || ' (operating system)'
            FROM OSRT_API JOIN StringIds ON StringIds.id = nameId
            WHERE end > start"""
        yield from (_Event(*row) for row in database.execute(query))


def _kernels(database: sqlite3.Connection) -> Iterator[_Event]:
    if _has(database, "CUPTI_ACTIVITY_KIND_KERNEL"):
        query = """
            SELECT start, end, streamId, value || ' (GPU)'
            FROM CUPTI_ACTIVITY_KIND_KERNEL JOIN StringIds ON StringIds.id = shortName"""
        yield from (_Event(*row) for row in database.execute(query))


def _has(database: sqlite3.Connection, table: str) -> bool:
    query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    return bool(database.execute(query, [table]).fetchone()[0])


def _version(database: sqlite3.Connection) -> str:
    query = "SELECT value FROM EXPORT_META_DATA WHERE name = 'EXPORT_PRODUCT_VERSION'"
    found = database.execute(query).fetchone()
    return str(found[0]) if found else "(unknown version)"


def _nest(
    ranges: Sequence[_Event], calls: Sequence[_Event]
) -> tuple[dict[Stack, float], dict[str, int]]:
    """Self seconds by the names that were open on the thread, and how often each began."""
    is_range = set(ranges)
    threads: dict[int, list[_Event]] = defaultdict(list)
    for event in (*ranges, *calls):
        threads[event.thread].append(event)
    stacks: dict[Stack, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for events in threads.values():
        opened: list[_Event] = []
        for event in sorted(events, key=lambda e: (e.start_ns, -e.end_ns)):
            while opened and opened[-1].end_ns <= event.start_ns:
                opened.pop()
            if is_range and event not in is_range and not opened:
                continue
            outer = tuple(e.name for e in opened)
            end_ns = min([event.end_ns, *(e.end_ns for e in opened)])
            seconds = (end_ns - event.start_ns) / 1e9
            stacks[(*outer, event.name)] += seconds
            if outer:
                stacks[outer] -= seconds
            counts[event.name] += 1
            opened.append(event)
    return dict(stacks), dict(counts)


def _kernel_rows(kernels: Sequence[_Event]) -> list[Row]:
    durations: dict[str, list[int]] = defaultdict(list)
    for kernel in kernels:
        durations[kernel.name].append(kernel.end_ns - kernel.start_ns)
    return [Row(n, sum(ns) / 1e9, sum(ns) / 1e9, len(ns)) for n, ns in durations.items()]


def _importer(program: Path) -> Path:
    """QdstrmImporter, in the folder host-linux-x64 beside one of the links that lead to nsys."""
    link = program
    while True:
        importer = link.parent.parent / "host-linux-x64" / "QdstrmImporter"
        if importer.is_file():
            return importer
        if not link.is_symlink():
            raise LabError(
                f"nsys is at {program}, but its importer is not: no host-linux-x64/QdstrmImporter "
                "beside it. Link that folder of the package beside target-linux-x64."
            )
        link = link.parent / link.readlink()


def _call(command: Sequence[str], may_take_s: float) -> str:
    """What the program says; an error only where it does not end, since nsys passes on statuses."""
    late = (
        f"{Path(command[0]).name} did not end in {may_take_s:g} s. Versions differ in the "
        "options with which they hang; 2022.4.2 is known to work."
    )
    try:
        done = completed(command, limit_s=may_take_s, late=late)
    except OSError as error:
        raise LabError(f"{command[0]} cannot be run: {error.strerror}; expected nsys.") from None
    return done.stdout + done.stderr
