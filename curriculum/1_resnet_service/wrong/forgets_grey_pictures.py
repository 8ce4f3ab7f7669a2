"""Takes every JPEG to have three channels."""

import io

import torch
from PIL import Image
from torchvision.transforms import functional

TASK = "preprocess"
MESSAGE = 'grey pictures need .convert("RGB")'


def preprocess(jpeg: bytes) -> torch.Tensor:
    picture = functional.to_tensor(Image.open(io.BytesIO(jpeg)))
    picture = functional.center_crop(functional.resize(picture, [256]), [224])
    mean = torch.tensor([0.485, 0.456, 0.406])[: len(picture), None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[: len(picture), None, None]
    return (picture - mean) / deviation
