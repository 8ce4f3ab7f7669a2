"""The stand-in: ResNet-50's arithmetic, an accuracy that is real, and one that can be damaged."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from lab_utils.models import pictures, resnet
from lab_utils.models.layers import layer_costs
from lab_utils.optimize.inputs import preprocessed

TESTED = 64


@pytest.fixture(scope="module")
def stand_in() -> resnet.ResNet:
    return resnet.load("stand-in")


@pytest.fixture(scope="module")
def unseen() -> tuple[Tensor, Tensor]:
    """Inputs and labels of pictures from the halves that nothing was fitted on."""
    drawn = pictures.draw(TESTED, seed=77)
    return torch.from_numpy(preprocessed(drawn)), torch.tensor([p.index for p in drawn])


def accuracy(network: nn.Module, unseen: tuple[Tensor, Tensor]) -> float:
    inputs, labels = unseen
    with torch.inference_mode():
        return float((network(inputs).argmax(1) == labels).float().mean())


def with_weights_of(bits: int, network: nn.Module) -> nn.Module:
    """One scale for each convolution, symmetric, rounded to the nearest."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for module in rounded.modules():
            if isinstance(module, nn.Conv2d):
                step = module.weight.abs().max() / (2 ** (bits - 1) - 1)
                module.weight.copy_((module.weight / step).round() * step)
    return rounded


def test_it_says_what_it_is(stand_in: resnet.ResNet) -> None:
    assert stand_in.is_stand_in
    assert stand_in.labels == pictures.LABELS
    assert not stand_in.network.training


def test_its_layers_are_resnet50s_but_for_the_number_of_labels(stand_in: resnet.ResNet) -> None:
    ours = {name: value.shape for name, value in stand_in.network.state_dict().items()}
    theirs = {name: value.shape for name, value in resnet50(weights=None).state_dict().items()}
    assert ours.pop("fc.weight") == (16, 2048)
    assert ours.pop("fc.bias") == (16,)
    assert theirs.pop("fc.weight") == (1000, 2048)
    assert theirs.pop("fc.bias") == (1000,)
    assert ours == theirs
    costs = layer_costs(stand_in.network, torch.zeros(1, 3, 224, 224))
    multiply_adds = sum(cost.multiply_adds for cost in costs.values())
    assert multiply_adds / 1e9 == pytest.approx(4.09, abs=0.005)


def test_it_knows_pictures_that_it_has_never_seen(
    stand_in: resnet.ResNet, unseen: tuple[Tensor, Tensor]
) -> None:
    assert accuracy(stand_in.network, unseen) >= 0.95


def test_it_hesitates_seldom(stand_in: resnet.ResNet, unseen: tuple[Tensor, Tensor]) -> None:
    """As a trained network does; where it hesitates, rounding decides."""
    with torch.inference_mode():
        first, second = stand_in.network(unseen[0]).softmax(1).topk(2, 1).values.T
    assert float((first - second < 0.25).float().mean()) <= 0.05


def test_coarse_weights_damage_it(stand_in: resnet.ResNet, unseen: tuple[Tensor, Tensor]) -> None:
    whole = accuracy(stand_in.network, unseen)
    assert accuracy(with_weights_of(8, stand_in.network), unseen) >= whole - 0.05
    assert accuracy(with_weights_of(3, stand_in.network), unseen) <= whole - 0.2


def test_the_same_weights_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resnet, "FIT_PICTURES", 16)
    monkeypatch.setattr(resnet, "STATISTICS_PICTURES", 16)
    states = []
    for path in (tmp_path / "first.pt", tmp_path / "second.pt"):
        resnet._fit(path)
        states.append(torch.load(path, weights_only=True))
    first, second = states
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name].numpy(), second[name].numpy(), err_msg=name)
