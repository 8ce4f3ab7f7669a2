"""Hands over the channels as OpenCV has them: blue, green, red."""

import io

import torch
from PIL import Image
from torchvision.transforms import functional

TASK = "preprocess"
MESSAGE = "in the order blue, green, red"

MEAN = [0.485, 0.456, 0.406]
STANDARD_DEVIATION = [0.229, 0.224, 0.225]


def preprocess(jpeg: bytes) -> torch.Tensor:
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    picture = functional.center_crop(functional.resize(picture, [256]), [224])
    blue_first = functional.to_tensor(picture)[[2, 1, 0]]
    return functional.normalize(blue_first, MEAN, STANDARD_DEVIATION)
