"""Files are whole or not there."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.files import folder_beside, write_json, write_text


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


def test_a_folder_takes_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "kept" / "model"
    with folder_beside(target) as beside:
        beside.mkdir()
        (beside / "weights").write_text("first")
        assert not target.exists()
    with suppress(LabError), folder_beside(target) as beside:
        beside.mkdir()
        raise LabError("It could not be made.")
    assert (target / "weights").read_text() == "first"
    assert [path.name for path in target.parent.iterdir()] == ["model"]
