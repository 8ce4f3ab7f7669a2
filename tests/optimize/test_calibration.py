from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.progress import track

from lab_utils.errors import LabError
from lab_utils.optimize.artefacts import Artefact, Recipe, prepared
from lab_utils.optimize.calibration import (
    COUNTS,
    RANGES,
    measure_ranges,
    noise,
    photographs,
    pixels,
    quantise,
    quiet,
    static,
)
from lab_utils.optimize.graph import onnxruntime_graph
from lab_utils.optimize.variant import Floats
from tests.optimize.saved import model

CONVOLUTIONS = 53


def made(recipe: Recipe) -> Artefact:
    return prepared(recipe, model().network, len(model().labels), batch=1)


def ranges(count: int) -> dict[str, tuple[float, float]]:
    from onnxruntime.quantization.calibrate import load_tensors_data

    found = load_tensors_data(made(RANGES["photographs"]).folder / f"ranges-{count}.json")
    return {
        name: (float(np.min(data.range_value[0])), float(np.max(data.range_value[1])))
        for name, data in found.items()
    }


def test_ranges_grow_with_the_pictures_shown() -> None:
    counts = COUNTS["photographs"]
    wider = 0
    for few, more in pairwise(counts):
        narrow, wide = ranges(few), ranges(more)
        assert set(narrow) == set(wide)
        assert all(wide[t][0] <= low and high <= wide[t][1] for t, (low, high) in narrow.items())
        wider += sum(wide[tensor] != narrow[tensor] for tensor in narrow)
    assert wider > len(ranges(1))


def test_the_range_of_the_input_is_that_of_the_pictures() -> None:
    shown = photographs(4)
    assert ranges(4)["pictures"] == pytest.approx((shown.min(), shown.max()))


def test_what_is_shown_is_what_it_is_called(inputs: Floats) -> None:
    shown = photographs(4)
    assert shown.shape == (4, 3, 224, 224)
    assert all(np.abs(shown[0] - picture).max() > 0.1 for picture in inputs)
    bare = pixels(4)
    assert -1e-6 < bare.min() < 0.05
    assert 0.95 < bare.max() < 1 + 1e-6
    assert noise(2).mean() == pytest.approx(0, abs=0.02)
    assert noise(2).std() == pytest.approx(1, abs=0.02)
    assert {a.dtype for a in (shown, bare, noise(1))} == {np.dtype(np.float32)}


def test_layers_that_are_spared_compute_in_fp32_and_no_others_do() -> None:
    graph = onnxruntime_graph(made(static(floating=("layer4.2.conv3", "fc"))), threads=1).counts()
    in_fp32 = sum(count for label, count in graph.items() if label.startswith("Conv"))
    assert (in_fp32, graph["QLinearConv"]) == (1, CONVOLUTIONS - 1)
    assert "QGemm" not in graph
    assert graph["MatMul"] == 1


def test_what_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"8 of 'noise' was asked for; kept are .*16 of 'noise'"):
        static("noise", 8)
    with pytest.raises(LabError, match="of 'cats'"):
        static("cats")
    base = made(RANGES["photographs"]).folder
    with pytest.raises(LabError, match=r"conv99 were to stay in fp32; the network has conv1, "):
        quantise(
            base / "cleaned.onnx",
            tmp_path / "model.onnx",
            base / "ranges-1.json",
            per_channel=True,
            floating=("conv99",),
        )
    with pytest.raises(LabError, match="at least one"):
        measure_ranges(
            base / "cleaned.onnx", np.zeros((0, 3, 224, 224), np.float32), {1: tmp_path / "r.json"}
        )
    assert list(tmp_path.iterdir()) == []


def test_quantising_writes_nothing_beside_its_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """ONNX Runtime puts a file there for a moment, and two that quantise one file would meet."""
    import onnx

    base = made(RANGES["photographs"]).folder
    written: list[Path] = []
    infer = onnx.shape_inference.infer_shapes_path

    def spy(source: str, target: str) -> None:
        written.append(Path(target).parent)
        infer(source, target)

    monkeypatch.setattr(onnx.shape_inference, "infer_shapes_path", spy)
    target = tmp_path / "model.onnx"
    quantise(base / "cleaned.onnx", target, base / "ranges-1.json", per_channel=True)
    assert written
    assert base not in written


def test_a_bar_is_neither_printed_nor_displayed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a notebook rich makes a widget of it, which no redirection of stdout keeps back."""
    shown: list[object] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    notebook = Console(force_jupyter=True)
    monkeypatch.setattr("rich.progress.get_console", lambda: notebook)
    with quiet():
        assert list(track(range(3))) == [0, 1, 2]
    assert shown == []
    assert capsys.readouterr().out == ""
    list(track(range(3)))
    assert shown
