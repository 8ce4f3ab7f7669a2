"""Task 1: a JPEG file as the network's input."""

import io
import math
import random
from collections.abc import Callable
from typing import Any

from PIL import Image
from torch import Tensor
from torchvision.transforms import functional

from lab_utils.grade.spec import Case, FunctionTask, Wrong
from lab_utils.models import pictures, resnet

from .forms import kind_of

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PIXEL_TOLERANCE = 0.05
"""Mean absolute difference from torchvision's own preprocessing, in units of one standard
deviation. Resizing a tensor instead of a PIL picture differs by under 0.01, the mistakes below by
more than 0.1."""


def draw_jpegs(seed: int) -> list[Case]:
    """Landscape, portrait, small and grey pictures."""
    drawn = [Image.open(io.BytesIO(p.jpeg)) for p in pictures.draw(5, seed)]
    random.Random(seed).shuffle(drawn)
    drawn[1] = drawn[1].transpose(Image.Transpose.ROTATE_90)
    drawn[2] = drawn[2].resize((320, 200))
    drawn[3] = drawn[3].convert("L")
    return [{"jpeg": _jpeg(picture)} for picture in drawn]


def judge_preprocess(case: Case, output: Any) -> None:
    picture = Image.open(io.BytesIO(case["jpeg"]))
    if not isinstance(output, Tensor):
        raise Wrong(
            f"preprocess returned {kind_of(output)}, not a tensor. Return a torch.Tensor of shape "
            "(3, 224, 224)."
        )
    if tuple(output.shape) != (3, 224, 224) or not output.is_floating_point():
        raise Wrong(
            f"preprocess returned a {output.dtype} tensor of shape {tuple(output.shape)}, for a "
            f"picture of mode {picture.mode}. Return torch.float32 of shape (3, 224, 224); grey "
            'pictures need .convert("RGB").'
        )
    picture = picture.convert("RGB")
    if _distance(output, resnet.transforms()(picture)) <= PIXEL_TOLERANCE:
        return
    for mistake, message in PREPROCESSING_MISTAKES:
        if _distance(output, mistake(picture)) <= PIXEL_TOLERANCE:
            raise Wrong(message)
    raise Wrong(
        "preprocess returned other pixels than the network was trained on. Check each step in "
        "turn: shorter side to 256, central 224 × 224, scale to 0…1, normalise; show the result "
        "with matplotlib."
    )


def _scaled(picture: Image.Image) -> Tensor:
    """The right pixels, from 0 to 1."""
    part = functional.center_crop(functional.resize(picture, [256]), [224])
    tensor: Tensor = functional.to_tensor(part)
    return tensor


def _normalised(tensor: Tensor) -> Tensor:
    normalised: Tensor = functional.normalize(tensor, list(MEAN), list(DEVIATION))
    return normalised


def _squashed(picture: Image.Image) -> Tensor:
    return _normalised(functional.to_tensor(picture.resize((224, 224))))


def _tight(picture: Image.Image) -> Tensor:
    part = functional.center_crop(functional.resize(picture, [224]), [224])
    return _normalised(functional.to_tensor(part))


PREPROCESSING_MISTAKES: list[tuple[Callable[[Image.Image], Tensor], str]] = [
    (
        _squashed,
        "The whole picture was squeezed into 224 × 224, which changes its proportions; the "
        "network never saw such pictures. Resize the shorter side to 256, then cut out the "
        "central 224 × 224.",
    ),
    (
        _tight,
        "The shorter side was resized to 224 instead of 256, so the central part shows more than "
        "the network expects. Resize the shorter side to 256 before cutting out 224 × 224.",
    ),
    (
        _scaled,
        "The pixels run from 0 to 1 but are not normalised. Subtract ImageNet's mean from each "
        "channel and divide by its standard deviation.",
    ),
    (
        lambda picture: 255 * _scaled(picture),
        "The pixels run from 0 to 255. Scale them to 0…1 first, then normalise each channel.",
    ),
    (
        lambda picture: _normalised(_scaled(picture).flip(0)),
        "The colour channels are in the order blue, green, red. Hand them over as red, green, "
        "blue.",
    ),
]


def _distance(output: Tensor, expected: Tensor) -> float:
    distance = float((output.float() - expected).abs().mean())
    return distance if math.isfinite(distance) else math.inf


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()


PREPROCESS = FunctionTask(
    name="preprocess",
    title="Preprocess a picture",
    points=2,
    function="preprocess",
    draw=draw_jpegs,
    judge=judge_preprocess,
)
