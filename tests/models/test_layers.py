import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from lab_utils.errors import LabError
from lab_utils.models.layers import LayerCost, by_kind, layer_costs, layer_times_s


@pytest.fixture(scope="module")
def costs() -> dict[str, LayerCost]:
    return layer_costs(resnet50(weights=None), torch.zeros(1, 3, 224, 224))


def test_resnet50_costs_what_is_published(costs: dict[str, LayerCost]) -> None:
    """torchvision's documentation of `ResNet50_Weights`: 4.09 GFLOPS, 25,557,032 parameters.

    (What it calls FLOPS are multiply-adds.)
    """
    assert sum(c.multiply_adds for c in costs.values()) / 1e9 == pytest.approx(4.09, abs=0.005)
    network = resnet50(weights=None)
    assert sum(p.numel() for p in network.parameters()) == 25_557_032
    buffers = sum(b.nbytes for b in network.buffers())
    assert sum(c.weight_bytes for c in costs.values()) == 4 * 25_557_032 + buffers


def test_every_layer_is_there_and_views_are_not(costs: dict[str, LayerCost]) -> None:
    counts = {kind: len(layers) for kind, layers in by_kind(costs).items()}
    assert counts == {
        "Conv2d": 53,
        "BatchNorm2d": 53,
        "ReLU": 49,
        "MaxPool2d": 1,
        "add": 16,
        "AdaptiveAvgPool2d": 1,
        "Linear": 1,
    }


def test_the_first_convolution_by_hand(costs: dict[str, LayerCost]) -> None:
    conv = costs["conv1"]
    assert conv.multiply_adds == 112 * 112 * 64 * 3 * 7 * 7
    assert conv.operations == 2 * conv.multiply_adds
    assert conv.weight_bytes == 4 * 64 * 3 * 7 * 7
    assert conv.input_bytes == 4 * 3 * 224 * 224
    assert conv.output_bytes == 4 * 64 * 112 * 112
    assert conv.intensity == conv.operations / conv.moved_bytes


def test_layers_without_a_product_by_hand(costs: dict[str, LayerCost]) -> None:
    elements = 64 * 112 * 112
    assert costs["bn1"].operations == 2 * elements
    assert costs["relu"].operations == elements
    assert costs["maxpool"].operations == 9 * 64 * 56 * 56
    assert costs["avgpool"].operations == 2048 * 7 * 7
    addition = costs["add"]
    assert addition.operations == 256 * 56 * 56
    assert addition.moved_bytes == 3 * 4 * 256 * 56 * 56


def test_a_batch_reads_the_weights_once() -> None:
    network = nn.Sequential(nn.Linear(64, 32, bias=False))
    one, eight = (layer_costs(network, torch.zeros(n, 64))["_0"] for n in (1, 8))
    assert eight.operations == 8 * one.operations
    assert eight.weight_bytes == one.weight_bytes == 4 * 64 * 32
    assert eight.input_bytes == 8 * one.input_bytes


def test_half_the_bytes_in_bf16() -> None:
    network = nn.Sequential(nn.Linear(64, 32))
    wide = layer_costs(network, torch.zeros(1, 64))["_0"]
    narrow = layer_costs(network.bfloat16(), torch.zeros(1, 64).bfloat16())["_0"]
    assert wide.moved_bytes == 2 * narrow.moved_bytes
    assert wide.operations == narrow.operations


def test_times_find_the_layer_that_is_slow() -> None:
    network = nn.Sequential(nn.Linear(16, 2048), nn.Linear(2048, 2048), nn.Linear(2048, 16))
    inputs = torch.randn(64, 16)
    times_s = layer_times_s(network, inputs, runs=5)
    assert list(times_s) == list(layer_costs(network, inputs)) == ["_0", "_1", "_2"]
    assert all(value.n == 5 and value.median > 0 for value in times_s.values())
    assert max(times_s, key=lambda name: times_s[name].median) == "_1"


class DependsOnValues(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_a_network_that_cannot_be_traced_is_refused() -> None:
    with pytest.raises(LabError, match=r"DependsOnValues cannot be taken apart into layers"):
        layer_costs(DependsOnValues(), torch.zeros(1))


def test_no_runs_are_refused() -> None:
    with pytest.raises(LabError, match=r"runs is 0; expected at least 1"):
        layer_times_s(nn.Sequential(nn.ReLU()), torch.zeros(1), runs=0)


def test_the_least_time_is_the_longer_of_two() -> None:
    layer = LayerCost("a", "Linear", 500, 1000, 60, 30, 10)
    assert layer.least_time_s(peak_per_s=100, bandwidth_bytes_per_s=100) == 10
    assert layer.least_time_s(peak_per_s=1e6, bandwidth_bytes_per_s=10) == 10
    assert layer.least_time_s(1e6, 10, bytes_factor=0.25) == 2.5
