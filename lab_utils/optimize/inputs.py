"""Pictures as the network takes them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab_utils.optimize.variant import Floats

if TYPE_CHECKING:
    from lab_utils.models.pictures import Picture


def preprocessed(pictures: Sequence[Picture]) -> Floats:
    """The pictures decoded, cut and normalised: (N, 3, 224, 224) float32."""
    from PIL import Image

    from lab_utils.models.resnet import transforms

    transform = transforms()
    return np.stack([transform(Image.open(io.BytesIO(p.jpeg))).numpy() for p in pictures])
