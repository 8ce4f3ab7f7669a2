import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lab_utils.errors import LabError
from lab_utils.machine.facts import facts
from lab_utils.measure.profile import onnx as onnx_profile
from lab_utils.optimize.artefacts import Artefact, Recipe, prepared
from lab_utils.optimize.calibration import CLEANED, RANGES, static
from lab_utils.optimize.comparison import answers
from lab_utils.optimize.layer_errors import LayerError, layer_errors, relative_error
from lab_utils.optimize.onnx_layers import layer_times_s, onnx_layers
from lab_utils.optimize.variant import Floats
from tests.optimize.saved import artefact, model

LAYERS = 54


def made(recipe: Recipe) -> Artefact:
    return prepared(recipe, model().network, len(model().labels), batch=1)


@pytest.fixture(scope="module")
def errors(inputs: Floats) -> dict[str, LayerError]:
    cleaned = made(RANGES["photographs"]).folder / CLEANED
    return layer_errors(cleaned, made(static()).folder / "model.onnx", inputs[:2])


def test_an_error_is_relative_to_what_is_right() -> None:
    assert relative_error(np.array([3.0, 4.5]), np.array([3.0, 4.0])) == pytest.approx(0.1)
    assert relative_error(np.zeros(3), np.ones(3)) == 1
    for wrong in (np.ones(3), np.zeros(2)):
        with pytest.raises(LabError, match="not all zeros"):
            relative_error(wrong, np.zeros(2))


def test_layers_have_the_names_that_they_have_in_pytorch() -> None:
    layers = onnx_layers(artefact("ONNX Runtime").folder / "model.onnx")
    matrix = ("Conv2d", "Linear")
    modules = [n for n, m in model().network.named_modules() if type(m).__name__ in matrix]
    assert sorted(layers) == sorted(modules)
    assert len(layers) == LAYERS


@pytest.mark.parametrize("name", ["ONNX Runtime", "ONNX Runtime INT8"])
def test_every_layer_is_found_in_the_profile_once(name: str, inputs: Floats) -> None:
    layers = onnx_layers(artefact("ONNX Runtime").folder / "model.onnx")
    profile = onnx_profile.profile(
        artefact(name).folder / "model.onnx", {"pictures": inputs[:1]}, runs=2, compute_threads=1
    )
    times_s = layer_times_s(profile, layers)
    assert set(times_s) == set(layers)
    grouped = {row.name: row.self_s for row in profile.grouped(onnx_profile.operator).rows}
    matrix = sum(grouped.get(kind, 0) for kind in ("Conv", "QLinearConv", "Gemm", "QGemm"))
    assert sum(times_s.values()) == pytest.approx(matrix / 2)


def test_the_error_of_weights_is_that_of_rounding_each_channel(
    errors: dict[str, LayerError],
) -> None:
    graph = onnx.load(made(RANGES["photographs"]).folder / CLEANED).graph
    weights = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    most = 127 if facts().multiplies_int8 else 63
    for name in ("conv1", "layer3.2.conv2"):
        exact = weights[f"{name}.weight"]
        step = np.abs(exact).max(axis=(1, 2, 3), keepdims=True) / most
        rounded = np.round(exact / step) * step
        assert errors[name].weights == pytest.approx(relative_error(rounded, exact), rel=0.02)


def test_the_last_layer_has_the_error_of_the_answers(
    errors: dict[str, LayerError], inputs: Floats
) -> None:
    exact, given = (
        answers(name, artefact(name), inputs[:2], threads=1)
        for name in ("ONNX Runtime", "ONNX Runtime INT8")
    )
    assert errors["fc"].so_far == pytest.approx(relative_error(given, exact), rel=0.1)


def test_errors_add_up_with_depth(errors: dict[str, LayerError]) -> None:
    assert next(iter(errors)) == "conv1"
    assert len(errors) == LAYERS
    assert all(0 < e.weights < 0.1 and e.output > 0 for e in errors.values())
    assert (
        errors["conv1"].so_far < errors["layer2.0.conv2"].so_far < errors["layer4.2.conv3"].so_far
    )
    assert errors["layer4.2.conv3"].so_far > 2 * errors["layer4.2.conv3"].output


def test_a_spared_layer_has_exact_weights(inputs: Floats) -> None:
    base = made(RANGES["photographs"]).folder
    spared = made(static(floating=("layer4.2.conv3", "fc")))
    found = layer_errors(base / CLEANED, spared.folder / "model.onnx", inputs[:1])
    assert [name for name, e in found.items() if e.weights == 0] == ["layer4.2.conv3", "fc"]
    assert found["fc"].output == 0
