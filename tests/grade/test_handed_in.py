"""What a class hands in: in whatever form, and however it was meant."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab_utils.errors import LabError
from lab_utils.grade.classroom.handed_in import HandedIn, handed_in
from tests.grade.mixed_class import packed

UNIT = "1_toy"


def notebook(text: str = "", unit: str | None = UNIT) -> bytes:
    facts = {"inference_lab": {"unit": unit}} if unit else {}
    cell = {"cell_type": "code", "metadata": {}, "source": text}
    return json.dumps({"cells": [cell], "metadata": facts}).encode()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def only(path: Path, unit: str | None = None) -> HandedIn:
    (found,) = handed_in(path, unit)
    return found


def test_notebooks_folders_and_archives_are_learners(tmp_path: Path) -> None:
    put(tmp_path / "anna.ipynb", notebook("a"))
    put(tmp_path / "ben" / "deep" / "lab.ipynb", notebook("b"))
    put(tmp_path / "cem.zip", packed({"any/lab.ipynb": notebook("c"), "notes.txt": b"x"}))
    put(tmp_path / "dia" / "work.zip", packed({"lab.ipynb": notebook("d")}))
    put(tmp_path / "roster.csv", b"name\n")
    put(tmp_path / ".ipynb_checkpoints" / "anna-checkpoint.ipynb", notebook())
    found = list(handed_in(tmp_path, None))
    assert [(f.learner, f.unit, f.problem) for f in found] == [
        (name, UNIT, "") for name in ("anna", "ben", "cem", "dia")
    ]
    assert [f.content for f in found] == [notebook(text) for text in "abcd"]
    assert len({f.digest for f in found}) == 4


@pytest.mark.parametrize("wrapper", ["", "submissions/"])
def test_a_whole_class_in_one_archive(tmp_path: Path, wrapper: str) -> None:
    members = {
        f"{wrapper}anna.ipynb": notebook("a"),
        f"{wrapper}ben/lab.ipynb": notebook("b"),
        "__MACOSX/._anna.ipynb": b"junk",
    }
    path = put(tmp_path / "class.zip", packed(members))
    assert [(f.learner, f.problem) for f in handed_in(path, None)] == [("anna", ""), ("ben", "")]


@pytest.mark.parametrize("name", ["../../evil.ipynb", "/etc/evil.ipynb", "a/../../evil.ipynb"])
def test_a_path_that_leads_out_of_an_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "eve.zip", packed({"lab.ipynb": notebook(), name: notebook()}))
    found = only(path.parent)
    assert found.content is None
    assert "a path that leads out of it" in found.problem
    assert "\n" not in found.problem
    assert [p.name for p in tmp_path.iterdir()] == ["eve.zip"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.ipynb", notebook("secret"))
    folder = tmp_path / "class"
    put(folder / "ben" / "note.txt", b"")
    (folder / "eve.ipynb").symlink_to(secret)
    (folder / "ben" / "lab.ipynb").symlink_to(secret)
    link = zipfile.ZipInfo("lab.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "zoe.zip", "w") as archive:
        archive.writestr(link, str(secret))
    os.mkfifo(folder / "fifo.ipynb")
    found = {f.learner: f for f in handed_in(folder, None)}
    assert set(found) == {"ben", "eve", "fifo", "zoe"}
    assert all(f.content is None for f in found.values())
    assert "is a link" in found["ben"].problem
    assert "is not a regular file" in found["eve"].problem
    assert "a link ('lab.ipynb')" in found["zoe"].problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (notebook()[:30], "is not a notebook"),
        (b"", "is not a notebook"),
        (b"[" * 1_000_000, "is not a notebook"),
        (b'{"cells": 3}', "JSON but not a notebook"),
        (notebook(unit=None), "add --unit NAME"),
    ],
)
def test_what_cannot_be_graded_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    put(tmp_path / "anna.ipynb", content)
    put(tmp_path / "ben.ipynb", notebook())
    anna, ben = handed_in(tmp_path, None)
    assert said in anna.problem
    assert "\n" not in anna.problem
    assert ben.problem == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not an archive", "not a zip archive"),
        (packed({"lab.ipynb": notebook()})[:-30], "not a zip archive"),
        (packed({"notes.txt": b""}), "holds no notebook"),
        (packed({f"{i}.txt": b"" for i in range(2001)}), "more than 2000 files"),
        (packed({"lab.ipynb": bytes(60 * 2**20)}), "60 MB"),
    ],
)
def test_a_bad_archive_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    put(tmp_path / "anna.zip", content)
    assert said in only(tmp_path).problem


def test_a_damaged_member_costs_its_learner_only(tmp_path: Path) -> None:
    content = bytearray(packed({"lab.ipynb": notebook("x" * 10_000)}))
    content[60:70] = b"0123456789"
    put(tmp_path / "anna.zip", bytes(content))
    put(tmp_path / "ben.ipynb", notebook())
    anna, ben = handed_in(tmp_path, None)
    assert anna.content is None
    assert ben.problem == ""


def test_of_several_notebooks_the_one_of_the_usual_name_counts(tmp_path: Path) -> None:
    put(tmp_path / "anna" / "lab.ipynb", notebook("right"))
    put(tmp_path / "anna" / "old" / "lab-Copy1.ipynb", notebook("old"))
    put(tmp_path / "anna" / "scratch.ipynb", notebook("scratch", unit=None))
    put(tmp_path / "ben" / "a.ipynb", notebook("one"))
    put(tmp_path / "ben" / "b.ipynb", notebook("other"))
    put(tmp_path / "cem" / "lab.ipynb", notebook("unit 1"))
    put(tmp_path / "cem" / "lab2.ipynb", notebook("unit 2", unit="2_toy"))
    put(tmp_path / "dia.ipynb", notebook("same"))
    put(tmp_path / "dia" / "lab.ipynb", notebook("same"))
    found = list(handed_in(tmp_path, None))
    assert [(f.learner, f.unit, f.content is not None) for f in found] == [
        ("anna", "1_toy", True),
        ("ben", "1_toy", False),
        ("cem", "1_toy", True),
        ("cem", "2_toy", True),
        ("dia", "1_toy", True),
    ]
    assert found[0].content == notebook("right")
    assert "handed in 2 notebooks" in found[1].problem


def test_a_unit_that_was_named_is_the_only_one_read(tmp_path: Path) -> None:
    put(tmp_path / "anna.ipynb", notebook(unit=None))
    put(tmp_path / "ben.ipynb", notebook(unit="2_toy"))
    anna, ben = handed_in(tmp_path, "1_toy")
    assert (anna.unit, anna.problem) == ("1_toy", "")
    assert "holds no notebook for 1_toy" in ben.problem


def test_an_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="holds no submissions; expected a notebook, folder or zip"):
        list(handed_in(tmp_path, None))


def test_a_name_that_is_not_text_stays_a_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"anna\xff.ipynb")).write_bytes(notebook())
    assert only(tmp_path).learner.encode() == "anna\ufffd".encode()


def test_a_huge_notebook_is_refused_in_little_memory(tmp_path: Path) -> None:
    """200 MB as a file and as an archive that unpacks to it, in less than 200 MB."""
    with (tmp_path / "anna.ipynb").open("wb") as stream:
        stream.truncate(200 * 2**20)
    put(tmp_path / "ben.zip", packed({"lab.ipynb": bytes(200 * 2**20)}))
    program = (
        "import sys; from pathlib import Path\n"
        "from lab_utils.grade.classroom.handed_in import handed_in\n"
        "print([f.problem for f in handed_in(Path(sys.argv[1]), None)])\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(next(line.split()[1] for line in status.splitlines() if 'VmHWM' in line))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    said, peak_kb = done.stdout.splitlines()
    assert said.count("has 200 MB; a lab notebook has at most 25 MB") == 2
    assert int(peak_kb) < 200 * 1024
