from pathlib import Path

import numpy as np
import pytest

from lab_utils.errors import LabError
from lab_utils.files import ROOT
from lab_utils.measure.load import arrivals
from lab_utils.measure.load.lengths import Lengths, recorded

RECORDINGS = ROOT / "data" / "lengths"


def test_every_recording_has_its_arrivals_its_source_and_its_licence() -> None:
    for path in RECORDINGS.iterdir():
        lengths = recorded(path)
        came = arrivals.recorded(ROOT / "data" / "arrivals" / path.name)
        assert lengths.prompt_tokens.size == lengths.new_tokens.size == came.due_s.size
        head = path.read_text()[:600]
        assert "Source: " in head, path
        assert "licence" in head, path


def test_the_longest_is_a_prompt_with_its_own_answer() -> None:
    assert Lengths.of([5, 100, 20], [90, 1, 30]).longest == 101


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("5 6\n7\n", "line 2, is '7'; expected two whole numbers"),
        ("5 6 7\n", "line 1, is '5 6 7'"),
        ("# prompt answer\n5 0\n", "line 2, is '5 0'"),
        ("5 -6\n", "'5 -6'"),
        ("5 6.5\n", "'5 6.5'"),
        ("# nothing\n\n", "holds no lengths"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_text(content)
    with pytest.raises(LabError, match=message):
        recorded(path)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="could not be read"):
        recorded(tmp_path / "missing.txt")
    path = tmp_path / "picture.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabError, match="is not text"):
        recorded(path)


@pytest.mark.parametrize(("prompts", "news"), [([], []), ([1, 2], [3]), ([0], [1]), ([1], [0])])
def test_lengths_that_cannot_be_are_refused(prompts: list[int], news: list[int]) -> None:
    with pytest.raises(LabError, match="expected as many of both"):
        Lengths.of(np.array(prompts), np.array(news))
