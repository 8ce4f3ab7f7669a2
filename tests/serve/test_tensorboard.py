from pathlib import Path

import httpx
import psutil
import pytest
import torch

from lab_utils.errors import LabError
from lab_utils.measure.profile import pytorch
from lab_utils.serve import tensorboard


def test_it_finds_the_trace_answers_on_loopback_and_ends(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trace = pytorch.tensorboard_trace(tmp_path, "one request")
    pytorch.profile(lambda: torch.ones(50, 50) @ torch.ones(50, 50), trace=trace)
    with tensorboard.TensorBoard(tmp_path) as board:
        assert board.url.startswith("http://127.0.0.1:")
        assert board.runs() == ["one request"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(board.url, trust_env=False)
    children = psutil.Process().children(recursive=True)
    assert not [child for child in children if "tensorboard" in " ".join(child.cmdline())]


def test_headless_it_is_started_asked_and_stopped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fake:
        def __init__(self, folder: Path) -> None:
            said.append("made")

        def __enter__(self) -> "Fake":
            said.append("started")
            return self

        def __exit__(self, *rest: object) -> None:
            said.append("stopped")

        def runs(self) -> list[str]:
            return ["one request"]

    said: list[str] = []
    monkeypatch.setattr(tensorboard, "TensorBoard", Fake)
    assert tensorboard.show(tensorboard.folder()) is None
    assert said == ["made", "started", "stopped"]
    assert "the PyTorch trace of: one request; and was stopped" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"There is no folder .*nothing; write a trace"):
        tensorboard.TensorBoard(tmp_path / "nothing")


def test_a_folder_without_a_trace_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard, "TIMEOUT_S", 0.5)
    with (
        tensorboard.TensorBoard(tmp_path) as board,
        pytest.raises(LabError, match="found no PyTorch trace in"),
    ):
        board.runs()
