"""Files are whole or not there."""

import errno
import os
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.files import write_json, write_text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"
    write_text(path, "first")
    write_text(path, "second")
    assert path.read_text() == "second"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    ("cause", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only")],
)
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: int, words: str
) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail(_: int) -> None:
        raise OSError(cause, os.strerror(cause))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LabError, match=words):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []
