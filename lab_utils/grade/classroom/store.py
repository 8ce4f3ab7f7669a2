"""The marks of a class in one SQLite file: rows are added, never changed.

    grades/results.sqlite    the store
    grades/notebooks/        each notebook that was graded, under its SHA-256
    grades/key               what seeds are mixed with

Every verdict is written in a transaction of its own before the next is waited for, so a run that
is killed at any moment loses nothing that was finished, and the next run grades only the rest. Only
the process that runs the class writes here; a lock keeps a second one out.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lab_utils.errors import LabError
from lab_utils.files import write_bytes
from lab_utils.grade.classroom.handed_in import HandedIn

STORE = "results.sqlite"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE submissions (
    learner TEXT, unit TEXT, content TEXT, version TEXT, source TEXT, problem TEXT,
    PRIMARY KEY (learner, unit)
);
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY, learner TEXT, unit TEXT, task TEXT, content TEXT, version TEXT,
    title TEXT, state TEXT, points REAL, out_of REAL, message TEXT, figures TEXT, isolation TEXT,
    duration_s REAL, machine TEXT, versions TEXT, seed_id TEXT, started TEXT, finished TEXT,
    verdict TEXT
);
CREATE INDEX by_submission ON verdicts (learner, unit, task, content, version);
CREATE TABLE again (
    learner TEXT, unit TEXT, task TEXT, PRIMARY KEY (learner, unit, task)
);
"""
UNREAD = ""
"""The task of the one verdict on a notebook that could not be read."""


@dataclass(frozen=True)
class Row:
    """One verdict as it was recorded; `verdict` is the whole of it, as `./lab grade --json`."""

    learner: str
    unit: str
    task: str
    content: str
    version: str
    verdict: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    seed_id: str
    started: str
    finished: str


@dataclass(frozen=True)
class Known:
    """A submission as it was last found."""

    learner: str
    unit: str
    content: str
    version: str
    source: str
    problem: str


class Store:
    """The store in a folder, made where there is none; locked for writing inside the block.

    Raises LabError where another run holds it, or the file is not such a store.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._read_only = read_only
        self._lock: int | None = None
        self._database: sqlite3.Connection

    def __enter__(self) -> Self:
        path = self.folder / STORE
        if self._read_only and not path.exists():
            raise LabError(
                f"{self.folder} holds no marks; run ./lab grade --out {self.folder} first."
            )
        try:
            if not self._read_only:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._lock = _locked(self.folder)
            self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self.__exit__()
            raise LabError(
                f"{path} is not a store of marks ({error}); name another folder with --out."
            ) from None
        except OSError as error:
            raise LabError(f"{self.folder} could not be used ({error.strerror}).") from None
        except LabError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_database"):
            self._database.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self, path: Path) -> None:
        run = self._database.execute
        (version,) = run("PRAGMA user_version").fetchone()
        if version == 0 and not run("SELECT 1 FROM sqlite_master").fetchone():
            os.chmod(path, 0o600)
            run("PRAGMA journal_mode = WAL")
            self._database.executescript(
                f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise LabError(
                f"{path} was written by another version of this lab (schema {version}, expected "
                f"{SCHEMA_VERSION}); name another folder with --out."
            )
        run("PRAGMA synchronous = FULL")

    def found(self, submission: HandedIn, version: str) -> None:
        """Note that this is what the learner now hands in, and keep a copy of the notebook."""
        if submission.content is not None:
            path = self.notebook(submission.digest)
            if not path.exists():
                write_bytes(path, submission.content)
        self._database.execute(
            "INSERT OR REPLACE INTO submissions VALUES (?, ?, ?, ?, ?, ?)",
            (
                submission.learner,
                submission.unit,
                submission.digest,
                version,
                submission.source,
                submission.problem,
            ),
        )

    def notebook(self, digest: str) -> Path:
        """Where the copy of a notebook stands."""
        return self.folder / "notebooks" / f"{digest}.ipynb"

    def is_graded(self, learner: str, unit: str, task: str, content: str, version: str) -> bool:
        """Whether there is a verdict on exactly this, which nobody asked to have anew."""
        row = self._database.execute(
            "SELECT 1 FROM verdicts WHERE learner = ?1 AND unit = ?2 AND task = ?3 AND content = ?4"
            " AND version = ?5 AND NOT EXISTS (SELECT 1 FROM again AS a WHERE a.learner = ?1 AND"
            " a.unit = ?2 AND a.task = ?3) LIMIT 1",
            (learner, unit, task, content, version),
        ).fetchone()
        return row is not None

    def ask_again(self, wanted: Iterable[tuple[str, str, str]]) -> None:
        """From now on these (learner, unit, task) count as not graded, until they are."""
        with self._transaction():
            self._database.executemany("INSERT OR IGNORE INTO again VALUES (?, ?, ?)", wanted)

    def record(self, row: Row) -> None:
        """Add a verdict; it is on the disk when this returns."""
        said = row.verdict
        with self._transaction():
            self._database.execute(
                f"INSERT INTO verdicts VALUES (NULL, {', '.join('?' * 19)})",
                (
                    row.learner,
                    row.unit,
                    row.task,
                    row.content,
                    row.version,
                    said["title"],
                    said["state"],
                    said["points"],
                    said["out_of"],
                    said["message"],
                    _json(said["figures"]),
                    said["isolation"],
                    said["duration_s"],
                    _json(row.machine),
                    _json(row.versions),
                    row.seed_id,
                    row.started,
                    row.finished,
                    _json(said),
                ),
            )
            self._database.execute(
                "DELETE FROM again WHERE learner = ? AND unit = ? AND task = ?",
                (row.learner, row.unit, row.task),
            )

    def submissions(self) -> list[Known]:
        """Every submission as it was last found, by unit and learner."""
        rows = self._database.execute("SELECT * FROM submissions ORDER BY unit, learner")
        return [Known(*row) for row in rows]

    def verdicts(self, known: Known) -> dict[str, Row]:
        """The verdicts that count for a submission, by task: the latest on its present content."""
        rows = self._database.execute(
            "SELECT learner, unit, task, content, version, verdict, machine, versions, seed_id,"
            " started, finished FROM verdicts WHERE learner = ? AND unit = ? AND content = ?"
            " AND version = ? ORDER BY id",
            (known.learner, known.unit, known.content, known.version),
        )
        return {row[2]: Row(*row[:5], *map(json.loads, row[5:8]), *row[8:]) for row in rows}

    def durations_s(self) -> dict[tuple[str, str], float]:
        """How long each (unit, task) took, on average, as far as it was ever graded."""
        rows = self._database.execute(
            "SELECT unit, task, avg(duration_s) FROM verdicts GROUP BY unit, task"
        )
        return {(unit, task): float(mean_s) for unit, task, mean_s in rows}

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    """All of a block's changes, or none."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False, sort_keys=True)


def _locked(folder: Path) -> int:
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise LabError(
            f"Another ./lab grade is at work in {folder}; wait for it, or name another --out."
        ) from None
    return descriptor
