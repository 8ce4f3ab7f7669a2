"""The stand-in: ResNet-50's arithmetic, an accuracy that is real, and one that can be damaged."""

import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from lab_utils.files import ROOT
from lab_utils.models import _torchvision, pictures, resnet
from lab_utils.models import stand_in as stand_in_weights
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


@pytest.fixture(scope="module")
def logits(stand_in: resnet.ResNet, unseen: tuple[Tensor, Tensor]) -> Tensor:
    """What the stand-in says of them; 64 pictures take a slow core seconds."""
    return answers(stand_in.network, unseen[0])


def answers(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = network(inputs)
        return logits


def accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(1) == labels).float().mean())


def with_weights_of(bits: int, network: nn.Module) -> nn.Module:
    """One scale for each convolution, symmetric, rounded to the nearest."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for module in rounded.modules():
            if isinstance(module, nn.Conv2d):
                step = module.weight.abs().max() / (2 ** (bits - 1) - 1)
                module.weight.copy_((module.weight / step).round() * step)
    return rounded


def test_loading_it_imports_no_compiler() -> None:
    look = "import sys, lab_utils.models.resnet; print({'torch._dynamo', 'sympy'} & {*sys.modules})"
    said = subprocess.check_output([sys.executable, "-c", look], cwd=ROOT, text=True)
    assert said == "set()\n"


def test_what_torchvision_asks_the_compiler_is_answered_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    utils = SimpleNamespace(is_compile_supported=lambda device: device == "cuda")
    monkeypatch.setitem(sys.modules, "torch._dynamo", SimpleNamespace(utils=utils))
    assert _torchvision.is_compile_supported("cuda")
    assert not _torchvision.is_compile_supported("cpu")


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
    logits: Tensor, unseen: tuple[Tensor, Tensor]
) -> None:
    assert accuracy(logits, unseen[1]) >= 0.95


def test_it_hesitates_seldom(logits: Tensor) -> None:
    """As a trained network does; where it hesitates, rounding decides."""
    first, second = logits.softmax(1).topk(2, 1).values.T
    assert float((first - second < 0.25).float().mean()) <= 0.05


def test_coarse_weights_damage_it(
    stand_in: resnet.ResNet, unseen: tuple[Tensor, Tensor], logits: Tensor
) -> None:
    inputs, labels = unseen
    whole = accuracy(logits, labels)
    left = {
        bits: accuracy(answers(with_weights_of(bits, stand_in.network), inputs), labels)
        for bits in (8, 3)
    }
    assert left[8] >= whole - 0.05
    assert left[3] <= whole - 0.2


@pytest.fixture(scope="module")
def from_few() -> dict[str, Tensor]:
    """Fitted here; only the last layer depends on how many pictures there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in_weights, "FIT_PICTURES", stand_in_weights.STATISTICS_PICTURES)
        return stand_in_weights.fitted(resnet.transforms())


def test_what_the_course_carries_is_what_a_fit_gives(
    stand_in: resnet.ResNet, from_few: dict[str, Tensor]
) -> None:
    carried = stand_in.network.state_dict()
    assert carried.keys() == from_few.keys()
    for name, value in from_few.items():
        if name not in stand_in_weights.LAST and value.is_floating_point():
            error = (carried[name] - value).norm() / value.norm().clamp(min=1e-6)
            assert error < 1e-2, f"{name} is off by {error:.1%}"


def test_nothing_is_fitted_where_it_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("pictures were drawn")

    monkeypatch.setattr(pictures, "draw", refused)
    stand_in_weights.made(resnet.transforms())


@pytest.mark.parametrize("what", ["another seed", "nothing carried"])
def test_all_is_fitted_where_other_weights_are_drawn(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "another seed":
        monkeypatch.setattr(stand_in_weights, "SEED", 51)
    else:
        monkeypatch.setattr(stand_in_weights, "CARRIED", tmp_path / "missing")
    monkeypatch.setattr(stand_in_weights, "fitted", lambda _: {"fitted": torch.ones(1)})
    assert stand_in_weights.made(resnet.transforms()).keys() == {"fitted"}


def test_what_is_carried_puts_a_fit_together_again(
    from_few: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / stand_in_weights.FILE
    stand_in_weights.carry(from_few, path)
    monkeypatch.setattr(stand_in_weights, "CARRIED", path)
    made = stand_in_weights.made(resnet.transforms())
    assert made.keys() == from_few.keys()
    for name, value in from_few.items():
        if value.is_floating_point():
            np.testing.assert_array_equal(made[name].numpy(), value.numpy(), err_msg=name)
