"""What stands in the file stays, is on disk, and a full disk is said and survived."""

import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab_utils.serve.fraud import audit_file
from lab_utils.serve.fraud.audit_file import AuditError, AuditFile, Entry, replayed, reserve_of

BEGINNERS, ROUNDS = 4, 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.sqlite"


def entry(number: int, said: str = "approve") -> Entry:
    return Entry(number, f'{{"transaction_id": {number}}}', said)


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """As on a disk with no more room than that."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, before)


def test_an_entry_counts_itself_or_the_earlier_one_does(path: Path) -> None:
    with closing(AuditFile(path)) as file:
        assert file.record([entry(1), entry(2), entry(1, "decline")]) == [None, None, entry(1)]
        assert file.record([entry(2, "review")]) == [entry(2)]
    assert list(replayed(path)) == [entry(1), entry(2)]


def test_several_that_begin_the_same_file_at_once_all_get_it(tmp_path: Path) -> None:
    def begin(number: int, path: Path, at_once: threading.Barrier) -> None:
        at_once.wait()
        with closing(AuditFile(path)) as file:
            assert file.record([entry(number)]) == [None]

    with ThreadPoolExecutor(BEGINNERS) as threads:
        for round_ in range(ROUNDS):
            path, at_once = tmp_path / str(round_), threading.Barrier(BEGINNERS)
            each = range(BEGINNERS)
            list(threads.map(begin, each, [path] * BEGINNERS, [at_once] * BEGINNERS))
            assert len(list(replayed(path))) == BEGINNERS


def test_a_commit_waits_for_the_disk(path: Path) -> None:
    with closing(AuditFile(path)) as file:
        assert file._file.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert file._file.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    "change", ["UPDATE answers SET answered = 'approve'", "DELETE FROM answers"]
)
def test_it_cannot_be_changed(path: Path, change: str) -> None:
    with closing(AuditFile(path)) as file:
        file.record([entry(1, "decline")])
    with sqlite3.connect(path) as file, pytest.raises(sqlite3.IntegrityError, match="never chang"):
        file.execute(change)
    assert list(replayed(path)) == [entry(1, "decline")]


def test_a_full_disk_is_an_error_and_the_file_goes_on_when_there_is_room(path: Path) -> None:
    with closing(AuditFile(path)) as file:
        file.record([entry(1)])
        with (
            no_file_beyond(200_000),
            pytest.raises(AuditError, match="No answer is sent unrecorded"),
        ):
            file.record([Entry(2, "x" * 400_000, "approve")])
        file.record([entry(3)])
    assert list(replayed(path)) == [entry(1), entry(3)]


def test_a_file_that_another_writes_is_looked_at_again_and_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, locked, waited = threading.Event(), threading.Event(), threading.Event()
    slept_s: list[float] = []

    def sleep(seconds: float) -> None:
        slept_s.append(seconds)
        if len(slept_s) == 8:
            waited.set()
        time.sleep(seconds)

    def write() -> list[Entry | None]:
        with closing(AuditFile(path)) as file:
            opened.set()
            locked.wait()
            return file.record([entry(1)])

    looked = SimpleNamespace(sleep=sleep, monotonic=time.monotonic)
    monkeypatch.setattr(audit_file, "time", looked)
    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        opened.wait()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            locked.set()
            assert waited.wait(30)
        assert writing.result() == [None]
    assert set(slept_s) == {audit_file.LOOK_S}  # never longer, however often it was busy


def test_a_file_that_another_never_lets_go_of_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        closing(AuditFile(path)) as file,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(audit_file, "BUSY_S", 0.05)
        with pytest.raises(AuditError, match=r"database is locked\. No answer is sent unrecorded"):
            file.record([entry(1)])


def test_a_disk_without_room_for_a_reserve_keeps_no_gateway_from_starting(path: Path) -> None:
    with no_file_beyond(200_000), closing(AuditFile(path, reserve_bytes=2**20)) as file:
        assert not reserve_of(path).exists()
        assert file.record([entry(1)]) == [None]
