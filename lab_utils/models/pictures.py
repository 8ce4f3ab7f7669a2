"""Real photographs, as the JPEG files that a client would send.

The photographs come with scikit-image and scikit-learn, so no download is needed. A request's
picture is a random part of one of them, scaled to 640 × 480 and compressed at quality 85: about
the size (30 to 90 kB) of a photograph that a phone's browser uploads after shrinking it.

Each photograph is cut in two: the left half gives the pictures a model is fitted on, the right
half the pictures it is tested on, so that no test picture shares a pixel with a fitted one. Only
photographs are taken of which both halves show what the label names: no model can learn a person
from the half in which there is none.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

SKIMAGE_PHOTOGRAPHS = {
    "bricks": "brick.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "galaxies": "hubble_deep_field.jpg",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "handwriting": "text.png",
    "moon": "moon.png",
    "motorcycle": "motorcycle_left.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "tissue": "ihc.png",
}
SKLEARN_PHOTOGRAPHS = {"dahlia": "flower.jpg", "palace": "china.jpg"}
FRAMES = {"palace": (0.0, 0.62)}
"""What is kept of a photograph, in parts of its width, so that the cut goes through its subject."""
LABELS: tuple[str, ...] = tuple(sorted([*SKIMAGE_PHOTOGRAPHS, *SKLEARN_PHOTOGRAPHS]))

Half = Literal["fit", "test"]
SIZE = (640, 480)


@dataclass(frozen=True)
class Picture:
    """One JPEG file and what it shows."""

    jpeg: bytes
    label: str

    @property
    def index(self) -> int:
        """The label's place in `LABELS`."""
        return LABELS.index(self.label)


@cache
def photograph(label: str) -> Image.Image:
    """The photograph that a label names, in RGB, within its frame."""
    if label in SKIMAGE_PHOTOGRAPHS:
        path = _folder("skimage") / "data" / SKIMAGE_PHOTOGRAPHS[label]
    else:
        path = _folder("sklearn") / "datasets" / "images" / SKLEARN_PHOTOGRAPHS[label]
    whole = Image.open(path).convert("RGB")
    left, right = FRAMES.get(label, (0.0, 1.0))
    return whole.crop((int(left * whole.width), 0, int(right * whole.width), whole.height))


def _folder(package: str) -> Path:
    """Where a package lies; it is not imported, which would take a second in every process."""
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def draw(count: int, seed: int, half: Half = "test", size: tuple[int, int] = SIZE) -> list[Picture]:
    """`count` pictures, no two alike, every label equally often; the same for the same seed.

    size: width and height in pixels. The parts are the same at every size; where the photograph has
    fewer pixels they are interpolated, so a large picture is smoother than a camera's.

    >>> [picture.label for picture in draw(3, seed=1)]
    ['bricks', 'cat', 'coffee']
    """
    random = np.random.default_rng([seed, half == "fit"])
    return [_part(LABELS[i % len(LABELS)], half, random, size) for i in range(count)]


def _part(label: str, half: Half, random: np.random.Generator, size: tuple[int, int]) -> Picture:
    whole = photograph(label)
    width = int(whole.width * random.uniform(0.4, 0.48))
    height = int(whole.height * random.uniform(0.5, 0.9))
    left = int(random.uniform(0, whole.width // 2 - width))
    left += whole.width // 2 if half == "test" else 0
    top = int(random.uniform(0, whole.height - height))
    part = whole.crop((left, top, left + width, top + height)).resize(size)
    if random.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    stream = io.BytesIO()
    part.save(stream, "JPEG", quality=85)
    return Picture(stream.getvalue(), label)
