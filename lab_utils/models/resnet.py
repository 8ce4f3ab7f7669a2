"""ResNet-50 from torchvision, with pre-trained weights where they can be had.

`load()` asks torchvision's hub for the ImageNet weights once. Where the hub does not answer, a
stand-in (`models/stand_in.py`) takes their place from then on, and the result says so.
"""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from lab_utils.errors import LabError
from lab_utils.files import cache_folder, write_bytes
from lab_utils.models import pictures, stand_in
from lab_utils.models._torchvision import torchvision

HUB_TIMEOUT_S = 5
HUB_WEIGHTS = torchvision.models.ResNet50_Weights.IMAGENET1K_V1


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
    network = torchvision.models.resnet50(weights=None)
    network.load_state_dict(state)
    return ResNet(network.eval(), tuple(HUB_WEIGHTS.meta["categories"]), f"hub: {HUB_WEIGHTS}")


def _stand_in() -> ResNet:
    path = _stand_in_path()
    network = torchvision.models.resnet50(weights=None, num_classes=len(pictures.LABELS))
    if not path.exists():  # and where it exists, its folder may be read-only
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _save(path)
    network.load_state_dict(torch.load(path, weights_only=True))
    return ResNet(network.eval(), pictures.LABELS, stand_in.SOURCE)


def _save(path: Path) -> None:
    stream = io.BytesIO()
    torch.save(stand_in.made(transforms()), stream)
    write_bytes(path, stream.getvalue())


def _stand_in_path() -> Path:
    version = f"{stand_in.VERSION}-{torch.__version__}-{torchvision.__version__}"
    return cache_folder() / f"resnet50-stand-in-{version}.pt"
