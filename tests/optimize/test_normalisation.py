import numpy as np
import openvino as ov
import pytest
import torch
from torch import nn

from lab_utils.errors import LabError
from lab_utils.models import resnet
from lab_utils.optimize import openvino_variants
from lab_utils.optimize.folding import folded
from lab_utils.optimize.normalisation import DEVIATION, MEAN, Pixels, normalised
from tests.optimize.saved import artefact


@pytest.fixture
def pixels() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.uint8)


def test_the_constants_are_those_of_the_networks_transform() -> None:
    transform = resnet.transforms()
    assert tuple(transform.mean) == MEAN  # type: ignore[attr-defined]
    assert tuple(transform.std) == DEVIATION  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["OpenVINO fp32", "OpenVINO INT8"])
def test_in_the_graph_the_answers_stay(name: str, pixels: Pixels) -> None:
    path = artefact(name).folder / openvino_variants.MODEL
    outside = openvino_variants.compiled(path, 1, 1, "f32")([normalised(pixels)])[0]
    inside = openvino_variants.compiled(path, 1, 1, "f32", pixels=True)([pixels])[0]
    tolerance = 1e-4 if name == "OpenVINO fp32" else 0.05
    assert np.abs(inside - outside).max() < tolerance * np.abs(outside).max()


def convolution(**options: object) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, 8, 7, stride=2, padding=3, **options).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("bias", [False, True])
def test_folding_is_exact_but_for_the_border(bias: bool, pixels: Pixels) -> None:
    before = convolution(bias=bias)
    raw = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = before(torch.from_numpy(normalised(pixels)))
        usual, right = (folded(before, p)(raw) for p in ("zeros", "mean"))  # type: ignore[arg-type]
    assert (right - expected).abs().max() < 1e-4
    wrong = ((usual - expected).abs() > 1e-3).any(1)[0]
    assert not wrong[2:-1, 2:-1].any()
    assert wrong[:2].all()
    assert wrong[-1].all()
    assert wrong[:, :2].all()


@pytest.mark.parametrize(
    ("made", "padding", "message"),
    [
        (nn.Conv2d(4, 8, 3), "zeros", "takes 4 channels"),
        (nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), "zeros", "reflect"),
        (nn.Conv2d(3, 8, 3), "none", "expected \"zeros\" or"),
    ],
)  # fmt: skip
def test_other_convolutions_are_refused(made: nn.Conv2d, padding: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        folded(made, padding)  # type: ignore[arg-type]


def test_other_pixels_are_refused() -> None:
    for wrong in (np.zeros((1, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8)):
        with pytest.raises(LabError, match="expected uint8 of shape"):
            normalised(wrong.astype(wrong.dtype))  # type: ignore[arg-type]


def test_the_engine_is_asked_for_what_was_said() -> None:
    path = artefact("OpenVINO INT8").folder / openvino_variants.MODEL
    made = openvino_variants.compiled(path, 2, (1, 4), "f32", pinning=True, streams=2)
    assert made.get_property("NUM_STREAMS") == 2
    assert made.get_property("ENABLE_CPU_PINNING")
    assert made.input().partial_shape[0] == ov.Dimension(1, 4)
    free = openvino_variants.compiled(path, 1, 1, "f32")
    assert not free.get_property("ENABLE_CPU_PINNING")
