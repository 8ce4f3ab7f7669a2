"""The stand-in for ImageNet's weights: drawn from a seed, the rest fitted on real pictures.

    state = made(transforms())                              # a second
    python -m lab_utils.models.fit_stand_in --into data/resnet  # again: 10 to 20 s on two cores

1. the first layer's filters are the principal components of patches of real pictures: each batch
   norm then makes fine texture as loud as brightness, as it is in a trained network;
2. all other weights of the backbone are drawn from a fixed seed, with every residual branch scaled
   by 0.1 so that early features survive fifty layers of random projections;
3. batch-norm statistics are measured on real pictures (one forward pass in training mode);
4. the last layer is a ridge regression, fitted in closed form on the features of real pictures
   (`models/pictures.py`), exposed differently, to name the photograph that each was cut from.

Its arithmetic, memory and file size are ResNet-50's own: 25.6 M parameters less the smaller last
layer, 4.1 G multiply-adds a picture. Its accuracy on unseen parts of the photographs is real and
can be damaged, by quantisation for example. Its answers are not ImageNet's.

What is fitted (1, 3 and 4: 0.4 MB) the course carries, so that nobody waits for the fit and all
learners have the same weights. What is drawn is drawn again, and a sample of it is carried: where
this PyTorch draws something else from the seed, all is fitted anew.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor, nn

from lab_utils.files import ROOT, write_bytes
from lab_utils.models import pictures
from lab_utils.models._torchvision import torchvision

SEED = 50
STATISTICS_PICTURES = 32
FIT_PICTURES = 192
BATCH = 16
RIDGE = 1.0
BRANCH_SCALE = 0.1
EXPOSURE = 0.5
VERSION = 3
"""Raised whenever the weights change, so that no older cached ones are used."""
SOURCE = f"stand-in: seeded backbone, last layer fitted on {FIT_PICTURES} real pictures"
FILE = "stand_in.safetensors"
CARRIED = ROOT / "data" / "resnet" / FILE
FIRST, LAST = "conv1.weight", ("fc.weight", "fc.bias")
STATISTICS = ("running_mean", "running_var")
DRAWN = "drawn."
"""What the sampled tensors are called in the file."""
SAMPLED = 8
"""Numbers of each drawn tensor."""
Transform = Callable[[object], Tensor]


def made(transform: Transform) -> dict[str, Tensor]:
    """The whole state of the network, by torchvision's names.

    transform: as `resnet.transforms` gives it, for where all has to be fitted anew.
    """
    network = _drawn()
    state: dict[str, Tensor] = network.state_dict()
    kept = load_file(CARRIED) if CARRIED.exists() else {}
    drawn = {name: value for name, value in kept.items() if name.startswith(DRAWN)}
    sample = _sample(state)
    if drawn.keys() == sample.keys() and all(
        torch.allclose(drawn[name], sample[name], rtol=1e-4) for name in sample
    ):
        return state | {name: value for name, value in kept.items() if name not in drawn}
    return fitted(transform)


def fitted(transform: Transform) -> dict[str, Tensor]:
    """The same, with all fitting done here."""
    drawn = pictures.draw(FIT_PICTURES, seed=SEED, half="fit")
    inputs = _exposed_differently(drawn, transform).to(memory_format=torch.channels_last)

    network = _drawn()
    network.conv1.weight.data = _principal_filters(inputs[:STATISTICS_PICTURES])
    network.to(memory_format=torch.channels_last)
    head = network.fc
    network.fc = nn.Identity()
    with torch.inference_mode():
        network.train()
        for batch in torch.split(inputs[:STATISTICS_PICTURES], BATCH):
            network(batch)
        network.eval()
        features = torch.cat([network(batch) for batch in torch.split(inputs, BATCH)])
    weight, bias = _ridge(features, torch.tensor([p.index for p in drawn]))
    head.weight.data, head.bias.data = weight, bias
    network.fc = head
    return dict(network.to(memory_format=torch.contiguous_format).state_dict())


def carry(state: dict[str, Tensor], path: Path) -> None:
    """Write what of a fitted state cannot be drawn again, and the sample of what can."""
    names = [n for n in state if n in (FIRST, *LAST) or n.endswith(STATISTICS)]
    kept = {name: state[name].contiguous() for name in names} | _sample(state)
    write_bytes(path, save(kept))


def _drawn() -> torchvision.models.ResNet:
    """The network before anything is fitted."""
    network: torchvision.models.ResNet = torchvision.models.resnet50(
        weights=None, num_classes=len(pictures.LABELS)
    )
    generator = torch.Generator().manual_seed(SEED)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics are the plain mean over the batches seen
    for module in network.modules():
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            nn.init.constant_(module.bn3.weight, BRANCH_SCALE)
    return network


def _sample(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The first numbers of each tensor that was drawn."""
    return {
        DRAWN + name: value.flatten()[:SAMPLED].clone()
        for name, value in state.items()
        if value.dim() == 4 and name != FIRST
    }


def _exposed_differently(drawn: list[pictures.Picture], transform: Transform) -> Tensor:
    """The pictures as inputs, each up to EXPOSURE stops brighter or darker than it is."""
    stops = np.random.default_rng(SEED).uniform(-EXPOSURE, EXPOSURE, len(drawn))
    return torch.stack(
        [
            transform(
                torchvision.transforms.functional.adjust_brightness(
                    Image.open(io.BytesIO(p.jpeg)), 2**stop
                )
            )
            for p, stop in zip(drawn, stops, strict=True)
        ]
    )


def _principal_filters(inputs: Tensor) -> Tensor:
    """The 32 principal components of 7 × 7 patches and their opposites, (64, 3, 7, 7).

    Opposites, since ReLU drops what is negative.
    """
    patches = nn.functional.unfold(inputs, kernel_size=7, stride=8)  # (N, 147, places)
    _, components = torch.linalg.eigh(torch.cov(patches.transpose(0, 1).flatten(1).double()))
    filters = components[:, -32:].T.float().view(32, 3, 7, 7)
    return torch.cat([filters, -filters])


def _ridge(features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (classes, features) and bias (classes) of a ridge regression on one-hot targets.

    Solved in its dual form, since there are fewer pictures than features. The scores are
    multiplied by 10 so that a softmax over them is as peaked as a trained network's.
    """
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    standard = (features - mean) / deviation
    one_hot = nn.functional.one_hot(targets, len(pictures.LABELS)).float()
    kernel = standard @ standard.T + RIDGE * len(standard) * torch.eye(len(standard))
    weight = (standard.T @ torch.linalg.solve(kernel, one_hot - one_hot.mean(0))).T / deviation
    bias = one_hot.mean(0) - weight @ mean
    return 10 * weight, 10 * bias
