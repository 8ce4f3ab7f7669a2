"""From a JPEG file to the pixels that a network sees, with Pillow: as written, and with less work.

    whole = decode(jpeg)                        # every pixel of the file
    large = decode(jpeg, shorter_side=256)      # the decoder may leave pixels out, but not too many
    pixels(resize_then_cut(whole))              # what torchvision's transform does
    pixels(cut_while_resizing(whole))           # the same pixels; those cut away are never computed

`resize_then_cut` gives torchvision's pixels exactly, the others nearly; tests hold both.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from lab_utils.errors import LabError
from lab_utils.optimize.normalisation import Pixels

SHORTER_SIDE, CUT = 256, 224


class NotAPicture(LabError):  # noqa: N818  it says what the body is
    """The bytes of a request could not be decoded."""


def decode(jpeg: bytes, shorter_side: int | None = None) -> Image.Image:
    """The JPEG file in RGB. Raises NotAPicture where it is none, or cut short.

    shorter_side: lets the decoder halve the picture up to three times while its shorter side keeps
    at least so many pixels (Pillow's draft mode: fewer coefficients of each block are transformed).
    """
    try:
        picture = Image.open(io.BytesIO(jpeg))
        if shorter_side is not None:
            scale = shorter_side / min(picture.size)
            asked = [max(1, int(side * scale)) for side in picture.size]
            picture.draft("RGB", (asked[0], asked[1]))
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise NotAPicture(
            f"The body ({len(jpeg)} bytes) is not a whole picture; send one JPEG file."
        ) from None


def resize_then_cut(picture: Image.Image) -> Image.Image:
    """The shorter side to 256 pixels, then the central 224 × 224."""
    size, (left, top) = _layout(picture)
    resized = picture.resize(size, Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + CUT, top + CUT))


def cut_while_resizing(picture: Image.Image) -> Image.Image:
    """The same 224 × 224 pixels, up to rounding; what will be cut away is not resized."""
    size, corner = _layout(picture)
    across, down = (old / new for old, new in zip(picture.size, size, strict=True))
    left, top = corner[0] * across, corner[1] * down
    box = (left, top, left + CUT * across, top + CUT * down)
    return picture.resize((CUT, CUT), Image.Resampling.BILINEAR, box)


def pixels(*cut: Image.Image) -> Pixels:
    """Cut pictures as one array (N, 224, 224, 3) of uint8."""
    return np.stack([np.asarray(picture) for picture in cut])


def _layout(picture: Image.Image) -> tuple[tuple[int, int], tuple[int, int]]:
    """The whole picture's size after resizing, and the corner of the part that is kept."""
    width, height = picture.size
    if width <= height:
        size = (SHORTER_SIDE, int(SHORTER_SIDE * height / width))
    else:
        size = (int(SHORTER_SIDE * width / height), SHORTER_SIDE)
    return size, (round((size[0] - CUT) / 2), round((size[1] - CUT) / 2))
