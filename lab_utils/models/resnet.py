"""ResNet-50 from torchvision, with pre-trained weights where they can be had.

`load()` asks torchvision's hub for the ImageNet weights once. Where the hub does not answer, a
stand-in takes their place from then on, and the result says so:

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
"""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from filelock import FileLock
from PIL import Image
from torch import Tensor, nn
from torchvision.models import ResNet50_Weights, resnet50
from torchvision.models.resnet import Bottleneck
from torchvision.transforms import functional

from lab_utils.errors import LabError
from lab_utils.files import cache_folder, write_bytes
from lab_utils.models import pictures

SEED = 50
STATISTICS_PICTURES = 32
FIT_PICTURES = 192
BATCH = 16
HUB_TIMEOUT_S = 5
RIDGE = 1.0
BRANCH_SCALE = 0.1
EXPOSURE = 0.5
HUB_WEIGHTS = ResNet50_Weights.IMAGENET1K_V1
STAND_IN_VERSION = 2
"""Raised whenever the recipe changes, so that no older cached weights are used."""


@dataclass(frozen=True)
class ResNet:
    """A network in evaluation mode, the names of its outputs, and where its weights came from."""

    network: nn.Module
    labels: tuple[str, ...]
    source: str

    @property
    def is_stand_in(self) -> bool:
        """Whether the weights are the seeded stand-in rather than ImageNet's."""
        return self.source.startswith("stand-in")


def transforms() -> Callable[[object], Tensor]:
    """torchvision's own preprocessing for these weights.

    From a PIL picture: the shorter side to 256, the central 224 × 224, floats in [0, 1], then
    ImageNet's mean and standard deviation of each channel. Gives a (3, 224, 224) float32 tensor.
    """
    transform: Callable[[object], Tensor] = HUB_WEIGHTS.transforms()
    return transform


def load(source: str = "auto") -> ResNet:
    """ResNet-50, ready to answer.

    `source` is "hub" (ImageNet weights or an error), "stand-in", or "auto": what this machine has
    already, else the hub's weights where it answers, else the stand-in. Staying with what is
    there keeps every figure of a course comparable; `INFERENCE_LAB_WEIGHTS=hub` asks again.
    """
    if source == "auto":
        source = os.environ.get("INFERENCE_LAB_WEIGHTS", "auto")
    if source not in ("auto", "hub", "stand-in"):
        raise LabError(f"The weights' source is {source!r}; expected auto, hub or stand-in.")
    if source == "auto" and not _downloaded() and _stand_in_path().exists():
        source = "stand-in"
    if source != "stand-in":
        try:
            return _from_hub()
        except OSError as error:  # URLError and time-outs are OSErrors
            if source == "hub":
                raise LabError(
                    f"The hub's ResNet-50 weights could not be had ({error}); "
                    'connect to the internet, or ask for source="stand-in".'
                ) from None
    return _stand_in()


def have_weights() -> None:
    """See that this machine has weights, for a process that may neither fetch nor write them.

    They are loaded, and so fetched or fitted, only where there are none yet.
    """
    asked = os.environ.get("INFERENCE_LAB_WEIGHTS", "auto")
    if asked != "auto" or not (_downloaded() or _stand_in_path().exists()):
        load()


def _downloaded() -> bool:
    return (Path(torch.hub.get_dir()) / "checkpoints" / Path(HUB_WEIGHTS.url).name).exists()


def _from_hub() -> ResNet:
    timeout_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(HUB_TIMEOUT_S)
    try:
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):  # it announces a download before it knows of any
            state = HUB_WEIGHTS.get_state_dict(progress=False, check_hash=True)
    finally:
        socket.setdefaulttimeout(timeout_s)
    network = resnet50(weights=None)
    network.load_state_dict(state)
    return ResNet(network.eval(), tuple(HUB_WEIGHTS.meta["categories"]), f"hub: {HUB_WEIGHTS}")


def _stand_in() -> ResNet:
    path = _stand_in_path()
    network = resnet50(weights=None, num_classes=len(pictures.LABELS))
    if not path.exists():  # and where it exists, its folder may be read-only
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _fit(path)
    network.load_state_dict(torch.load(path, weights_only=True))
    source = f"stand-in: seeded backbone, last layer fitted on {FIT_PICTURES} real pictures"
    return ResNet(network.eval(), pictures.LABELS, source)


def _stand_in_path() -> Path:
    version = f"{STAND_IN_VERSION}-{torch.__version__}-{torchvision.__version__}"
    return cache_folder() / f"resnet50-stand-in-{version}.pt"


def _fit(path: Path) -> None:
    """Make the stand-in's weights and save them; 10 to 20 s on two cores."""
    drawn = pictures.draw(FIT_PICTURES, seed=SEED, half="fit")
    inputs = _exposed_differently(drawn).to(memory_format=torch.channels_last)

    network = resnet50(weights=None, num_classes=len(pictures.LABELS))
    _initialise(network)
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

    stream = io.BytesIO()
    torch.save(network.to(memory_format=torch.contiguous_format).state_dict(), stream)
    write_bytes(path, stream.getvalue())


def _exposed_differently(drawn: list[pictures.Picture]) -> Tensor:
    """The pictures as inputs, each up to EXPOSURE stops brighter or darker than it is."""
    stops = np.random.default_rng(SEED).uniform(-EXPOSURE, EXPOSURE, len(drawn))
    transform = transforms()
    return torch.stack(
        [
            transform(functional.adjust_brightness(Image.open(io.BytesIO(p.jpeg)), 2**stop))
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


def _initialise(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(SEED)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics are the plain mean over the batches seen
    for module in network.modules():
        if isinstance(module, Bottleneck):
            nn.init.constant_(module.bn3.weight, BRANCH_SCALE)


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
