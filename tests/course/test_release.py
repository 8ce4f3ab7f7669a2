"""What a learner gets."""

import zipfile
from pathlib import Path

import pytest

from lab_utils.course.release import release
from lab_utils.errors import LabError
from lab_utils.files import ROOT


def test_a_release_holds_labs_and_no_solutions(tmp_path: Path) -> None:
    target = tmp_path / "course.zip"
    names = release(target)
    assert "lab" in names
    assert "labs/1_resnet_service/lab.ipynb" in names
    assert "notebooks/1_resnet_service/01_the_life_of_a_request.ipynb" in names
    with zipfile.ZipFile(target) as archive:
        held = {info.filename: info for info in archive.infolist()}
        text = b"".join(archive.read(name) for name in held if name.endswith((".ipynb", ".py")))
    assert not [n for n in held if "/solutions/" in n or "/wrong/" in n or n.endswith("/lab.py")]
    assert b"BEGIN SOLUTION\\n" not in text
    assert held["inference-lab/lab"].external_attr >> 16 == 0o755


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    release(tmp_path / "a.zip")
    release(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_no_checkout_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="is not a git checkout; make a release from a clone"):
        release(tmp_path / "a.zip", root=tmp_path)
    assert not (tmp_path / "a.zip").exists()


def test_every_withheld_folder_exists() -> None:
    assert (ROOT / "solutions").is_dir()
    assert list(ROOT.glob("curriculum/*/wrong"))
