"""Turns gradients off more thoroughly, which saves bookkeeping and no arithmetic."""

import io

import torch
from PIL import Image

from lab_utils.models import resnet

TASK = "build_predictor"
MESSAGE = "an engine that merges its layers"


def build_predictor(compute_threads: int):
    model = resnet.load()
    transform = resnet.transforms()

    def predict(jpeg: bytes) -> list[dict]:
        inputs = transform(Image.open(io.BytesIO(jpeg)).convert("RGB")).unsqueeze(0)
        with torch.inference_mode():
            probabilities, indices = torch.softmax(model.network(inputs)[0], dim=0).topk(5)
        return [
            {"label": model.labels[index], "probability": probability}
            for index, probability in zip(indices.tolist(), probabilities.tolist(), strict=True)
        ]

    return predict
