"""Squeezes the whole picture into 224 × 224 instead of cutting out its centre."""

import io

import torch
from PIL import Image
from torchvision.transforms import functional

TASK = "preprocess"
MESSAGE = "squeezed into 224 × 224"

MEAN = [0.485, 0.456, 0.406]
STANDARD_DEVIATION = [0.229, 0.224, 0.225]


def preprocess(jpeg: bytes) -> torch.Tensor:
    picture = Image.open(io.BytesIO(jpeg)).convert("RGB").resize((224, 224))
    return functional.normalize(functional.to_tensor(picture), MEAN, STANDARD_DEVIATION)
