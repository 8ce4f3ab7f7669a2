import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lab_utils.components import catalogue
from lab_utils.errors import LabError
from lab_utils.machine.cores import available_cores
from lab_utils.optimize.artefacts import MANIFEST
from lab_utils.optimize.comparison import largest_difference, top1_agreement
from lab_utils.optimize.making import made_together
from lab_utils.optimize.variant import Floats, Runner
from lab_utils.optimize.variants import INT8, REFERENCE, VARIANTS, load, variant
from tests.optimize.saved import HERE, artefact, model

pytestmark = pytest.mark.alone  # it computes with all cores

TOLERANCES = {"fp32": (1e-3, 16), "bf16": (0.1, 15), "int8": (0.4, 13)}
"""Largest difference, in parts of the largest logit, and how many of 16 labels must stay.

fp32 has 24 bits, bf16 has 8; int8 has 256 steps a layer; fifty layers round in turn.
"""
THREADS = available_cores()
"""As many as compiled code was prepared with: it is compiled again for another number."""
SAVED = ("eager", "TorchScript", "AOTInductor", "ONNX Runtime", "OpenVINO fp32")
"""One variant for each kind of file."""


@pytest.fixture(scope="module", autouse=True)
def all_made() -> None:
    """Side by side; one after the other, two of them keep the compiler's one core busy in turn."""
    recipes = {name: VARIANTS[name].recipe for name in HERE}
    made_together(recipes, model().network, len(model().labels))


@pytest.fixture(scope="module")
def runner(request: pytest.FixtureRequest) -> Runner:
    """The variant that a test names, loaded; pytest lets it go before it loads the next."""
    return load(request.param, artefact(request.param), THREADS)


def of(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("runner", names, indirect=True)


@pytest.fixture(scope="module")
def reference(inputs: Floats) -> Floats:
    with torch.no_grad():
        scores: Floats = model().network(torch.from_numpy(inputs)).numpy()
    return scores


@of(*HERE)
def test_a_variant_answers_as_the_network_does(
    runner: Runner, inputs: Floats, reference: Floats
) -> None:
    logits = np.concatenate([runner(picture[None]) for picture in inputs])
    tolerance, same = TOLERANCES[runner.precision]
    assert logits.dtype == np.float32
    assert largest_difference(logits, reference) <= tolerance * np.abs(reference).max()
    assert top1_agreement(logits, reference) >= same / 16


@of(*HERE)
def test_a_variant_says_what_runs_it(runner: Runner, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["runner"]
    assert runner.threads == THREADS
    assert any(character.isdigit() for character in runner.engine)
    if "bf16" not in name:
        assert runner.precision == ("int8" if name in INT8 else "fp32")


@of(*(name for name in SAVED if name in HERE))
def test_the_order_in_memory_does_not_change_the_answer(runner: Runner, inputs: Floats) -> None:
    other = np.ascontiguousarray(inputs[:1].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not other.flags.c_contiguous
    np.testing.assert_array_equal(runner(other), runner(np.ascontiguousarray(inputs[:1])))


@pytest.mark.skipif("torch.compile" not in HERE, reason="needs a compiler")
@of("torch.compile")
def test_an_axis_that_was_added_does_not_compile_again(runner: Runner, inputs: Floats) -> None:
    picture = np.ascontiguousarray(inputs[0])
    assert picture[None].strides[0] == 0
    with torch.compiler.set_stance("fail_on_recompile"):
        runner(picture[None])


@of("ONNX Runtime")
def test_tensors_and_arrays_are_the_same_to_a_variant(runner: Runner, inputs: Floats) -> None:
    np.testing.assert_array_equal(runner(torch.from_numpy(inputs)), runner(inputs))


@of("ONNX Runtime")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((1, 224, 224, 3), np.float32), r"expected float32 of shape \(N, 3, 224, 224\)"),
        (np.zeros((3, 224, 224), np.float32), r"of shape \(3, 224, 224\)"),
        (np.zeros((0, 3, 224, 224), np.float32), r"of shape \(0, 3, 224, 224\)"),
        (np.zeros((1, 3, 224, 224), np.uint8), "The inputs are uint8"),
        ("a picture", "The inputs are <U9"),
    ],
)
def test_other_inputs_are_refused(runner: Runner, wrong: object, message: str) -> None:
    with pytest.raises(LabError, match=message):
        runner(wrong)


@of("OpenVINO fp32")
def test_a_batch_that_was_not_prepared_is_refused(runner: Runner, inputs: Floats) -> None:
    with pytest.raises(LabError, match="load it with batch=2"):
        runner(inputs[:2])


def test_another_batch_can_be_loaded(inputs: Floats, reference: Floats) -> None:
    run = load("OpenVINO fp32", artefact("OpenVINO fp32"), threads=1, batch=2)
    assert run.batch == 2
    np.testing.assert_allclose(run(inputs[:2]), reference[:2], rtol=0.01, atol=0.01)


@pytest.mark.skipif("AOTInductor" not in HERE, reason="needs a compiler")
def test_code_compiled_for_one_batch_is_refused_for_another() -> None:
    with pytest.raises(LabError, match="takes 1 pictures at once; 2 were asked for"):
        load("AOTInductor", artefact("AOTInductor"), threads=1, batch=2)


@pytest.mark.parametrize("name", [name for name in SAVED if name in HERE])
def test_a_file_that_was_cut_short_is_refused(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(artefact(name).folder, tmp_path / "model"))
    largest = max(folder.iterdir(), key=lambda path: path.stat().st_size)
    whole = largest.stat().st_size
    with largest.open("r+b") as stream:
        stream.truncate(whole // 2)
    with pytest.raises(LabError, match=rf"{largest.name} has .* expected {whole:,}"):
        load(name, folder, threads=1)


@pytest.mark.parametrize("name", [name for name in SAVED if name in HERE])
def test_a_file_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    """The sizes agree, so each engine must find out for itself."""
    folder = Path(shutil.copytree(artefact(name).folder, tmp_path / "model"))
    for path in folder.iterdir():
        if path.name != MANIFEST:
            path.write_bytes(b"\x00\x01 no model " * (path.stat().st_size // 12 + 1))
    said = json.loads((folder / MANIFEST).read_text())
    said["files"] = {file: (folder / file).stat().st_size for file in said["files"]}
    (folder / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(LabError, match=f"could not be loaded as {name}"):
        load(name, folder, threads=1)


def test_another_models_file_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(artefact("ONNX Runtime").folder, tmp_path / "model"))
    said = json.loads((folder / MANIFEST).read_text())
    labels = said["labels"]
    said["labels"] = labels + 1
    (folder / MANIFEST).write_text(json.dumps(said))
    with pytest.raises(LabError, match=rf"expected \(1, {labels + 1}\): it is another model"):
        load("ONNX Runtime", folder, threads=1)


def test_another_variants_folder_is_refused() -> None:
    with pytest.raises(LabError, match="prepared for another variant"):
        load("ONNX Runtime", artefact("eager"), threads=1)


def test_a_folder_that_is_no_artefact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="holds no saved model"):
        load("ONNX Runtime", tmp_path, threads=1)


@pytest.mark.parametrize("threads", [0, -1, 10_000, 1.5, None])
def test_other_numbers_of_threads_are_refused(threads: object) -> None:
    with pytest.raises(LabError, match=f"expected 1 to {available_cores()}"):
        load("ONNX Runtime", artefact("ONNX Runtime"), threads=threads)  # type: ignore[arg-type]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LabError, match=f"expected one of {REFERENCE}, channels-last"):
        variant("onnx")


def test_what_is_missing_is_said_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "program", lambda name: None)
    with pytest.raises(LabError, match=r"torch.compile cannot run here. g\+\+ is missing; to get"):
        variant("torch.compile")
    assert VARIANTS["eager"].lacks() is None


def test_onnx_runtime_that_falls_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    class Fallen(onnxruntime.InferenceSession):  # type: ignore[misc]
        def get_providers(self) -> list[str]:
            return ["SomethingElse"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Fallen)
    with pytest.raises(LabError, match=r"runs on .*SomethingElse.*; expected CPUExecutionProvider"):
        load("ONNX Runtime", artefact("ONNX Runtime"), threads=1)
